"""What the model loses when a layer is replaced by its reconstruction, in bits a base.

The same positions are also replaced by zeros and by the mean activation: two references, because the
share recovered depends on which one is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.source import Window
from genomic_models.contract import DNAModel, Edit, ModelError, TapContext


@dataclass(frozen=True)
class SpliceBits:
    """Summed bits of the true next tokens, under each replacement; ``a + b`` merges two parts.

    Attributes
    ----------
    clean, sae, zero, mean : float
        Bits over all ``bases`` predictions.
    bases : int
    """

    clean: float
    sae: float
    zero: float
    mean: float
    bases: int

    def __add__(self, other: SpliceBits) -> SpliceBits:
        return SpliceBits(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(SpliceBits))
        )

    def per_base(self) -> dict[str, float]:
        """Bits a base by replacement, and the fractions recovered; nothing is clipped.

        ``recovered_zero`` is (zero − sae) / (zero − clean), ``recovered_mean`` the same with the mean: 1
        for a perfect reconstruction, below 0 for one worse than the reference. NaN where undefined.
        """
        bits = {
            name: getattr(self, name) / self.bases if self.bases else math.nan
            for name in ("clean", "sae", "zero", "mean")
        }
        for name in ("zero", "mean"):
            lost = bits[name] - bits["clean"]
            bits[f"recovered_{name}"] = (bits[name] - bits["sae"]) / lost if lost else math.nan
        return bits


def splice_bits(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    windows: Sequence[Window],
    mean: Tensor,
    together: int = 8,
) -> SpliceBits:
    """Bits of held-out windows with ``layer`` as it is, reconstructed, zero, and at its mean.

    Parameters
    ----------
    model : DNAModel
        Causal, one token a base.
    layer : str
    sae : SparseAutoencoder
    windows : sequence of Window
        Positions from ``skip`` on are replaced; what the model read before stays as it is. Scored are the
        used tokens after the first replaced one, by a log-softmax over the whole vocabulary in fp32.
    mean : Tensor
        ``(d_in,)`` mean activation.
    together : int
        Windows that run together.

    Raises
    ------
    ModelError
        A model that does not predict base after base.
    """
    model.resolve(layer)
    total = SpliceBits(0.0, 0.0, 0.0, 0.0, 0)
    groups: dict[tuple[int, int], list[Window]] = {}
    for i in range(len(windows)):
        window = windows[i]
        # One length and one skip in a batch: nothing padded, one cut for all rows.
        group = groups.setdefault((len(window.sequence), window.skip), [])
        group.append(window)
        if len(group) == together:
            total += _group_bits(model, layer, sae, group, mean)
            group.clear()
    for group in groups.values():
        if group:
            total += _group_bits(model, layer, sae, group, mean)
    return total


def _group_bits(
    model: DNAModel, layer: str, sae: SparseAutoencoder, group: list[Window], mean: Tensor
) -> SpliceBits:
    sequences, skip = [w.sequence for w in group], group[0].skip

    def replaced(values: Tensor, context: TapContext, new: Tensor | float) -> Tensor:
        out = values.clone()
        first = max(0, skip - context.offset)
        out[:, first:] = new[:, first:] if isinstance(new, Tensor) and new.ndim == 3 else new
        return out

    def reconstructed(values: Tensor, context: TapContext) -> Tensor:
        rows = values.flatten(0, 1)
        new = sae.decode(sae.encode_sparse(rows.float())).to(values).view_as(values)
        return replaced(values, context, new)

    def at_zero(values: Tensor, context: TapContext) -> Tensor:
        return replaced(values, context, 0.0)

    def at_mean(values: Tensor, context: TapContext) -> Tensor:
        return replaced(values, context, mean.to(values))

    edits: list[Edit | None] = [None, reconstructed, at_zero, at_mean]
    bits: list[float] = []
    for edit in edits:
        with torch.no_grad():
            forward = model.forward(sequences, edits={layer: edit} if edit else None)
        if forward.logits is None or forward.tokens.spans is not None or not model.causal:
            raise ModelError(
                f"model {model.name} does not predict base after base: no bits to splice"
            )
        targets = forward.tokens.ids[:, skip + 1 :].to(forward.logits.device)
        logits = forward.logits[:, skip : skip + targets.shape[1]].float()
        scores = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        use = torch.ones(scores.shape, dtype=torch.bool)
        for row, window in enumerate(group):
            if window.use is not None:
                use[row] = torch.from_numpy(window.use[1:].copy())
        bits.append(-float(scores[use.to(scores.device)].double().sum()) / math.log(2))
    clean, spliced, zero, average = bits
    return SpliceBits(clean, spliced, zero, average, int(use.sum()))
