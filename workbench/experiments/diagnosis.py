"""Which features of the study's layer, and which parts of the network, carry a symptom: guessed and tried.

All of it is read on the select split. A guess counts only beside its controls: as much taken out along random
directions, along another feature of the same density, and of the same loss put at another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.attribution.losses import Batch, attribute_losses
from feature_mining.pruning.parts import KINDS, Parts
from genomic_models.contract import Forward, ModelError
from genomic_models.striped_hyena.model import own_network
from workbench.experiments.symptoms import Focus
from workbench.genome.windows import Cell, CellSequence, read_sequence
from workbench.interruption import heed
from workbench.progress import Progress
from workbench.study.study import Study

# Share of random directions that a feature has to be beyond.
BEYOND = 0.95
# Cost that is added to each before reliefs are divided by it: bits a base.
LEAST_COST = 1e-4
# Passes that a gradient counts as.
GRADIENT = 4


class Diagnosis(NamedTuple):
    """What carries a symptom, most relief for its cost first.

    features : DataFrame
        ``feature``; ``relief``, what its absence takes off the loss that stands for the symptom, as a share
        of all reliefs' sizes; ``random``, that along random directions (95 %); ``other``, ``shifted``: along
        another feature, and of the loss at another place; ``cost``, bits a base more; ``carries``.
    parts : DataFrame
        ``part, kind, block, index``, and ``relief, shifted, cost, carries``; no rows for a network whose
        parts are not known.
    """

    features: pd.DataFrame
    parts: pd.DataFrame


def parts_of(study: Study) -> Parts | None:
    """Parts of the study's network; None of a model that is not of our own kind."""
    try:
        return Parts(own_network(study.model, "treated").config)
    except ModelError:
        return None


def diagnose(
    study: Study, focus: Focus, cells: Sequence[Cell], others: np.ndarray, seed: int, progress: Progress
) -> Diagnosis:
    """Attribute a symptom's loss on some cells; ``others``, int64 (F), is what each feature is set beside."""
    parts = parts_of(study)
    batches = _batches(study, focus, cells, progress)
    found = attribute_losses(study.model, batches, study.dictionary, others, parts, seed)
    scale = max(float(np.abs(found.features[0]).sum()), 1e-30)
    own, shifted = found.features[:2] / scale
    random = np.quantile(found.random, BEYOND, axis=1) / scale
    features = pd.DataFrame(
        {
            "feature": np.arange(len(own)),
            "relief": own,
            "random": random,
            "other": found.other / scale,
            "shifted": shifted,
            "cost": -found.features[2],
        }
    )
    beyond = features[["random", "other", "shifted"]].max(axis=1).clip(lower=0)
    features = _ranked(features.assign(carries=features["relief"] > beyond))
    if parts is None:
        return Diagnosis(features, pd.DataFrame(columns=["part", "relief", "carries"]))
    scale = max(float(np.abs(found.parts[0]).sum()), 1e-30)
    table = pd.DataFrame(
        {
            "part": np.arange(parts.count),
            "kind": np.array(KINDS)[parts.kind],
            "block": parts.block,
            "index": parts.index,
            "relief": found.parts[0] / scale,
            "shifted": found.parts[1] / scale,
            "cost": -found.parts[2],
        }
    )
    # The last filter, head or channel of a block goes with the block alone.
    table["carries"] = (table["relief"] > table["shifted"].clip(lower=0)) & (parts.size > 0)
    return Diagnosis(features, _ranked(table))


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Those that carry it first, most relief for the bits that they cost."""
    worth = table["relief"] / (table["cost"].clip(lower=0) + LEAST_COST)
    order = table.assign(_worth=worth).sort_values(["carries", "_worth"], ascending=False, kind="stable")
    return order.drop(columns="_worth").reset_index(drop=True)


def _batches(study: Study, focus: Focus, cells: Sequence[Cell], progress: Progress) -> Iterator[Batch]:
    """Losses of each pass: the symptom's, the same at another place, and the bits of all bases."""
    jobs = [(cell, strand) for cell in cells for strand in "+-"]
    letters = sum(2 * (cell.end - cell.start) for cell in cells)
    for start in range(0, len(jobs), study.batch):
        heed()
        group = jobs[start : start + study.batch]
        parts = [read_sequence(study.genome, study.grid, cell, strand) for cell, strand in group]
        yield Batch([part.sequence for part in parts], _Losses(study, focus, group, parts, letters))
        progress.advance(GRADIENT * sum(len(part.sequence) for part in parts))


class _Losses:
    """Losses of the readings of one pass."""

    def __init__(
        self,
        study: Study,
        focus: Focus,
        group: Sequence[tuple[Cell, str]],
        parts: Sequence[CellSequence],
        letters: int,
    ) -> None:
        self.study, self.focus = study, focus
        longest = max(len(part.sequence) for part in parts)
        weights = np.zeros((3, len(parts), longest))
        for row, ((cell, strand), part) in enumerate(zip(group, parts, strict=True)):
            for number in (0, 1):
                own = focus.weights(cell, strand, part, bool(number))
                weights[number, row, : len(own)] = own
            kept = slice(part.skip, part.skip + len(part.callable))
            use = part.callable if strand == "+" else part.callable[::-1]
            weights[2, row, kept] = use / letters
        self.weights = torch.from_numpy(weights).float()

    def __call__(self, forward: Forward) -> list[Tensor]:
        assert forward.logits is not None
        logs = forward.logits[:, :-1].float().log_softmax(-1)
        ids = forward.tokens.ids[:, 1:, None].to(logs.device)
        bits = torch.nn.functional.pad(-logs.gather(-1, ids)[..., 0] / np.log(2), (1, 0))
        weights = self.weights.to(bits)
        focus, values = self.focus, bits
        if len(focus.features):
            x = forward.taps[self.study.layer]
            encoded = self.study.dictionary.encode(x.flatten(0, 1).float(), focus.features.tolist())
            values = (encoded @ torch.from_numpy(focus.coefficients).to(encoded)).view(x.shape[:2])
        return [(weights[0] * values).sum(), (weights[1] * values).sum(), (weights[2] * bits).sum()]
