"""Feature maps: every base of the genome, both strands, through model and autoencoder to disk.

A file a shard; with more than ``MOST_FILES`` shards, each process packs those that it makes into one file.
"""

from __future__ import annotations

import numpy as np

from feature_mining.feature_map import Csr, concatenate, keep_rows
from workbench.analysis.kept_readings import read_kept
from workbench.analysis.readings import STRANDS
from workbench.analysis.sample import sampled_cells
from workbench.files.atomic import append_part, own_name
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, map_shards
from workbench.study.feature_store import MOST_FILES, Origin, StrandMap, shard_image, shard_path, write_shard
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the feature map of one shard."""
    chrom, start, end = shard.task
    parts: dict[str, list[Csr]] = {strand: [] for strand in STRANDS}
    masks: dict[str, list[np.ndarray]] = {strand: [] for strand in STRANDS}
    cells = study.grid.cells_between(chrom, study.manifest.contigs[chrom], start, end)
    for reading in read_kept(study, cells, keep=sampled_cells(study)):
        features = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
        parts[reading.strand].append(keep_rows(features, reading.callable))
        masks[reading.strand].append(reading.callable)
        if reading.strand == STRANDS[-1]:
            progress.advance(len(reading.callable))
    keep(study, shard, {s: StrandMap(concatenate(parts[s]), np.concatenate(masks[s])) for s in STRANDS})
    return shard.size


def keep(study: Study, shard: Shard, strands: dict[str, StrandMap]) -> None:
    """Write both readings of a shard: a file, or a part of this process's pack."""
    chrom, start, _ = shard.task
    origin = Origin(study.manifest.model.weights_hash, study.layer, study.sae_hash)
    folder = study.folder / "features"
    folder.mkdir(exist_ok=True)
    if len(study.manifest.shards) > MOST_FILES:
        append_part(folder / f"{own_name()}.pack", shard_image(chrom, start, origin, strands))
    else:
        write_shard(shard_path(folder, chrom, shard.index), chrom, start, origin, strands)


def finish(study: Study) -> None:
    """Remove packs and files that no shard is in any more."""
    folder, parts = study.folder / "features", study.ledger.parts(STAGE.name)
    used = {part.path for part in parts.values()}
    for i, (chrom, *_) in enumerate(study.manifest.shards):
        if i not in parts:
            used.add(shard_path(folder, chrom, i))
    for path in [*folder.glob("*.h5"), *folder.glob("*.pack")]:
        if path not in used:
            path.unlink()


STAGE = Stage(
    name="encode",
    title="encoding the genome, both strands",
    needs=("sae",),
    sections=("windows",),
    run=run,
    shards=map_shards,
    finish=finish,
    model=True,
)
