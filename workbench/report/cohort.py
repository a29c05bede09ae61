"""What a cohort adds to the report: calibration, hits along the genome, candidates, prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.biomarkers.tiers import RULES
from workbench.errors import InputError
from workbench.report import formats
from workbench.report.charts import CONFIG, FAINT, WIDTH, Spec
from workbench.stages.phenotype import has_phenotypes

if TYPE_CHECKING:
    from workbench.study import Study

MOST_PHENOTYPES = 6
MOST_POINTS = 1500
"""Tests drawn of one phenotype, the strongest."""
TOP = 10
"""Candidates listed of one phenotype."""
COLOURS = ("#3b82c4", "#d9822b", "#2f9e73", "#b565b0", "#a8742f", "#c4505f")
LEVEL = 0.05
LABEL = "SIMULATED"
_SHORT = 230
_QQ = 300


@dataclass(frozen=True)
class Trait:
    """One phenotype's part of the section.

    Attributes
    ----------
    name : str
    kind : str
        ``binary`` or ``quantitative``.
    n, cases : int
        Samples with a value, cases among them (0 of a quantitative trait).
    tests : DataFrame
        Drawn tests: ``at`` (bases from the genome's first), ``region, burden, feature, minus_log10_p``.
    bound : float
        -log10 p of Bonferroni's bound, the smallest over burdens.
    quantiles, calibration, prediction, candidates : DataFrame
    tiers : dict of str to int
    strongest : str
        Features beside plain variants, in a sentence.
    """

    name: str
    kind: str
    n: int
    cases: int
    tests: pd.DataFrame
    bound: float
    quantiles: pd.DataFrame
    calibration: pd.DataFrame
    prediction: pd.DataFrame
    candidates: pd.DataFrame
    tiers: dict[str, int]
    strongest: str


@dataclass(frozen=True)
class CohortPart:
    """The section.

    Attributes
    ----------
    simulated : str
        What the samples say of themselves where they are simulated.
    samples, regions, left_out : int
        ``left_out``: phenotypes that are not shown.
    groups, covariates : list of str
    discovery : str
    traits : list of Trait
    rules : dict
        Tiers in words.
    """

    simulated: str
    samples: int
    regions: int
    groups: list[str]
    covariates: list[str]
    discovery: str
    traits: list[Trait]
    left_out: int
    rules: dict[str, str]


def gather_cohort(study: Study) -> CohortPart | None:
    """What the section shows; None for a study without phenotypes. ``InputError`` for a missing table."""
    if not has_phenotypes(study):
        return None
    cohort, facts = study.cohort, study.facts("cohort")
    shown = cohort.phenotypes[:MOST_PHENOTYPES]
    tests = study.table("phenotype_associations")
    places = _places(study)
    known = tests[tests["minus_log10_p"].notna()]
    known = known.merge(places, on="region", how="left")
    traits = []
    for trait in shown:
        own = known[known["phenotype"] == trait.name]
        values = cohort.samples[trait.name]
        binary = trait.kind == "binary"
        candidates = _of(study.table("biomarkers"), trait.name)
        columns = ["at", "region", "burden", "feature", "minus_log10_p"]
        traits.append(
            Trait(
                name=trait.name,
                kind=trait.kind,
                n=int(values.notna().sum()),
                cases=int((values == 1).sum()) if binary else 0,
                tests=own.dropna(subset="at").nlargest(MOST_POINTS, "minus_log10_p")[columns],
                bound=_bound(own),
                quantiles=_of(study.table("phenotype_quantiles"), trait.name),
                calibration=_of(study.table("phenotype_calibration"), trait.name),
                prediction=_prediction(study, trait.name),
                candidates=candidates.head(TOP),
                tiers={t: int((candidates["evidence_tier"] == t).sum()) for t in RULES},
                strongest=_strongest(study, trait.name, own),
            )
        )
    return CohortPart(
        simulated=str(facts["simulated"]),
        samples=len(cohort.samples),
        regions=int(tests["region"].nunique()),
        groups=list(cohort.groups),
        covariates=list(cohort.covariates),
        discovery=study.config.phenotype.discovery,
        traits=traits,
        left_out=len(cohort.phenotypes) - len(shown),
        rules=RULES,
    )


def _of(table: pd.DataFrame, phenotype: str) -> pd.DataFrame:
    return table[table["phenotype"] == phenotype].reset_index(drop=True)


def _places(study: Study) -> pd.DataFrame:
    """Region to ``at``, its middle in bases from the genome's first; NaN for a ready matrix."""
    table = study.table("burdens")[["region", "chrom", "start", "end"]]
    if study.config.cohort.matrix:
        return table.assign(at=math.nan)[["region", "at"]]
    offsets, total = {}, 0
    for chrom, length in study.manifest.contigs.items():
        offsets[chrom] = total
        total += length
    middle = (table["start"] + table["end"]) / 2 + table["chrom"].map(offsets)
    return table.assign(at=middle)[["region", "at"]]


def _bound(tests: pd.DataFrame) -> float:
    """-log10 of 0.05 over the patterns tested with one burden, the most of all burdens."""
    patterns = tests.groupby("burden")["pattern"].nunique()
    return math.log10(max(int(patterns.max()), 1) / LEVEL) if len(patterns) else math.nan


def _prediction(study: Study, phenotype: str) -> pd.DataFrame:
    try:
        table = study.table("prediction")
    except InputError:
        return pd.DataFrame(columns=["predictors", "folds", "score", "low", "high"])
    own = table[(table["phenotype"] == phenotype) & (table["group"] == "all")]
    measure = "auroc" if "auroc" in own and own["auroc"].notna().any() else "r2"
    wide = own.rename(
        columns={measure: "score", f"{measure}_low": "low", f"{measure}_high": "high"}
    )
    return wide[["predictors", "folds", "score", "low", "high", "note"]].reset_index(drop=True)


def _strongest(study: Study, phenotype: str, tests: pd.DataFrame) -> str:
    """Whether features say more than the plain variants of the same regions, as numbers."""
    if tests.empty:
        return "No feature varied enough between samples to be tested."
    best = tests.loc[tests["minus_log10_p"].idxmax()]
    text = (
        f"The strongest feature is {best['feature_name']} over {best['region']} ({best['burden']}):"
        f" −log10 p {formats.fixed(best['minus_log10_p'], 1)}"
    )
    try:
        variants = _of(study.table("phenotype_variants"), phenotype)
    except InputError:
        return f"{text}."
    variants = variants[variants["minus_log10_p"].notna()]
    if variants.empty:
        return f"{text}."
    top = variants.loc[variants["minus_log10_p"].idxmax()]
    more = "more" if best["minus_log10_p"] > top["minus_log10_p"] else "no more"
    return (
        f"{text}; the strongest plain variant is {top['variant']}: −log10 p"
        f" {formats.fixed(top['minus_log10_p'], 1)}. By this measure the features say {more} than the"
        " variants."
    )


# -- pictures -------------------------------------------------------------------------------------


def _colour(burdens: list[str]) -> Spec:
    scale = {"domain": burdens, "range": [COLOURS[i % len(COLOURS)] for i in range(len(burdens))]}
    return {
        "field": "burden",
        "type": "nominal",
        "scale": scale,
        "legend": {"title": None, "orient": "top"},
    }


def manhattan(trait: Trait) -> Spec:
    """Tests along the genome, a column of points a region; the rule is Bonferroni's bound."""
    rows: list[dict[str, Any]] = trait.tests.round(3).to_dict("records")
    x = {
        "field": "at",
        "type": "quantitative",
        "title": "middle of the region (bases from the genome's beginning)",
        "scale": {"zero": False},
        "axis": {"format": "~s", "grid": False},
    }
    y = {"field": "minus_log10_p", "type": "quantitative", "title": "−log10 p"}
    burdens = sorted(trait.tests["burden"].unique())
    return {
        "width": WIDTH - _QQ - 160,
        "height": _SHORT,
        "layer": [
            {
                "data": {"values": [{"bound": round(trait.bound, 3)}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "#8b949e"},
                "encoding": {"y": {"field": "bound", "type": "quantitative"}},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 26, "opacity": 0.6},
                "encoding": {"x": x, "y": y, "color": _colour(burdens)},
            },
        ],
        "config": CONFIG,
    }


def quantile_plot(trait: Trait) -> Spec:
    """Observed against expected p, a line a burden, with the band of independent tests (95 %)."""
    table = trait.quantiles.round(4)
    burdens = sorted(table["burden"].unique())
    first = table[table["burden"] == burdens[0]] if burdens else table
    end = float(table["expected"].max()) if len(table) else 1.0
    x = {"field": "expected", "type": "quantitative", "title": "expected −log10 p"}
    y = {"type": "quantitative", "title": "observed −log10 p"}
    band = first[["expected", "low", "high"]].to_dict("records")
    return {
        "width": _QQ,
        "height": _SHORT,
        "layer": [
            {
                "data": {"values": band},
                "mark": {"type": "area", "color": "#8b949e", "opacity": 0.25},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": [{"expected": 0, "y": 0}, {"expected": end, "y": end}]},
                "mark": {"type": "line", "color": FAINT},
                "encoding": {"x": x, "y": {**y, "field": "y"}},
            },
            {
                "data": {"values": table[["expected", "observed", "burden"]].to_dict("records")},
                "mark": {"type": "line", "point": {"size": 12}},
                "encoding": {"x": x, "y": {**y, "field": "observed"}, "color": _colour(burdens)},
            },
        ],
        "config": CONFIG,
    }
