"""Planning a study of a human-sized genome: cells, split, shards, and what a run asks before its first shard.

``python benchmarks/planning.py [--quick] [--json] [--regions N]``. The genome is synthetic and exists only as
coordinates (24 contigs, 3 Gb; no sequence is read); regions are drawn at random over it (2,000 to 20,000
bases). ``--quick`` has a twentieth of both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.engines.shards import fingerprint, pending, plan_work
from workbench.genome.interval import Interval
from workbench.genome.splits import make_split
from workbench.genome.windows import Grid
from workbench.stages.plan import cut_shards
from workbench.stages.registry import STAGES
from workbench.study.config import InputConfig, StudyConfig
from workbench.study.manifest import Manifest, ModelLock
from workbench.study.study import Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402

CONTIGS, LENGTH = 24, 125_000_000
SHARES = {"train": 0.5, "select": 0.25, "report": 0.25}
# Stages with a shard a stretch, whose work is known from the manifest alone.
PLANNED = ("encode", "annotate")


def draw_regions(count: int, length: int, seed: int = 0) -> pd.DataFrame:
    """Random regions, in order."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, length - 20_000, count)
    table = pd.DataFrame(
        {
            "chrom": [f"chr{i + 1}" for i in rng.integers(0, CONTIGS, count)],
            "start": start,
            "end": start + rng.integers(2_000, 20_000, count),
        }
    )
    return table.sort_values(["chrom", "start"], ignore_index=True)


def measure(regions: int, length: int, folder: Path) -> dict[str, float]:
    """Seconds of each step, and how many shards there are."""
    lengths = {f"chr{i + 1}": length for i in range(CONTIGS)}
    table, grid = draw_regions(regions, length), Grid(2048, 512)
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds[name] = time.monotonic() - began

    with timed("cells_s"):
        cells = grid.cells_of(table, lengths)
    with timed("split_s"):
        spans = [Interval(c.chrom, c.start, c.end) for c in cells]
        split = make_split(lengths, grid, SHARES, 0, regions=spans)
        train = split.cells(grid, lengths, "train")
    with timed("shards_s"):
        shards = cut_shards(cells, 98_304)
    genome = folder / "none.fa"
    genome.write_text(">chr1\nACGT\n")
    study = Study.create(folder / "study", StudyConfig(input=InputConfig(genome=str(genome))))
    model = ModelLock("none", "", "", 1, "float32", 2048, "")
    with timed("manifest_s"):
        study.lock(Manifest(model, {}, lengths, [], {}, split.blocks, shards, {}, {}))
        _ = study.manifest.hash
    with timed("work_s"):
        for name in PLANNED:
            work = plan_work(study, STAGES[name])
            assert len(pending(study, work).shards) == len(shards)
    with timed("codes_s"):
        for shard in work.shards:
            study.split.codes(*shard.task)
    with timed("fingerprint_s"):
        fingerprint(study, STAGES["report"])
    total = sum(seconds.values())
    sizes = {"regions": regions, "cells": len(cells), "shards": len(shards), "train": len(train)}
    return {"total_s": total, **seconds, **sizes}


def main() -> None:
    options = parser(__doc__, "a twentieth of the genome")
    options.add_argument("--regions", type=int, default=20_000, help="how many are drawn")
    args = options.parse_args()
    part = 20 if args.quick else 1
    with tempfile.TemporaryDirectory() as name:
        found = measure(args.regions // part, LENGTH // part, Path(name))
    finish(args, {name: round(value, 3) for name, value in found.items()})


if __name__ == "__main__":
    main()
