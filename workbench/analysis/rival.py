"""Features beside a sequence model of 31 bases: which marks a track better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.labels import Column
from feature_mining.association.local_sequence import WIDTH, LocalSequence, windows
from feature_mining.association.probe import score_detector
from genomic_models.dna import base_codes
from workbench.analysis.labels import labels_of
from workbench.analysis.readings import read_cells
from workbench.analysis.sample import sample
from workbench.progress import Progress
from workbench.study.study import Study

# Of each split; the sample holds every track's share.
BASES = 30_000
DRAWS = 200
TAIL = 0.025


class Bases(NamedTuple):
    """Callable bases of a split's sample.

    x : float32 (n, 604), letters around each; values : float32 (n, F); labels : bool (n, C)
    weight : float64 (n); cell : int64 (n), number of the cell and strand that a base is of
    """

    x: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    cell: np.ndarray


def face_rival(study: Study, marked: Mapping[int, Column], progress: Progress) -> pd.DataFrame:
    """Average precision of features and of the rival on their tracks.

    The rival is fitted on a sample of the select split, where the tracks of features are picked too; both are
    scored on one of the report split.

    Parameters
    ----------
    study : Study
    marked : mapping of int to (track, mode)
        A column for each feature.
    progress : Progress
        Told of bases.

    Returns
    -------
    DataFrame
        ``feature, track, mode, base_rate, feature_ap, rival_ap`` and ``margin``, the first's less the
        second's, with ``margin_low, margin_high``, 95 % over whole cells drawn anew. NaN where a split's
        sample lacks labelled or unlabelled bases.
    """
    features, columns = list(marked), list(dict.fromkeys(marked.values()))
    select, report = (_read(study, split, features, columns, progress) for split in ("select", "report"))
    rows = []
    for f, (feature, column) in enumerate(marked.items()):
        c = columns.index(column)
        row: dict[str, object] = {"feature": feature, "track": column[0], "mode": column[1]}
        if all(0 < split.labels[:, c].sum() < len(split.labels) for split in (select, report)):
            rival = LocalSequence.fit(select.x, select.labels[:, c], select.weight).score(report.x)
            row |= _compare(report.values[:, f], rival, report.labels[:, c], report)
        rows.append(row)
    names = ["feature", "track", "mode", "base_rate", "feature_ap", "rival_ap"]
    return pd.DataFrame(rows, columns=[*names, "margin", "margin_low", "margin_high"])


def _compare(own: np.ndarray, rival: np.ndarray, labels: np.ndarray, report: Bases) -> dict[str, object]:
    def precision(scores: np.ndarray, weight: np.ndarray) -> float:
        return score_detector(scores, labels, weight, np.inf).average_precision

    a, b = precision(own, report.weight), precision(rival, report.weight)
    random, count = np.random.default_rng(0), int(report.cell.max()) + 1
    margins = []
    for _ in range(DRAWS):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        weight = report.weight * times[report.cell]
        if weight[labels].sum() and weight[~labels].sum():
            margins.append(precision(own, weight) - precision(rival, weight))
    low, high = np.quantile(margins, [TAIL, 1 - TAIL])
    rate = float(report.weight[labels].sum() / report.weight.sum())
    return {
        "base_rate": rate, "feature_ap": a, "rival_ap": b,
        "margin": a - b, "margin_low": low, "margin_high": high,
    }  # fmt: skip


def _read(study: Study, split: str, features: list[int], columns: list[Column], progress: Progress) -> Bases:
    drawn = sample(study, split, BASES)
    weight = {d.cell: d.weight for d in drawn}
    half, parts = WIDTH // 2, []
    chosen = study.dictionary.part(features)
    readings = read_cells(study.model, study.layer, study.genome, study.grid, list(weight), study.batch)
    for number, reading in enumerate(readings):
        chrom, start, end = reading.cell.chrom, reading.cell.start, reading.cell.end
        length = study.manifest.contigs[chrom]
        left, right = max(0, start - half), min(length, end + half)
        codes = base_codes(study.genome.fetch(chrom, left, right, reading.strand))
        use = np.flatnonzero(reading.callable)
        # Rows are places of the genome; the letters run in the direction of the reading.
        rows = use + start - left if reading.strand == "+" else right - 1 - start - use
        labels = labels_of(study, columns, chrom, start, end, reading.strand)
        values = chosen.encode(study.sae.b_dec.new_tensor(np.ascontiguousarray(reading.activations[use])))
        parts.append(
            Bases(
                windows(codes, rows),
                values.cpu().numpy(),
                labels.table[labels.states[use]],
                np.full(use.size, weight[reading.cell]),
                np.full(use.size, number),
            )
        )
        progress.advance((end - start) / 2)
    return Bases(*(np.concatenate(column) for column in zip(*parts, strict=True)))
