"""What a cohort adds to the report: calibration, hits along the genome, candidates, prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench import wording
from workbench.analysis.biomarkers.tiers import LEVEL, RULES
from workbench.errors import InputError
from workbench.report.scan_charts import drawn_tests

if TYPE_CHECKING:
    from workbench.study.study import Study

MOST_PHENOTYPES = 6
# Tests drawn of one phenotype, the strongest.
MOST_POINTS = 1500
# Candidates listed of one phenotype.
TOP = 10
LABEL = "SIMULATED"


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
        Drawn tests, as `scan_charts.drawn_tests` gives them.
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
    if not study.config.has_phenotypes:
        return None
    cohort, facts = study.cohort, study.facts("cohort")
    shown = cohort.phenotypes[:MOST_PHENOTYPES]
    tests = study.table("phenotype_associations")
    biomarkers = study.table("biomarkers")
    known = drawn_tests(
        tests[tests["minus_log10_p"].notna()], study.table("burdens"), biomarkers, study.manifest.contigs
    )
    traits = []
    for trait in shown:
        own = known[known["phenotype"] == trait.name]
        values = cohort.samples[trait.name]
        binary = trait.kind == "binary"
        candidates = _of(biomarkers, trait.name)
        traits.append(
            Trait(
                name=trait.name,
                kind=trait.kind,
                n=int(values.notna().sum()),
                cases=int((values == 1).sum()) if binary else 0,
                tests=own.dropna(subset="at").nlargest(MOST_POINTS, "minus_log10_p"),
                bound=_bound(own),
                quantiles=_of(study.table("phenotype_quantiles"), trait.name),
                calibration=_of(study.table("phenotype_calibration"), trait.name),
                prediction=_prediction(study, trait.name, "auroc" if binary else "r2"),
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


def _bound(tests: pd.DataFrame) -> float:
    """-log10 of 0.05 over the patterns tested with one burden, the most of all burdens."""
    patterns = tests.groupby("burden")["pattern"].nunique()
    return math.log10(max(int(patterns.max()), 1) / LEVEL) if len(patterns) else math.nan


def _prediction(study: Study, phenotype: str, measure: str) -> pd.DataFrame:
    columns = ["predictors", "folds", "score", "low", "high", "note"]
    try:
        table = study.table("prediction")
    except InputError:
        return pd.DataFrame(columns=columns)
    own = table[(table["phenotype"] == phenotype) & (table["group"] == "all")]
    wide = own.rename(columns={measure: "score", f"{measure}_low": "low", f"{measure}_high": "high"})
    return wide.reindex(columns=columns).reset_index(drop=True)


def _strongest(study: Study, phenotype: str, tests: pd.DataFrame) -> str:
    """Whether features say more than the plain variants of the same regions, as numbers."""
    if tests.empty:
        return "No feature varied enough between samples to be tested."
    best = tests.loc[tests["minus_log10_p"].idxmax()]
    text = (
        f"The strongest feature is {best['feature_name']} over {best['region']} ({best['burden']}):"
        f" −log10 p {wording.fixed(best['minus_log10_p'], 1)}"
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
        f" {wording.fixed(top['minus_log10_p'], 1)}. By this measure the features say {more} than the"
        " variants."
    )
