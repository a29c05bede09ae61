"""An autoencoder on the report split: reconstruction, what it costs the model, shift, strands, dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from feature_mining.feature_map import Csr
from feature_mining.sae.measures.dictionary import dictionary_cosines, seed_stability
from feature_mining.sae.measures.quality import Quality, measure, summarise
from feature_mining.sae.measures.splice import SpliceBits, merged, splice_by_class
from feature_mining.sae.measures.strands import StrandSums, strand_sums
from feature_mining.sae.model import SparseAutoencoder
from workbench.analysis.activations import StrandWindows
from workbench.analysis.kept_readings import read_kept
from workbench.analysis.readings import read_shifted
from workbench.analysis.training_setup import seed_folders, train_cells
from workbench.errors import InputError
from workbench.genome.region_classes import CLASSES, cells_by_class, region_classes
from workbench.genome.windows import Cell

if TYPE_CHECKING:
    from workbench.progress import Progress
    from workbench.study.study import Study

SPLICED_CELLS = 16
# Further cells spliced, for classes that the evenly spread ones hold too little of.
RARE_CELLS = 8
FEW_BASES = 2000
SHIFTED_CELLS = 16
STRAND_CELLS = 32
BINS = 64


def spread(cells: Sequence[Cell], count: int) -> list[Cell]:
    """At most ``count`` cells, evenly along the genome."""
    return list(cells[:: max(1, len(cells) // count)][:count])


def mean_activation(study: Study) -> torch.Tensor:
    """Mean activation over calibration cells (not the report split)."""
    _, held_out = train_cells(study)
    cells = spread(held_out, 8)
    rows = np.concatenate([r.activations[r.callable] for r in read_kept(study, cells, keep=cells)])
    return torch.from_numpy(rows.mean(axis=0))


def reconstruction(study: Study, cells: list[Cell], progress: Progress) -> tuple[Quality, np.ndarray]:
    """Figures of the reconstruction, and each feature's density, over both strands of the cells."""

    def rows() -> Iterator[np.ndarray]:
        for reading in read_kept(study, cells, keep=cells):
            progress.advance(len(reading.callable) / 2)
            yield reading.activations[reading.callable]

    sums = measure(study.sae, rows())
    return summarise(sums, study.sae.b_dec.cpu().numpy()), sums.active / sums.rows


def _rare_cells(study: Study, cells: list[Cell], taken: list[Cell]) -> list[Cell]:
    """Cells that hold most of a class that the taken ones hold little of, the fewest first."""
    counts = cells_by_class(study.tracks, cells)
    index = {cell: i for i, cell in enumerate(cells)}
    held = counts[[index[c] for c in taken]].sum(axis=0) if taken else np.zeros(len(CLASSES))
    chosen: list[Cell] = []
    for kind in np.argsort(held, kind="stable"):
        for i in np.argsort(-counts[:, kind], kind="stable"):
            if held[kind] >= FEW_BASES or not counts[i, kind] or len(chosen) == RARE_CELLS:
                break
            if cells[i] not in taken and cells[i] not in chosen:
                chosen.append(cells[i])
                held = held + counts[i]
    return chosen


