"""The command ``workbench quality``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.tables import show
from workbench.progress import showing
from workbench.study.study import Study


def quality(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How good the autoencoder is on held-out sequence, in plain words. Runs what is missing, no more.

    Reconstruction, what it costs the model in bits a base (also by class of region), dead and dense
    features, stability over seeds, consistency over strands and shifts, probes, absorption; beside it the
    autoencoders of other layers that [activations] layers asks for.
    """
    from workbench.analysis.quality_table import gather_quality, quality_lines  # pandas

    study = Study.open(folder)
    with showing() as progress:
        study.run(until="quality", progress=progress)
        if study.config.activations.layers:
            study.run(until="layers", progress=progress)
    found = gather_quality(study)
    if as_json:
        print(json.dumps(found, indent=1, sort_keys=True))
        return
    show(
        ("measure", "value", "meaning"),
        quality_lines(found),
        title=f"{study.sae.config.architecture}, {study.sae.config.d_sae:,} features of {study.layer}",
        caption=f"measured on {found['bases']:,} readings of the report split; bits on"
        f" {found['bits']['bases']:,}",
    )
