"""Regions of a cohort: which haplotypes are read there, and which variants move a feature."""
