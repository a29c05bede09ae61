"""How fast this machine reads a genome, and how large shards should therefore be."""

from __future__ import annotations

import time

from workbench.analysis.readings import read_cells
from workbench.study.study import Study

# Seconds that a shard should take: long beside loading a model, short beside what a lost one costs.
TARGET = 600.0


def bases_per_second(study: Study, layer: str) -> float:
    """Bases a second, both strands, of one batch of cells through the model to ``layer``."""
    lengths = study.genome.lengths
    cells = [c for chrom, n in lengths.items() for c in study.grid.cells(chrom, n)]
    some = cells[: max(1, study.batch // 2)]

    def once() -> float:
        began = time.monotonic()
        for _ in read_cells(study.model, layer, study.genome, study.grid, some, study.batch):
            pass
        return time.monotonic() - began

    once()
    return sum(c.end - c.start for c in some) / min(once(), once())


def shard_bases(study: Study, layer: str, bases: int) -> int:
    """Bases of a shard that takes ``TARGET`` seconds here, but at least two shards for each task."""
    most = max(1, bases // (2 * study.config.jobs.tasks))
    return max(study.grid.stride, min(most, round(TARGET * bases_per_second(study, layer))))
