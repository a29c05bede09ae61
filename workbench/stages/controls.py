"""Controls through the same pipeline, on the same bases: raw neurons, composition, random weights.

The best detector of each kind is picked on a sample of the select split and scored on a sample of the report
split; every margin comes with a block-bootstrap interval. The features are those that the associations
picked on the whole select split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from feature_mining.association import composition
from feature_mining.association.histogram import Histogram, add_dense, add_sparse
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.scores import average_precision, best_per_track
from feature_mining.association.sparse import bin_values, by_feature, dense_edges
from feature_mining.association.verdict import bootstrap_margin, verdicts
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.registry import with_random_weights
from workbench.arrays import read_arrays, write_arrays
from workbench.progress import Progress
from workbench.reading import CellReading, read_cells
from workbench.stages.annotate import labels_of, study_columns
from workbench.stages.sae import train_sae
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.windows import Cell

BLOCK = 16_384
"""Bases of a bootstrap block."""
HALO = composition.PHASE_WINDOW + composition.LONGEST
KINDS = ("sae", "neuron", "composition", "random")
_CODES = np.full(256, composition.UNKNOWN, np.uint8)
_CODES[[ord(base) for base in "ACGT"]] = np.arange(4)


def sample_cells(study: Study, split: str, bases: int) -> list[Cell]:
    """Cells that lie wholly in a split, thinned evenly to about ``bases`` bases."""
    cells = study.split.cells(study.grid, study.manifest.contigs, split)
    total = sum(cell.end - cell.start for cell in cells)
    step = max(1.0, total / bases)
    return [cells[int(i * step)] for i in range(int(len(cells) / step))]


@dataclass(frozen=True)
class Source:
    """A model with its autoencoder and bin edges."""

    sae: SparseAutoencoder
    calibration: Calibration


def _sources(study: Study) -> dict[str, Source]:
    found = {"sae": Source(study.sae, study.calibration)}
    folder = _folder(study) / "random"
    if study.config.controls.random_weights:
        found["random"] = Source(SparseAutoencoder.load(folder), Calibration.load(folder))
    return found


def _readings(
    study: Study, cells: list[Cell], columns: list[Column]
) -> Iterator[tuple[CellReading, CellReading | None, LabelStates, np.ndarray]]:
    """Each strand of each cell: the model's reading, the random model's, labels, composition codes."""
    models = [study.model]
    if study.config.controls.random_weights:
        models.append(with_random_weights(study.model, study.config.run.seed))
    streams = [
        read_cells(m, study.layer, study.genome, study.grid, cells, study.batch) for m in models
    ]
    for readings in zip(*streams, strict=True):
        cell, strand = readings[0].cell, readings[0].strand
        labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, strand)
        yield readings[0], readings[1] if len(readings) > 1 else None, labels, _codes(study, cell)


def _codes(study: Study, cell: Cell) -> np.ndarray:
    """Codes of a cell with ``HALO`` bases on both sides; unknown beyond a linear contig's ends."""
    length = study.manifest.contigs[cell.chrom]
    lo, hi = cell.start - HALO, cell.end + HALO
    if cell.chrom in study.genome.circular:
        return _CODES[np.frombuffer(study.genome.fetch(cell.chrom, lo, hi).encode(), np.uint8)]
    inside = study.genome.fetch(cell.chrom, max(lo, 0), min(hi, length))
    codes = _CODES[np.frombuffer(inside.encode(), np.uint8)]
    pad = (max(0, -lo), max(0, hi - length))
    return np.pad(codes, pad, constant_values=composition.UNKNOWN)


def _composition_reading(
    codes: np.ndarray, labels: LabelStates, strand: str, use: np.ndarray
) -> composition.Reading:
    states = np.pad(labels.states, HALO)
    mask = np.pad(use, HALO)
    if strand == "-":
        codes, states, mask = composition.reverse_complement(codes), states[::-1], mask[::-1]
    return composition.Reading(codes, states, labels.table, mask)


def _composition_scores(
    model: composition.CompositionModel, codes: np.ndarray, strand: str
) -> np.ndarray:
    turned = codes if strand == "+" else composition.reverse_complement(codes)
    scores = model.score(turned)[HALO:-HALO]
    return scores if strand == "+" else scores[::-1]


def _folder(study: Study) -> Path:
    return study.folder / "work" / "controls"


# -- random weights -------------------------------------------------------------------------------


def _train_random(study: Study, progress: Progress) -> int:
    if not study.config.controls.random_weights:
        return 0
    model = with_random_weights(study.model, study.config.run.seed)
    return train_sae(study, model, _folder(study) / "random", progress)


# -- select: pick detectors -----------------------------------------------------------------------


