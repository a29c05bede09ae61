"""Every base-level score of all features on all tracks, read from histograms.

A detector at bin t calls a base when the feature's bin there is t or higher. Its threshold is the
bin with the highest F1 on the *select* histogram (equal F1: the higher threshold) and is then
frozen; the *report* histogram is only ever read at that bin, or without any threshold (AUROC,
average precision).
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import pandas as pd

from feature_mining.association.curves import areas, average_precision, choose_threshold, score_at
from feature_mining.association.histogram import Histogram
from feature_mining.association.intervals import IntervalCounts
from feature_mining.association.labels import Column
from feature_mining.association.null import ShiftMoments
from feature_mining.false_discovery import q_values

# Counts looked at together, in the cache.
BLOCK_CELLS = 250_000


def f1(hits: np.ndarray, called: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall, as 2 hits / (called + positives)."""
    return _ratio(2 * hits, called + positives)


def matthews(hits: np.ndarray, called: np.ndarray, positives: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """Matthews correlation; 0 where the detector or the track is constant (scikit-learn's convention)."""
    covariance = hits * bases - called * positives
    spread = np.sqrt(called * (bases - called)) * np.sqrt(positives * (bases - positives))
    return _ratio(covariance, spread, empty=0.0)


def thresholds(select: Histogram) -> np.ndarray:
    """Frozen threshold bin of every pair, int64 (F, C), in feature blocks of bounded memory."""
    parts = [choose_threshold(select.cells[part], select.all[part]) for part in feature_blocks(select)]
    return np.concatenate(parts)


def precisions(histogram: Histogram) -> np.ndarray:
    """Average precision of every pair, float64 (F, C), in feature blocks of bounded memory."""
    parts = [
        average_precision(histogram.cells[part], histogram.all[part]) for part in feature_blocks(histogram)
    ]
    return np.concatenate(parts)


def best_features(score: np.ndarray, count: int) -> list[np.ndarray]:
    """Of each column of float64 (F, C) the features of the highest scores, best first; never a NaN.

    Equal scores: the lower feature number.
    """
    count = min(count, len(score))
    best = np.full((count + 1, score.shape[1]), -np.inf)
    which = np.full(best.shape, -1, np.int64)
    _keep_best(np.ascontiguousarray(score, np.float64), best, which)
    return [own[own >= 0] for own in np.ascontiguousarray(which[:count].T)]


def score_pairs(
    select: Histogram,
    report: Histogram,
    columns: Sequence[Column],
    bounds: np.ndarray,
    intervals: IntervalCounts | None = None,
    shift: ShiftMoments | None = None,
    features: np.ndarray | None = None,
    sign: int = 1,
    exact: bool = False,
) -> pd.DataFrame:
    """One row a (feature, track column): the `associations` table.

    Parameters
    ----------
    select, report : counts of the two splits, same shapes
    columns : (track, mode) of the C columns
    bounds : float32 (F, n_bins), value at which each bin begins (`sparse.lower_bounds`)
    intervals, shift : counts and moments on *report* at `thresholds(select)`; without them their
        columns are NaN
    features : feature numbers to list (alive ones); they and the columns are the family of the
        q-values
    sign : written into the rows; -1 for a flipped histogram
    exact : every bin holds a single value (`areas`)

    Notes
    -----
    n_select and n_report are callable bases. f1_chance is the F1 of the detector that is always on,
    2 p / (1 + p) at base rate p; f1_shuffled is the exact expectation of F1 when the called bases
    are shuffled, 2 a p / (a + p) at calling rate a. ap_lift is (AP - p) / (1 - p). The odds ratio
    has Haldane's half in each cell. p is one-sided (`ShiftMoments.p`).
    """
    if select.cells.shape != report.cells.shape:
        raise ValueError("select and report histograms differ in shape")
    chosen = np.arange(len(select.all)) if features is None else np.unique(features)
    tables = []
    for part in feature_blocks(select):
        rows = chosen[(chosen >= part.start) & (chosen < part.stop)]
        if rows.size:
            tables.append(_score_block(select, report, rows, bounds[rows], exact))
    if not tables:
        raise ValueError("no features to score")
    n = chosen.size
    names = {
        "feature": np.repeat(chosen, len(columns)),
        "track": np.tile(np.array([c[0] for c in columns], dtype=object), n),
        "mode": np.tile(np.array([c[1] for c in columns], dtype=object), n),
        "sign": np.full(n * len(columns), sign, np.int8),
    }
    table = pd.DataFrame(names | {key: np.concatenate([t[key] for t in tables]).ravel() for key in tables[0]})
    at_pairs = {} if intervals is None else intervals.scores()
    for key in IntervalCounts.SCORES:
        table[key] = at_pairs[key][chosen].ravel() if intervals is not None else np.nan
    table["z"] = np.nan if shift is None else shift.z()[chosen].ravel()
    table["p"] = np.nan if shift is None else shift.p()[chosen].ravel()
    table["q"] = q_values(table["p"].to_numpy())
    return table


def best_per_track(scores: pd.DataFrame, by: str = "ap_select") -> pd.DataFrame:
    """The feature of every (track, mode) with the highest `by`, a *select* score; its row as it is.

    Equal scores: the lower feature number. Raises ValueError for a column that is not of the select
    split.
    """
    if not by.endswith("_select"):
        raise ValueError(f"features are picked on the select split; {by!r} is not a select score")
    ordered = scores.sort_values([by, "feature"], ascending=[False, True], kind="stable")
    best = ordered.dropna(subset=[by]).drop_duplicates(["track", "mode"])
    order = scores[["track", "mode"]].drop_duplicates()
    return order.merge(best, on=["track", "mode"], how="left")


def _score_block(
    select: Histogram, report: Histogram, rows: np.ndarray, bounds: np.ndarray, exact: bool
) -> dict[str, np.ndarray]:
    own, held_out = ((split.cells[rows], split.all[rows]) for split in (select, report))
    threshold = choose_threshold(*own)
    chosen = score_at(*own, threshold)
    hits, called, positives, bases = score_at(*held_out, threshold)
    rate, calling = positives / np.maximum(bases, 1), called / np.maximum(bases, 1)
    area, precision = areas(*held_out, exact)
    area_select, precision_select = areas(*own, exact)
    cells = [hits, called - hits, positives - hits, bases - called - positives + hits]
    a, b, c, d = (cell + 0.5 for cell in cells)
    sum_inside = report.sum_inside[rows]
    outside = report.sum_all[rows, None] - sum_inside
    return {
        "threshold": np.take_along_axis(bounds, threshold, axis=1),
        "threshold_bin": threshold,
        "n_select": chosen.bases.astype(np.int64),
        "n_report": bases.astype(np.int64),
        "base_rate": rate,
        "auroc": area,
        "average_precision": precision,
        "ap_lift": _ratio(precision - rate, 1 - rate),
        "precision": _ratio(hits, called, empty=0.0),
        "recall": _ratio(hits, positives),
        "f1": f1(hits, called, positives),
        "f1_chance": 2 * rate / (1 + rate),
        "f1_shuffled": _ratio(2 * calling * rate, calling + rate),
        "mcc": matthews(hits, called, positives, bases),
        "auroc_select": area_select,
        "ap_select": precision_select,
        "f1_select": f1(chosen.hits, chosen.called, chosen.positives),
        "odds_ratio": a * d / (b * c),
        "mean_inside": _ratio(sum_inside, positives),
        "mean_outside": _ratio(outside, bases - positives),
    }


def feature_blocks(histogram: Histogram) -> list[slice]:
    """Slices of features, of no more than ``BLOCK_CELLS`` counts each."""
    n_features, n_bins, n_columns = histogram.cells.shape
    size = max(1, BLOCK_CELLS // (n_bins * max(n_columns, 1)))
    return [slice(first, min(first + size, n_features)) for first in range(0, n_features, size)]


def _ratio(top: np.ndarray, bottom: np.ndarray, empty: float = np.nan) -> np.ndarray:
    top, bottom = np.broadcast_arrays(top, bottom)
    out = np.full(top.shape, empty, np.float64)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


@numba.njit(cache=True, nogil=True)
def _keep_best(score, best, which):
    count, n_columns = best.shape[0] - 1, score.shape[1]
    if not count:
        return
    for f in range(score.shape[0]):
        for c in range(n_columns):
            value = score[f, c]
            # Never true of a NaN.
            if value > best[count - 1, c] or (which[count - 1, c] < 0 and value == value):
                # The last row is room to shift into.
                at = count
                while at and (value > best[at - 1, c] or which[at - 1, c] < 0):
                    best[at, c], which[at, c] = best[at - 1, c], which[at - 1, c]
                    at -= 1
                best[at, c], which[at, c] = value, f
