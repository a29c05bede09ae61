"""Where the autoencoders of a study read their activations: straight from the model, or from its cache.

``[activations] cache = true`` keeps what the train split gives at the study's layer and at ``layers`` under
``activations/``; it is written once, goes on where it was stopped, and is read by every training after that.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from feature_mining.sae.training.cache import (
    ActivationCache,
    CachedActivations,
    Place,
    facts_of,
    require_room,
    write_cache,
)
from feature_mining.sae.training.shuffled_rows import ShuffledRows
from feature_mining.sae.training.site_source import ShuffledSites, Site, site_rows
from feature_mining.sae.training.source import ShuffledActivations, Window
from genomic_models import DNAModel
from workbench.errors import InputError
from workbench.genome.windows import Cell, Grid, Sequences, read_sequence
from workbench.progress import Progress
from workbench.study.study import Study


class StrandWindows(Sequence[Window]):
    """Both strands of cells as windows to train on, read from the genome when asked for."""

    def __init__(self, genome: Sequences, grid: Grid, cells: Sequence[Cell]) -> None:
        self.genome, self.grid, self.cells = genome, grid, cells

    def __len__(self) -> int:
        return 2 * len(self.cells)

    def __getitem__(self, index: int) -> Window:  # type: ignore[override]
        cell, strand = self.cells[index // 2], "+-"[index % 2]
        part = read_sequence(self.genome, self.grid, cell, strand)
        use = np.zeros(len(part.sequence) - part.skip, bool)
        use[: len(part.callable)] = part.callable if strand == "+" else part.callable[::-1]
        return Window(part.sequence, part.skip, use)

    @property
    def places(self) -> list[Place]:
        """Where each of the windows lies."""
        return [Place(c.chrom, c.start, c.end, strand) for c in self.cells for strand in "+-"]


def other_layers(study: Study) -> list[str]:
    """Layers beside the study's own that get autoencoders, each once, by their full names."""
    asked = [study.model.resolve(layer) for layer in study.config.activations.layers]
    return [layer for layer in dict.fromkeys(asked) if layer != study.layer]


def training_stream(
    study: Study,
    model: DNAModel,
    layers: Sequence[str],
    windows: StrandWindows,
    batch: int,
    seed: int,
    progress: Progress,
) -> ShuffledRows:
    """Shuffled batches of the activations at ``layers``, side by side, over ``windows``.

    The cache serves the study's own model alone; it holds the study's layer first, then the others.
    """
    if model is study.model and study.config.activations.cache:
        cache, held = _written(study, windows, progress), [study.layer, *other_layers(study)]
        widths = [model.d_model(layer) for layer in held]
        first = held.index(layers[0])
        begin = sum(widths[:first])
        columns = slice(begin, begin + sum(widths[first : first + len(layers)]))
        return CachedActivations(cache, batch, study.batch, seed=seed, columns=columns)
    if len(layers) == 1:
        return ShuffledActivations(model, layers[0], windows, batch, study.batch, seed=seed)
    sites = [Site(model, layer) for layer in layers]
    return ShuffledSites(sites, windows, batch, study.batch, seed=seed)


def _written(study: Study, windows: StrandWindows, progress: Progress) -> ActivationCache:
    """The cache of a study, whole; one of other activations is replaced."""
    folder, layers = study.folder / "activations", [study.layer, *other_layers(study)]
    facts: dict[str, Any] = {
        "model": study.manifest.model.name,
        "weights_hash": study.model.weights_hash,
        "layers": layers,
        "dtype": study.config.model.dtype,
        "manifest": study.manifest.hash,
        "window": study.grid.window,
        "warmup": study.grid.warmup,
    }
    places, sites = windows.places, [Site(study.model, layer) for layer in layers]
    width = sum(study.model.d_model(layer) for layer in layers)
    bases = sum(place.end - place.start for place in places)

    def told(rows: int) -> None:
        progress.advance(0, f"activations kept: {rows:,} more readings of {bases:,}")

    try:
        there = facts_of(folder)
        if there != facts:
            if there is not None:
                shutil.rmtree(folder)
            needed = require_room(folder, bases, width)
            progress.advance(0, f"keeping {bases:,} readings in {folder}: {needed / 2**30:.2f} GiB")
        write_cache(folder, facts, windows, places, lambda part: site_rows(sites, part, study.batch), told)
        return ActivationCache(folder)
    except ValueError as error:
        raise InputError(str(error)) from None
