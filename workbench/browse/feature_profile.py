"""One feature along the whole genome: where it fires, how strongly, and with which others.

Read from the study's stores with bounded work: the feature's own column of the finest zoom level, and the
rows of at most ``SAMPLED`` stretches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.genome.interval import Interval
from workbench.study.feature_layouts import STRANDS, ZOOMS
from workbench.study.feature_store import StrandMap
from workbench.study.locus import check_features, check_locus

if TYPE_CHECKING:
    from workbench.study.study import Study

# Bases of a bin.
BIN = ZOOMS[0]
# Bins whose bases are read to see which features fire together.
SAMPLED = 32
# Columns of the histogram.
COLUMNS = 40
# Edges of the bands of strength, as shares of the feature's largest value.
BANDS = (1.0, 0.75, 0.5, 0.25, 0.0)
# Places shown of a band.
EACH = 2
# Bases shown of a place.
AROUND = 300
# Share of the feature's bases at which another must fire to be named.
LEAST_SHARE = 0.1


class Company(NamedTuple):
    """Features that fire where this one does; both by strand of the reading.

    same, opposite : DataFrame
        ``feature``, ``share`` of this feature's sampled bases at which the other fires, ``usual`` share on
        the genome, ``lift`` = share / usual; the most telling first (share x log2 lift).
    bases : int
        Sampled bases at which this feature fires.
    """

    same: pd.DataFrame
    opposite: pd.DataFrame
    bases: int


def firing_bins(study: Study, feature: int) -> pd.DataFrame:
    """Every bin of ``BIN`` bases in which a feature fires.

    Returns
    -------
    DataFrame
        ``chrom, start, end, strand`` (of the reading) and ``max`` float32, in order of the genome.

    Raises
    ------
    InputError
        For a feature that the study does not have.
    """
    check_features(study, [feature])
    store, none = study.features, np.zeros(0, np.int64)
    found = [(none, none, np.zeros(0, np.float32))]
    places = [("", "")]
    for path, chrom, _, _ in store.shards:
        with store.open(path) as shard:
            for strand in STRANDS:
                ((bins, top),) = shard.maxima(strand, BIN, [feature])
                start = shard.start + bins.astype(np.int64) * BIN
                found.append((start, np.minimum(start + BIN, shard.end), top))
                places.append((chrom, strand))
    starts, ends, tops = (np.concatenate(parts) for parts in zip(*found, strict=True))
    sizes = [start.size for start, _, _ in found]
    chroms, strands = (
        pd.Series(np.repeat(np.array(names, object), sizes), dtype=str) for names in zip(*places, strict=True)
    )
    return pd.DataFrame({"chrom": chroms, "start": starts, "end": ends, "strand": strands, "max": tops})


def histogram(bins: pd.DataFrame, columns: int = COLUMNS) -> pd.DataFrame:
    """How many bins reach which value: ``low, high`` float64 (0 to the largest) and ``bins`` int64."""
    values = bins["max"].to_numpy(np.float64)
    top = float(values.max(initial=0.0)) or 1.0
    counts, edges = np.histogram(values, bins=columns, range=(0.0, top))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "bins": counts})


def places(bins: pd.DataFrame, each: int = EACH) -> pd.DataFrame:
    """Bins of every band of strength, so that weak ones are looked at too.

    The band of the strongest gives its strongest bins, apart by ``AROUND`` bases; the others bins at evenly
    spaced ranks within the band, which are typical of it.

    Returns
    -------
    DataFrame
        The rows of ``bins`` with ``high`` and ``low``, shares of the largest value: strongest band first.
    """
    top = float(bins["max"].max()) if len(bins) else 1.0
    share = bins["max"] / top
    ordered = bins.assign(share=share).sort_values("max", ascending=False, kind="stable")
    found = []
    for high, low in pairwise(BANDS):
        band = ordered[(ordered["share"] > low) & (ordered["share"] <= high)]
        if high == BANDS[0]:
            rows = _apart(band, each)
        else:
            ranks = (np.arange(each) + 0.5) / each * len(band)
            rows = sorted({int(r) for r in ranks if r < len(band)})
        found.append(band.iloc[rows].assign(high=high, low=low))
    return pd.concat(found, ignore_index=True)


def _apart(band: pd.DataFrame, most: int) -> list[int]:
    kept: list[int] = []
    for i, row in enumerate(band.itertuples()):
        near = [band.iloc[j] for j in kept]
        if all(n["chrom"] != row.chrom or abs(n["start"] - row.start) >= AROUND for n in near):
            kept.append(i)
        if len(kept) == most:
            break
    return kept


def around(study: Study, bins: pd.DataFrame, bases: int = AROUND) -> list[Interval]:
    """A stretch of ``bases`` round the middle of each bin, kept on its contig."""
    found = []
    for row in bins.itertuples():
        length = study.manifest.contigs[str(row.chrom)]
        size = min(bases, length)
        start = min(max(0, (int(row.start) + int(row.end) - size) // 2), length - size)
        found.append(Interval(str(row.chrom), start, start + size))
    return found


def read_loci(
    study: Study, loci: Sequence[Interval], strands: str = "+-"
) -> Iterator[tuple[int, str, StrandMap]]:
    """Readings of stretches, index and strand before each; a file is opened once for all of its stretches.

    A stretch across two files comes in parts only where that is asked for by `FeatureStore.rows`: it is
    read by that, which puts the parts together.
    """
    store = study.features
    waiting = {i: check_locus(study, *at) for i, at in enumerate(loci)}
    for path, chrom, start, end in store.shards:
        inside = [i for i, at in waiting.items() if at.chrom == chrom and start <= at.start and at.end <= end]
        if not inside:
            continue
        with store.open(path) as shard, shard.reading():
            for i in inside:
                at = waiting.pop(i)
                for strand in strands:
                    yield i, strand, shard.rows(strand, at.start, at.end)
    for i, at in waiting.items():
        for strand in strands:
            yield i, strand, store.rows(*at, strand)


def profiles(study: Study, feature: int, loci: Sequence[Interval]) -> list[dict[str, np.ndarray]]:
    """Values of a feature at each base of stretches, by strand, float32; NaN where there is no value.

    Raises ``InputError`` for a feature or a place that the study does not have.
    """
    check_features(study, [feature])
    found: list[dict[str, np.ndarray]] = [{} for _ in loci]
    for i, strand, reading in read_loci(study, loci):
        values = np.zeros(len(reading.callable), np.float32)
        rows = np.repeat(np.arange(values.size), np.diff(reading.features.indptr))
        own = reading.features.indices == feature
        values[rows[own]] = reading.features.values[own]
        values[~reading.callable] = np.nan
        found[i][strand] = values
    return found


def company(study: Study, feature: int, bins: pd.DataFrame, catalog: pd.DataFrame) -> Company:
    """Which features fire at the same bases, on the same strand's reading and on the other's.

    Parameters
    ----------
    study : Study
    feature : int
    bins : DataFrame
        Of `firing_bins`; at most ``SAMPLED`` are read, evenly spaced by rank of strength.
    catalog : DataFrame
        ``density_plus`` and ``density_minus`` by feature, in its order.

    Returns
    -------
    Company

    Raises
    ------
    InputError
        For a feature that the study does not have.
    """
    check_features(study, [feature])
    ordered = bins.sort_values("max", kind="stable")
    ranks = np.unique(np.linspace(0, len(ordered) - 1, min(SAMPLED, len(ordered))).astype(int))
    rows = ordered.iloc[ranks]
    loci = [Interval(str(r.chrom), int(r.start), int(r.end)) for r in rows.itertuples()]
    width = study.sae_config.d_sae
    counts = {"same": np.zeros(width), "opposite": np.zeros(width)}
    usual = {"same": np.zeros(width), "opposite": np.zeros(width)}
    density = {s: catalog[f"density_{n}"].to_numpy(np.float64) for s, n in STRANDS.items()}
    by_locus: dict[int, dict[str, StrandMap]] = {}
    for i, strand, reading in read_loci(study, loci):
        by_locus.setdefault(i, {})[strand] = reading
    total = 0
    for i, own in enumerate(rows["strand"].tolist()):
        other = "-" if own == "+" else "+"
        mine = by_locus[i][own].features
        at = np.repeat(np.arange(len(mine.indptr) - 1), np.diff(mine.indptr))
        fires = np.zeros(len(mine.indptr) - 1, bool)
        fires[at[mine.indices == feature]] = True
        total += int(fires.sum())
        for side, strand in (("same", own), ("opposite", other)):
            csr = by_locus[i][strand].features
            on = np.repeat(fires, np.diff(csr.indptr))
            counts[side] += np.bincount(csr.indices[on], minlength=width)
            usual[side] += density[strand] * fires.sum()
    tables = {side: _telling(counts[side], usual[side], total) for side in counts}
    tables["same"] = tables["same"].query("feature != @feature").reset_index(drop=True)
    return Company(tables["same"], tables["opposite"], total)


def _telling(counts: np.ndarray, usual: np.ndarray, total: int) -> pd.DataFrame:
    share, expected = counts / max(1, total), usual / max(1, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = share / expected
    table = pd.DataFrame({"feature": np.arange(counts.size), "share": share, "usual": expected, "lift": lift})
    table = table[(share >= LEAST_SHARE) & (lift > 1) & np.isfinite(lift)]
    weight = table["share"] * np.log2(table["lift"])
    order = np.argsort(-weight.to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)
