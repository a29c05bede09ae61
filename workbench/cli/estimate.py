"""What a study would cost, printed: from a probe here, or on paper where its model cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cli.tables import show
from workbench.progress import showing
from workbench.study.config import JobConfig
from workbench.study.study import Study

if TYPE_CHECKING:
    from workbench.engines.estimate import Estimate

COLUMNS = ("stage", "units", "units/s, one worker", "hours, one worker", "shards", "merge, s", "files", "GB")


def on_paper(study: Study, settings: JobConfig) -> bool:
    """Print what a study would cost whose model cannot run here; False where it can, or is not known."""
    from workbench.engines import paper  # PyTorch

    if not paper.is_on_paper(study):
        return False
    with showing() as progress:
        cost, rate, weights = paper.estimate_on_paper(study, settings.tasks, progress)
    _show(cost, settings.tasks, max(1, settings.gpus))
    print(
        f"on paper: {study.config.model.name} cannot run here. Assumed where it runs: {rate:,.0f} letters a"
        f" second to the layer, {paper.SHARE:.0%} of what an {paper.CARD} can do; each task reads and holds"
        f" {weights / 1e9:.1f} GB of weights. All else was measured, by a probe of {cost.probe_seconds:.0f} s"
        " here with a small network in its place"
    )
    return True


def probed(study: Study, settings: JobConfig) -> None:
    """Print what a planned study would cost, from a probe on this machine."""
    from workbench.engines.estimate import estimate  # PyTorch

    with showing() as progress:
        cost = estimate(study, settings.tasks, progress)
    _show(cost, settings.tasks, settings.gpus)
    memory = f"memory of a worker {cost.memory / 1e9:.1f} GB"
    memory += f", of its GPU {cost.gpu_memory / 1e9:.1f} GB" if cost.gpu_memory else ""
    print(f"{memory} (measured by a probe of {cost.probe_seconds:.0f} s here)")


def _show(cost: Estimate, tasks: int, gpus: int) -> None:
    rows = [
        (
            s.stage,
            f"{s.units:,} {s.unit}" if s.units else "",
            f"{s.rate:,.0f}" if s.rate else "",
            f"{s.seconds / 3600:,.3f}",
            f"{s.shards:,}",
            f"{s.merge:,.1f}",
            f"{s.files:,}",
            f"{s.disk / 1e9:,.3f}",
        )
        for s in cost.stages
    ]
    show(COLUMNS, rows)
    print(f"one worker: {cost.seconds / 3600:,.2f} h; {tasks} tasks: {cost.hours(tasks):,.2f} h, queue apart")
    if gpus:
        busy = sum(s.seconds for s in cost.stages if s.model) / 3600
        print(f"GPU hours: {busy * gpus:,.2f}")
    print(f"shared disk: {cost.disk / 1e9:,.2f} GB in {cost.files:,} files; disk of a node: none")
