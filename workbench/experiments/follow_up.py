"""What a model does on cells of a split, whole or treated: bits by class, flags, features, detectors.

Everything is kept by block of the genome, so that the same draws of blocks give each figure, and each
difference between two arms, its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.association.margin import draw_blocks
from feature_mining.detection.detector import Detector
from feature_mining.detection.precision import Reading
from feature_mining.feature_map import Csr
from genomic_models.contract import Forward
from workbench.analysis.audit.flags import FLAGS
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.audit.position_bias import PARTS, MapCounts, map_table
from workbench.analysis.audit.window_edges import EARLY
from workbench.analysis.controls import headline_features
from workbench.analysis.detectors import chosen_values
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.sample import Drawn, blocks
from workbench.errors import InputError
from workbench.genome.region_classes import CLASSES, region_classes
from workbench.genome.windows import Cell, CellSequence, read_sequence
from workbench.interruption import heed
from workbench.progress import Progress
from workbench.scans.detectors import Tile
from workbench.scans.making import Scored, read_scores, track_of
from workbench.study.study import Study

# ``passes(sequences, strands, taps)``: a pass of a model with whatever is done to it.
Passes = Callable[[Sequence[str], Sequence[str], Sequence[str]], Forward]
# Flags that are counted anew: the others are of the sequence, not of how it is read.
COUNTED = ("warmup", "window_position", "strand_inconsistent")
EVERYWHERE, LOCI = "all", "the loci"
DRAWS = 500


def bits_of(logits: Tensor, ids: Tensor) -> np.ndarray:
    """Cost of every base given those before it, float32 ``(B, L)``; NaN of the first."""
    nats = logits[:, :-1].float().log_softmax(-1).gather(-1, ids[:, 1:, None].to(logits.device))[..., 0]
    bits: np.ndarray = torch.nn.functional.pad(-nats / np.log(2), (1, 0), value=np.nan).cpu().numpy()
    return bits


class Scanned(NamedTuple):
    """A strand of a cell: rows in genome order.

    part : what the model was given; bits float32 (n), NaN without a value; features : Csr (n rows)
    early : Csr, the first bases of the window, in reading order
    """

    cell: Cell
    strand: str
    part: CellSequence
    bits: np.ndarray
    features: Csr
    early: Csr


class Heard(NamedTuple):
    """A detector's scores: cell by cell, and of neighbouring cells together with the sites."""

    cells: list[Scored]
    readings: list[Reading]


class FollowUp(NamedTuple):
    """Counts of one arm, by block of the genome (first axis throughout).

    bits, letters : float64 (blocks, classes), columns of ``classes``
    place : int64 (blocks, F, PARTS) firings by place in the window; place_bases : (blocks, PARTS)
    active : int64 (blocks, 2, F) firings by strand; bases : int64 (blocks, 2)
    early : int64 (blocks, F), firings in a window's first bases; early_bases : int64 (blocks)
    scores : float32 (n, columns) of each track's feature; inside : bool (n, columns); block : int64 (n)
    weight : float64 (n), cells of the split that a base's cell stands for
    detectors : by the name of their experiment
    """

    classes: list[str]
    bits: np.ndarray
    letters: np.ndarray
    place: np.ndarray
    place_bases: np.ndarray
    active: np.ndarray
    bases: np.ndarray
    early: np.ndarray
    early_bases: np.ndarray
    scores: np.ndarray
    inside: np.ndarray
    block: np.ndarray
    weight: np.ndarray
    detectors: dict[str, Heard]

    def flags(self) -> pd.DataFrame:
        """Columns of ``COUNTED``, bool, a row a feature; and ``fired``."""
        none = np.zeros(self.place.shape[1], np.int64)
        own = (self.place, self.place_bases, self.active, self.bases)
        table = map_table([MapCounts(*counts, none) for counts in zip(*own, strict=True)])
        table["early_fired"] = self.early.sum(axis=0)
        table["early_rate"] = table["early_fired"] / max(1, int(self.early_bases.sum()))
        table["late_rate"] = table["fired"] / max(1, int(self.bases.sum()))
        held = {name: FLAGS[name].holds(table).fillna(False).astype(bool) for name in COUNTED}
        return pd.DataFrame(held).assign(fired=table["fired"])

    @property
    def size(self) -> int:
        """Blocks."""
        return len(self.bits)


def draws_of(count: int) -> np.ndarray:
    """How often each block is taken, float64 ``(1 + DRAWS, count)``; the first row takes each once."""
    return np.concatenate([np.ones((1, count)), draw_blocks(count, DRAWS)])


def scan(study: Study, passes: Passes, cells: Sequence[Cell], progress: Progress) -> Iterator[Scanned]:
    """Both strands of cells, one after another, in the order of ``cells``."""
    jobs = ((cell, strand) for cell in cells for strand in "+-")
    while group := list(islice(jobs, study.batch)):
        heed()
        parts = [read_sequence(study.genome, study.grid, cell, strand) for cell, strand in group]
        with torch.no_grad():
            found = passes([p.sequence for p in parts], [strand for _, strand in group], [study.layer])
        assert found.logits is not None
        bits = bits_of(found.logits, found.tokens.ids)
        early = min(EARLY, study.grid.warmup) or EARLY
        for row, ((cell, strand), part) in enumerate(zip(group, parts, strict=True)):
            x = found.taps[study.layer][row].float().cpu()
            own, cost = part.own(x), part.own(bits[row])
            if strand == "-":
                own, cost = own.flip(0), cost[::-1]
            cost = np.where(part.callable, cost, np.nan)
            encoded = study.sae.encode_sparse(own.contiguous())
            yield Scanned(cell, strand, part, cost, encoded, study.sae.encode_sparse(x[:early].contiguous()))
        progress.advance(sum(len(p.sequence) for p in parts))


