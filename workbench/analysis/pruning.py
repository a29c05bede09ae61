"""What pruning reads of a study, and what is compared between a model and a smaller one of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.pruning.effect import Costs, Reading, costs
from genomic_models.contract import DNAModel
from genomic_models.corpus import Corpus, write_corpus
from workbench.analysis.labels import intervals_by_track
from workbench.analysis.sample import draw_cells, tracks_in_cells
from workbench.errors import InputError
from workbench.genome.windows import Cell, read_sequence
from workbench.progress import Progress
from workbench.study.study import Study

# Letters of a reading count as one of these.
KEPT, OTHER = 0, 1
# Times that two models are timed, in turns.
TURNS = 3
# Bases whose features are held at once.
_BLOCK = 1024


def regions_of(study: Study, track: str) -> pd.DataFrame | None:
    """Intervals of the track whose bases a model is to keep; None for the whole genome (no track)."""
    if not track:
        return None
    tracks = intervals_by_track(study)
    if track not in tracks:
        raise InputError(
            f"track {track!r}: the study has none of this name; expected one of {', '.join(tracks)}"
        )
    return tracks[track]


def draw_readings(study: Study, split: str, bases: int, regions: pd.DataFrame | None) -> list[Reading]:
    """Both strands of about ``bases / 2`` bases of whole cells, spread over a split.

    Letters after the warm-up count: those within ``regions``, on either strand, as `KEPT`, all others as
    `OTHER`. Half of the cells are drawn from those that meet a region, where some do not.
    """
    cells = study.split.cells(study.grid, study.manifest.contigs, split)
    tracks = {} if regions is None else {"regions": regions}
    drawn = draw_cells(cells, tracks_in_cells(cells, tracks), bases // 2, [study.config.run.seed])
    if not drawn:
        raise InputError(f"the {split} split holds no whole cell: make a study with a smaller window")
    readings = [_reading(study, each.cell, strand, regions) for each in drawn for strand in "+-"]
    if not any(reading.use[KEPT].any() for reading in readings):
        raise InputError(f"no base of the track is among those read of the {split} split: read more --bases")
    return readings


def _reading(study: Study, cell: Cell, strand: str, regions: pd.DataFrame | None) -> Reading:
    part = read_sequence(study.genome, study.grid, cell, strand)
    inside = np.ones(cell.end - cell.start, bool)
    if regions is not None:
        inside[:] = False
        own = regions[regions["chrom"] == cell.chrom]
        for start, end in zip(own["start"], own["end"], strict=True):
            inside[max(0, start - cell.start) : max(0, end - cell.start)] = True
    both = np.stack([part.callable & inside, part.callable & ~inside])
    use = np.zeros((2, len(part.sequence)), bool)
    use[:, part.skip : part.skip + inside.size] = both if strand == "+" else both[:, ::-1]
    return Reading(part.sequence, use)


class Compared(NamedTuple):
    """Bits a base of a class of letters with a smaller model, and how many more than with the whole one.

    ``error`` is the standard error of that difference over readings; NaN throughout where no letter counts.
    """

    bits: float
    more: float
    error: float


def compare(whole: Costs, small: Costs, which: int) -> Compared:
    """Bits of the same readings under both models, one class of letters."""
    letters = whole.letters[:, which].astype(float)
    total = letters.sum()
    if not total:
        return Compared(np.nan, np.nan, np.nan)
    apart = small.bits[:, which] - whole.bits[:, which]
    more = apart.sum() / total
    count = np.count_nonzero(letters)
    rest = apart - more * letters
    error = float(np.sqrt((rest**2).sum() * count / (count - 1)) / total) if count > 1 else np.nan
    return Compared(float(small.bits[:, which].sum() / total), float(more), error)


def speeds(models: Sequence[DNAModel], readings: Sequence[Reading], together: int) -> list[float]:
    """Bases a second of whole passes of each model over the same readings, timed in turns; the best turn."""
    best = [0.0] * len(models)
    bases = sum(len(reading.sequence) for reading in readings)
    for _ in range(TURNS):
        for i, model in enumerate(models):
            began = time.perf_counter()
            costs(model, readings, together)
            best[i] = max(best[i], bases / (time.perf_counter() - began))
    return best


class _Sums:
    """Sums for the correlation of two maps, feature by feature."""

    def __init__(self, width: int) -> None:
        self.total = 0
        self.sums = torch.zeros(5, width, dtype=torch.float64)
        self.active = torch.zeros(width, dtype=torch.int64)

    def add(self, x: Tensor, y: Tensor) -> None:
        x, y = x.double(), y.double()
        self.total += len(x)
        self.active += (x > 0).sum(0)
        self.sums += torch.stack([x.sum(0), y.sum(0), (x * x).sum(0), (y * y).sum(0), (x * y).sum(0)])

    def correlation(self) -> np.ndarray:
        """Pearson's, float64; NaN of a feature that is constant in the first map, 0 where in the second."""
        x, y, xx, yy, xy = self.sums.numpy() / max(self.total, 1)
        vx, vy = xx - x * x, yy - y * y
        out = np.full(len(x), np.nan)
        moves = vx > 0
        out[moves] = 0.0
        both = moves & (vy > 0)
        out[both] = (xy - x * y)[both] / np.sqrt(vx[both] * vy[both])
        return out


def features_kept(
    study: Study, small: DNAModel, readings: Sequence[Reading], progress: Progress
) -> pd.DataFrame:
    """Each feature's map on the same bases with both models.

    Returns
    -------
    DataFrame
        ``feature``; ``active``, bases at which it is active with the whole model; ``correlation`` of its
        activations, NaN where it is active nowhere.
    """
    layer, sae = study.layer, study.sae
    sums = _Sums(sae.config.d_sae)
    for start in range(0, len(readings), study.batch):
        group = readings[start : start + study.batch]
        texts = [reading.sequence for reading in group]
        with torch.no_grad():
            maps = [m.forward(texts, taps=[layer], until=layer).taps[layer] for m in (study.model, small)]
            for row, reading in enumerate(group):
                use = torch.from_numpy(reading.use.any(axis=0))
                rows = [each[row, : len(use)].float().cpu()[use] for each in maps]
                for x, y in zip(*(each.split(_BLOCK) for each in rows), strict=True):
                    sums.add(sae.encode(x), sae.encode(y))
        progress.advance(2 * sum(map(len, texts)))
    return pd.DataFrame(
        {
            "feature": np.arange(len(sums.active)),
            "active": sums.active.numpy(),
            "correlation": sums.correlation(),
        }
    )


def train_corpus(study: Study, folder: Path) -> Corpus:
    """The blocks of the train split as a corpus to train on, written once."""
    if (folder / "corpus.json").exists():
        return Corpus(folder)
    blocks = study.manifest.blocks("train")
    named = ((f"{b.chrom}:{b.start + 1}-{b.end}", study.genome.fetch(*b.interval)) for b in blocks)
    return write_corpus(named, folder)
