"""The main job on the genome and the model that ship with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.progress import showing
from workbench.setup.demo import run_demo


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the study to make.")] = Path("demo-study"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Run the main job on the embedded sample: the first 250 kb of E. coli K-12 MG1655, start to report.

    Reads 250 kb on both strands with the model that ships with the project, trains an autoencoder, tests
    its features against the annotation with all controls, reads the haplotypes of a simulated cohort of 240
    samples over four genes, and writes OUT/report.html. A few minutes on two cores. Run it again after
    a stop and it goes on.
    """
    with showing() as progress:
        study = run_demo(out, seed, progress)
    print(f"report: {study.folder / 'report.html'}")
