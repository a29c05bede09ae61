"""Controls through the same pipeline, on the same bases of the report split, each with its margin.

What was picked on the select split is scored here: the track's best feature, the best raw neuron and the
best principal direction (either sign), the composition model, the best feature of the same recipe on
random weights, and the track's own feature on the genome shuffled within short blocks. The linear probe
on the whole layer says how much there is to be found; it is no control. Bases that train or select hold a
near copy of are left out of all of these; the feature's score with them is shown beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association import composition
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.margin import Bases, draw_blocks, interval, lift, resample
from feature_mining.association.verdict import Control, verdicts
from genomic_models import DNAModel
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.controls import (
    DENSE,
    directions,
    folder,
    headline_features,
    headlines,
    random_model,
    random_source,
    sampled,
    sampled_path,
)
from workbench.analysis.detectors import Source, composition_scores
from workbench.analysis.kept_readings import forget_kept, read_kept
from workbench.analysis.labels import intervals_by_track, labels_of, study_columns
from workbench.analysis.readings import CellReading, read_cells
from workbench.analysis.sample import Drawn, blocks, deal, report_sample, sampled_intervals, sequence_codes
from workbench.files.arrays import read_arrays, write_arrays
from workbench.genome.shuffled_genome import ShuffledGenome
from workbench.genome.windows import Sequences
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import Study

# Beside the controls: the track's best feature, and the linear probe on the whole layer.
FEATURE, LAYER = "sae", "layer"


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
    sources: list[tuple[DNAModel, Sequences]] = [(study.model, shuffled)]
    if study.config.controls.random_weights:
        sources.append((random_model(study), study.genome))
    streams = [
        read_cells(model, study.layer, genome, study.grid, cells, study.batch) for model, genome in sources
    ]
    for plain, turned, *rest in zip(read_kept(study, cells), *streams, strict=True):
        cell = plain.cell
        labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, plain.strand)
        own = weight[cell.chrom, cell.start]
        yield _Readings(plain, turned, rest[0] if rest else None, labels, own)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Score one part of the sample: every callable base of both readings, by kind and column."""
    columns = study_columns(study)
    block = blocks(report_sample(study))
    picked = read_arrays(folder(study) / "picked.npz")
    model = composition.CompositionModel(picked["weights"], picked["centre"], picked["scale"])
    dense = directions(study)
    copied = read_copies(study).masks
    headline = headline_features(study)
    sae = Source(study.sae, study.calibration)
    other = random_source(study) if "random" in picked else None
    parts: dict[str, list[np.ndarray]] = {}
    bases = 0
    passes = 3 if other is not None else 2
    drawn = shard.task
    for plain, shuffled, random, labels, weight in _readings(study, drawn, columns):
        cell, x = plain.cell, plain.activations
        rows = {
            "inside": np.packbits(labels.table[labels.states], axis=1),
            "copied": copied[cell.chrom][cell.start : cell.end],
            "weight": np.full(len(x), weight),
            "block": np.full(len(x), block[cell.chrom, cell.start]),
            FEATURE: sae.scores(x, headline),
            LAYER: (x @ picked["layer_weights"]).astype(np.float32),
            Control.SHUFFLED: sae.scores(shuffled.activations, headline),
            Control.COMPOSITION: composition_scores(model, sequence_codes(study, cell), plain.strand),
        }
        for name in DENSE:
            rows[name] = dense[name].scores(x, picked[name], picked[f"{name}_flipped"])
        if random is not None and other is not None:
            rows[Control.RANDOM] = other.scores(random.activations, picked["random"])
        for name, values in rows.items():
            parts.setdefault(name, []).append(values[plain.callable])
        bases += len(plain.callable)
        progress.advance(passes * len(plain.callable) / 2)
    write_arrays(sampled_path(study, shard.index), {k: np.concatenate(v) for k, v in parts.items()})
    return bases // 2


# -- table ----------------------------------------------------------------------------------------


