"""Measures of a trained autoencoder: quality, spliced loss, absorption, strands, ablations, dictionaries."""
