"""Feature maps: every base of the genome, both strands, through model and autoencoder to disk."""

from __future__ import annotations

import numpy as np

from feature_mining.feature_map import Csr, concatenate, keep_rows
from workbench.analysis.readings import STRANDS, read_cells
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, map_shards
from workbench.study.feature_store import Origin, StrandMap, shard_path, write_shard
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the feature map of one shard."""
    chrom, start, end = shard.task
    parts: dict[str, list[Csr]] = {strand: [] for strand in STRANDS}
    masks: dict[str, list[np.ndarray]] = {strand: [] for strand in STRANDS}
    stream = read_cells(
        study.model,
        study.layer,
        study.genome,
        study.grid,
        study.grid.cells_between(chrom, study.manifest.contigs[chrom], start, end),
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
    write_shard(shard_path(folder, chrom, shard.index), chrom, start, origin, strands)
    return shard.size


STAGE = Stage(
    name="encode",
    title="encoding the genome, both strands",
    needs=("sae",),
    sections=("windows",),
    run=run,
    shards=map_shards,
    model=True,
)
