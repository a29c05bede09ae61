"""Strongest bases: neighbours on a strand and the same place on the other strand are left out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from workbench.analysis.strong_bases import APART, FLANK, distinct


def test_a_place_that_fires_on_both_strands_is_one_place():
    # Strongest first: position, minus strand?, contig, kept?
    bases = [
        (100, False, 0, True),
        (100, True, 0, False),
        (100 + FLANK - 1, True, 0, False),
        (100 + FLANK, True, 0, True),
        (100 + APART - 1, False, 0, False),
        (100 - APART, False, 0, True),
        (100, True, 1, True),
    ]
    position, minus, contig, kept = (np.array([column]) for column in zip(*bases, strict=True))
    value = np.arange(len(bases), 0, -1, dtype=np.float32)[None]
    summary = SimpleNamespace(value=value, position=position, minus=minus, contig=contig)
    assert distinct(summary, 0, 99) == np.flatnonzero(kept[0]).tolist()
    assert distinct(summary, 0, 2) == [0, 3]
