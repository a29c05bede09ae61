"""What losses over many readings lose, to first order, with each feature or each part of a network taken out.

One pass and a few gradients give all of them at once, where taking each out would cost a pass each
(attribution patching, as in Nanda 2023): a guess, to be checked by taking out what leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from feature_mining.edits.apply import Dictionary
from feature_mining.pruning.effect import gating
from feature_mining.pruning.parts import Parts
from feature_mining.sae.row_norms import ROW_NORMS
from genomic_models.contract import DNAModel, Edit, Forward, TapContext

# Random directions that every feature is set beside.
RANDOM = 99


class Batch(NamedTuple):
    """Sequences of a pass, in the direction of the reading, and the losses of what it gives."""

    sequences: Sequence[str]
    losses: Callable[[Forward], Sequence[Tensor]]


class Relief(NamedTuple):
    """How much each loss would lose, in its own units; below 0 where it would gain.

    features : float64 (losses, F), with a feature set to 0
    random : float64 (F, RANDOM), the first loss with as much taken out along random directions
    other : float64 (F), the first loss with as much taken out along another feature's direction
    parts : float64 (losses, parts), with a part of the network taken out; no columns without parts
    """

    features: np.ndarray
    random: np.ndarray
    other: np.ndarray
    parts: np.ndarray


def attribute_losses(
    model: DNAModel,
    batches: Iterable[Batch],
    dictionary: Dictionary,
    others: np.ndarray,
    parts: Parts | None,
    seed: int = 0,
) -> Relief:
    """Take losses apart into features of one layer and parts of the network.

    Parameters
    ----------
    model : DNAModel
        One whose passes can be differentiated.
    batches : iterable of Batch
        Their losses are added up.
    dictionary : Dictionary
        An autoencoder that reads and writes one layer.
    others : ndarray
        int64 ``(F,)``, the feature that each one is set beside.
    parts : Parts, optional
        Of the model's network; None where it has none that are known.
    seed : int
        Of the random directions.
    """
    (layer,) = dictionary.reads
    sae = dictionary.sae
    rows = sae.W_dec.float().cpu()
    norms = rows.norm(dim=1).clamp_min(1e-12)
    drawn = torch.randn(rows.shape[1], RANDOM, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm(dim=0)
    # As long as the feature's own row, in the direction of the other's.
    beside = rows[others] / norms[others, None] * norms[:, None]
    width, features = len(rows), np.zeros((0, len(rows)))
    random, other = np.zeros((width, RANDOM)), np.zeros(width)
    found = np.zeros((0, 0 if parts is None else parts.count))
    for batch in batches:
        gates = None if parts is None else torch.ones(1, parts.count, device=model.device, requires_grad=True)
        edits = {} if parts is None or gates is None else gating(parts, gates)
        leaves: list[Tensor] = []
        edits[layer] = _watched(edits.get(layer), leaves)
        forward = model.forward(batch.sequences, taps=[layer], edits=edits, gradients=True)
        losses = batch.losses(forward)
        if not len(features):
            features, found = np.zeros((len(losses), width)), np.zeros((len(losses), found.shape[1]))
        (leaf,) = leaves
        x = forward.taps[layer].detach().float().cpu()
        wanted = [leaf] if gates is None else [leaf, gates]
        for number, loss in enumerate(losses):
            more = number + 1 < len(losses)
            slopes = torch.autograd.grad(loss, wanted, retain_graph=more, allow_unused=True)
            if gates is not None and slopes[1] is not None:
                found[number] += slopes[1][0].double().cpu().numpy()
            if slopes[0] is None:
                continue
            for own, slope in zip(x, slopes[0].float().cpu(), strict=True):
                active = sae.encode_sparse(own)
                sizes = ROW_NORMS[sae.config.row_norm](own).size if sae.config.row_norm else 1.0
                slope = slope * sizes
                values = csr_matrix((active.values, active.indices, active.indptr), (len(own), width))
                features[number] += _by_feature(values, slope @ rows.T)
                if number == 0:
                    other += _by_feature(values, slope @ beside.T)
                    random += (values.T @ (slope @ drawn).numpy()) * norms.numpy()[:, None]
    return Relief(features, random, other, found)


def _watched(own: Edit | None, leaves: list[Tensor]) -> Edit:
    """An edit that adds a leaf of zeros, and keeps it, so that there is a gradient by the activation."""

    def edit(x: Tensor, context: TapContext) -> Tensor:
        x = x if own is None else own(x, context)
        leaves.append(torch.zeros_like(x, requires_grad=True))
        return x + leaves[-1]

    return edit


def _by_feature(values: csr_matrix, along: Tensor) -> np.ndarray:
    """Sum over positions of activation ``(n, F)`` times slope along each feature's row, float64 ``(F,)``."""
    return np.asarray(values.multiply(along.numpy()).sum(axis=0), np.float64).ravel()
