"""How likely a model finds a sequence, base by base.

Log-softmax runs in fp32 over the whole vocabulary. A right-padded batch scores each sequence over its own
bases alone (the published helper adds one padding term to all but the longest sequence).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genomic_models import tokenizer
from genomic_models.contract import DNAModel, ModelError
from genomic_models.corpus import reverse_complement

_CHUNK = 16384
_BATCH_BASES = 32768


class Score(NamedTuple):
    """Likelihood of one sequence.

    Attributes
    ----------
    nats : numpy.ndarray
        ``(L,)`` float32, ``log p(base | bases before it)``; NaN at the first base unless a start token
        was given.
    entropy : numpy.ndarray
        ``(L,)`` float32, nats, of the distribution that predicted each base; NaN as in ``nats``.
    """

    nats: np.ndarray
    entropy: np.ndarray

    @property
    def bits(self) -> np.ndarray:
        """``(L,)`` float32, ``-log2 p`` of each base: the bits it costs."""
        return -self.nats / np.float32(math.log(2))

    @property
    def total(self) -> float:
        """Log-likelihood of the predicted bases, nats."""
        return float(np.nansum(self.nats, dtype=np.float64))

    @property
    def mean(self) -> float:
        """Mean log-likelihood a predicted base, nats."""
        count = np.isfinite(self.nats).sum()
        return self.total / count if count else math.nan

    @property
    def bits_per_base(self) -> float:
        """Mean cost of a predicted base, bits."""
        return -self.mean / math.log(2)


def _columns(
    model: DNAModel, sequences: Sequence[str], bos: bool, chunk: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits, the tokens they predict, and whether each is real, a chunk of columns at a time."""
    tokens = model.tokenize(sequences)
    if tokens.spans is not None or not model.causal:
        raise ModelError(f"model {model.name} does not predict base after base: it cannot score")
    ids, lengths = tokens.ids, tokens.lengths
    if bos:
        ids = torch.cat([torch.full((len(ids), 1), tokenizer.BEGIN), ids], dim=1)
        lengths = lengths + 1
    state = None
    for start in range(0, ids.shape[1], chunk):
        piece = ids[:, start : start + chunk]
        if ids.shape[1] <= chunk and not bos:
            result = model.forward(sequences)
        else:
            result, state = model.read(piece, state)
        assert result.logits is not None
        targets = ids[:, start + 1 : start + 1 + piece.shape[1]]
        position = torch.arange(start + 1, start + 1 + targets.shape[1])
        yield result.logits[:, : targets.shape[1]], targets, position < lengths[:, None]


def score(
    model: DNAModel, sequences: Sequence[str], bos: bool = False, chunk: int = _CHUNK
) -> list[Score]:
    """Score sequences as one right-padded batch, in memory that ``chunk`` columns bound.

    Parameters
    ----------
    model : DNAModel
        Causal, one token a base.
    sequences : sequence of str
    bos : bool
        Put the start token (id 0) in front, so that the first base is scored too (Evo 1's convention;
        Evo 2's default is without).
    chunk : int
        Columns read at a time; the state is carried from one to the next.
    """
    nats: list[list[Tensor]] = [[] for _ in sequences]
    entropy: list[list[Tensor]] = [[] for _ in sequences]
    for logits, targets, real in _columns(model, sequences, bos, chunk):
        logp = logits.float().log_softmax(-1)
        gathered = logp.gather(-1, targets.to(logp.device)[..., None])[..., 0].cpu()
        spread = -(logp.exp() * logp).sum(-1).cpu()
        for i in range(len(sequences)):
            nats[i].append(gathered[i, real[i]])
            entropy[i].append(spread[i, real[i]])
    lead = [] if bos else [torch.tensor([math.nan])]
    return [
        Score(torch.cat(lead + a).numpy(), torch.cat(lead + b).numpy())
        for a, b in zip(nats, entropy, strict=True)
    ]


def score_both_strands(
    model: DNAModel, sequences: Sequence[str], bos: bool = False, chunk: int = _CHUNK
) -> list[Score]:
    """Mean over the two strands of the likelihood of each base, at the base's plus-strand position.

    The minus reading predicts the complement of a base from what lies to its right. A base that only one
    strand predicts (the ends, without a start token) is NaN.
    """
    turned = [
        reverse_complement(np.frombuffer(s.upper().encode(), dtype=np.uint8)).tobytes().decode()
        for s in sequences
    ]
    forward = score(model, sequences, bos, chunk)
    backward = score(model, turned, bos, chunk)
    return [
        Score((f.nats + b.nats[::-1]) / 2, (f.entropy + b.entropy[::-1]) / 2)
        for f, b in zip(forward, backward, strict=True)
    ]


def batches(lengths: Sequence[int], bases: int = _BATCH_BASES) -> list[list[int]]:
    """Group sequences of like length into batches of at most ``bases`` padded bases."""
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and (len(groups[-1]) + 1) * lengths[i] <= bases:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
