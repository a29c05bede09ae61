"""What the model loses when a layer is replaced by its reconstruction, in bits a base.

The same positions are also replaced by zeros and by the mean activation: two references, because the
share recovered depends on which one is taken. A model that predicts the next token costs bits of the true
ones; of every model that says something of places the divergence of what it says is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.source import Window
from genomic_models.bases import columns_of_bases, divergence, said, shares_of_columns
from genomic_models.contract import DNAModel, Forward
from genomic_models.taps import Put


@dataclass(frozen=True)
class SpliceBits:
    """Summed bits of the true next tokens, under each replacement; ``a + b`` merges two parts.

    Attributes
    ----------
    clean, sae, zero, mean : float
        Bits over all ``bases`` predictions; a token's are dealt evenly to its bases. NaN for a model that
        does not predict the next token.
    bases : int
    kl_sae, kl_zero, kl_mean : float
        Summed divergence, bits, from what is said of the bases untouched to what is said under each
        replacement (``genomic_models.bases.divergence``): over the whole vocabulary, classes or tracks.
    """

    clean: float
    sae: float
    zero: float
    mean: float
    bases: int
    kl_sae: float = 0.0
    kl_zero: float = 0.0
    kl_mean: float = 0.0

    def __add__(self, other: SpliceBits) -> SpliceBits:
        return SpliceBits(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(SpliceBits)))

    def per_base(self) -> dict[str, float]:
        """Bits a base by replacement, and the fractions recovered; nothing is clipped.

        ``recovered_zero`` is (zero − sae) / (zero − clean), ``recovered_mean`` the same with the mean: 1
        for a perfect reconstruction, below 0 for one worse than the reference. ``kl_recovered_zero`` and
        ``kl_recovered_mean`` are the same of the divergences. NaN where undefined.
        """
        names = [f.name for f in fields(SpliceBits) if f.name != "bases"]
        bits = {n: getattr(self, n) / self.bases if self.bases else math.nan for n in names}
        for name in ("zero", "mean"):
            lost = bits[name] - bits["clean"]
            bits[f"recovered_{name}"] = (bits[name] - bits["sae"]) / lost if lost else math.nan
            away = bits[f"kl_{name}"]
            bits[f"kl_recovered_{name}"] = (away - bits["kl_sae"]) / away if away else math.nan
        return bits


NOTHING = SpliceBits(0.0, 0.0, 0.0, 0.0, 0)
# Of window ``i``: int class of every used position, ``len(sequence) - skip``, in reading direction.
Classes = Callable[[int], np.ndarray]


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
        One that says something of places.
    layer : str
    sae : SparseAutoencoder
    windows : sequence of Window
        Positions from ``skip`` on are replaced; what the model read before stays as it is. Scored are the
        used bases after the first replaced one, by a log-softmax over the whole vocabulary in fp32.
    mean : Tensor
        ``(d_in,)`` mean activation.
    together : int
        Windows that run together.

    Raises
    ------
    ModelError
        A model without outputs.
    """

    def one(index: int) -> np.ndarray:
        return np.zeros(len(windows[index].sequence) - windows[index].skip, np.int64)

    return splice_by_class(model, layer, sae, windows, mean, one, 1, together)[0]


def splice_by_class(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    windows: Sequence[Window],
    mean: Tensor,
    classes: Classes,
    n_classes: int,
    together: int = 8,
) -> list[SpliceBits]:
    """As ``splice_bits``, for each class of the base that is predicted; they add up to the whole."""
    model.resolve(layer)
    total = [NOTHING] * n_classes
    groups: dict[tuple[int, int], list[int]] = {}

    def flush(group: list[int]) -> None:
        part = _group_bits(
            model, layer, sae, [windows[i] for i in group], mean, [classes(i) for i in group], n_classes
        )
        total[:] = [a + b for a, b in zip(total, part, strict=True)]
        group.clear()

    for i in range(len(windows)):
        window = windows[i]
        # One length and one skip in a batch: nothing padded, one cut for all rows.
        group = groups.setdefault((len(window.sequence), window.skip), [])
        group.append(i)
        if len(group) == together:
            flush(group)
    for group in groups.values():
        if group:
            flush(group)
    return total


def merged(parts: Sequence[SpliceBits]) -> SpliceBits:
    """All classes together."""
    return reduce(add, parts, NOTHING)


def _group_bits(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    group: list[Window],
    mean: Tensor,
    classes: list[np.ndarray],
    n_classes: int,
) -> list[SpliceBits]:
    sequences, skip = [w.sequence for w in group], group[0].skip
    spans = model.spans(layer, model.tokenize(sequences))

    def replaced(values: Tensor, new: Tensor | float) -> Put:
        if spans is None:
            within = torch.arange(values.shape[1]) >= skip
        else:
            own = spans[:, : values.shape[1]]
            within = (own[..., 0] >= skip) & (own[..., 1] > own[..., 0])
        return Put(torch.where(within.to(values.device)[..., None], new, values))

    size = len(sequences[0]) - skip - 1
    use = np.stack([np.ones(size, bool) if w.use is None else w.use[1:] for w in group])
    classified = np.stack([c[1:] for c in classes])

    def summed(scores: Tensor) -> np.ndarray:
        """Bits by class from bits a column ``(B, columns)``: each base has its share of its column's."""
        shared = (scores.cpu().double() / shares).gather(1, columns.clamp_min(0))
        return np.bincount(classified[use], shared.numpy()[use], minlength=n_classes)

    with torch.no_grad():
        forward = model.forward(sequences, taps=[layer])
        values = forward.taps[layer]
        reconstructed = sae.reconstruct(values.flatten(0, 1).float()).to(values).view_as(values)
    untouched = said(model, forward)
    columns = columns_of_bases(model, forward)[:, skip + 1 :]
    use = use & (columns >= 0).numpy()
    shares = shares_of_columns(model, forward)
    bits = {"clean": summed(_true_bits(model, forward, untouched))}
    others: dict[str, Tensor | float] = {"sae": reconstructed, "zero": 0.0, "mean": mean.to(values)}
    for name, new in others.items():
        with torch.no_grad():
            forward = model.forward(sequences, edits={layer: replaced(values, new)})
        logs = said(model, forward)
        bits[name] = summed(_true_bits(model, forward, logs))
        bits[f"kl_{name}"] = summed(divergence(model, untouched, logs))
    counts = np.bincount(classified[use], minlength=n_classes)
    return [
        SpliceBits(bases=int(counts[c]), **{name: float(values[c]) for name, values in bits.items()})
        for c in range(n_classes)
    ]


def _true_bits(model: DNAModel, forward: Forward, logs: Tensor) -> Tensor:
    """Bits of the token that follows each column, ``(B, columns)``; NaN where none is predicted."""
    if model.outputs is not None or not model.causal:
        return torch.full(logs.shape[:2], torch.nan)
    targets = forward.tokens.ids[:, 1:].to(logs.device)
    nats = -logs[:, :-1].gather(-1, targets[..., None])[..., 0]
    return torch.nn.functional.pad(nats, (0, 1), value=torch.nan).double() / math.log(2)
