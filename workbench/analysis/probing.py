"""What features and raw neurons know of the tracks: sparse and dense probes, tracks a unit, absorption.

Everything is chosen on a sample of the select split and scored once on one of the report split; both are
stratified by track and weighted back to their split.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.labels import Column
from feature_mining.association.probe import (
    SIZES,
    ProbeScores,
    best_threshold,
    fit_probes,
    score_detector,
    sparse_probes,
)
from feature_mining.association.sparse import dense_edges
from feature_mining.feature_map import select_rows
from feature_mining.sae.measures.absorption import (
    MOST_MAIN,
    Absorption,
    main_features,
    measure_absorption,
    nested,
)
from workbench.analysis.detectors import N_BINS, Moments, precisions
from workbench.analysis.labelled_bases import (
    Counter,
    Labelled,
    Stacked,
    count_weighted,
    feature_counter,
    neuron_counter,
)

# Average precision lift, on both samples, from which a unit answers to a track.
ANSWERS = 0.05


class Probed(NamedTuple):
    """A dense linear probe of every column, fitted on select.

    weights : float64 (d, C); centre : float64 (d), mean activation of the select sample
    threshold : float64 (C), with the highest F1 on select; NaN for a column without both kinds of bases
    """

    weights: np.ndarray
    centre: np.ndarray
    threshold: np.ndarray

    def score(self, activations: np.ndarray) -> np.ndarray:
        """Projections float64 (n, C)."""
        return (activations - self.centre) @ self.weights


def _both(labels: np.ndarray) -> bool:
    return bool(labels.any() and not labels.all())


def dense_probe(select: Stacked) -> Probed:
    """Fisher's direction of every column (least squares with a small ridge) on the raw layer."""
    sums: Moments | None = None
    labels, weight = select.sample.labels, select.sample.weight
    for value in np.unique(weight):
        rows = weight == value
        part = Moments.of(select.activations[rows], labels[rows], float(value))
        sums = part if sums is None else sums.plus(part)
    assert sums is not None
    probe = Probed(sums.probe(), sums.x / sums.total, np.full(labels.shape[1], np.nan))
    scores = probe.score(select.activations)
    for c in range(labels.shape[1]):
        if _both(labels[:, c]):
            probe.threshold[c] = best_threshold(scores[:, c], labels[:, c], weight)
    return probe


def probing(select: Stacked, report: Stacked, probe: Probed, columns: list[Column]) -> pd.DataFrame:
    """Probes of 1, 2, 5 and 20 features beside the dense one: a row a (track, size), scores on report.

    Of a track's strand modes the one is kept whose best single feature does best on select; ``size`` 0 is
    the dense probe on the raw layer.
    """
    found = sparse_probes(select.sample, report.sample)
    rows = [found]
    dense = probe.score(report.activations)
    for c in found["column"].unique():
        scores = score_detector(
            dense[:, c], report.sample.labels[:, c], report.sample.weight, probe.threshold[c]
        )
        row = {"column": c, "size": 0, "features": [], "weights": [], **scores._asdict()}
        rows.append(pd.DataFrame([row]))
    table = pd.concat(rows) if len(rows) > 1 else found
    names = pd.DataFrame(columns, columns=["track", "mode"]).rename_axis("column").reset_index()
    table = table.merge(names, on="column", how="left")
    single = table[table["size"] == SIZES[0]].assign(
        lift=lambda t: (t["ap_select"] - t["base_rate"]) / (1 - t["base_rate"])
    )
    best = single.sort_values(["lift", "column"], ascending=[False, True], kind="stable")
    kept = best.drop_duplicates("track")["column"]
    order = ["track", "mode", "size", "features", "weights", "ap_select", *ProbeScores._fields]
    table = table[table["column"].isin(kept)].sort_values(["column", "size"], kind="stable")
    return table[order].reset_index(drop=True)


