"""Concepts against tracks: what a study asks of its features, asked of weighted sets of them.

A concept's level is treated as one more feature. On the select split each is given the track that it marks
best and a threshold; on the report split that pair alone is tested: overlap by the circular-shift null, lift
on the sample of the controls, and margins over the controls that the study's tracks have, the concept itself
on the shuffled genome among them. q-values are over the concepts that are tested together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from feature_mining.association.curves import average_precision
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import Column
from feature_mining.association.margin import Bases, Resampled, draw_blocks, interval, resample
from feature_mining.association.null import ShiftMoments, shift_moments
from feature_mining.association.scores import thresholds
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import N_EDGES, bin_values, by_feature, lower_bounds, value_edges
from feature_mining.association.verdict import MAX_Q, MIN_LIFT, Control, verdicts
from feature_mining.concepts.concept import Concept, Evidence
from feature_mining.false_discovery import q_values
from feature_mining.feature_map import Csr, from_dense
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.controls import refuse_without_work, sampled
from workbench.analysis.labels import intervals_by_track, labels_of, study_columns
from workbench.analysis.overlaps import stretches
from workbench.analysis.readings import STRANDS, read_cells
from workbench.analysis.sample import report_sample, sampled_intervals
from workbench.genome.shuffled_genome import ShuffledGenome
from workbench.genome.splits import REPORT, SELECT
from workbench.genome.windows import read_sequence
from workbench.progress import Progress
from workbench.study.sampled_codes import sample_codes
from workbench.study.study import Study

# Bases of the select split at whose levels the bins of a concept lie.
EDGE_BASES = 100_000
# Concepts laid over the genome together: levels are dense.
TOGETHER = 32


def name_concepts(study: Study, concepts: Sequence[Concept], progress: Progress) -> pd.DataFrame:
    """Each concept with the track that it marks best, and whether that is more than the controls reach.

    Parameters
    ----------
    study : Study
        Finished; ``InputError`` where it is without the work files of its controls.
    concepts : sequence of Concept
        Of its model and autoencoder.
    progress : Progress
        Told of bases.

    Returns
    -------
    DataFrame
        A row a concept: ``name``, ``track``, ``mode`` (empty where nothing was active on select),
        ``threshold`` (of the level), ``select_ap_lift``; from the report split ``z``, ``p``, ``q``,
        ``sample_ap_lift`` with ``lift_low`` and ``lift_high``; lifts of the controls, margins, ``verdict``
        and ``rule`` as in the table of tracks.
    """
    refuse_without_work(study)
    columns = study_columns(study)
    batches = [concepts[first : first + TOGETHER] for first in range(0, len(concepts), TOGETHER)]
    laid = _bases(study, "select") + _bases(study, "report")
    progress.begin("laying concepts over held-out blocks", len(batches) * laid, "bases")
    parts = [_overlap(study, batch, columns, progress) for batch in batches]
    progress.end()
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "name", [concept.name for concept in concepts])
    table["q"] = q_values(table["p"].to_numpy(np.float64))
    table = _with_controls(study, concepts, table, columns, progress)
    return pd.concat([table, verdicts(table.assign(ap_lift=table["sample_ap_lift"]))], axis=1)


def evidence_of(row: pd.Series) -> Evidence:
    """What a row of `name_concepts` says, for the concept."""
    known = {"lift": row["sample_ap_lift"], "low": row["lift_low"], "high": row["lift_high"]}
    numbers = {key: float(value) for key, value in known.items() if not pd.isna(value)}
    return Evidence(row["verdict"], row["track"], row["mode"], **numbers)


def with_evidence(concepts: Sequence[Concept], named: pd.DataFrame) -> list[Concept]:
    """The concepts with what `name_concepts` says of them."""
    return [
        replace(concept, evidence=evidence_of(row))
        for concept, (_, row) in zip(concepts, named.iterrows(), strict=True)
    ]


def coefficients(concepts: Sequence[Concept], units: np.ndarray) -> np.ndarray:
    """What activations are multiplied with to give the levels of concepts, float32 ``(d_sae, concepts)``."""
    matrix = np.zeros((len(units), len(concepts)), np.float32)
    for column, concept in enumerate(concepts):
        matrix[list(concept.features), column] = concept.coefficients(units)
    return matrix


def levels(features: Csr, matrix: np.ndarray) -> np.ndarray:
    """Levels float32 ``(n, concepts)`` of rows of features."""
    shape = (features.n_rows, features.n_features)
    found = csr_array((features.values, features.indices, features.indptr), shape=shape) @ matrix
    return np.asarray(found, np.float32)


# -- overlap ---------------------------------------------------------------------------------------


def _bases(study: Study, split: str) -> int:
    return sum(stretch.size for stretch in stretches(study, split))


def _overlap(
    study: Study, concepts: Sequence[Concept], columns: list[Column], progress: Progress
) -> pd.DataFrame:
    """Best column of every concept on select, and its overlap with it on report."""
    matrix = coefficients(concepts, study.dictionary.unit.numpy())
    codes = levels(sample_codes(study, "select", EDGE_BASES), matrix)
    edges = value_edges(by_feature(*from_dense(np.maximum(codes, 0))))
    select = Histogram.empty(len(concepts), N_EDGES + 2, len(columns))
    for readings in _readings(study, "select", SELECT, matrix, edges, columns, progress):
        for features, bins, labels, use in readings:
            add_sparse(select, features, bins, labels, use)
    rate = select.positive.sum(axis=1) / np.maximum(select.all.sum(axis=1), 1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = (average_precision(select.positive, select.all) - rate) / (1 - rate)
    lift[select.all[:, 1:].sum(axis=1) == 0] = np.nan
    known = ~np.isnan(lift).all(axis=1)
    best = np.where(known, np.nan_to_num(lift, nan=-np.inf).argmax(axis=1), 0)
    every = np.arange(len(concepts))
    frozen = thresholds(select)[every, best]
    moments = ShiftMoments(*(np.zeros((len(concepts), len(columns))) for _ in range(3)))
    threshold = np.repeat(frozen[:, None], len(columns), axis=1)
    for readings in _readings(study, "report", REPORT, matrix, edges, columns, progress):
        moments = moments + shift_moments(readings, threshold)
    found = pd.DataFrame(
        {
            "track": [columns[c][0] for c in best],
            "mode": [columns[c][1] for c in best],
            "column": best,
            "threshold": lower_bounds(edges)[every, frozen],
            "select_ap_lift": lift[every, best],
            "z": moments.z()[every, best],
            "p": moments.p()[every, best],
        }
    )
    found.loc[~known, ["track", "mode"]] = ""
    found.loc[~known, "p"] = np.nan
    return found


def _readings(
    study: Study,
    split: str,
    code: int,
    matrix: np.ndarray,
    edges: np.ndarray,
    columns: list[Column],
    progress: Progress,
) -> Iterator[list[StrandReading]]:
    """Both readings of every stretch of a split, with levels in place of features."""
    for chrom, start, end in stretches(study, split):
        inside = study.split.codes(chrom, start, end) == code
        readings = []
        for strand in STRANDS:
            stored = study.features.rows(chrom, start, end, strand)
            found = by_feature(*from_dense(np.maximum(levels(stored.features, matrix), 0)))
            labels = labels_of(study, columns, chrom, start, end, strand)
            readings.append(StrandReading(found, bin_values(found, edges), labels, stored.callable & inside))
        yield readings
        progress.advance(end - start)


# -- controls --------------------------------------------------------------------------------------


def _with_controls(
    study: Study, concepts: Sequence[Concept], table: pd.DataFrame, columns: list[Column], progress: Progress
) -> pd.DataFrame:
    """The table with lifts on the report sample, of concepts and of the controls of their tracks."""
    matrix = coefficients(concepts, study.dictionary.unit.numpy())
    drawn = report_sample(study)
    left_out = read_copies(study).masks
    kept = ~sampled(study, "copied")
    inside = np.unpackbits(sampled(study, "inside"), axis=1, count=len(columns)).astype(bool)
    weight, block = sampled(study, "weight"), sampled(study, "block")
    own = _sample_levels(study, matrix)
    if len(own) != len(kept):
        raise ValueError("the sample of the controls is not that of the feature maps; run the controls again")
    times = draw_blocks(int(block.max()) + 1, seed=study.config.run.seed)
    intervals = sampled_intervals(drawn, intervals_by_track(study), columns, left_out)
    bases = {c: Bases(inside[kept, c], weight[kept], block[kept]) for c in set(table["column"])}
    rows = []
    for number, c in enumerate(table["column"]):
        positives, every = float(weight[kept] @ inside[kept, c]), float(weight @ inside[:, c])
        resampled = resample(own[kept, number], bases[c], times)
        low, high = interval(resampled, Resampled(0.0, np.zeros(len(times))), bases[c].held)
        rows.append(
            {
                "sample_ap_lift": resampled.lift,
                "lift_low": low,
                "lift_high": high,
                "sample_blocks": bases[c].held,
                "sample_intervals": intervals[c],
                "copied_share": 1 - positives / every if every else np.nan,
                "feature": -1 if table["track"][number] == "" else 0,
                "resampled": resampled,
            }
        )
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    for control in Control:
        if control != Control.SHUFFLED and (
            control != Control.RANDOM or study.config.controls.random_weights
        ):
            scores = sampled(study, control)[kept]
            found = {c: resample(scores[:, c], bases[c], times) for c in bases}
            _beside(table, control, [found[c] for c in table["column"]], bases)
    standing = (table["sample_ap_lift"] >= MIN_LIFT) & (table["q"] <= MAX_Q)
    for control in Control:
        if control.low in table:
            standing &= table[control.low] > 0
    if standing.any():
        chosen = np.flatnonzero(standing)
        scores = _shuffled_levels(study, matrix[:, chosen], progress)[kept]
        drawn_again = [Resampled(np.nan, np.full(len(times), np.nan))] * len(table)
        for column, at in enumerate(chosen):
            drawn_again[at] = resample(scores[:, column], bases[table["column"][at]], times)
        _beside(table, Control.SHUFFLED, drawn_again, bases)
    return table.drop(columns=["column", "resampled"])


def _beside(
    table: pd.DataFrame, control: Control, found: Sequence[Resampled], bases: dict[int, Bases]
) -> None:
    """Add a control's lift and the interval of the concepts' margins over it."""
    table[control.lift] = [each.lift for each in found]
    margins = [
        interval(own, each, bases[c].held)
        for own, each, c in zip(table["resampled"], found, table["column"], strict=True)
    ]
    table[control.low], table[control.high] = zip(*margins, strict=True)


def _sample_levels(study: Study, matrix: np.ndarray) -> np.ndarray:
    """Levels of the callable bases of the report sample, in the order of `sampled`."""
    parts = []
    for drawn in report_sample(study):
        cell = drawn.cell
        for strand in STRANDS:
            stored = study.features.rows(cell.chrom, cell.start, cell.end, strand)
            parts.append(levels(stored.features, matrix)[stored.callable])
    return np.concatenate(parts)


def _shuffled_levels(study: Study, matrix: np.ndarray, progress: Progress) -> np.ndarray:
    """The same bases' levels on the genome shuffled with its dinucleotides kept."""
    cells = [drawn.cell for drawn in report_sample(study)]
    progress.begin("reading the shuffled genome", sum(cell.end - cell.start for cell in cells), "bases")
    shuffled = ShuffledGenome(study.genome, study.config.run.seed)
    parts = []
    for reading in read_cells(study.model, study.layer, shuffled, study.grid, cells, study.batch):
        features = Csr(*study.sae.encode_sparse(np.ascontiguousarray(reading.activations)))
        use = read_sequence(study.genome, study.grid, reading.cell, reading.strand).callable
        parts.append(levels(features, matrix)[use])
        progress.advance((reading.cell.end - reading.cell.start) / 2)
    progress.end()
    return np.concatenate(parts)
