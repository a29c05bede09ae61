"""The one exception for input that cannot be used."""

from __future__ import annotations


class InputError(Exception):
    """A mistake in what the user gave: one sentence that says where, what was found, what to do."""
