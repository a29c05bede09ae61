"""How good an autoencoder is, on sequence it was not trained on.

Reconstruction from sums that merge; fidelity as bits a base with the reconstruction spliced into the model,
next to zero and mean ablation of the same tap. Nothing is clipped to look better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import DNAModel, Edit

OVER_DENSE = 0.1


@dataclass
class Reconstruction:
    """Sums over positions; ``summary`` turns them into scores.

    Explained variance uses the mean pooled over all positions: ``1 - sum |x - x'|^2 / sum |x - mean|^2``.
    """

    sae: SparseAutoencoder
    count: int = 0
    error: float = 0.0
    squares: float = 0.0
    squares_out: float = 0.0
    product: float = 0.0
    cosine: float = 0.0
    ratio: float = 0.0
    active: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(0))
    fired: Tensor = field(default_factory=lambda: torch.zeros(0))

    def add(self, x: Tensor) -> None:
        """Add activations ``(n, d_in)``."""
        with torch.inference_mode():
            f = self.sae.encode(x)
            y = self.sae.decode(f).double()
            x = x.double()
            if not self.count:
                self.total = torch.zeros(x.shape[1], dtype=torch.float64)
                self.fired = torch.zeros(f.shape[1], dtype=torch.long)
            self.count += len(x)
            self.error += float((x - y).square().sum())
            self.squares += float(x.square().sum())
            self.squares_out += float(y.square().sum())
            self.product += float((x * y).sum())
            sizes, sizes_out = x.norm(dim=1), y.norm(dim=1)
            safe = (sizes * sizes_out).clamp(min=1e-30)
            self.cosine += float(((x * y).sum(1) / safe).sum())
            self.ratio += float((sizes_out / sizes.clamp(min=1e-30)).sum())
            self.active += int((f > 0).sum())
            self.total += x.sum(0)
            self.fired += (f > 0).sum(0)

    def summary(self) -> dict[str, float]:
        """Scores by name. Raises ``ValueError`` where nothing was added."""
        if not self.count:
            raise ValueError("no position to judge the autoencoder on")
        variance = self.squares - float(self.total.square().sum()) / self.count
        share = self.fired / self.count
        return {
            "explained_variance": 1 - self.error / variance if variance > 0 else math.nan,
            "cosine": self.cosine / self.count,
            "l2_ratio": self.ratio / self.count,
            "relative_bias": self.squares_out / self.product if self.product else math.nan,
            "l0": self.active / self.count,
            "k": self.sae.config.k,
            "dead_fraction": float((share == 0).double().mean()),
            "over_dense_fraction": float((share > OVER_DENSE).double().mean()),
            "bases": self.count,
        }

    def density_histogram(self) -> dict[str, list[float]]:
        """Counts of alive features over log10 of the share of positions at which they fire."""
        share = (self.fired[self.fired > 0] / self.count).log10().numpy()
        edges = np.linspace(math.floor(-math.log10(self.count)), 0, 41)
        counts, _ = np.histogram(share, edges)
        return {"edges": edges.tolist(), "counts": counts.tolist()}


def _bits(model: DNAModel, sequences: Sequence[str], skip: int, edits: dict[str, Edit]) -> float:
    """Sum of bits of bases after the first ``skip`` of each sequence (all of one length)."""
    forward = model.forward(sequences, edits=edits)
    assert forward.logits is not None
    targets = forward.tokens.ids[:, 1:]
    logp = forward.logits[:, :-1].float().log_softmax(-1)
    gathered = logp.gather(-1, targets.to(logp.device)[..., None])[..., 0]
    return float(-gathered[:, max(0, skip - 1) :].double().sum() / math.log(2))


def splice_bits(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    mean: Tensor,
    batches: Iterable[Sequence[str]],
    skip: int,
) -> dict[str, float]:
    """Bits a base with the tap left alone, reconstructed, set to zero, and set to its mean.

    ``recovered_zero`` and ``recovered_mean`` are the shares of the loss of each ablation that the
    reconstruction gives back: 1 is perfect, 0 no better than ablation, below 0 worse.

    Parameters
    ----------
    mean : Tensor
        ``(d_in)``, mean activation on other data.
    batches : iterable of sequences
        Each batch of one length.
    skip : int
        Leading bases of each sequence that are not scored.
    """
    edits: dict[str, dict[str, Edit]] = {
        "clean": {},
        "sae": {layer: lambda x, context: _reconstruct(sae, x)},
        "zero": {layer: lambda x, context: torch.zeros_like(x)},
        "mean": {layer: lambda x, context: mean.to(x).expand_as(x)},
    }
    sums = dict.fromkeys(edits, 0.0)
    bases = 0
    for sequences in batches:
        bases += sum(len(s) - max(1, skip) for s in sequences)
        for name, edit in edits.items():
            sums[name] += _bits(model, sequences, skip, edit)
    if bases <= 0:
        raise ValueError("no base to score: the sequences are shorter than what is skipped")
    result = {name: value / bases for name, value in sums.items()}
    for name in ("zero", "mean"):
        lost = result[name] - result["clean"]
        gained = result[name] - result["sae"]
        result[f"recovered_{name}"] = gained / lost if lost else math.nan
    result["bases"] = bases
    return result


def _reconstruct(sae: SparseAutoencoder, x: Tensor) -> Tensor:
    flat = x.flatten(0, -2)
    return sae.decode(sae.encode(flat)).reshape(x.shape).to(x.dtype)
