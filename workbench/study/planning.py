"""What a study plans to read: layer, cells, split, and whether there is annotation to test against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.genome.reference import Genome
from workbench.genome.splits import Split, make_split
from workbench.genome.windows import Cell, Grid
from workbench.study.study import Study
from workbench.tracks import Track, read_regions

if TYPE_CHECKING:
    from genomic_models import DNAModel


def refuse_no_annotation(study: Study, tracks: list[Track]) -> None:
    """Raise ``InputError`` where annotation was given, and no interval track of it can be tested.

    Without any, features are described and not tested.
    """
    if study.config.has_annotation and not any(t.kind == "interval" for t in tracks):
        raise InputError(
            f"{study.folder}: no interval track with at least {study.config.statistics.min_intervals}"
            " intervals in the annotation; give other annotation with --tracks, or none, to have features"
            " described and not tested"
        )


def planned_cells(study: Study, genome: Genome, grid: Grid) -> list[Cell]:
    """Cells of the genome, or of the regions that ``[input] regions`` names; ``InputError`` as
    `read_regions`.
    """
    if not study.config.input.regions:
        return [c for chrom, length in genome.lengths.items() for c in grid.cells(chrom, length)]
    given = study.config.input
    regions = read_regions(study.resolve(given.regions), genome, given.rename)
    return grid.cells_of(regions, genome.lengths)


def planned_grid(study: Study, model: DNAModel) -> Grid:
    """How contigs are cut for a model: one that sees both sides of a base has the warm-up at both ends.

    Raises ``InputError`` for a window that this leaves nothing of, or that the model cannot read.
    """
    given, where = study.config.windows, f"{study.folder}/study.toml"
    if given.window > model.longest:
        raise InputError(
            f"{where}: window {given.window} is longer than the context of model {model.name},"
            f" {model.longest} bases where each is a token; choose a shorter window"
        )
    if model.causal:
        return Grid(given.window, given.warmup)
    if 2 * given.warmup >= given.window:
        raise InputError(
            f"{where} [windows]: warmup {given.warmup} must be less than half of window {given.window}: model"
            f" {model.name} sees both sides of a base, so that both ends of a window are discarded"
        )
    return Grid(given.window, given.warmup, lookahead=given.warmup)


def planned_split(study: Study, genome: Genome, grid: Grid) -> Split:
    """The split that the settings ask for; ``InputError`` for a genome too short for it."""
    given = study.config.split
    shares = {name: getattr(given, name) for name in ("train", "select", "report")}
    seed = study.config.run.seed
    read = []
    if study.config.input.regions:
        read = [Interval(c.chrom, c.start, c.end) for c in planned_cells(study, genome, grid)]
    return make_split(genome.lengths, grid, shares, seed, given.block, genome.circular, read)
