"""What a plan did: how far each edit moved the activations and the predictions, and where one did nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.passes import run
from feature_mining.edits.plan import EditPlan
from genomic_models.contract import DNAModel, ModelError

# Bits a position below which predictions count as not moved.
LEAST = 1e-6
ACTS, IDLE, UNDONE = "acts", "acts nowhere here", "undone by what comes after"


def measure_effects(
    model: DNAModel,
    sequences: Sequence[str],
    plan: EditPlan,
    dictionaries: Mapping[str, Dictionary],
    strands: Sequence[str] = (),
) -> pd.DataFrame:
    """Each edit of a plan by itself, and last all of them, on some sequences.

    Returns
    -------
    DataFrame
        ``edit`` in words; ``positions`` at which it changed a feature or the activation; ``moved``, mean
        norm of its change there as a share of the activation's; ``bits``, Kullback-Leibler divergence from
        the untouched predictions, a position, mean over all; ``answer``: `ACTS`, `IDLE` where nothing was
        changed, `UNDONE` where something was but no prediction moved by `LEAST` bits (later layers restored
        it, or do not read it).

    Raises
    ------
    ModelError
        For a model that predicts nothing.
    """
    untouched = _logs(model.forward(sequences).logits, model)
    lengths = model.tokenize(sequences).lengths
    real = torch.arange(untouched.shape[1])[None] < lengths[:, None]
    rows = []
    parts = [(str(edit), EditPlan((edit,))) for edit in plan.edits]
    for name, part in [*parts, ("all", plan)]:
        applied = Applied([part], dictionaries, strands)
        changed = _logs(run(model, sequences, applied).logits, model)
        bits = float(_divergence(untouched, changed)[real].mean())
        positions = int(sum(acted[0] for acted in applied.acted.values()))
        moved = sum(acted[1] for acted in applied.acted.values()) / max(positions, 1)
        answer = IDLE if not positions else ACTS if bits >= LEAST else UNDONE
        rows.append((name, positions, moved, bits, answer))
    return pd.DataFrame(rows, columns=["edit", "positions", "moved", "bits", "answer"])


def _logs(logits: Tensor | None, model: DNAModel) -> Tensor:
    if logits is None:
        raise ModelError(f"model {model.name} predicts nothing: an edit cannot move its predictions")
    return logits.float().log_softmax(-1).cpu()


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Bits ``(B, L)`` from predictions ``p`` to ``q``; letters that both rule out add nothing."""
    difference = torch.where(p == q, 0.0, p - q)
    chance = p.exp()
    return torch.where(chance > 0, chance * difference, 0.0).sum(-1) / math.log(2)
