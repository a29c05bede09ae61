"""What a genome browser shows of a study: places by name, features in bins, annotation in a region.

Coordinates are 0-based half-open throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.feature_map import column
from workbench.errors import InputError
from workbench.genome.interval import Interval, parse_place
from workbench.genome.windows import check_strand
from workbench.study.feature_layouts import ZOOMS
from workbench.study.feature_store import FeatureShard, FeatureStore

if TYPE_CHECKING:
    from workbench.study.study import Study
    from workbench.tracks import Track

FLANK = 500


def check_locus(study: Study, chrom: str, start: int, end: int) -> Interval:
    """The stretch, if it lies on a contig of the study; else ``InputError``."""
    return Interval(*study.contigs.stretch(chrom, start, end))


def check_features(study: Study, features: Iterable[int]) -> None:
    """Raise ``InputError`` for a number that is no feature of the study."""
    width = study.sae_config.d_sae
    for feature in features:
        if not 0 <= feature < width:
            raise InputError(f"feature {feature}: expected a number from 0 to {width - 1}")


def find_locus(study: Study, text: str, tracks: Sequence[Track] | None = None) -> Interval:
    """The place that a reader typed.

    Parameters
    ----------
    study : Study
    text : str
        ``contig:start-end`` (thousands may be apart by commas), a contig, or the name of an annotated
        interval, which is shown with ``FLANK`` bases on each side (the first one of that name). Contigs are
        known without ``chr`` or their version too.
    tracks : sequence of Track, optional
        Where names are looked up; default: the study's.

    Raises
    ------
    InputError
        For a place that is not on the genome and a name that nothing has.
    """
    text = text.strip()
    lengths = study.manifest.contigs
    if text in lengths:
        return Interval(text, 0, lengths[text])
    if place := parse_place(text):
        return check_locus(study, *place)
    for track in (study.tracks if tracks is None else tracks) if text else []:
        rows = track.intervals
        named = rows[rows["name"].astype(str).str.casefold() == text.casefold()]
        if len(named):
            hit = named.iloc[0]
            name = str(hit["chrom"])
            start, end = max(0, int(hit["start"]) - FLANK), int(hit["end"]) + FLANK
            return Interval(name, start, min(end, lengths[name]))
    spelt = study.contigs.target(text)
    if spelt in lengths:
        return Interval(spelt, 0, lengths[spelt])
    example = next(iter(lengths))
    raise InputError(
        f"{text!r} is neither a place nor the name of an annotated interval; expected something like"
        f" {example}:1,000-5,000 (0-based, end not included)"
    )


def move(study: Study, locus: Interval, shift: float = 0.0, zoom: float = 1.0) -> Interval:
    """The stretch moved by ``shift`` of its width and made ``zoom`` times as wide, kept on the contig."""
    length = study.manifest.contigs[locus.chrom]
    width = locus.end - locus.start
    size = min(length, max(20, round(width * zoom)))
    middle = (locus.start + locus.end) / 2 + shift * width
    start = min(max(0, round(middle - size / 2)), length - size)
    return Interval(locus.chrom, start, start + size)


# -- features ---------------------------------------------------------------------------------------


class _Fine(NamedTuple):
    """Values at the resolution read: edges int64 (n + 1), values by feature float32 (F, n), NaN: none."""

    edges: np.ndarray
    values: np.ndarray


def strip(
    study: Study, feature: int, chrom: str, start: int, end: int, strand: str, bins: int = 800
) -> pd.DataFrame:
    """One feature along a region, as `strips` gives it."""
    return strips(study, [feature], chrom, start, end, strand, bins)[feature]


def strips(
    study: Study, features: Sequence[int], chrom: str, start: int, end: int, strand: str, bins: int = 800
) -> dict[int, pd.DataFrame]:
    """Maxima of features along a region, one reading strand, in at most ``bins`` bins.

    Small regions are read base by base, large ones from the coarsest zoom level that still fills the bins.

    Parameters
    ----------
    study : Study
    features : sequence of int
    chrom, start, end : str, int, int
    strand : {"+", "-"}
        Strand that the model read.
    bins : int

    Returns
    -------
    dict of int to DataFrame
        By feature, adjoining rows ``start, end`` (int64) and ``value`` (float32): the exact maximum over the
        row's bases, NaN where none of them has a value. Rows are whole bins of the zoom level, so that the
        first and last may reach past the region by less than one of those.

    Raises
    ------
    InputError
        For a region, a strand or a feature that is not in the study, and for ``bins`` below 1.
    """
    locus = check_locus(study, chrom, start, end)
    check_strand(strand)
    check_features(study, features)
    if bins < 1:
        raise InputError(f"{bins} bins: expected at least 1")
    size = max((z for z in ZOOMS if z * bins <= end - start), default=1)
    store = study.features
    if size == 1:
        fine = _bases(store, features, locus, strand)
    else:
        fine = _zoomed(store, features, locus, strand, size)
    per_bin = -(-fine.values.shape[1] // bins)
    left = np.arange(0, fine.values.shape[1], per_bin)
    edges = np.append(fine.edges[left], fine.edges[-1])
    top = np.fmax.reduceat(fine.values, left, axis=1)
    return {
        feature: pd.DataFrame({"start": edges[:-1], "end": edges[1:], "value": values})
        for feature, values in zip(features, top, strict=True)
    }


def _bases(store: FeatureStore, features: Sequence[int], locus: Interval, strand: str) -> _Fine:
    reading = store.rows(locus.chrom, locus.start, locus.end, strand)
    values = np.stack([column(reading.features, f) for f in features])
    values[:, ~reading.callable] = np.nan
    return _Fine(np.arange(locus.start, locus.end + 1), values)


def _zoomed(store: FeatureStore, features: Sequence[int], locus: Interval, strand: str, size: int) -> _Fine:
    edges: list[np.ndarray] = []
    values: list[np.ndarray] = []
    at = locus.start
    for shard, lo, hi in store.stretches(locus.chrom, locus.start, locus.end):
        if lo > at:
            edges.append(np.arange(at, lo, size))
            values.append(np.full((len(features), edges[-1].size), np.nan, np.float32))
        first, last = (lo - shard.start) // size, -(-(hi - shard.start) // size)
        edges.append(shard.start + np.arange(first, last) * size)
        values.append(_shard_bins(shard, features, strand, size)[:, first:last])
        at = min(shard.start + last * size, shard.end)
    if at < locus.end:
        edges.append(np.arange(at, locus.end, size))
        values.append(np.full((len(features), edges[-1].size), np.nan, np.float32))
        at = locus.end
    return _Fine(np.append(np.concatenate(edges), at), np.concatenate(values, axis=1))


def _shard_bins(shard: FeatureShard, features: Sequence[int], strand: str, size: int) -> np.ndarray:
    """Maxima of a whole shard, float32 (F, bins); only the rows of the asked features are read."""
    mask = shard.callable(strand, shard.start, shard.end)
    known = np.logical_or.reduceat(mask, np.arange(0, mask.size, size))
    out = np.zeros((len(features), known.size), np.float32)
    for row, (bins, top) in zip(out, shard.maxima(strand, size, features), strict=True):
        row[bins] = top
    out[:, ~known] = np.nan
    return out


# -- annotation ---------------------------------------------------------------------------------------


def annotation(track: Track, locus: Interval, most: int = 80) -> pd.DataFrame:
    """Intervals of a track that meet a region, joined where there are too many to draw.

    Parameters
    ----------
    track : Track
    locus : Interval
    most : int
        More intervals than this are joined, strand by strand, where they overlap or lie closer than
        1 / ``most`` of the region.

    Returns
    -------
    DataFrame
        ``start, end`` (int64, not cut at the region's ends), ``strand``, ``name`` (empty for joined ones),
        ``intervals`` (how many a row stands for); by start.
    """
    rows = track.intervals
    meets = (rows["chrom"] == locus.chrom) & (rows["start"] < locus.end)
    rows = rows[meets & (rows["end"] > locus.start)]
    table = rows[["start", "end", "strand", "name"]].sort_values("start", kind="stable")
    table = table.assign(name=table["name"].astype(str).replace(".", ""), intervals=1)
    if len(table) <= most:
        return table.reset_index(drop=True)
    near = (locus.end - locus.start) // most
    joined = [_join(part, near) for _, part in table.groupby("strand", sort=True)]
    return pd.concat(joined).sort_values("start", kind="stable").reset_index(drop=True)


def _join(table: pd.DataFrame, near: int) -> pd.DataFrame:
    """Rows of one strand, by start: those closer than ``near`` become one."""
    reach = np.maximum.accumulate(table["end"].to_numpy())
    fresh = np.append(True, table["start"].to_numpy()[1:] > reach[:-1] + near)
    grouped = table.groupby(np.cumsum(fresh))
    out = grouped.agg(
        start=("start", "min"),
        end=("end", "max"),
        strand=("strand", "first"),
        name=("name", "first"),
        intervals=("intervals", "sum"),
    )
    out.loc[out["intervals"] > 1, "name"] = ""
    return out
