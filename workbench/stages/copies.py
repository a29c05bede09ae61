"""Near copies of train and select sequence along the report split, found before anything is scored.

Scores that verdicts rest on leave these bases out, of the features and of every control alike: an rRNA
operon of which the train split holds a copy is no held-out sequence. Only the sequence and the tracks'
intervals are read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workbench.arrays import read_arrays, write_arrays
from workbench.audit.homology import COPIED, TILE, Copies, find_copies
from workbench.progress import Progress
from workbench.stages.stage import Stage
from workbench.study import Study

_TRACK_COUNTS = (
    "n_intervals", "n_report", "copies_train", "copies_select", "copies", "clusters", "straddling",
)  # fmt: skip


def _path(study: Study) -> Path:
    return study.folder / "work" / "copies" / "copies.npz"


def run(study: Study, shard: int, progress: Progress) -> int:
    """Look the report split up in train and select."""
    found = find_copies(study)
    arrays = {
        f"mask_{i}": np.packbits(found.masks[c]) for i, c in enumerate(study.manifest.contigs)
    }
    tracks = found.tracks.reindex(columns=["track", *_TRACK_COUNTS])
    arrays["track"] = tracks["track"].to_numpy(str)
    arrays["counts"] = tracks[list(_TRACK_COUNTS)].to_numpy(np.int64)
    facts = {"k": found.k, "identity": found.identity, "share": found.share}
    write_arrays(_path(study), arrays | {k: np.array(v) for k, v in facts.items()})
    study.write_facts("audit_copies", facts | {"tile": TILE, "copied": COPIED})
    bases = sum(study.manifest.contigs.values())
    progress.advance(bases)
    return bases


def read_copies(study: Study) -> Copies:
    """What `run` found."""
    arrays = read_arrays(_path(study))
    masks = {
        name: np.unpackbits(arrays[f"mask_{i}"], count=length).astype(bool)
        for i, (name, length) in enumerate(study.manifest.contigs.items())
    }
    tracks = pd.DataFrame(arrays["counts"], columns=list(_TRACK_COUNTS))
    tracks.insert(0, "track", arrays["track"].astype(object))
    return Copies(
        int(arrays["k"]), float(arrays["identity"]), masks, tracks, float(arrays["share"])
    )


STAGE = Stage(
    name="copies",
    title="looking for near copies across the splits",
    needs=("plan",),
    sections=("statistics", "split"),
    run=run,
    size=lambda study, shard: sum(study.manifest.contigs.values()),
)
