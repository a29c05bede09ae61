"""All stages, in the order in which they run."""

from __future__ import annotations

from workbench.stages import (
    annotate,
    associate,
    baselines,
    burdens,
    catalog,
    cohort,
    controls,
    encode,
    haplotypes,
    phenotype,
    pick,
    plan,
    quality,
    report,
    sae,
)
from workbench.stages.stage import Stage

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        plan.STAGE,
        cohort.STAGE,
        sae.STAGE,
        quality.STAGE,
        encode.STAGE,
        annotate.STAGE,
        associate.STAGE,
        baselines.STAGE,
        pick.STAGE,
        controls.STAGE,
        catalog.STAGE,
        haplotypes.STAGE,
        burdens.STAGE,
        phenotype.STAGE,
        phenotype.PREDICTION,
        report.STAGE,
    )
}
