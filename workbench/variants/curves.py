"""A reading's values along the genome, with one allele and with the other, as a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from feature_mining.sae.model import SparseAutoencoder
from workbench.cohort.readings import Reading
from workbench.variants.effects import SequenceReading

_ALLELES = ("reference", "alternative")
_COLOURS = {"domain": list(_ALLELES), "range": ["#5b7083", "#c2410c"]}


def lines(rows: list[dict[str, Any]], title: str, here: int) -> dict[str, Any]:
    """A line an allele, along the genome, the variant marked; positions 1-based, as people read them."""
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"x": here + 1}]},
            "mark": {"type": "rule", "color": "#94a3b8", "strokeDash": [4, 3]},
            "encoding": {"x": {"field": "x", "type": "quantitative"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "interpolate": "step", "strokeWidth": 1.6},
            "encoding": {
                "x": {
                    "field": "position",
                    "type": "quantitative",
                    "title": None,
                    "scale": {"zero": False, "nice": False},
                    "axis": {"format": ",d", "grid": False, "tickCount": 6},
                },
                "y": {"field": "value", "type": "quantitative", "title": title},
                "color": {"field": "allele", "scale": _COLOURS, "legend": {"title": None}},
                "strokeDash": {
                    "field": "allele",
                    "scale": {"domain": list(_ALLELES), "range": [[1, 0], [5, 3]]},
                    "legend": None,
                },
            },
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 640,
        "height": 110,
        "background": "transparent",
        "layer": layers,
    }


def _by_base(
    reading: Reading, values: np.ndarray, start: int, end: int, most: bool
) -> list[tuple[int, float]]:
    """A value a reference base: over letters of one base the largest, or their sum."""
    found: dict[int, float] = {}
    for position, value in zip(reading.positions, values, strict=True):
        if start <= position < end and np.isfinite(value):
            before = found.get(int(position))
            together = max if most else sum
            both = (float(value),) if before is None else (before, float(value))
            found[int(position)] = together(both)
    return sorted(found.items())


def curve(
    pair: tuple[tuple[Reading, SequenceReading], ...],
    track: Callable[[Reading, SequenceReading], np.ndarray],
    start: int,
    end: int,
    most: bool,
) -> list[dict[str, Any]]:
    """Points of both alleles' lines over bases ``[start, end)``; positions 1-based.

    ``track`` gives a value a letter of a reading; over letters of one base the largest counts (``most``) or
    their sum.
    """
    return [
        {"position": position + 1, "value": value, "allele": allele}
        for allele, (reading, found) in zip(_ALLELES, pair, strict=True)
        for position, value in _by_base(reading, track(reading, found), start, end, most)
    ]


def activation(
    sae: SparseAutoencoder | None, feature: int, reading: Reading, found: SequenceReading
) -> np.ndarray:
    """One feature a letter, 0 where it has no value."""
    assert sae is not None and found.activations is not None
    dense = sae.encode(np.ascontiguousarray(found.activations))[:, feature]
    return np.where(reading.callable, dense.cpu().numpy(), 0.0)
