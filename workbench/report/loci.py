"""Where on the genome to look: stretches of the report split where the best features fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.genome.interval import Interval
from workbench.study.locus import strip

if TYPE_CHECKING:
    from workbench.study.study import Study

# Bases of a locus.
LOCUS = 6000
# Bases of a close-up with letters.
CLOSE = 120
LOCI = 3
ZOOM = 512


def _windows(study: Study) -> list[Interval]:
    """Report blocks cut into overlapping stretches of ``LOCUS`` bases."""
    found = []
    for chrom, start, end, _ in study.manifest.blocks("report"):
        size = min(LOCUS, end - start)
        at = [*range(start, end - size, max(1, size // 2)), end - size]
        found += [Interval(chrom, a, a + size) for a in at]
    return found


def _strength(study: Study, windows: list[Interval], features: list[int]) -> np.ndarray:
    """Summed maxima of the features in bins of ``ZOOM`` bases by window, float64 (F, windows)."""
    strength = np.zeros((len(features), len(windows)))
    for chrom in dict.fromkeys(w.chrom for w in windows):
        own = [(i, w) for i, w in enumerate(windows) if w.chrom == chrom]
        lo, hi = min(w.start for _, w in own), max(w.end for _, w in own)
        for shard, start, end in study.features.stretches(chrom, lo, hi):
            here = Interval(chrom, start, end)
            near = [(i, w) for i, w in own if w.meets(here)]
            for strand in "+-" if near else "":
                zoom = shard.zoom(strand, ZOOM)
                for f, feature in enumerate(features):
                    part = slice(int(zoom.indptr[feature]), int(zoom.indptr[feature + 1]))
                    left = shard.start + zoom.bins[part].astype(np.int64) * ZOOM
                    for i, w in near:
                        meets = (left < w.end) & (left + ZOOM > w.start)
                        strength[f, i] += float(zoom.max[part][meets].sum())
    return strength


def best_loci(study: Study, features: list[int], count: int = LOCI) -> list[Interval]:
    """Stretches of the report split where the features fire most, apart from one another.

    Each feature counts by its share of its own strongest window; what one locus shows already counts less
    for the next, so that all features come to be seen.
    """
    windows = _windows(study)
    if not windows or not features:
        return []
    strength = _strength(study, windows, features)
    share = strength / np.maximum(strength.max(axis=1, keepdims=True), 1e-12)
    weight = np.ones(len(features))
    chosen: list[Interval] = []
    for _ in range(count):
        free = [i for i, w in enumerate(windows) if not any(w.meets(c) for c in chosen)]
        if not free:
            break
        score = weight @ share[:, free]
        best = free[int(np.argmax(score))]
        if score.max() <= 0 and chosen:
            break
        chosen.append(windows[best])
        weight = np.maximum(weight * (1 - share[:, best]), 0.05)
    return chosen


def close_up(study: Study, locus: Interval, feature: int) -> Interval:
    """``CLOSE`` bases of the locus round the strongest base of a feature."""
    bins = locus.end - locus.start
    reads = (strip(study, feature, *locus, s, bins)["value"].to_numpy() for s in "+-")
    peak = np.nan_to_num(np.fmax(*reads))
    size = min(CLOSE, locus.end - locus.start)
    start = locus.start + int(np.argmax(peak)) - size // 2
    start = max(locus.start, min(start, locus.end - size))
    return Interval(locus.chrom, start, start + size)
