"""The report: one HTML file that opens anywhere."""

from __future__ import annotations

from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write ``report.html`` and ``audit.html``."""
    from workbench.report.render import write_audit, write_report  # Altair, which no shard needs

    write_audit(study, study.folder / "audit.html")
    write_report(study, study.folder / "report.html")
    progress.advance(1)
    return 0


STAGE = Stage(
    name="report",
    title="drawing the report",
    needs=("catalog", "quality", "concepts", "unexplained", "biomarkers"),
    sections=(),
    run=run,
    unit="page",
)