def _spliced(study: Study, cells: list[Cell], mean: torch.Tensor) -> list[SpliceBits]:
    windows = StrandWindows(study.genome, study.grid, cells)

    def classes(window: int) -> np.ndarray:
        found = region_classes(study.tracks, cells[window // 2])
        own = found if window % 2 == 0 else found[::-1]
        read = windows[window]
        return np.pad(own, (0, len(read.sequence) - read.skip - len(own)))

    return splice_by_class(
        study.model, study.layer, study.sae, windows, mean, classes, len(CLASSES), study.batch
    )


def spliced_bits(study: Study, cells: list[Cell]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bits a base over evenly spread cells, and by class of region, for which cells are added."""
    mean = mean_activation(study)
    taken = spread(cells, SPLICED_CELLS)
    parts = _spliced(study, taken, mean)
    whole = merged(parts)
    more = _rare_cells(study, cells, taken)
    if more:
        parts = [a + b for a, b in zip(parts, _spliced(study, more, mean), strict=True)]
    by_class = {
        name: {**part.per_base(), "bases": part.bases}
        for name, part in zip(CLASSES, parts, strict=True)
        if part.bases
    }
    return {**whole.per_base(), "bases": whole.bases}, by_class


def shift_curve(study: Study, cells: list[Cell]) -> dict[str, Any]:
    """Relative change of a base's activations and features when its window begins elsewhere.

    For each whole cell the window is read as it is, and again begun half a window further left; at each
    position of the first the change is ``|a - b| / |b|``, ``b`` being the reading with more context.
    ``after_warmup`` is the change over all positions that are kept.
    """
    grid = study.grid
    change = np.zeros((2, grid.window))
    size = np.zeros((2, grid.window))
    for cell in cells:
        both = read_shifted(study, cell)
        if both is None:
            continue
        short, long = both
        f, g = study.sae.encode(short).cpu(), study.sae.encode(long).cpu()
        for row, (a, b) in enumerate(((short, long), (f, g))):
            change[row] += (a - b).square().sum(1).numpy()
            size[row] += b.square().sum(1).numpy()
    step = max(1, grid.window // BINS)
    edges = np.arange(0, grid.window, step)
    with np.errstate(invalid="ignore", divide="ignore"):
        curve = np.sqrt(np.add.reduceat(change, edges, axis=1) / np.add.reduceat(size, edges, axis=1))
        kept = np.sqrt(change[:, grid.kept].sum(axis=1) / size[:, grid.kept].sum(axis=1))
    return {
        "offset": grid.window // 2,
        "position": edges.tolist(),
        "activation": curve[0].tolist(),
        "features": curve[1].tolist(),
        "warmup": grid.warmup,
        "after_warmup": {"activation": float(kept[0]), "features": float(kept[1])},
        "cells": len(cells),
    }


def strand_consistency(study: Study, cells: list[Cell]) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each feature between strands, base by base and in bins; NaN where it never fires."""
    base: StrandSums | None = None
    binned: StrandSums | None = None
    plus: tuple[Csr, np.ndarray] | None = None
    for reading in read_kept(study, cells):
        features = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
        if reading.strand == "+":
            plus = features, reading.callable
            continue
        assert plus is not None
        one, other = strand_sums(plus[0], features, plus[1] & reading.callable)
        base = one if base is None else base.merge(one)
        binned = other if binned is None else binned.merge(other)
    if base is None or binned is None:
        nothing = np.full(study.sae_config.d_sae, np.nan)
        return nothing, nothing
    return base.correlation(), binned.correlation()


def other_seeds(study: Study) -> list[SparseAutoencoder]:
    """Autoencoders of other seeds, trained off the stream of the study's own."""
    try:
        return [SparseAutoencoder.load(folder) for folder in seed_folders(study)[1:]]
    except ValueError as error:
        raise InputError(f"{error}; train it again with --force sae") from error


def dictionary_facts(study: Study, density: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Per-feature columns and summary of the dictionary: near copies, and stability where seeds are there."""
    cosines = dictionary_cosines(study.sae)
    alive = density > 0
    columns = {
        "decoder_cosine": cosines.decoder,
        "encoder_cosine": cosines.encoder,
        "encoder_decoder_cosine": cosines.own,
        "stability": np.full(len(density), np.nan, np.float32),
    }
    facts: dict[str, Any] = {
        name: summary_of(values[alive]) for name, values in columns.items() if name != "stability"
    }
    others = [s.W_dec.cpu().numpy() for s in other_seeds(study)]
    if others:
        found = seed_stability(study.sae.W_dec.cpu().numpy(), others, study.config.run.seed)
        columns["stability"] = found.feature
        facts["stability"] = {
            **summary_of(found.feature[alive]),
            "above_0.9": float((found.feature[alive] >= 0.9).mean()) if alive.any() else np.nan,
            "chance": found.chance,
            "seeds": len(others) + 1,
            "exact": found.exact,
        }
    return columns, facts


def summary_of(values: np.ndarray) -> dict[str, float]:
    """Mean, median and 95th percentile of the values that are there; NaN of none."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return {"mean": np.nan, "median": np.nan, "p95": np.nan, "n": 0}
    return {
        "mean": float(known.mean()),
        "median": float(np.median(known)),
        "p95": float(np.quantile(known, 0.95)),
        "n": len(known),
    }
