"""What features predict in groups never seen, beside what less would have predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feature_mining.phenotype.design import Phenotype
from feature_mining.phenotype.folds import Fold, inner_folds, outer_folds
from feature_mining.phenotype.metrics import (
    FEW_CLUSTERS,
    brier,
    calibrate,
    interval,
    r_squared,
    ranking,
    resample_clusters,
)
from feature_mining.phenotype.models import Predictors, fit_predict

# Predictors that all others are compared with, where they are among them.
BASELINE = "lineage"


def cross_validate(
    predictors: Sequence[Predictors],
    phenotype: Phenotype,
    groups: np.ndarray | None,
    clusters: np.ndarray,
    folds: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Nested cross-validation of several sets of predictors on the same folds.

    Parameters
    ----------
    predictors : sequence of Predictors, rows in the order of the samples
    phenotype : Phenotype
    groups : (n_samples,) or None
        No group is on both sides of a fold, outer or inner; None for random folds.
    clusters : (n_samples,)
        Drawn whole by the bootstrap: the groups, also under random folds.
    folds : str
        What the folds are called in the table.
    seed : int

    Returns
    -------
    DataFrame, one row for each set of predictors and group ("all" for all samples): predictors, folds, group,
    n, n_case, and for a binary trait auroc, auroc_low, auroc_high, average_precision (with _low, _high),
    brier, calibration_slope, calibration_intercept, auroc_over_lineage (with _low, _high; paired
    bootstrap), for a quantitative one r2, r2_low, r2_high; auroc_folds or r2_folds (mean over outer folds),
    note

    Raises
    ------
    ValueError
        As `outer_folds`.
    """
    known = np.flatnonzero(phenotype.known)
    y = phenotype.values[known]
    inside = None if groups is None else np.asarray(groups)[known]
    drawn = np.asarray(clusters)[known]
    pieces = outer_folds(y, inside, phenotype.binary, seed)
    notes = "; ".join(fold.note for fold in pieces if fold.note)
    if np.unique(drawn).size < FEW_CLUSTERS:
        few = f"intervals rest on {np.unique(drawn).size} clusters"
        notes = f"{notes}; {few}" if notes else few
    scores = {
        p.name: _out_of_fold(p.values[known], y, inside, pieces, phenotype.binary, seed) for p in predictors
    }
    tested = np.sort(np.concatenate([f.test for f in pieces if not f.note.startswith("left out")]))
    weights = resample_clusters(drawn[tested], seed=seed)
    summarise = _binary_rows if phenotype.binary else _quantitative_rows
    rows = summarise(scores, y, drawn, tested, weights, pieces)
    table = pd.DataFrame(rows)
    table.insert(1, "folds", folds)
    table["note"] = np.where(table["group"] == "all", notes, "")
    return table


def _out_of_fold(
    values: np.ndarray, y: np.ndarray, groups: np.ndarray | None, pieces: list[Fold], binary: bool, seed: int
) -> np.ndarray:
    """Prediction of each sample by the fit that did not see its group; NaN where its fold was left out."""
    found = np.full(len(y), np.nan)
    for fold in pieces:
        if fold.note.startswith("left out"):
            continue
        own = None if groups is None else groups[fold.train]
        inner = inner_folds(y[fold.train], own, binary, seed)
        found[fold.test] = fit_predict(values, y, fold.train, fold.test, inner, binary, seed)
    return found


def _binary_rows(
    scores: dict[str, np.ndarray],
    y: np.ndarray,
    clusters: np.ndarray,
    tested: np.ndarray,
    weights: np.ndarray,
    pieces: list[Fold],
) -> list[dict[str, object]]:
    target = y[tested]
    drawn = {name: ranking(target, score[tested], weights) for name, score in scores.items()}
    point = {name: ranking(target, score[tested]) for name, score in scores.items()}
    rows: list[dict[str, object]] = []
    for name, score in scores.items():
        auroc, precision = drawn[name]
        calibration = calibrate(target, score[tested])
        row: dict[str, object] = {
            "predictors": name,
            "group": "all",
            "n": tested.size,
            "n_case": int(target.sum()),
            "auroc": float(point[name].auroc[0]),
            **_bounds("auroc", auroc),
            "average_precision": float(point[name].average_precision[0]),
            **_bounds("average_precision", precision),
            "brier": brier(target, score[tested]),
            "calibration_slope": calibration.slope,
            "calibration_intercept": calibration.intercept,
            "auroc_folds": _mean_of_folds(score, y, pieces),
        }
        if BASELINE in scores and name != BASELINE:
            row["auroc_over_lineage"] = row["auroc"] - float(point[BASELINE].auroc[0])  # type: ignore[operator]
            row |= _bounds("auroc_over_lineage", auroc - drawn[BASELINE].auroc)
        rows.append(row)
        for group in np.unique(clusters[tested]):
            here = tested[clusters[tested] == group]
            own = ranking(y[here], score[here])
            rows.append(
                {
                    "predictors": name,
                    "group": str(group),
                    "n": here.size,
                    "n_case": int(y[here].sum()),
                    "auroc": float(own.auroc[0]),
                    "average_precision": float(own.average_precision[0]),
                    "brier": brier(y[here], score[here]),
                }
            )
    return rows


def _quantitative_rows(
    scores: dict[str, np.ndarray],
    y: np.ndarray,
    clusters: np.ndarray,
    tested: np.ndarray,
    weights: np.ndarray,
    pieces: list[Fold],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, score in scores.items():
        parts = [
            float(r_squared(y[f.test], score[f.test])[0]) for f in pieces if not np.isnan(score[f.test]).any()
        ]
        row: dict[str, object] = {
            "predictors": name,
            "group": "all",
            "n": tested.size,
            "n_case": -1,
            "r2": float(r_squared(y[tested], score[tested])[0]),
            **_bounds("r2", r_squared(y[tested], score[tested], weights)),
            "r2_folds": float(np.nanmean(parts)),
        }
        rows.append(row)
        for group in np.unique(clusters[tested]):
            here = tested[clusters[tested] == group]
            own = float(r_squared(y[here], score[here])[0])
            rows.append({"predictors": name, "group": str(group), "n": here.size, "n_case": -1, "r2": own})
    return rows


def _bounds(name: str, values: np.ndarray) -> dict[str, float]:
    found = interval(values)
    return {f"{name}_low": found.low, f"{name}_high": found.high}


def _mean_of_folds(score: np.ndarray, y: np.ndarray, pieces: list[Fold]) -> float:
    """Mean AUROC of the outer folds that have both classes."""
    parts = [
        float(ranking(y[f.test], score[f.test]).auroc[0]) for f in pieces if not np.isnan(score[f.test]).any()
    ]
    known = [p for p in parts if not np.isnan(p)]
    return float(np.mean(known)) if known else float("nan")
