"""What a feature is called, on every page, in the report and in every export.

Its reader's own name; else the track that it marks, where a verdict backs that; else the consensus of its
logo and where it is active. Never a track that it does not mark. Made from a study's tables when they are
read, so that studies of any version have labels of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.verdict import Verdict
from workbench.wording import mode_words

# Letters of a consensus that a label shows.
LETTERS = 8
# Bases a run, on the mean, from which runs are long and up to which they are points.
LONG, POINT = 30.0, 3.0
# The profile around the ends of genes: distances that are near and far, how many times as often a feature
# must be active near, share of ends and number of ends at the peak.
NEAR, FAR, TIMES, LEAST_SHARE, FEWEST = 10, 50, 4.0, 0.1, 8
GENES = ("CDS", "gene")
_ENDS = {"5'": "gene starts", "3'": "gene ends"}
_RUNS = ["recall", "precision", "base_rate", "n_report", "n_runs"]


class Source(StrEnum):
    """Where a label comes from."""

    NAME = "name"
    TRACK = "track"
    LOGO = "logo"
    DEAD = "dead"


class Label(NamedTuple):
    """The words, and where they come from."""

    text: str
    source: Source


def judged(tracks: pd.DataFrame, feature: int) -> pd.DataFrame:
    """Rows of the tracks of which this is the best feature: best verdict first, then highest lift."""
    return _by_verdict(tracks[tracks["feature"] == feature])


def best_features(catalog: pd.DataFrame, tracks: pd.DataFrame, count: int) -> list[int]:
    """Live features that are the best of a track: best verdict first, then highest lift."""
    live = catalog.loc[~catalog["dead"], "feature"]
    rows = _by_verdict(tracks[tracks["feature"].isin(live)])
    return [int(feature) for feature in dict.fromkeys(rows["feature"])][:count]


def _by_verdict(rows: pd.DataFrame) -> pd.DataFrame:
    rank = rows["verdict"].map({verdict: i for i, verdict in enumerate(Verdict)})
    order = rows.assign(_rank=rank).sort_values(["_rank", "ap_lift"], ascending=[True, False], kind="stable")
    return order.drop(columns="_rank")


def label_features(
    catalog: pd.DataFrame,
    tracks: pd.DataFrame,
    associations: pd.DataFrame,
    metagene: pd.DataFrame | None,
    names: Mapping[int, str],
) -> dict[int, Label]:
    """Label of every feature, by its number.

    Parameters
    ----------
    catalog, tracks, associations, metagene
        Tables of a study; older ones have no ``metagene``.
    names : dict of int to str
        Those that the study's reader gave.
    """
    marked = {}
    # A table without rows, of a study without annotation, may lack columns.
    for feature in tracks.loc[tracks["verdict"] == Verdict.LEARNT, "feature"] if len(tracks) else ():
        best = judged(tracks, feature).iloc[0]
        marked[int(feature)] = f"{best['track']} ({mode_words(str(best['mode']))})"
    where = where_active(catalog, associations, metagene)
    labels = {}
    for row in catalog[["feature", "dead", "consensus"]].itertuples(index=False):
        feature = int(row.feature)
        if names.get(feature):
            labels[feature] = Label(names[feature], Source.NAME)
        elif row.dead:
            labels[feature] = Label("dead", Source.DEAD)
        elif feature in marked:
            labels[feature] = Label(marked[feature], Source.TRACK)
        else:
            words = [core(str(row.consensus)) or "no motif", where.get(feature, "")]
            labels[feature] = Label(", ".join(filter(None, words)), Source.LOGO)
    return labels


def core(consensus: str, most: int = LETTERS) -> str:
    """The most telling stretch of an IUPAC consensus: at most ``most`` letters, without N at its ends.

    Empty where fewer than two letters of it are certain.
    """
    weight = np.array([2 if letter in "ACGT" else 1 if letter != "N" else 0 for letter in consensus])
    if (weight == 2).sum() < 2:
        return ""
    starts = range(max(1, len(consensus) - most + 1))
    best = max(starts, key=lambda start: weight[start : start + most].sum())
    return consensus[best : best + most].strip("N")


def where_active(
    catalog: pd.DataFrame, associations: pd.DataFrame, metagene: pd.DataFrame | None
) -> dict[int, str]:
    """Where each feature is active, in a word or two, for those of which it can be said.

    In this order: ends of genes (the profile around them peaks), every third base (the audit's flag *phase*),
    long runs and single bases (mean number of active bases a run, at the threshold of its closest track).
    """
    found = _by_runs(catalog, associations)
    if "flags" in catalog:
        flags = catalog["flags"].fillna("").astype(str).str.split(",")
        periodic = catalog.loc[flags.map(lambda named: "phase" in named).to_numpy(bool), "feature"]
        found |= {int(feature): "every 3 bases" for feature in periodic}
    return found | ({} if metagene is None else _at_ends(metagene))


def _by_runs(catalog: pd.DataFrame, associations: pd.DataFrame) -> dict[int, str]:
    key = ["feature", "track", "mode"]
    if not {*key, *_RUNS} <= set(associations):
        return {}
    closest = catalog[["feature", "best_track", "best_mode"]].rename(
        columns={"best_track": "track", "best_mode": "mode"}
    )
    rows = closest.merge(associations[[*key, *_RUNS]], on=key)
    rows = rows[(rows["precision"] > 0) & (rows["n_runs"] > 0)]
    active = rows["recall"] * rows["base_rate"] * rows["n_report"] / rows["precision"]
    length = (active / rows["n_runs"]).to_numpy()
    words = np.select([length >= LONG, length <= POINT], ["long runs", "single bases"], "")
    return {int(f): str(w) for f, w in zip(rows["feature"], words, strict=True) if w}


def _at_ends(metagene: pd.DataFrame) -> dict[int, str]:
    rows = metagene[metagene["track"].isin(GENES) & (metagene["n_ends"] > 0)]
    if rows.empty:
        return {}
    distance = rows["offset"].abs()
    near = rows[distance <= NEAR].sort_values("share_active", ascending=False, kind="stable")
    key = ["feature", "track", "mode", "end"]
    peaks = near.drop_duplicates(key).set_index(key)[["share_active", "n_ends"]]
    far = rows[distance >= FAR].groupby(key)["share_active"].mean().reindex(peaks.index)
    high = (peaks["share_active"] >= LEAST_SHARE) & (peaks["share_active"] >= TIMES * far)
    peaks = peaks[high & (peaks["share_active"] * peaks["n_ends"] >= FEWEST)].reset_index()
    peaks = peaks.sort_values("share_active", ascending=False, kind="stable").drop_duplicates("feature")
    return {int(row.feature): _ENDS[str(row.end)] for row in peaks.itertuples()}
