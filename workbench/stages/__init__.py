"""The steps of a study, in order. One module a stage; ``STAGES`` is the registry."""

from __future__ import annotations

from workbench.stages import (
    annotate,
    associate,
    catalog,
    controls,
    encode,
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
        sae.STAGE,
        quality.STAGE,
        encode.STAGE,
        annotate.STAGE,
        associate.STAGE,
        controls.STAGE,
        catalog.STAGE,
        report.STAGE,
    )
}

__all__ = ["STAGES", "Stage"]