def inside_loci(loci: pd.DataFrame | None, cell: Cell) -> np.ndarray:
    """Which bases of a cell lie in the loci, bool ``(n,)``."""
    found = np.zeros(cell.end - cell.start, bool)
    if loci is not None:
        own = loci[(loci["chrom"] == cell.chrom) & (loci["start"] < cell.end) & (loci["end"] > cell.start)]
        for start, end in zip(own["start"], own["end"], strict=True):
            found[max(0, start - cell.start) : max(0, end - cell.start)] = True
    return found


def follow_up(
    study: Study,
    passes: Passes,
    drawn: Sequence[Drawn],
    loci: pd.DataFrame | None,
    detectors: Mapping[str, Detector],
    progress: Progress,
) -> FollowUp:
    """Read the cells of a sample under one arm.

    Raises ``InputError`` for a sample without a cell.
    """
    if not drawn:
        raise InputError("the split holds no whole cell: make a study with a smaller window")
    # Scores are of whole cells: a block is where a cell begins.
    number = blocks(list(drawn))
    count, width = 1 + max(number.values()), study.sae_config.d_sae
    columns, headline = study_columns(study), headline_features(study)
    copied = read_copies(study).masks if (study.folder / "work" / "copies").exists() else {}
    classes = [EVERYWHERE, *CLASSES, *([] if loci is None else [LOCI])]
    bits, letters = np.zeros((2, count, len(classes)))
    place, place_bases = np.zeros((count, width, PARTS), np.int64), np.zeros((count, PARTS), np.int64)
    active, bases = np.zeros((count, 2, width), np.int64), np.zeros((count, 2), np.int64)
    early, early_bases = np.zeros((count, width), np.int64), np.zeros(count, np.int64)
    scores, inside, block, weight = [], [], [], []
    stands_for = {(d.cell.chrom, d.cell.start): d.weight for d in drawn}
    heard: dict[str, list[Scored]] = {name: [] for name in detectors}
    plus: Scanned | None = None
    for one in scan(study, passes, [d.cell for d in drawn], progress):
        b, cell, use = number[one.cell.chrom, one.cell.start], one.cell, one.part.callable
        n, s = use.size, "+-".index(one.strand)
        member = np.zeros((n, len(classes)), bool)
        member[:, 0] = True
        member[np.arange(n), 1 + region_classes(study.tracks, cell)] = True
        if loci is not None:
            member[:, -1] = inside_loci(loci, cell)
        known = use & np.isfinite(one.bits)
        bits[b] += np.where(known, one.bits, 0) @ member
        letters[b] += known.astype(float) @ member
        rows = np.repeat(np.arange(n), np.diff(one.features.indptr))
        kept = use[rows]
        features = one.features.indices[kept].astype(np.int64)
        along = np.arange(n) if one.strand == "+" else np.arange(n)[::-1]
        part = along * PARTS // study.grid.stride
        place[b] += np.bincount(features * PARTS + part[rows[kept]], minlength=width * PARTS).reshape(
            width, PARTS
        )
        place_bases[b] += np.bincount(part[use], minlength=PARTS)
        active[b, s] += np.bincount(features, minlength=width)
        bases[b, s] += int(use.sum())
        early[b] += np.bincount(one.early.indices, minlength=width)
        early_bases[b] += one.early.n_rows
        if columns:
            labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, one.strand)
            if cell.chrom in copied:
                use = use & ~copied[cell.chrom][cell.start : cell.end]
            inside.append(labels.table[labels.states][use])
            scores.append(chosen_values(one.features, headline)[use])
            block.append(np.full(int(use.sum()), b))
            weight.append(np.full(int(use.sum()), stands_for[cell.chrom, cell.start]))
        if one.strand == "+":
            plus = one
            continue
        assert plus is not None
        readings = {each.strand: (each.features, each.part.callable) for each in (plus, one)}
        tile = Tile(cell.chrom, cell.start, cell.end, readings)
        for name, own in heard.items():
            # Nothing is held back: a detector that misfires does so on sequence unlike its own, too.
            described = np.zeros(len(detectors[name].domain.centre))
            own.append(Scored(*tile[:3], tile.scores(detectors[name]), described))
    judged = {}
    for name, own in heard.items():
        track = track_of(study, detectors[name].track)
        judged[name] = Heard(own, read_scores(everywhere(detectors[name]), track, own, copied))
    return FollowUp(
        classes, bits, letters, place, place_bases, active, bases, early, early_bases,
        np.concatenate(scores) if scores else np.zeros((0, 0), np.float32),
        np.concatenate(inside) if inside else np.zeros((0, 0), bool),
        np.concatenate(block) if block else np.zeros(0, np.int64),
        np.concatenate(weight) if weight else np.zeros(0),
        judged,
    )  # fmt: skip


def everywhere(detector: Detector) -> Detector:
    """The detector without a limit to what sequence it judges."""
    return replace(detector, domain=replace(detector.domain, limit=np.inf))
