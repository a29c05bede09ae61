"""Genomes of public archives."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from workbench.progress import showing


def fetch(
    accession: Annotated[
        str,
        typer.Argument(
            help="NC_000913.3 (a sequence of NCBI), GCF_000005845.2 (an assembly) or saccharomyces_cerevisiae"
            " (a species of Ensembl)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the files. Default: one in the cache.")] = None,
) -> None:
    """Fetch a genome and its annotation, with checksums; what was fetched before is found again.

    A broken connection is taken up where it broke off, by the same command too. On a machine without a way
    out run it elsewhere and copy the folder. WORKBENCH_EUTILS, WORKBENCH_DATASETS and WORKBENCH_ENSEMBL name
    mirrors.
    """
    from workbench.setup.fetch import fetch as take  # pandas

    with showing() as progress:
        found = take(accession, out, progress)
    print(f"genome: {found.genome}")
    tracks = f" --tracks {shlex.quote(str(found.tracks))}" if found.tracks else ""
    print(f"annotation: {found.tracks or 'none'}")
    print(f"next: workbench new study --genome {shlex.quote(str(found.genome))}{tracks}")
