"""Does a predictor of a phenotype use loci or lineage: of a cohort, and of each sample's prediction.

A prediction is a sum over columns, so that each locus has a part in it, exactly: how far the prediction would
move with the locus set to its reference. What all samples of a lineage get alike is the lineage's part of it,
the rest the sample's own. All predictions are of folds that did not see the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.phenotype.folds import Fold, inner_folds, outer_folds
from feature_mining.phenotype.metrics import FEW_CLUSTERS, interval, resample_clusters, score, score_within
from feature_mining.phenotype.models import as_line, fit

LOCUS, LINEAGE, BOTH, NEITHER, UNTESTED = "locus", "lineage", "both", "neither", "not tested"
# Folds, as tables name them.
RANDOM, UNSEEN = "random", "lineages held out"
LEVEL = 0.05
# Draws of an interval, and of a locus's values shuffled within lineages.
DRAWS, SHUFFLES = 500, 20
# How many times larger one part of a prediction is than the other, to be called what it rests on.
CLEAR = 2.0


class Cohort(NamedTuple):
    """Samples with a known trait.

    values : float64 (n, k); NaN missing
    locus : int64 (k,), which of ``loci`` a column is of; reference : float64 (k,), its value there
    y : float64 (n,); binary; lineage : str (n,)
    rivals : float64 (n, r), indicators of lineages and components of relatedness
    """

    values: np.ndarray
    locus: np.ndarray
    loci: Sequence[str]
    reference: np.ndarray
    y: np.ndarray
    binary: bool
    lineage: np.ndarray
    rivals: np.ndarray


class Parts(NamedTuple):
    """Out-of-fold predictions: log-odds of being a case, or the trait; NaN where a fold was left out.

    base : float64 (n,), with all loci at their reference
    loci : float64 (n, loci), what each adds; their sum and the base are the prediction
    """

    base: np.ndarray
    loci: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """The prediction, float64 (n,)."""
        found: np.ndarray = self.base + self.loci.sum(axis=1)
        return found


def locus_parts(
    cohort: Cohort, y: np.ndarray, folds: Sequence[Fold], seed: int, grouped: bool = False, tuned: bool = True
) -> Parts:
    """Predict a trait ``y`` out of fold, and take each prediction apart by locus.

    ``tuned``: the penalty is chosen on inner folds, of whole lineages where ``grouped``; else it is fixed.
    """
    n, count = len(y), len(cohort.loci)
    base, loci = np.full(n, np.nan), np.full((n, count), np.nan)
    member = (cohort.locus[:, None] == np.arange(count)).astype(float)
    for fold in folds:
        if fold.note.startswith("left out"):
            continue
        own = cohort.lineage[fold.train] if grouped else None
        inner = inner_folds(y[fold.train], own, cohort.binary, seed) if tuned else []
        model = fit(cohort.values[fold.train], y[fold.train], inner, cohort.binary, seed)
        if model is None:
            base[fold.test], loci[fold.test] = _mean(y[fold.train], cohort.binary), 0.0
            continue
        line = as_line(model)
        base[fold.test] = line.intercept + line.coefficients @ cohort.reference
        loci[fold.test] = line.parts(cohort.values[fold.test], cohort.reference) @ member
    return Parts(base, loci)


def _mean(y: np.ndarray, binary: bool) -> float:
    mean = float(y.mean())
    return float(np.log(mean / (1 - mean))) if binary else mean


def within_lineage(values: np.ndarray, lineage: np.ndarray) -> np.ndarray:
    """Columns ``(n, k)`` less their mean in each sample's lineage."""
    found = np.array(values, np.float64)
    for name in np.unique(lineage):
        rows = lineage == name
        known = ~np.isnan(found[rows])
        found[rows] -= np.where(known, found[rows], 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return found


def shuffled_within(lineage: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An order of the samples in which each has another of its own lineage, int64 (n,)."""
    order = np.arange(len(lineage))
    for name in np.unique(lineage):
        rows = np.flatnonzero(lineage == name)
        order[rows] = random.permutation(rows)
    return order


class Explained(NamedTuple):
    """A predictor of a phenotype, explained.

    scores : DataFrame ``predictors, folds, score, low, high``: loci, lineage alone, loci without what tells
        lineages apart; with random folds, and with lineages held out (`score_within` those)
    own, null : float, float64 (permutations,), score of loci, and where the trait was permuted within
        lineages, both at a fixed penalty
    p : of the score beyond that null, NaN without permutations
    loci : DataFrame ``locus, drop, low, high, without, between``: score lost with its part shuffled within
        lineages; score lost with the locus left out and all fitted anew, at a fixed penalty; and the share
        of its part's variance that lies between lineages
    seen, unseen : Parts, with random folds and with lineages held out
    verdict, reason : what the predictor rests on
    """

    scores: pd.DataFrame
    own: float
    null: np.ndarray
    p: float
    loci: pd.DataFrame
    seen: Parts
    unseen: Parts
    verdict: str
    reason: str


def fits_of(permutations: int, loci: int) -> int:
    """How often `explain` predicts the trait out of fold."""
    return 7 + permutations + loci


def explain(
    cohort: Cohort, permutations: int, seed: int = 0, told: Callable[[], object] = lambda: None
) -> Explained:
    """Explain the predictor of a trait; ``told`` is called after each of `fits_of`.

    Raises ``ValueError`` as `outer_folds`: too few samples, fewer than two lineages, each class in one.
    """
    y, binary = cohort.y, cohort.binary
    folds = {RANDOM: outer_folds(y, None, binary, seed), UNSEEN: outer_folds(y, cohort.lineage, binary, seed)}
    groups = np.zeros(len(y), np.int64)
    for number, fold in enumerate(folds[UNSEEN]):
        groups[fold.test] = number
    sets = {"loci": cohort, "lineage": _rivals(cohort), "loci within lineage": _within(cohort)}
    many = np.unique(cohort.lineage).size >= FEW_CLUSTERS
    weights = resample_clusters(cohort.lineage if many else np.arange(len(y)), DRAWS, seed)
    rows, parts = [], {}
    for held, pieces in folds.items():
        for name, own in sets.items():
            found = locus_parts(own, y, pieces, seed, grouped=held == UNSEEN)
            parts[name, held] = found
            told()
            if held == RANDOM:
                point, drawn = (score(y, found.whole, binary, w) for w in (None, weights))
            else:
                point, drawn = (score_within(y, found.whole, binary, groups, w) for w in (None, weights))
            rows.append((name, held, float(point[0]), *interval(drawn)))
    scores = pd.DataFrame(rows, columns=["predictors", "folds", "score", "low", "high"])
    random = np.random.default_rng([seed, 29])
    orders = [shuffled_within(cohort.lineage, random) for _ in range(permutations)]
    null = np.empty(permutations)
    for at, order in enumerate(orders):
        null[at] = _permuted(cohort, folds[RANDOM], order, seed)
        told()
    seen, unseen = parts["loci", RANDOM], parts["loci", UNSEEN]
    # By the same recipe as the null.
    as_it_is = _permuted(cohort, folds[RANDOM], np.arange(len(y)), seed)
    told()
    p = (1 + float((null >= as_it_is).sum())) / (1 + permutations) if permutations else float("nan")
    loci = _loci(cohort, seen, folds[RANDOM], weights, as_it_is, seed, told)
    return Explained(scores, as_it_is, null, p, loci, seen, unseen, *_verdict(scores, p, binary))


def _permuted(cohort: Cohort, folds: Sequence[Fold], order: np.ndarray, seed: int) -> float:
    y = cohort.y[order]
    return float(score(y, locus_parts(cohort, y, folds, seed, tuned=False).whole, cohort.binary)[0])


def _rivals(cohort: Cohort) -> Cohort:
    count = cohort.rivals.shape[1]
    return cohort._replace(
        values=cohort.rivals, locus=np.zeros(count, np.int64), loci=["lineage"], reference=np.zeros(count)
    )


def _within(cohort: Cohort) -> Cohort:
    return cohort._replace(values=within_lineage(cohort.values, cohort.lineage))


def _loci(
    cohort: Cohort,
    seen: Parts,
    folds: Sequence[Fold],
    weights: np.ndarray,
    own: float,
    seed: int,
    told: Callable[[], object],
) -> pd.DataFrame:
    y, binary, whole = cohort.y, cohort.binary, seen.whole
    drawn, point = score(y, whole, binary, weights), float(score(y, whole, binary)[0])
    rows = []
    for at, name in enumerate(cohort.loci):
        random = np.random.default_rng([seed, 31, at])
        lost, draws = [], np.zeros(len(weights))
        for _ in range(SHUFFLES):
            order = shuffled_within(cohort.lineage, random)
            moved = whole - seen.loci[:, at] + seen.loci[order, at]
            lost.append(point - float(score(y, moved, binary)[0]))
            draws += (drawn - score(y, moved, binary, weights)) / SHUFFLES
        kept = cohort.locus != at
        left = cohort._replace(
            values=cohort.values[:, kept], locus=cohort.locus[kept], reference=cohort.reference[kept]
        )
        without = locus_parts(left, y, folds, seed, tuned=False).whole
        told()
        rows.append(
            (
                name,
                float(np.mean(lost)),
                *interval(draws),
                own - float(score(y, without, binary)[0]),
                between_share(seen.loci[:, at], cohort.lineage),
            )
        )
    return pd.DataFrame(rows, columns=["locus", "drop", "low", "high", "without", "between"])


def between_share(values: np.ndarray, lineage: np.ndarray) -> float:
    """Share of the variance of values ``(n,)`` that lies between lineages; NaN where there is none."""
    known = ~np.isnan(values)
    own, names = values[known], lineage[known]
    total = float(((own - own.mean()) ** 2).sum()) if own.size else 0.0
    if total <= 1e-12:
        return float("nan")
    within = sum(float(((own[names == n] - own[names == n].mean()) ** 2).sum()) for n in np.unique(names))
    return 1 - within / total


def _verdict(scores: pd.DataFrame, p: float, binary: bool) -> tuple[str, str]:
    chance = 0.5 if binary else 0.0
    table = scores.set_index(["predictors", "folds"])
    seen, unseen = table.loc[("loci", RANDOM)], table.loc[("loci", UNSEEN)]
    beyond = table.loc[("loci within lineage", RANDOM)]
    if np.isnan(p):
        return UNTESTED, "nothing was permuted within lineages"
    if not seen["low"] > chance:
        return NEITHER, "the loci predict no better than chance"
    if p > LEVEL:
        return LINEAGE, "with the trait permuted within lineages the loci predict it as well"
    if not unseen["low"] > chance:
        word = BOTH if beyond["low"] > chance else LINEAGE
        return word, "what the loci predict does not carry over to lineages that were held out"
    return LOCUS, (
        "the loci predict beyond what the trait permuted within lineages allows, and in lineages that were"
        " held out"
    )


class Side(NamedTuple):
    """A sample's prediction by what it rests on, in log-odds or units of the trait.

    table : DataFrame ``locus, part, lineage, own``: what the locus adds, of that what all of the lineage get
        beyond the cohort, and the rest beyond the lineage
    lineage, own : their sums; rests : on which of them the prediction rests
    """

    table: pd.DataFrame
    lineage: float
    own: float
    rests: str


def explain_sample(cohort: Cohort, parts: Parts, sample: int) -> Side:
    """Take one sample's out-of-fold prediction apart by locus, and each part by lineage."""
    known = ~np.isnan(parts.base)
    others = known & (np.arange(len(known)) != sample)
    same = others & (cohort.lineage == cohort.lineage[sample])
    if not known[sample] or not same.any():
        empty = pd.DataFrame({"locus": list(cohort.loci), "part": parts.loci[sample]})
        return Side(empty.assign(lineage=np.nan, own=np.nan), np.nan, np.nan, UNTESTED)
    everyone, relatives = parts.loci[others].mean(axis=0), parts.loci[same].mean(axis=0)
    table = pd.DataFrame(
        {
            "locus": list(cohort.loci),
            "part": parts.loci[sample],
            "lineage": relatives - everyone,
            "own": parts.loci[sample] - relatives,
        }
    )
    lineage, own = float(table["lineage"].sum()), float(table["own"].sum())
    if max(abs(lineage), abs(own)) < 1e-9:
        rests = NEITHER
    elif abs(own) >= CLEAR * abs(lineage):
        rests = LOCUS
    elif abs(lineage) >= CLEAR * abs(own):
        rests = LINEAGE
    else:
        rests = BOTH
    return Side(table, lineage, own, rests)
