"""Simulated readings with planted sites, whose precision at any threshold is known."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from feature_mining.detection.precision import Reading

STRETCHES, SIZE, GAP = 24, 4000, 0
# Share of sites that score, how far above the background, and share of background that scores.
SEEN, ABOVE, NOISE = 0.8, 3.4, 0.02


def planted(random: np.random.Generator, per_stretch: int = 8) -> list[Reading]:
    """Both strands of some stretches: sites of 3 bases of which the middle one scores, and noise."""
    found = []
    for _ in "+-":
        n = STRETCHES * SIZE
        scores = np.full(n, -9.0)
        noise = random.random(n) < NOISE
        scores[noise] = random.normal(size=int(noise.sum()))
        starts = 10 * np.sort(random.choice(n // 10, STRETCHES * per_stretch // 2, replace=False))
        # Nothing but the site itself scores within it.
        scores[(starts[:, None] + np.arange(3)).ravel()] = -9.0
        seen = random.random(starts.size) < SEEN
        scores[starts[seen] + 1] = random.normal(ABOVE, 1, int(seen.sum()))
        sites = np.stack([starts, starts + 3], axis=1)
        found.append(Reading(scores, sites, np.arange(n) // SIZE))
    return found


def true_precision(threshold: float, density: float, per_stretch: int = 8) -> float:
    """Expected precision where there are so many sites a base of sequence: neighbouring noise is one call."""
    inside = 3 * per_stretch / 2 / SIZE
    # A call of gap 0 begins at a base that passes after one that does not.
    rate = NOISE * norm.sf(threshold)
    false = 2 * rate * (1 - rate) * (1 - inside)
    hit = SEEN * norm.sf(threshold - ABOVE)
    return float(density * hit / (density * hit + false))
