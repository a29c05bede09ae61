"""Loss of a model's predictions in a region when one feature is ablated there, in bits.

The feature's contribution to the reconstruction is subtracted from the activations; the rest, the
reconstruction error included, stays as it is. So a feature that is not active changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from feature_mining.feature_map import Csr
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.bases import columns_of_bases, divergence, said
from genomic_models.contract import DNAModel, Forward, ModelError, TapContext


@dataclass(frozen=True)
class Ablation:
    """Effect of ablating each of m features; ``a + b`` merges two regions.

    Attributes
    ----------
    on : int64 (m)
        Positions at which the feature was active and was ablated.
    bits : float64 (m)
        Bits of the true bases with the feature ablated less those without ablation, summed; NaN for a model
        that does not predict base after base.
    kl : float64 (m)
        Divergence from what the untouched model says, bits, summed (``genomic_models.bases.divergence``).
    letters : int
        Bases of which what the model says is counted.
    """

    on: np.ndarray
    bits: np.ndarray
    kl: np.ndarray
    letters: int

    def __add__(self, other: Ablation) -> Ablation:
        return Ablation(
            self.on + other.on, self.bits + other.bits, self.kl + other.kl, self.letters + other.letters
        )


def written_alone(sae: SparseAutoencoder, features: Csr, feature: int, x: Tensor) -> Tensor:
    """What one feature adds to the reconstruction of activations ``x`` ``(n, d_in)``: ``(n, d_in)``."""
    own = features.indices == feature
    rows = np.repeat(np.arange(features.n_rows), np.diff(features.indptr))[own]
    counts = np.bincount(rows, minlength=features.n_rows)
    nothing = np.zeros(features.n_rows + 1, np.int64)
    alone = Csr(
        np.concatenate([nothing[:1], np.cumsum(counts)]),
        features.indices[own],
        features.values[own],
        features.n_features,
    )
    none = Csr(nothing, features.indices[:0], features.values[:0], features.n_features)
    return sae.write(alone, x) - sae.write(none, x)


def ablate(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    sequence: str,
    within: np.ndarray,
    features: Sequence[int],
    together: int = 8,
) -> Ablation:
    """Ablate each feature over part of a sequence, one at a time; returns the effects.

    Parameters
    ----------
    model : DNAModel
        One token a base, and something said of bases.
    layer : str
    sae : SparseAutoencoder
        Reads and writes ``layer``.
    sequence : str
        In the direction of the reading.
    within : bool (len(sequence))
        Where features are ablated, and the bases of which what is said is counted.
    features : sequence of int
    together : int
        Copies of the sequence that run together.

    Raises
    ------
    ModelError
        A model without outputs, and a layer whose columns are of several bases.
    """
    if model.spans(layer, model.tokenize([sequence])) is not None:
        raise ModelError(
            f"model {model.name}: a column of {layer} is of several bases: none is ablated alone"
        )
    at = torch.from_numpy(np.flatnonzero(within))

    def logs(copies: int, edit=None) -> tuple[Tensor, Tensor, Forward]:
        edits = {layer: edit} if edit else None
        with torch.no_grad():
            forward = model.forward([sequence] * copies, taps=[layer], edits=edits)
        columns = columns_of_bases(model, forward)[0, at]
        heard = columns >= 0
        found = said(model, forward)[:, columns[heard]]
        if not model.predicts_bases:
            return found, torch.full(found.shape[:2], torch.nan, dtype=torch.float64), forward
        targets = forward.tokens.ids[:, at[heard]].to(found.device)
        return found, -found.gather(-1, targets[..., None])[..., 0].double(), forward

    untouched, bits, forward = logs(1)
    rows = forward.taps[layer][0, at].float()
    encoded = sae.encode_sparse(rows)
    on = np.array([(encoded.indices == f).sum() for f in features], np.int64)
    apart = np.zeros(len(features))
    lost = np.zeros(len(features)) if model.predicts_bases else np.full(len(features), np.nan)
    active = np.flatnonzero(on)
    for start in range(0, active.size, together):
        group = active[start : start + together]
        written = torch.stack([written_alone(sae, encoded, features[i], rows) for i in group])

        def without(values: Tensor, context: TapContext, written: Tensor = written) -> Tensor:
            out = values.clone()
            out[:, at] -= written.to(values)
            return out

        changed, own, _ = logs(group.size, without)
        lost[group] = (own - bits).sum(1).cpu().numpy() / math.log(2)
        apart[group] = divergence(model, untouched, changed).sum(1).cpu().numpy()
    return Ablation(on, lost, apart, untouched.shape[1])
