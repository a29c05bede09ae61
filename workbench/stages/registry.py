"""All stages, in the order in which they run."""

from __future__ import annotations

from workbench.errors import InputError
from workbench.stages import (
    annotate,
    associate,
    audit,
    baselines,
    biomarkers,
    burdens,
    catalog,
    cohort,
    concepts,
    controls,
    copies,
    encode,
    haplotypes,
    layers,
    overlaps,
    phenotype,
    pick,
    plan,
    quality,
    report,
    sae,
    unexplained,
)
from workbench.stages.stage import Stage
from workbench.stages.tree import SUFFIX, groups_of

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        plan.STAGE,
        cohort.STAGE,
        haplotypes.STAGE,
        sae.STAGE,
        layers.STAGE,
        quality.STAGE,
        encode.STAGE,
        annotate.STAGE,
        overlaps.STAGE,
        associate.STAGE,
        baselines.STAGE,
        pick.STAGE,
        copies.STAGE,
        controls.STAGE,
        concepts.STAGE,
        audit.STAGE,
        catalog.STAGE,
        unexplained.STAGE,
        burdens.STAGE,
        phenotype.STAGE,
        phenotype.PREDICTION,
        biomarkers.STAGE,
        report.STAGE,
    )
}


def find_stage(name: str) -> Stage:
    """A stage by its name, or the groups of one; ``InputError`` for a name that is neither."""
    own = STAGES.get(name.removesuffix(SUFFIX))
    if own is None or (name != own.name and own.sums is None):
        raise InputError(f"unknown stage {name!r}; expected one of {', '.join(STAGES)}")
    return own if name == own.name else groups_of(own)
