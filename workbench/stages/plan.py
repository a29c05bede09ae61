"""Checking all inputs and writing the manifest: contigs, split, shards, hashes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from genomic_models import DNAModel
from genomic_models.corpora import corpus_of
from workbench.errors import InputError
from workbench.genome import Genome
from workbench.manifest import Manifest, hash_file, versions
from workbench.pace import shard_bases
from workbench.progress import Progress
from workbench.splits import Split, make_split
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.text import suffix_of
from workbench.tracks import Contigs, Track, derive_tracks, read_tracks
from workbench.tracks.bed import read_bed
from workbench.tracks.gff import circular_contigs
from workbench.windows import Cell, Grid


def read_study_tracks(study: Study) -> list[Track]:
    """Tracks of a study: read, named apart, derived ones added, unwanted and small ones left out."""
    given = study.config.input
    tracks: list[Track] = []
    for path in given.tracks:
        for track in read_tracks(study.resolve(path), study.genome, given.rename):
            taken = {t.name for t in tracks}
            stem = study.resolve(path).name.split(".")[0]
            name = track.name if track.name not in taken else f"{stem}:{track.name}"
            tracks.append(replace(track, name=name))
    contigs = Contigs(study.genome.lengths, study.genome.circular)
    tracks += derive_tracks(tracks, contigs)
    settings = study.config.statistics
    return [
        t
        for t in tracks
        if t.name not in settings.skip_tracks
        and (t.kind == "signal" or len(t.intervals) >= settings.min_intervals)
    ]


def refuse_no_annotation(study: Study, tracks: list[Track]) -> None:
    """Raise ``InputError`` where no interval track is left to test features against."""
    if not any(t.kind == "interval" for t in tracks):
        raise InputError(
            f"{study.folder}: no interval track with at least {study.config.statistics.min_intervals}"
            " intervals; give annotation with --tracks"
        )


def default_layer(model: DNAModel) -> str:
    """The tap after the block at 70 % of the depth: past the letters, before the output."""
    blocks = [n for n in model.layers if n.startswith("blocks.") and n.count(".") == 1]
    return blocks[int(0.7 * len(blocks))] if blocks else model.layers[len(model.layers) // 2]


def _cells(study: Study, genome: Genome, grid: Grid) -> list[Cell]:
    if not study.config.input.regions:
        return [c for chrom, length in genome.lengths.items() for c in grid.cells(chrom, length)]
    path = study.resolve(study.config.input.regions)
    if suffix_of(path) != ".bed":
        raise InputError(f"{path}: regions must be a BED file")
    contigs = Contigs(genome.lengths, genome.circular)
    regions = read_bed(path, contigs)[0].intervals
    strange = sorted(set(regions["chrom"]) - set(genome.lengths))
    if strange:
        raise InputError(
            f"{path}: contig {strange[0]} is not in the genome; it has {', '.join(list(genome.lengths)[:6])}"
        )
    return grid.cells_of(regions, genome.lengths)


def planned_split(study: Study, genome: Genome) -> Split:
    """The split that the settings ask for; ``InputError`` for a genome too short for it."""
    given = study.config.split
    shares = {name: getattr(given, name) for name in ("train", "select", "report")}
    seed = study.config.run.seed
    read = []
    if study.config.input.regions:
        read = [(c.chrom, c.start, c.end) for c in _cells(study, genome, study.grid)]
    return make_split(genome.lengths, study.grid, shares, seed, given.block, genome.circular, read)


def _shards(cells: list[Cell], size: int) -> list[dict[str, Any]]:
    """Runs of neighbouring cells of at most ``size`` bases."""
    shards: list[dict[str, Any]] = []
    for cell in cells:
        last = shards[-1] if shards else None
        next_to = last and last["chrom"] == cell.chrom and last["end"] == cell.start
        if last and next_to and cell.end - last["start"] <= size:
            last["end"] = cell.end
            continue
        shards.append({"chrom": cell.chrom, "start": cell.start, "end": cell.end})
    return shards


def _circular(study: Study) -> list[str]:
    """Circular contigs: those the user named, and those a GFF3 track declares."""
    named = set(study.config.input.circular)
    for path in study.config.input.tracks:
        resolved = study.resolve(path)
        if suffix_of(resolved) in (".gff", ".gff3"):
            named |= circular_contigs(resolved)
    return sorted(named)


def run(study: Study, shard: int, progress: Progress) -> int:
    """Check genome, tracks, model and layer, and lock them in the manifest."""
    config = study.config
    genome = study.genome
    declared = [c for c in _circular(study) if c in genome.lengths]
    genome.circular = genome.circular | frozenset(declared)
    grid = study.grid
    tracks = read_study_tracks(study)
    refuse_no_annotation(study, tracks)
    model = study.model
    layer = model.resolve(config.model.layer or default_layer(model))
    if grid.window > model.context:
        raise InputError(
            f"{study.folder}/study.toml: window {grid.window} is longer than the context of model"
            f" {model.name}, {model.context}; choose a shorter window"
        )
    split = planned_split(study, genome)
    inputs = {"genome": config.input.genome} | {f"track:{t}": t for t in config.input.tracks}
    if config.input.regions:
        inputs["regions"] = config.input.regions
    cells = _cells(study, genome, grid)
    read = sum(cell.end - cell.start for cell in cells)
    size = config.run.shard_bases or shard_bases(study, layer, read)
    manifest = Manifest(
        model={
            "name": config.model.name,
            "weights_hash": model.weights_hash,
            "layer": layer,
            "d_model": model.d_model(layer),
            "dtype": config.model.dtype,
            "context": model.context,
            "pretraining": corpus_of(model.name).statement,
        },
        windows=asdict(config.windows),
        contigs=dict(genome.lengths),
        circular=sorted(genome.circular),
        # The path as the settings have it: a study whose inputs lie inside it can be moved.
        inputs={k: asdict(hash_file(study.resolve(v))) | {"path": v} for k, v in inputs.items()},
        split=split.blocks.to_dict("records"),
        shards=_shards(cells, size),
        seeds={"seed": config.run.seed},
        versions=versions(),
    )
    study.lock(manifest)
    for note in dict.fromkeys(note for track in tracks for note in track.notes):
        progress.say(f"note: {note}")
    progress.advance(1)
    return 0


STAGE = Stage(
    name="plan",
    title="checking inputs",
    needs=(),
    sections=("input", "model", "windows", "split", "run"),
    run=run,
    size=lambda study, shard: 1,
    unit="study",
)
