"""Features active in a stretch more often than on the rest of its contig.

Counted in readings: a base read on one strand. The odds ratio and the hypergeometric tail treat readings as
drawn one by one, but neighbouring bases share their context and so their features: that p is far too small
and only ranks. The circular-shift p asks how many other places of the contig, reached by turning the
feature's whole profile, have as much of it, and needs no independence of bases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.feature_layouts import ZOOMS
from workbench.study.locus import check_locus

if TYPE_CHECKING:
    from workbench.study.study import Study

MOST_BASES = 1_000_000
# Bins of a contig in the shift test; longer contigs use a coarser zoom level.
MOST_BINS = 200_000
# Active readings below which nothing is said of a feature.
FEWEST = 3
CAUTION = (
    "p (hypergeometric) counts every base as independent, which neighbouring bases are not: use it to rank"
    " only. p (shift) is the share of all places on the contig, reached by turning the feature's profile"
    " round it, with at least as much of the feature; it is not corrected for choosing among features."
)


class Counts(NamedTuple):
    """Readings of a contig: ``active`` int64 (d_sae) of each feature, ``readings`` with a value at all."""

    active: np.ndarray
    readings: int


def contig_counts(study: Study, chrom: str) -> Counts:
    """How often every feature fires on a contig, both strands together.

    The catalog says so where the genome is one contig; otherwise all rows of the contig are read. Raises
    ``InputError`` for a contig that the genome does not have.
    """
    contigs, chrom = study.manifest.contigs, study.contigs.named(chrom)
    if list(contigs) != [chrom]:
        return _count(study, Interval(chrom, 0, contigs[chrom]))
    active = study.table("catalog").sort_values("feature")["n_active"].to_numpy()
    return Counts(active.astype(np.int64), _readings(study, chrom))


def enrichment(study: Study, locus: Interval, background: Counts, most: int = 40) -> pd.DataFrame:
    """Features that fire in a stretch more than on its contig, strongest first; dead ones last.

    Parameters
    ----------
    study : Study
    locus : Interval
        At most ``MOST_BASES`` bases.
    background : Counts
        Of the whole contig, the stretch included.
    most : int
        Rows, those with the highest lower bound of the odds ratio (95 %, Woolf); dead features, which are
        active too rarely to be tested on anything, take what the others leave.

    Returns
    -------
    DataFrame
        ``feature``, ``active`` and ``expected`` readings in the stretch, ``inside``, ``outside`` (shares of
        readings at which it fires), ``odds_ratio`` (0.5 added to each cell, Haldane) with ``odds_low``,
        ``p_hypergeometric`` (upper tail), ``p_shift`` (NaN where the stretch is narrower than the bins),
        ``dead``.

    Raises
    ------
    InputError
        For a stretch not on the genome, too long, or without any reading.
    """
    locus = check_locus(study, *locus)
    if locus.end - locus.start > MOST_BASES:
        raise InputError(
            f"{locus} has {locus.end - locus.start:,} bases; expected at most {MOST_BASES:,}: select less"
        )
    here = _count(study, locus)
    if not here.readings:
        raise InputError(f"{locus}: no base here has a value; select another stretch")
    a = here.active.astype(np.float64)
    b = here.readings - a
    c = background.active - a
    d = background.readings - here.readings - c
    log_odds = np.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
    spread = np.sqrt(1 / (a + 0.5) + 1 / (b + 0.5) + 1 / (c + 0.5) + 1 / (d + 0.5))
    low = log_odds - 1.96 * spread
    from scipy.stats import hypergeom  # a second to import, which a page need not wait for

    dead = study.table("catalog").sort_values("feature")["dead"].to_numpy(bool)
    order = np.lexsort((-low, dead))
    chosen = order[(a[order] >= FEWEST) & (log_odds[order] > 0)][:most]
    rest = background.readings - here.readings
    return pd.DataFrame(
        {
            "feature": chosen,
            "active": here.active[chosen],
            "expected": background.active[chosen] * here.readings / background.readings,
            "inside": a[chosen] / here.readings,
            "outside": c[chosen] / rest if rest else np.nan,
            "odds_ratio": np.exp(log_odds[chosen]),
            "odds_low": np.exp(low[chosen]),
            "p_hypergeometric": hypergeom.sf(
                here.active[chosen] - 1, background.readings, background.active[chosen], here.readings
            ),
            "p_shift": shift_p(study, chosen, locus),
            "dead": dead[chosen],
        }
    )


def shift_p(study: Study, features: np.ndarray, locus: Interval) -> np.ndarray:
    """Circular-shift p of the summed activation in a stretch, both strands together, float64 (F).

    The profile is the sum in bins of a zoom level, turned by every whole number of bins; the stretch is
    widened to whole bins. ``p = #{turns with at least the sum} / #{turns}``, the true place included.
    """
    length = study.manifest.contigs[locus.chrom]
    width = locus.end - locus.start
    sizes = [z for z in ZOOMS if z <= width and length // z <= MOST_BINS]
    if not sizes or not features.size:
        return np.full(features.size, np.nan)
    size = next((z for z in sizes if length // z <= MOST_BINS // 10), sizes[-1])
    profile = _profile(study, features, locus.chrom, size)
    first, last = locus.start // size, -(-locus.end // size)
    span = min(last - first, profile.shape[1])
    turned = np.concatenate([profile, profile[:, : span - 1]], axis=1)
    sums = np.cumsum(np.pad(turned, ((0, 0), (1, 0))), axis=1)
    windows = sums[:, span:] - sums[:, :-span]
    here = windows[:, first : first + 1]
    return (windows >= here * (1 - 1e-9)).mean(axis=1)


def _profile(study: Study, features: np.ndarray, chrom: str, size: int) -> np.ndarray:
    """Sums float64 (F, bins) of both strands, on bins of the contig; a shard's bin counts where it begins."""
    length = study.manifest.contigs[chrom]
    profile = np.zeros((features.size, -(-length // size)))
    slot = np.full(study.sae_config.d_sae, -1)
    slot[features] = np.arange(features.size)
    for shard, _, _ in study.features.stretches(chrom, 0, length):
        for strand in "+-":
            zoom = shard.zoom(strand, size)
            row = np.repeat(slot, np.diff(zoom.indptr))
            keep = row >= 0
            bins = (shard.start + zoom.bins[keep].astype(np.int64) * size) // size
            np.add.at(profile, (row[keep], bins), zoom.sum[keep])
    return profile


def _readings(study: Study, chrom: str) -> int:
    found = 0
    for shard, _, _ in study.features.stretches(chrom, 0, study.manifest.contigs[chrom]):
        found += sum(int(shard.callable(strand, shard.start, shard.end).sum()) for strand in "+-")
    return found


def _count(study: Study, locus: Interval) -> Counts:
    width = study.sae_config.d_sae
    active, readings = np.zeros(width, np.int64), 0
    for shard, lo, hi in study.features.stretches(*locus):
        for strand in "+-":
            features, usable = shard.rows(strand, lo, hi)
            readings += int(usable.sum())
            kept = np.repeat(usable, np.diff(features.indptr))
            indices = features.indices if kept.all() else features.indices[kept]
            active += np.bincount(indices, minlength=width)
    return Counts(active, readings)
