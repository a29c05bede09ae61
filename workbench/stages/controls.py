"""Controls through the same pipeline, on the same bases of the report split, each with its margin.

What was picked on the select split is scored here: the track's best feature, the best raw neuron and the
best principal direction (either sign), the composition model, the best feature of the same recipe on
random weights, and the track's own feature on the genome shuffled within short blocks. The linear probe
on the whole layer says how much there is to be found; it is no control. Bases that train or select hold a
near copy of are left out of all of these; the feature's score with them is shown beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association import composition
from feature_mining.association.curves import average_precision
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.scores import best_per_track
from feature_mining.association.verdict import bootstrap_margin, verdicts
from genomic_models import DNAModel
from workbench.arrays import read_arrays, write_arrays
from workbench.control_sample import Drawn, sample, sampled_intervals, shards
from workbench.detectors import N_BINS, Source, composition_scores, dense_bins
from workbench.progress import Progress
from workbench.reading import CellReading, read_cells
from workbench.shuffled import ShuffledGenome
from workbench.stages.annotate import intervals_by_track, labels_of, study_columns
from workbench.stages.baselines import DENSE, directions, folder, random_model, random_source
from workbench.stages.copies import read_copies
from workbench.stages.pick import sequence_codes
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.windows import Sequences

BLOCK = 16_384
"""Bases of a bootstrap block."""
KINDS = ("neuron", "pca", "composition", "random", "shuffled")
"""Detectors that a feature has to beat."""
WITH_COPIES = "with_copies"
"""The feature once more, near copies of train and select sequence included."""


def report_sample(study: Study) -> list[Drawn]:
    """Cells of the report split that features and controls are compared on."""
    return sample(study, "report", study.config.controls.bases)


def headline_features(study: Study) -> np.ndarray:
    """The feature of each column, picked on the whole select split; -1 where there is none."""
    best = _headlines(study)
    return np.array([best[c]["feature"] if c in best else -1 for c in study_columns(study)], int)


def _headlines(study: Study) -> dict[Column, dict[str, Any]]:
    """Row of the associations of each column's best feature; a track absent from select has none."""
    best = best_per_track(study.table("associations")).dropna(subset=["feature"])
    rows = best.astype({"feature": int}).to_dict("records")
    return {(row["track"], row["mode"]): row for row in rows}


# -- counting ---------------------------------------------------------------------------------------


class _Readings(NamedTuple):
    """One strand of a cell: with the model, on the shuffled genome, with random weights (or None)."""

    plain: CellReading
    shuffled: CellReading
    random: CellReading | None
    labels: LabelStates
    weight: float


def _readings(study: Study, drawn: list[Drawn], columns: list[Column]) -> Iterator[_Readings]:
    cells = [d.cell for d in drawn]
    weight = {(d.cell.chrom, d.cell.start): d.weight for d in drawn}
    shuffled = ShuffledGenome(study.genome, study.config.run.seed)
    sources: list[tuple[DNAModel, Sequences]] = [
        (study.model, study.genome),
        (study.model, shuffled),
    ]
    if study.config.controls.random_weights:
        sources.append((random_model(study), study.genome))
    streams = [
        read_cells(model, study.layer, genome, study.grid, cells, study.batch)
        for model, genome in sources
    ]
    for plain, turned, *rest in zip(*streams, strict=True):
        cell = plain.cell
        labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, plain.strand)
        own = weight[cell.chrom, cell.start]
        yield _Readings(plain, turned, rest[0] if rest else None, labels, own)


def _path(study: Study, shard: int) -> Path:
    return folder(study) / "report" / f"{shard:05d}.npz"


