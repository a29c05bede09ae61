"""The report of a study: one HTML file with text, tables and inline SVG, nothing fetched from anywhere."""
