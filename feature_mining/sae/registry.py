"""Architectures by name."""

from __future__ import annotations

from feature_mining.sae.batch_topk import BatchTopK

ARCHITECTURES: dict[str, type[BatchTopK]] = {"batch_topk": BatchTopK}


def architecture(name: str) -> type[BatchTopK]:
    """The trainer class of an architecture. Raises ``ValueError`` naming those there are."""
    if name not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {name!r}; expected one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
