"""What a plan did: how far each edit moved the activations and the predictions, and where one did nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.passes import run
from feature_mining.edits.plan import EditPlan
from genomic_models.bases import divergence, said
from genomic_models.contract import DNAModel, Forward

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
        norm of its change there as a share of the activation's; ``bits``, divergence from what the untouched
        model says (``genomic_models.bases.divergence``), a position, mean over all; ``answer``: `ACTS`,
        `IDLE` where nothing was changed, `UNDONE` where something was but nothing said moved by `LEAST` bits
        (later layers restored it, or do not read it).

    Raises
    ------
    ModelError
        For a model that says nothing.
    """
    first = model.forward(sequences)
    untouched = said(model, first)
    real = _real(model, first)
    rows = []
    parts = [(str(edit), EditPlan((edit,))) for edit in plan.edits]
    for name, part in [*parts, ("all", plan)]:
        applied = Applied([part], dictionaries, strands)
        changed = said(model, run(model, sequences, applied))
        bits = float(divergence(model, untouched, changed).cpu()[real].mean())
        positions = int(sum(acted[0] for acted in applied.acted.values()))
        moved = sum(acted[1] for acted in applied.acted.values()) / max(positions, 1)
        answer = IDLE if not positions else ACTS if bits >= LEAST else UNDONE
        rows.append((name, positions, moved, bits, answer))
    return pd.DataFrame(rows, columns=["edit", "positions", "moved", "bits", "answer"])


def _real(model: DNAModel, forward: Forward) -> Tensor:
    """Which columns of what is said are of the sequences, not of padding: bool ``(B, columns)``."""
    assert forward.logits is not None
    lengths = forward.tokens.lengths
    if model.outputs is not None:
        lengths = torch.tensor([1 + model.outputs.column(length - 1) for length in lengths.tolist()])
    return torch.arange(forward.logits.shape[1])[None] < lengths[:, None]
