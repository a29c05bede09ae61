"""How likely a model finds a sequence, base by base.

Log-softmax runs in fp32 over the whole vocabulary. A right-padded batch scores each sequence over its own
bases alone (the published helper adds one padding term to all but the longest sequence).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from genomic_models import tokenizer
from genomic_models.contract import DNAModel, ModelError
from genomic_models.dna import BASES, UNKNOWN, base_codes, check_letters, refuse_string, reverse_complement
from genomic_models.token_scoring import TokenModel, token_nats

_CHUNK = 16384
_BATCH_BASES = 16384
_UNSTATED = 8192
_BEGIN = chr(tokenizer.BEGIN)


class Score(NamedTuple):
    """Likelihood of one sequence.

    Attributes
    ----------
    nats : numpy.ndarray
        ``(L,)`` float32, ``log p(base | bases before it)``; NaN at the first base unless a start token
        was given, and where the letter is not A, C, G or T.
    entropy : numpy.ndarray
        ``(L,)`` float32, nats, of the distribution that predicted each base; NaN as in ``nats``.
    """

    nats: np.ndarray
    entropy: np.ndarray

    def __repr__(self) -> str:
        return (
            f"Score({self.nats.size:,} bases, {self.total:,.1f} nats, {self.bits_per_base:.4f} bits a base)"
        )

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


class Window(NamedTuple):
    """A stretch read at once: bases ``[start, end)`` of a sequence, of which ``[first, end)`` are scored."""

    start: int
    first: int
    end: int


def windows(length: int, context: int) -> list[Window]:
    """Windows of at most ``context`` bases over a sequence; each of its bases is scored in one of them.

    A window begins a quarter of ``context`` before the bases that it scores, so that each is predicted from
    at least as many; the first scores all of its own.
    """
    warmup = max(1, context // 4)
    found = [Window(0, 0, min(length, context))]
    for start in range(context - warmup, length - warmup, context - warmup):
        found.append(Window(start, start + warmup, min(length, start + context)))
    return found


def checked(sequences: Sequence[str]) -> list[str]:
    """Upper-case letters of sequences, U read as T.

    Raises ``ModelError`` for an empty one and letters that are not DNA, ``TypeError`` for one string in place
    of a list.
    """
    refuse_string(sequences)
    found = []
    for i, sequence in enumerate(sequences):
        if not sequence:
            raise ModelError(f"sequence {i} is empty: expected at least one base")
        try:
            found.append(check_letters(sequence))
        except ValueError as error:
            raise ModelError(f"sequence {i}: {error}") from None
    return found


def _predictions(model: DNAModel, texts: list[str], chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood of each token after the first, and entropy before it: ``(B, L - 1)`` float32, nats."""
    model.require_bases("it cannot score")
    tokens = model.tokenize(texts)
    nats, entropy = [], []
    for part in model.forward_chunks(texts, chunk):
        assert part.logits is not None
        targets = tokens.ids[:, part.offset + 1 :][:, : part.logits.shape[1]]
        logp = part.logits[:, : targets.shape[1]].float().log_softmax(-1)
        nats.append(logp.gather(-1, targets.to(logp.device)[..., None])[..., 0].cpu())
        # What a network rules out (-inf) adds nothing.
        entropy.append(-torch.where(logp > -torch.inf, logp.exp() * logp, 0.0).sum(-1).cpu())
    return torch.cat(nats, dim=1).numpy(), torch.cat(entropy, dim=1).numpy()


def score(
    model: DNAModel,
    sequences: Sequence[str],
    bos: bool = False,
    context: int | None = None,
    chunk: int = _CHUNK,
    told: Callable[[int], object] = lambda bases: None,
) -> list[Score]:
    """Score sequences: one ``Score`` each, in their order.

    A sequence of at most ``context`` bases is read from its first base on; a longer one in `windows`. Letters
    other than A, C, G and T are read and not scored. Beside the results memory is bounded by the batch.

    Parameters
    ----------
    model : DNAModel
        One that predicts base after base; or of tokens, masked or of several bases, whose scores are those of
        `token_nats` and sequences no longer than its context.
    sequences : sequence of str
        DNA, IUPAC letters in either case, U read as T.
    bos : bool
        Put the start token (id 0) in front, so that the first base is scored too (Evo 1's convention;
        Evo 2's default is without).
    context : int, optional
        Bases read at once, at most: 2 to the model's context, which is the default (8,192 where it states
        none).
    chunk : int
        Bases of a longer window that are read at a time; the state is carried from one to the next.
    told : callable
        Called with the number of bases scored since the last call.

    Raises
    ------
    ModelError
        An empty sequence, letters that are not DNA, a ``context`` out of range, a model that predicts no
        tokens.
    TypeError
        One string in place of a list of sequences.
    """
    texts = checked(sequences)
    if context is None:
        context = model.context if model.context < sys.maxsize else _UNSTATED
    if not 2 <= context <= model.context:
        raise ModelError(
            f"context {context:,}: expected 2 to {model.context:,} bases, the context of {model.name}"
        )
    bases = model.base_tokens()
    if bos and (bases is None or bases.tolist() != [ord(base) for base in BASES]):
        raise ModelError(f"model {model.name} does not read bytes: it has no start token, leave bos out")
    empty = [np.full(len(text), np.nan, np.float32) for text in texts]
    results = [Score(values, values.copy()) for values in empty]
    if not model.predicts_bases and isinstance(model, TokenModel):
        return [Score(*token_nats(model, text, told)) for text in texts]
    known = [base_codes(text) != UNKNOWN for text in texts]
    work = [(i, window) for i, text in enumerate(texts) for window in windows(len(text), context)]
    for group in batches([window.end - window.start for _, window in work]):
        members = [work[i] for i in group]
        leads = [_BEGIN if bos and window.start == 0 else "" for _, window in members]
        given = [lead + texts[i][w.start : w.end] for lead, (i, w) in zip(leads, members, strict=True)]
        for lead, (i, window), *rows in zip(leads, members, *_predictions(model, given, chunk), strict=True):
            # Column c holds the letter c + 1 of what was given.
            first = max(window.first, window.start + 1 - len(lead))
            columns = slice(first - window.start + len(lead) - 1, window.end - window.start + len(lead) - 1)
            use = known[i][first : window.end]
            for values, row in zip(results[i], rows, strict=True):
                values[first : window.end][use] = row[columns][use]
            told(window.end - window.first)
    return results


def score_both_strands(
    model: DNAModel,
    sequences: Sequence[str],
    bos: bool = False,
    context: int | None = None,
    chunk: int = _CHUNK,
    told: Callable[[int], object] = lambda bases: None,
) -> list[Score]:
    """Mean over the two strands of the likelihood of each base, at the base's plus-strand position.

    The minus reading predicts the complement of a base from what lies to its right. A base that only one
    strand predicts (the ends, without a start token) is NaN. ``told`` hears of each base twice; the rest is
    as in `score`.
    """
    texts = checked(sequences)
    turned = [reverse_complement(text) for text in texts]
    forward = score(model, texts, bos, context, chunk, told)
    backward = score(model, turned, bos, context, chunk, told)
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
