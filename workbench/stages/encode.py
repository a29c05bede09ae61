"""Feature maps: every base of the genome, both strands, through model and autoencoder to disk."""

from __future__ import annotations

import numpy as np

from feature_mining.feature_map import Csr, concatenate, keep_rows
from workbench.feature_store import Origin, StrandMap, shard_path, write_shard
from workbench.progress import Progress
from workbench.reading import STRANDS, read_cells
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.windows import Cell


def shard_cells(study: Study, shard: int) -> list[Cell]:
    """Cells of a shard."""
    spec = study.manifest.shards[shard]
    length = study.manifest.contigs[spec["chrom"]]
    cells = study.grid.cells(spec["chrom"], length)
    return [c for c in cells if spec["start"] <= c.start and c.end <= spec["end"]]


def run(study: Study, shard: int, progress: Progress) -> int:
    """Write the feature map of one shard."""
    spec = study.manifest.shards[shard]
    parts: dict[str, list[Csr]] = {strand: [] for strand in STRANDS}
    masks: dict[str, list[np.ndarray]] = {strand: [] for strand in STRANDS}
    stream = read_cells(
        study.model,
        study.layer,
        study.genome,
        study.grid,
        shard_cells(study, shard),
        study.batch,
    )
    for reading in stream:
        features = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
        parts[reading.strand].append(keep_rows(features, reading.callable))
        masks[reading.strand].append(reading.callable)
        if reading.strand == STRANDS[-1]:
            progress.advance(len(reading.callable))
    strands = {s: StrandMap(concatenate(parts[s]), np.concatenate(masks[s])) for s in STRANDS}
    origin = Origin(study.model.weights_hash, study.layer, study.sae.hash)
    folder = study.folder / "features"
    folder.mkdir(exist_ok=True)
    write_shard(
        shard_path(folder, spec["chrom"], shard), spec["chrom"], spec["start"], origin, strands
    )
    return int(spec["end"] - spec["start"])


STAGE = Stage(
    name="encode",
    title="encoding the genome, both strands",
    needs=("sae",),
    sections=("windows",),
    run=run,
    count=lambda study: len(study.manifest.shards),
    size=lambda study, shard: (
        study.manifest.shards[shard]["end"] - study.manifest.shards[shard]["start"]
    ),
    model=True,
)