def finish(study: Study) -> None:
    """Write the table of tracks: best feature, controls, margins, verdict."""
    # No stage after this one reads what is kept.
    forget_kept(study)
    if not study.config.has_annotation:
        names = [*study.table("associations"), "sample_ap_lift", "margin", "verdict", "rule"]
        study.write_table("tracks", pd.DataFrame(columns=names))
        return
    columns = study_columns(study)
    picked = read_arrays(folder(study) / "picked.npz")
    best = headlines(study)
    drawn = report_sample(study)
    left_out = read_copies(study).masks
    intervals = sampled_intervals(drawn, intervals_by_track(study), columns, left_out)
    rows = []
    for c, column in enumerate(columns):
        row: dict[str, Any] = {"track": column[0], "mode": column[1]}
        row |= best.get(column, {})
        for name in DENSE:
            row |= {name: int(picked[name][c])}
            row |= {f"{name}_sign": -1 if picked[f"{name}_flipped"][c] else 1}
        row["random_feature"] = int(picked["random"][c]) if "random" in picked else -1
        row["sample_intervals"] = intervals[c]
        rows.append(row)
    if drawn:
        ran = [c for c in Control if c != Control.RANDOM or "random" in picked]
        for row, scores in zip(rows, _scores(study, columns, ran), strict=True):
            row |= scores
    table = pd.DataFrame(rows)
    # Where no track has a feature, or the sample is empty, nothing brings these columns.
    absent = {*study.table("associations"), "sample_ap_lift"}.difference(table)
    table[sorted(absent)] = np.nan
    table = pd.concat([table, verdicts(table.assign(ap_lift=table["sample_ap_lift"]))], axis=1)
    table["feature"] = table["feature"].fillna(-1).astype(int)
    study.write_table("tracks", table)


def _scores(study: Study, columns: list[Column], ran: list[Control]) -> list[dict[str, float]]:
    """Lifts of the feature and the controls of every column, and intervals of the margins."""
    inside = np.unpackbits(sampled(study, "inside"), axis=1, count=len(columns)).astype(bool)
    copied, weight, block = (sampled(study, name) for name in ("copied", "weight", "block"))
    every = [Bases(inside[:, c], weight, block) for c in range(len(columns))]
    bases = [Bases(inside[~copied, c], weight[~copied], block[~copied]) for c in range(len(columns))]
    rows: list[dict[str, float]] = []
    for some, all_ in zip(bases, every, strict=True):
        positives = float(some.weight @ some.inside)
        with_copies = float(all_.weight @ all_.inside)
        rows.append(
            {
                "sample_base_rate": positives / some.weight.sum() if some.weight.size else np.nan,
                "sample_blocks": some.held,
                "copied_share": 1 - positives / with_copies if with_copies else np.nan,
            }
        )
    headline = headline_features(study)
    times = draw_blocks(int(block.max()) + 1, seed=study.config.run.seed)
    own = sampled(study, FEATURE)
    layer = sampled(study, LAYER)[~copied]
    feature = [resample(own[~copied, c], bases[c], times) for c in range(len(columns))]
    for c, row in enumerate(rows):
        row["layer_ap_lift"] = lift(layer[:, c], bases[c])
        row["sample_ap_lift"] = feature[c].lift if headline[c] >= 0 else np.nan
        row["with_copies_ap_lift"] = lift(own[:, c], every[c]) if headline[c] >= 0 else np.nan
    for control in ran:
        scores = sampled(study, control)[~copied]
        for c, row in enumerate(rows):
            beside = resample(scores[:, c], bases[c], times)
            row[control.lift] = beside.lift
            row[control.low], row[control.high] = interval(feature[c], beside, bases[c].held)
    return rows


def _shards(study: Study) -> list[Shard]:
    if not study.config.has_annotation:
        return []
    passes = 3 if study.config.controls.random_weights else 2
    return shards_of(
        deal(report_sample(study)), lambda drawn: passes * sum(d.cell.end - d.cell.start for d in drawn)
    )


STAGE = Stage(
    name="controls",
    title="scoring the controls",
    needs=("associate", "pick", "sae"),
    sections=("controls", "statistics", "tracks"),
    run=run,
    shards=_shards,
    finish=finish,
    model=True,
)
