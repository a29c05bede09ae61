"""Sparse autoencoders: one inference form, one file an architecture, trainers apart from inference."""
