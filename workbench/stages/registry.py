"""All stages, in the order in which they run."""

from __future__ import annotations

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
    encode,
    haplotypes,
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

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        plan.STAGE,
        cohort.STAGE,
        haplotypes.STAGE,
        sae.STAGE,
        quality.STAGE,
        encode.STAGE,
        annotate.STAGE,
        overlaps.STAGE,
        associate.STAGE,
        baselines.STAGE,
        pick.STAGE,
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