def _pick(study: Study, progress: Progress) -> int:
    columns = study_columns(study)
    cells = sample_cells(study, "select", study.config.controls.bases)
    sources = _sources(study)
    width = study.manifest.model["d_model"]
    edges: np.ndarray | None = None
    neurons = Histogram.empty(width, 33, len(columns))
    sparse = {
        name: Histogram.empty(s.sae.config.d_sae, 33, len(columns)) for name, s in sources.items()
    }
    readings = []
    bases = 0
    for reading, random, labels, codes in _readings(study, cells, columns):
        if edges is None:
            edges = dense_edges(_first_values(study, cells))
        add_dense(neurons, reading.activations, edges, labels, reading.callable)
        for name, source in sources.items():
            own = reading if name == "sae" else random
            assert own is not None
            features = by_feature(*source.sae.encode_sparse(own.activations))
            bins = bin_values(features, source.calibration.bin_edges)
            add_sparse(sparse[name], features, bins, labels, own.callable)
        readings.append(_composition_reading(codes, labels, reading.strand, reading.callable))
        bases += len(reading.callable)
        progress.advance(len(reading.callable) * (2 if random is not None else 1) / 2)
    if edges is None:
        raise ValueError(
            "the select split holds no whole cell: use a smaller window or more sequence"
        )
    model = composition.CompositionModel.fit(readings, seed=study.config.run.seed)
    scores = np.concatenate(
        [model.score(r.codes)[r.use] for r in readings[:: max(1, len(readings) // 64)]]
    )
    lift = np.stack([_lift(neurons), _lift(neurons.flipped())])
    best = lift.reshape(-1, lift.shape[-1]).argmax(axis=0)
    picked = {
        "neuron": best % width,
        "neuron_flipped": best >= width,
        "neuron_edges": edges,
        "composition_edges": dense_edges(scores),
        "weights": model.weights,
        "centre": model.centre,
        "scale": model.scale,
    }
    for name, histogram in sparse.items():
        picked[name] = _lift(histogram).argmax(axis=0)
    write_arrays(_folder(study) / "picked.npz", picked)
    return bases


def _first_values(study: Study, cells: list[Cell]) -> np.ndarray:
    """Activations of up to 16 cells spread over the sample, for the neurons' bin edges."""
    chosen = cells[:: max(1, len(cells) // 16)][:16]
    stream = read_cells(study.model, study.layer, study.genome, study.grid, chosen, study.batch)
    return np.concatenate([r.activations[r.callable] for r in stream])


def _lift(histogram: Histogram) -> np.ndarray:
    """Average precision of all pairs, (F, C); never-active features last."""
    precision = average_precision(histogram.positive, histogram.all)
    silent = histogram.all[:, 1:].sum(axis=1) == 0
    precision[silent] = -1
    return np.nan_to_num(precision, nan=-1)


# -- report: score what was picked ----------------------------------------------------------------


def headline_features(study: Study) -> np.ndarray:
    """The feature of each column, picked on the whole select split; -1 where there is none."""
    best = _headlines(study)
    return np.array([best[c]["feature"] if c in best else -1 for c in study_columns(study)], int)


def _headlines(study: Study) -> dict[Column, dict[str, Any]]:
    """Row of the associations of each column's best feature; a track absent from select has none."""
    best = best_per_track(study.table("associations")).dropna(subset=["feature"])
    rows = best.astype({"feature": int}).to_dict("records")
    return {(row["track"], row["mode"]): row for row in rows}


def _score(study: Study, progress: Progress) -> int:
    columns = study_columns(study)
    cells = sample_cells(study, "report", study.config.controls.bases)
    sources = _sources(study)
    picked = read_arrays(_folder(study) / "picked.npz")
    model = composition.CompositionModel(picked["weights"], picked["centre"], picked["scale"])
    features = {"sae": headline_features(study), "random": picked.get("random")}
    keys = sorted({(c.chrom, c.start // BLOCK) for c in cells})
    block_of = {key: i for i, key in enumerate(keys)}
    shape = (len(columns), len(keys), 33)
    counts = {kind: np.zeros((2, *shape), np.int64) for kind in KINDS}
    bases = 0
    for reading, random, labels, codes in _readings(study, cells, columns):
        block = block_of[(reading.cell.chrom, reading.cell.start // BLOCK)]
        use = reading.callable
        bins: dict[str, np.ndarray] = {
            "neuron": _neuron_bins(reading.activations, picked),
            "composition": _dense_bins(
                _composition_scores(model, codes, reading.strand), picked["composition_edges"]
            ),
        }
        for name, source in sources.items():
            own = reading if name == "sae" else random
            chosen = features[name]
            assert own is not None and chosen is not None
            bins[name] = _sparse_bins(source, own.activations, chosen)
        inside = labels.table[labels.states]
        for kind, columns_bins in bins.items():
            for c in range(len(columns)):
                row = columns_bins[use, c]
                counts[kind][1, c, block] += np.bincount(row, minlength=33)
                counts[kind][0, c, block] += np.bincount(row[inside[use, c]], minlength=33)
        bases += len(use)
        progress.advance(len(use) * (2 if random is not None else 1) / 2)
    write_arrays(_folder(study) / "scored.npz", {k: v for k, v in counts.items() if v.any()})
    return bases


def _neuron_bins(values: np.ndarray, picked: dict[str, np.ndarray]) -> np.ndarray:
    """Bins (n, C) of each column's neuron; a flipped one counts from the other end."""
    bins = np.empty((len(values), len(picked["neuron"])), np.int64)
    for c, (neuron, flipped) in enumerate(
        zip(picked["neuron"], picked["neuron_flipped"], strict=True)
    ):
        row = np.searchsorted(picked["neuron_edges"][neuron], values[:, neuron], side="right")
        bins[:, c] = 32 - row if flipped else row
    return bins


def _dense_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.searchsorted(e, v, side="right") for e, v in zip(edges, values.T, strict=True)], axis=1
    )


def _sparse_bins(source: Source, activations: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    features = by_feature(*source.sae.encode_sparse(activations))
    binned = bin_values(features, source.calibration.bin_edges)
    bins = np.zeros((len(activations), len(chosen)), np.int64)
    for c, f in enumerate(chosen):
        if f >= 0:
            at = slice(features.indptr[f], features.indptr[f + 1])
            bins[features.rows[at], c] = binned[at]
    return bins


# -- table ----------------------------------------------------------------------------------------


def _column_lift(counts: np.ndarray, c: int) -> float:
    positive, all_ = counts[0, c].sum(axis=0), counts[1, c].sum(axis=0)
    if not positive.sum():
        return float("nan")
    rate = positive.sum() / all_.sum()
    precision = float(average_precision(positive[None, :, None], all_[None])[0, 0])
    return (precision - rate) / (1 - rate) if rate < 1 else float("nan")


def finish(study: Study) -> None:
    """Write the table of tracks: best feature, controls, margins, verdict."""
    columns = study_columns(study)
    picked = read_arrays(_folder(study) / "picked.npz")
    scored = read_arrays(_folder(study) / "scored.npz")
    best = _headlines(study)
    rows = []
    for c, column in enumerate(columns):
        row: dict[str, Any] = {"track": column[0], "mode": column[1]}
        row |= best.get(column, {})
        row |= {
            "neuron": int(picked["neuron"][c]),
            "neuron_sign": -1 if picked["neuron_flipped"][c] else 1,
            "random_feature": int(picked["random"][c]) if "random" in picked else -1,
        }
        for kind, counts in scored.items():
            name = "sample" if kind == "sae" else kind
            row[f"{name}_ap_lift"] = _column_lift(counts, c)
        for kind in KINDS[1:]:
            if kind in scored and "sae" in scored:
                own, other = scored["sae"][:, c], scored[kind][:, c]
                interval = bootstrap_margin(
                    (own[0], own[1]), (other[0], other[1]), seed=study.config.run.seed
                )
                row[f"margin_low_{kind}"], row[f"margin_high_{kind}"] = interval.low, interval.high
        rows.append(row)
    table = pd.DataFrame(rows)
    judged = verdicts(table.assign(ap_lift=table["sample_ap_lift"]))
    for kind in KINDS[1:]:
        for end in ("low", "high"):
            if f"margin_{end}_{kind}" in table:
                table = table.rename(columns={f"margin_{end}_{kind}": f"margin_{kind}_{end}"})
    table = pd.concat([table, judged], axis=1)
    table["feature"] = table["feature"].fillna(-1).astype(int)
    study.write_table("tracks", table)


_STEPS = (_train_random, _pick, _score)


def _size(study: Study, shard: int) -> int:
    models = 2 if study.config.controls.random_weights else 1
    if shard == 0:
        return study.config.sae.tokens if models == 2 else 0
    cells = sample_cells(study, ("select", "report")[shard - 1], study.config.controls.bases)
    return models * sum(cell.end - cell.start for cell in cells)


STAGE = Stage(
    name="controls",
    title="running the controls",
    needs=("associate", "sae"),
    sections=("controls", "statistics"),
    run=lambda study, shard, progress: _STEPS[shard](study, progress),
    count=lambda study: len(_STEPS),
    size=_size,
    finish=finish,
    ordered=True,
    model=True,
)
