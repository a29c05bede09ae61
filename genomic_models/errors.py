"""What cannot be done with a model."""

from __future__ import annotations


class ModelError(ValueError):
    """A model, checkpoint or layer that cannot be used as asked; the text says what to do."""
