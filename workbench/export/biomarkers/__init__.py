"""Candidate biomarkers for table readers, genome browsers and archives; one module a format."""
