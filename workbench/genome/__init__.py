"""The reference: its sequence, the grid of windows, the split, what kinds of region it has."""
