"""Activations to train on, the training loop, and the thresholds set after it."""