def lifts(readings: list[Labelled], detectors: int, columns: int, count: Counter) -> np.ndarray:
    """Average precision lift float64 (detectors, C, 2) of high and of low values; NaN without positives."""
    counts = count_weighted(readings, detectors, columns, count)
    rate = counts.positive.sum(axis=1).max(axis=0) / max(float(counts.all.sum(axis=1).max()), 1e-9)
    out = []
    for step in (1, -1):
        found = precisions(counts.positive[:, ::step], counts.all[:, ::step], silent_bin=False)
        out.append((found - rate) / np.maximum(1 - rate, 1e-9))
    lift = np.stack(out, axis=2)
    lift[:, (rate <= 0) | (rate >= 1)] = np.nan
    return lift


def tracks_answered(select: np.ndarray, report: np.ndarray, columns: list[Column]) -> np.ndarray:
    """Tracks each unit answers to, int64 (U): ``ANSWERS`` or more in one mode and sign on both samples.

    Parameters
    ----------
    select, report : float (U, C, signs), average precision lifts
    """
    names = [name for name, _ in columns]
    with np.errstate(invalid="ignore"):
        both: np.ndarray = (select >= ANSWERS) & (report >= ANSWERS)
    yes: np.ndarray = np.any(both, axis=2)
    tracks = list(dict.fromkeys(names))
    of = np.array([tracks.index(name) for name in names], np.int64)
    by_track = [yes[:, of == t].any(axis=1) for t in range(len(tracks))]
    count: np.ndarray = np.stack(by_track).sum(axis=0) if tracks else np.zeros(len(yes), np.int64)
    return count


def units(
    select: list[Labelled], report: list[Labelled], edges: np.ndarray, columns: list[Column]
) -> pd.DataFrame:
    """Tracks that each feature and each raw neuron (read in both signs) answers to: kind, unit, tracks."""
    sample = np.concatenate([r.activations[r.use] for r in select])
    counters = {
        "feature": (len(edges), feature_counter(edges), 1),
        "neuron": (sample.shape[1], neuron_counter(dense_edges(sample, N_BINS - 1)), 2),
    }
    tables = []
    for kind, (size, counter, signs) in counters.items():
        # A feature has one sign: its silence is no statement.
        a, b = (lifts(part, size, len(columns), counter)[..., :signs] for part in (select, report))
        answered = tracks_answered(a, b, columns)
        tables.append(pd.DataFrame({"kind": kind, "unit": np.arange(size), "tracks": answered}))
    return pd.concat(tables, ignore_index=True)


ABSORPTION_COLUMNS = ["parent", "child", "mode", "main", *Absorption._fields]


def absorption(
    select: Stacked, report: Stacked, probe: Probed, columns: list[Column], decoder: np.ndarray
) -> pd.DataFrame:
    """Absorption of every track by the tracks nested in it, on report: a row a (parent, child)."""
    first: dict[str, int] = {}
    for c, (name, _) in enumerate(columns):
        first.setdefault(name, c)
    own = np.array(list(first.values()), np.int64)
    pairs = [
        (int(own[p]), int(own[c]))
        for p, c in nested(report.sample.labels[:, own], report.sample.weight)
        if columns[own[p]][1] == columns[own[c]][1] and np.isfinite(probe.threshold[own[p]])
    ]
    parents = sorted({p for p, _ in pairs})
    if not parents:
        return pd.DataFrame(columns=ABSORPTION_COLUMNS)
    chosen = select.sample._replace(labels=select.sample.labels[:, parents])
    sizes = range(1, MOST_MAIN + 1)
    main: dict[int, np.ndarray] = {}
    for parent, probes in zip(parents, fit_probes(chosen, sizes), strict=True):
        if probes:
            f1 = [scores.f1 for _, scores in probes]
            main[parent] = main_features(probes[-1][0].features.tolist(), f1)
    rows = []
    for parent, child in pairs:
        if parent not in main:
            continue
        inside = report.sample.labels[:, parent]
        direction = probe.weights[:, parent]
        scores = (report.activations[inside] - probe.centre) @ direction
        found = measure_absorption(
            scores / max(float(np.linalg.norm(direction)), 1e-300),
            scores >= probe.threshold[parent],
            report.sample.labels[inside, child],
            select_rows(report.sample.features, inside),
            decoder,
            direction,
            main[parent],
        )
        names = (columns[parent][0], columns[child][0], columns[parent][1], main[parent].tolist())
        rows.append((*names, *found))
    return pd.DataFrame(rows, columns=ABSORPTION_COLUMNS)
