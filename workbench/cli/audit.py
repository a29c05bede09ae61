"""The shortcut audit of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.progress import showing
from workbench.study.study import Study


def audit(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as one JSON object.")] = False,
) -> None:
    """Was it learnt or is it a shortcut? Writes DIR/audit.html and says in short what was found.

    Position in the window, warm-up spike, strand and shift consistency, what GC, k-mers and codon phase
    explain, near copies across the split, overlap with the model's pretraining. Stages that are missing are
    run first. Flags of every feature are in the catalog, their numbers in the table `audit`. Sequence files
    that the model was trained on can be given in study.toml under [audit] corpus.
    """
    from workbench.report.context import gather  # pandas
    from workbench.report.discovery import findings, gather_discovery  # pandas, SciPy
    from workbench.report.render import write_audit  # Altair

    study = Study.open(folder)
    with showing() as progress:
        study.run(workers, "unexplained", None, progress)
    study = Study.open(folder)
    write_audit(study, study.folder / "audit.html")
    if as_json:
        print(json.dumps(study.facts("audit")))
        return
    for sentence in findings(gather_discovery(study, gather(study).shown)):
        print(f"* {sentence}")
    print(f"audit: {study.folder / 'audit.html'}")