def _blocks(study: Study) -> dict[tuple[str, int], int]:
    """Number of every bootstrap block that the sample touches."""
    cells = [d.cell for d in report_sample(study)]
    return {key: i for i, key in enumerate(sorted({(c.chrom, c.start // BLOCK) for c in cells}))}


def run(study: Study, shard: int, progress: Progress) -> int:
    """Score one part of the sample: weighted counts by kind, column, block and bin."""
    columns = study_columns(study)
    drawn = shards(report_sample(study))[shard]
    blocks = _blocks(study)
    touched = sorted({blocks[d.cell.chrom, d.cell.start // BLOCK] for d in drawn})
    place = {block: i for i, block in enumerate(touched)}
    picked = read_arrays(folder(study) / "picked.npz")
    model = composition.CompositionModel(picked["weights"], picked["centre"], picked["scale"])
    dense = directions(study)
    copied = read_copies(study).masks
    headline = headline_features(study)
    sae = Source(study.sae, study.calibration)
    other = random_source(study) if "random" in picked else None
    shape = (2, len(columns), len(touched), N_BINS)
    counts = {kind: np.zeros(shape) for kind in ("sae", WITH_COPIES, "layer", *KINDS)}
    bases = 0
    passes = 3 if other is not None else 2
    for plain, shuffled, random, labels, weight in _readings(study, drawn, columns):
        cell, x = plain.cell, plain.activations
        scores = composition_scores(model, sequence_codes(study, cell), plain.strand)
        bins = {
            "sae": sae.bins(x, headline),
            "shuffled": sae.bins(shuffled.activations, headline),
            "layer": dense_bins(x @ picked["layer_weights"], picked["layer_edges"]),
            "composition": dense_bins(scores, picked["composition_edges"]),
        }
        for name in DENSE:
            bins[name] = dense[name].bins(x, picked[name], picked[f"{name}_flipped"])
        if random is not None and other is not None:
            bins["random"] = other.bins(random.activations, picked["random"])
        block = place[blocks[cell.chrom, cell.start // BLOCK]]
        inside = labels.table[labels.states]
        own = plain.callable & ~copied[cell.chrom][cell.start : cell.end]
        for kind, found in bins.items():
            add_weighted(counts[kind][:, :, block], found[own], inside[own], weight)
        seen = plain.callable
        add_weighted(counts[WITH_COPIES][:, :, block], bins["sae"][seen], inside[seen], weight)
        bases += len(plain.callable)
        progress.advance(passes * len(plain.callable) / 2)
    arrays = {kind: count for kind, count in counts.items() if count.any()}
    write_arrays(_path(study, shard), arrays | {"blocks": np.array(touched)})
    return bases // 2


def add_weighted(counts: np.ndarray, bins: np.ndarray, inside: np.ndarray, weight: float) -> None:
    """Count bases (bins and labels (n, C)) into ``counts`` float64 (2, C, N_BINS): in the track, all."""
    size = counts.shape[1] * N_BINS
    flat = bins + N_BINS * np.arange(bins.shape[1])
    for row, cells in enumerate((flat[inside], flat.ravel())):
        counts[row] += weight * np.bincount(cells, minlength=size).reshape(-1, N_BINS)


# -- table ----------------------------------------------------------------------------------------


def _scored(study: Study) -> dict[str, np.ndarray]:
    """Counts float64 (2, C, n_blocks, N_BINS) by kind, all shards."""
    n_blocks = len(_blocks(study))
    total: dict[str, np.ndarray] = {}
    for shard in range(_count(study)):
        arrays = read_arrays(_path(study, shard))
        blocks = arrays.pop("blocks")
        for kind, counts in arrays.items():
            _, columns, _, bins = counts.shape
            whole = total.setdefault(kind, np.zeros((2, columns, n_blocks, bins)))
            whole[:, :, blocks] += counts
    return total


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
    picked = read_arrays(folder(study) / "picked.npz")
    scored = _scored(study)
    best = _headlines(study)
    intervals = sampled_intervals(report_sample(study), intervals_by_track(study), columns)
    rows = []
    for c, column in enumerate(columns):
        row: dict[str, Any] = {"track": column[0], "mode": column[1]}
        row |= best.get(column, {})
        for name in DENSE:
            row |= {name: int(picked[name][c])}
            row |= {f"{name}_sign": -1 if picked[f"{name}_flipped"][c] else 1}
        row["random_feature"] = int(picked["random"][c]) if "random" in picked else -1
        row["sample_intervals"] = intervals[c]
        for kind, counts in scored.items():
            name = "sample" if kind == "sae" else kind
            row[f"{name}_ap_lift"] = _column_lift(counts, c)
        for kind in KINDS:
            if kind in scored and "sae" in scored:
                own, other = scored["sae"][:, c], scored[kind][:, c]
                interval = bootstrap_margin(
                    (own[0], own[1]), (other[0], other[1]), seed=study.config.run.seed
                )
                row[f"margin_low_{kind}"], row[f"margin_high_{kind}"] = interval.low, interval.high
        if "sae" in scored:
            positive, all_ = scored["sae"][:, c].sum(axis=(1, 2))
            row["sample_base_rate"] = positive / all_
            with_copies = scored[WITH_COPIES][0, c].sum()
            row["copied_share"] = 1 - positive / with_copies if with_copies else np.nan
        rows.append(row)
    table = pd.DataFrame(rows)
    if "sample_ap_lift" not in table:
        table["sample_ap_lift"] = np.nan
    judged = verdicts(table.assign(ap_lift=table["sample_ap_lift"]))
    for kind in KINDS:
        for end in ("low", "high"):
            if f"margin_{end}_{kind}" in table:
                table = table.rename(columns={f"margin_{end}_{kind}": f"margin_{kind}_{end}"})
    table = pd.concat([table, judged], axis=1)
    table["feature"] = table["feature"].fillna(-1).astype(int)
    study.write_table("tracks", table)


def _count(study: Study) -> int:
    return len(shards(report_sample(study)))


def _size(study: Study, shard: int) -> int:
    passes = 3 if study.config.controls.random_weights else 2
    drawn = shards(report_sample(study))[shard]
    return passes * sum(d.cell.end - d.cell.start for d in drawn)


STAGE = Stage(
    name="controls",
    title="scoring the controls",
    needs=("associate", "pick", "sae"),
    sections=("controls", "statistics"),
    run=run,
    count=_count,
    size=_size,
    finish=finish,
    model=True,
)
