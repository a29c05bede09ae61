"""Layers beside each other: what linear probes find of the tracks, their dimensions, what hangs on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from feature_mining.association.labels import Column
from feature_mining.association.probe import ProbeScores, score_detector
from feature_mining.association.verdict import FEWEST
from genomic_models.contract import DNAModel, ModelError, TapContext
from workbench.analysis.activations import StrandWindows
from workbench.analysis.detectors import Moments
from workbench.analysis.labels import intervals_by_track, labels_of, study_columns
from workbench.analysis.readings import read_cell_layers
from workbench.analysis.sample import Drawn, sample, sampled_intervals
from workbench.progress import Progress
from workbench.study.study import Study
from workbench.wording import once

# Numbers that the projections of a split may take together (512 MiB in float32).
MOST_NUMBERS = 1 << 27
PROBES = ["layer", "track", "mode", "intervals", "chance"]
PROBES += ["ap_select", "ap", "lift_select", "lift", "auroc"]


class Scanned(NamedTuple):
    """What was read of the layers.

    Attributes
    ----------
    probes : DataFrame
        A row a layer and track: layer, track, mode, intervals (of report's sample), chance, ap_select, ap,
        lift_select, lift, auroc; NaN where a sample lacks one kind of base.
    dimensions : dict of str to float
        By layer, the participation ratio of its activations.
    means : dict of str to ndarray
        By layer, the mean activation, float64 ``(d,)``.
    """

    probes: pd.DataFrame
    dimensions: dict[str, float]
    means: dict[str, np.ndarray]


class _Projected(NamedTuple):
    """Projections float32 (n, C) by layer, labels bool (n, C), weight float64 (n)."""

    scores: dict[str, np.ndarray]
    labels: np.ndarray
    weight: np.ndarray

    def score(self, layer: str, column: int) -> ProbeScores | None:
        """How well a layer's probe of a column does here; None where all bases are of one kind."""
        own = self.labels[:, column]
        if own.all() or not own.any():
            return None
        return score_detector(self.scores[layer][:, column].astype(np.float64), own, self.weight, math.inf)


def participation_ratio(covariance: np.ndarray) -> float:
    """Dimensions that share the variance: the squared trace over the trace of the square; 1 to d."""
    square = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / square if square else math.nan


def scan_layers(study: Study, layers: Sequence[str], bases: int, progress: Progress) -> Scanned:
    """Linear probes of every tested track at every layer.

    Fitted on the first half of a sample of select; the strand mode of each track is chosen on its second
    half, and scored on a sample of report. All layers are read in one pass of about ``bases`` bases a split,
    on both strands; fewer where their projections would not fit in ``MOST_NUMBERS``. Raises ``ValueError``
    where a split holds too few whole cells.
    """
    columns = study_columns(study)
    room = MOST_NUMBERS // (2 * len(layers) * max(1, len(columns)))
    most = min(bases, max(room, study.grid.stride))
    select, report = sample(study, "select", most), sample(study, "report", most)
    if len(select) < 2 or not report:
        raise ValueError("a split holds too few whole cells: make a study with a smaller window")
    half = len(select) // 2
    sums: dict[str, Moments] = {}
    for values, labels, weight in _readings(study, layers, select[:half], columns, progress):
        for layer, own in zip(layers, values, strict=True):
            part = Moments.of(own, labels, weight)
            sums[layer] = sums[layer].plus(part) if layer in sums else part

    def project(drawn: list[Drawn]) -> _Projected:
        scores: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
        truth, share = [], []
        for values, labels, weight in _readings(study, layers, drawn, columns, progress):
            for layer, own in zip(layers, values, strict=True):
                scores[layer].append(((own - means[layer]) @ weights[layer]).astype(np.float32))
            truth.append(labels)
            share.append(np.full(len(labels), weight))
        joined = {layer: np.concatenate(parts) for layer, parts in scores.items()}
        return _Projected(joined, np.concatenate(truth), np.concatenate(share))

    weights = {layer: found.probe() for layer, found in sums.items()}
    means = {layer: found.x / found.total for layer, found in sums.items()}
    intervals = sampled_intervals(report, intervals_by_track(study), columns, {})
    probes = _table(layers, columns, project(select[half:]), project(report), intervals)
    dimensions = {layer: participation_ratio(_covariance(found)) for layer, found in sums.items()}
    return Scanned(probes, dimensions, means)


def _table(
    layers: Sequence[str],
    columns: list[Column],
    chosen_on: _Projected,
    report: _Projected,
    intervals: list[int],
) -> pd.DataFrame:
    rows = []
    for layer in layers:
        best: dict[str, tuple[int, ProbeScores]] = {}
        for column, (track, _) in enumerate(columns):
            found = chosen_on.score(layer, column)
            if found and (track not in best or found.ap_lift > best[track][1].ap_lift):
                best[track] = column, found
        for track, (column, select) in best.items():
            found = report.score(layer, column)
            rows.append(
                {
                    "layer": layer,
                    "track": track,
                    "mode": columns[column][1],
                    "intervals": once(intervals[column], columns[column][1]),
                    "chance": found.base_rate if found else math.nan,
                    "ap_select": select.average_precision,
                    "ap": found.average_precision if found else math.nan,
                    "lift_select": select.ap_lift,
                    "lift": found.ap_lift if found else math.nan,
                    "auroc": found.auroc if found else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=PROBES)


def _readings(
    study: Study, layers: Sequence[str], drawn: list[Drawn], columns: list[Column], progress: Progress
) -> Iterator[tuple[list[np.ndarray], np.ndarray, float]]:
    """Callable bases of each reading: activations (n, d) a layer, labels bool (n, C), the cell's weight."""
    weight = {d.cell: d.weight for d in drawn}
    stream = read_cell_layers(study.model, layers, study.genome, study.grid, list(weight), study.batch)
    for reading in stream:
        cell, use = reading.cell, reading.callable
        states = labels_of(study, columns, cell.chrom, cell.start, cell.end, reading.strand)
        yield [own[use] for own in reading.activations], states.table[states.states[use]], weight[cell]
        progress.advance(len(use))


def _covariance(sums: Moments) -> np.ndarray:
    mean = sums.x / sums.total
    covariance: np.ndarray = sums.xx / sums.total - np.outer(mean, mean)
    return covariance


def tested(probes: pd.DataFrame) -> pd.DataFrame:
    """Rows with a score and enough intervals on report for a verdict."""
    return probes[probes["lift"].notna() & (probes["intervals"] >= FEWEST)]


def lost_bits(
    model: DNAModel, layer: str, mean: np.ndarray, windows: StrandWindows, together: int
) -> tuple[float, float]:
    """Bits a base of the letters after the warm-up, as the model is and with ``layer`` at its mean there.

    Windows of other than the commonest length are passed over. Raises ``ModelError`` for a model that does
    not predict base after base.
    """
    level = torch.from_numpy(mean)
    totals, letters = np.zeros(2), 0
    read = [windows[i] for i in range(len(windows))]
    lengths = [(len(w.sequence), w.skip) for w in read]
    length, skip = max(set(lengths), key=lengths.count)
    whole = [w for w, own in zip(read, lengths, strict=True) if own == (length, skip)]

    def at_mean(values: torch.Tensor, context: TapContext) -> torch.Tensor:
        out = values.clone()
        out[:, max(0, skip - context.offset) :] = level.to(values)
        return out

    for start in range(0, len(whole), together):
        group = whole[start : start + together]
        use = torch.from_numpy(np.stack([w.use[1:] for w in group if w.use is not None]))
        for i, edits in enumerate((None, {layer: at_mean})):
            with torch.no_grad():
                found = model.forward([w.sequence for w in group], edits=edits)
            if found.logits is None or found.tokens.spans is not None or not model.predicts_bases:
                raise ModelError(f"model {model.name} does not predict base after base: no bits to lose")
            logs = found.logits[:, skip:-1].float().log_softmax(-1).cpu()
            targets = found.tokens.ids[:, skip + 1 : length].cpu()
            nats = -logs[:, : targets.shape[1]].gather(-1, targets[..., None])[..., 0].double()
            totals[i] += float(nats[use].sum()) / math.log(2)
        letters += int(use.sum())
    clean, ablated = totals / max(letters, 1)
    return float(clean), float(ablated)
