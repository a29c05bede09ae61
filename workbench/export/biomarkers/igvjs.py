"""A folder that igv.js opens: ``session.json`` with URLs relative to it, and a page that loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.export.biomarkers.bundle import Item, write_bundle
from workbench.export.biomarkers.igv import COLOURS
from workbench.export.biomarkers.rows import notice
from workbench.export.job import Job, write_sidecar
from workbench.files.atomic import write_atomic

KINDS = {"bed": "annotation", "vcf": "variant", "bigwig": "wig"}


def write(job: Job) -> list[Path]:
    """Write the folder; ``igv.createBrowser(div, session)`` of a page served from it takes the JSON."""
    bundle = write_bundle(job)
    chrom, start, end = bundle.locus
    name = job.study.folder.name
    session = {
        "reference": {
            "id": name,
            "name": f"{name} ({notice(bundle.rows)})",
            "fastaURL": "genome.fa",
            "indexURL": "genome.fa.fai",
        },
        "locus": f"{chrom}:{start + 1}-{end}",
        "tracks": [_track(item) for item in bundle.items],
    }
    path = job.out / "session.json"
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(session, indent=1) + "\n")
    return [path, *bundle.written, write_sidecar(job)]


def _track(item: Item) -> dict[str, Any]:
    track: dict[str, Any] = {
        "name": item.title,
        "type": KINDS[item.format],
        "format": item.format,
        "url": item.path,
    }
    if item.index_path:
        track["indexURL"] = item.index_path
    if item.format == "bigwig":
        side = "plus" if ".plus." in item.path else "minus"
        track |= {"color": f"rgb({COLOURS[side]})", "autoscale": True, "height": 50}
    if item.format == "bed":
        track["displayMode"] = "EXPANDED"
    return track
