"""Picking each track's best control of every kind, on a sample of the select split."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np

from feature_mining.association import composition
from feature_mining.association.histogram import Histogram, add_dense, add_sparse
from feature_mining.association.labels import Column
from feature_mining.association.sparse import bin_values, by_feature
from workbench.analysis.controls import DENSE, directions, folder, random_model, random_source
from workbench.analysis.detectors import N_BINS, Moments, WeightedCounts, composition_reading, precisions
from workbench.analysis.kept_readings import read_kept
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.readings import STRANDS, read_cells
from workbench.analysis.sample import deal, select_sample, sequence_codes
from workbench.files.arrays import read_arrays, write_arrays
from workbench.genome.windows import read_sequence
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import Study


def _path(study: Study, shard: int) -> Path:
    return folder(study) / "select" / f"{shard:05d}.npz"


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Count the controls of one part of the sample."""
    columns = study_columns(study)
    dense = directions(study)
    width = study.manifest.model.d_model
    counts = {name: WeightedCounts(width, len(columns)) for name in DENSE}
    source = random_source(study) if study.config.controls.random_weights else None
    if source is not None:
        counts["random"] = WeightedCounts(source.sae.config.d_sae, len(columns))
    moments: Moments | None = None
    bases = 0
    own = sorted(shard.task, key=lambda d: d.weight)
    for weight, group in groupby(own, key=lambda d: d.weight):
        cells = [d.cell for d in group]
        fresh = {n: Histogram.empty(len(c.all), N_BINS, len(columns)) for n, c in counts.items()}
        for reading in read_kept(study, cells):
            cell = reading.cell
            labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, reading.strand)
            use = reading.callable
            for name in DENSE:
                values = dense[name].project(reading.activations)
                add_dense(fresh[name], values, dense[name].edges, labels, use)
            inside = labels.table[labels.states[use]]
            sums = Moments.of(reading.activations[use], inside, weight)
            moments = sums if moments is None else moments.plus(sums)
            bases += len(use)
            progress.advance(len(use) / 2)
        if source is not None:
            model = random_model(study)
            for reading in read_cells(model, study.layer, study.genome, study.grid, cells, study.batch):
                cell = reading.cell
                labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, reading.strand)
                features = by_feature(*source.sae.encode_sparse(np.ascontiguousarray(reading.activations)))
                bins = bin_values(features, source.calibration.bin_edges)
                add_sparse(fresh["random"], features, bins, labels, reading.callable)
                progress.advance(len(reading.callable) / 2)
        for name, count in counts.items():
            count.add(fresh[name], weight)
    assert moments is not None
    arrays = {f"moments_{k}": np.asarray(v) for k, v in moments._asdict().items()}
    for name, count in counts.items():
        arrays |= {f"{name}_positive": count.positive, f"{name}_all": count.all}
    write_arrays(_path(study, shard.index), arrays)
    return bases // 2


def _sum_shards(study: Study) -> dict[str, np.ndarray]:
    total: dict[str, np.ndarray] = {}
    for shard in range(len(deal(select_sample(study)))):
        arrays = read_arrays(_path(study, shard))
        total = {k: total[k] + v for k, v in arrays.items()} if total else arrays
    return total


def _composition(study: Study, columns: list[Column]) -> composition.CompositionModel:
    """The composition model, fitted on the sample; only the sequence is read."""
    readings = []
    for drawn in select_sample(study):
        cell = drawn.cell
        codes = sequence_codes(study, cell)
        for strand in STRANDS:
            labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, strand)
            use = read_sequence(study.genome, study.grid, cell, strand).callable
            readings.append(composition_reading(codes, labels, strand, use))
    return composition.CompositionModel.fit(readings, seed=study.config.run.seed)


def finish(study: Study) -> None:
    """Pick neurons, directions and random features; fit the composition model and the linear probe."""
    columns = study_columns(study)
    total = _sum_shards(study)
    picked: dict[str, np.ndarray] = {}
    for name in DENSE:
        positive, all_ = total[f"{name}_positive"], total[f"{name}_all"]
        both = np.stack(
            [
                precisions(positive, all_, silent_bin=False),
                precisions(positive[:, ::-1], all_[:, ::-1], silent_bin=False),
            ]
        )
        best = both.reshape(-1, len(columns)).argmax(axis=0)
        picked |= {name: best % len(all_), f"{name}_flipped": best >= len(all_)}
    if "random_all" in total:
        found = precisions(total["random_positive"], total["random_all"], silent_bin=True)
        picked["random"] = found.argmax(axis=0)
    moments = Moments(*(total[f"moments_{name}"] for name in Moments._fields))
    model = _composition(study, columns)
    picked |= {
        "layer_weights": moments.probe(),
        "weights": model.weights,
        "centre": model.centre,
        "scale": model.scale,
    }
    write_arrays(folder(study) / "picked.npz", picked)


def _shards(study: Study) -> list[Shard]:
    models = 2 if study.config.controls.random_weights else 1
    return shards_of(
        deal(select_sample(study)), lambda drawn: models * sum(d.cell.end - d.cell.start for d in drawn)
    )


STAGE = Stage(
    name="pick",
    title="picking the best control of each track",
    needs=("baselines",),
    sections=("controls", "statistics", "tracks"),
    run=run,
    shards=_shards,
    finish=finish,
    model=True,
    wanted=lambda study: study.config.has_annotation,
)
