"""Checking all inputs and writing the manifest: contigs, split, shards, hashes."""

from __future__ import annotations

from dataclasses import asdict, replace

from genomic_models.corpora import corpus_of
from workbench.analysis.throughput import shard_bases
from workbench.genome.interval import Interval
from workbench.genome.windows import Cell
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.manifest import Manifest, ModelLock, hash_file, versions
from workbench.study.planning import planned_cells, planned_grid, planned_split, refuse_no_annotation
from workbench.study.study import Study


def cut_shards(cells: list[Cell], size: int) -> list[Interval]:
    """Runs of neighbouring cells of at most ``size`` bases."""
    shards: list[Interval] = []
    for cell in cells:
        last = shards[-1] if shards else None
        beside = last and last.chrom == cell.chrom and last.end == cell.start
        if last and beside and cell.end - last.start <= size:
            shards[-1] = last._replace(end=cell.end)
        else:
            shards.append(Interval(cell.chrom, cell.start, cell.end))
    return shards


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Check genome, tracks, model and layer, lock them in the manifest, and write the facts ``plan``."""
    config = study.config
    genome = study.genome
    tracks, notes = study.annotation
    refuse_no_annotation(study, tracks)
    model = study.model
    layer = model.resolve(config.model.layer or model.default_layer)
    grid = planned_grid(study, model)
    split = planned_split(study, genome, grid)
    cells = planned_cells(study, genome, grid)
    read = sum(cell.end - cell.start for cell in cells)
    size = config.run.shard_bases or shard_bases(study, layer, read)
    manifest = Manifest(
        model=ModelLock(
            name=config.model.name,
            weights_hash=model.weights_hash,
            layer=layer,
            d_model=model.d_model(layer),
            dtype=config.model.dtype,
            context=model.context,
            pretraining=corpus_of(config.model.name).statement,
        ),
        windows=asdict(config.windows) | ({"lookahead": grid.lookahead} if grid.lookahead else {}),
        contigs=dict(genome.lengths),
        circular=sorted(genome.circular),
        # The path as the settings have it: a study whose inputs lie inside it can be moved.
        inputs={k: replace(hash_file(study.resolve(v)), path=v) for k, v in study.input_files.items()},
        split=split.blocks,
        shards=cut_shards(cells, size),
        seeds={"seed": config.run.seed},
        versions=versions(),
    )
    study.lock(manifest)
    study.write_facts("plan", {"notes": study.left_out})
    for note in notes:
        progress.say(f"note: {note}")
    progress.advance(1)
    return 0


STAGE = Stage(
    name="plan",
    title="checking inputs",
    needs=(),
    sections=("input", "model", "windows", "split", "run"),
    run=run,
    unit="study",
)
