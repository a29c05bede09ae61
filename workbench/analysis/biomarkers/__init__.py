"""Candidate biomarkers: one row a feature, region and phenotype, with all that speaks for and against it."""
