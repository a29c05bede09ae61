"""The command ``workbench view``."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from workbench.errors import InputError
from workbench.study.study import Study


def view(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    at: Annotated[
        str,
        typer.Option(
            help="contig:first-last (the first base is number 1, the last one included), contig:position, a"
            " contig, a gene, locus tag or product. Default: where the first feature is strongest.",
            metavar="PLACE",
        ),
    ] = "",
    features: Annotated[
        str, typer.Option(help="Feature numbers, as in 12,40. Default: the best of the tracks.")
    ] = "",
    tracks: Annotated[
        str, typer.Option(help="Names of tracks, commas between. Default: genes and what fits.")
    ] = "",
    address: Annotated[
        str, typer.Option(help="Address of the browse page, in place of all these: the view as it is there.")
    ] = "",
) -> None:
    """Write a view of the browser as one HTML page for somebody without the study.

    workbench view DIR --at chr:1-2,000 --features 1,2 --out view.html

    The page moves and zooms around the view, down to bases, and says what was run, with hashes, labels and
    verdicts. It opens from a disk without a network, and is smaller than 10 MB.
    """
    if find_spec("streamlit") is None:
        raise InputError("streamlit is not installed; install it with `pip install streamlit`")
    names = ",".join(quote(name, safe="") for name in tracks.split(","))
    given = {"features": features, "tracks": names}
    query = "&".join(f"{name}={quote(text, safe=',')}" for name, text in given.items() if text)
    if address:
        query = address.partition("?")[2]
        if at or features or tracks or not query:
            raise InputError("--address: expected an address of the browse page, as in browse?at=..., alone")
    study = Study.open(folder)
    # In a process of its own: the browser stands above this package.
    command = [sys.executable, "-P", "-m", "app.view", str(study.folder), at, query]
    done = subprocess.run(
        [*command, str(out.resolve())], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise InputError((done.stderr.strip().splitlines() or ["the page could not be made"])[-1])
    print(out)
