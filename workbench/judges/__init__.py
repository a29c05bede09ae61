"""Judges: readouts of sequence by tools that know nothing of a model's features."""
