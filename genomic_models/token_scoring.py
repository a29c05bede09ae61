"""How likely bases are to models of masked tokens, and to those whose tokens are words of several bases.

A model that sees both sides of a base has no likelihood of a sequence. Its pseudo-likelihood is that of each
token with this token alone masked (Salazar et al. 2020): a pass a token. Within a word of k bases the chain
rule holds base after base, since the chance of a beginning is the sum over the words that begin so; the bases
of a word add up to the word. Where a vocabulary does not hold all words of a length (BPE), a token's
log-likelihood is dealt evenly to its bases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from genomic_models.contract import Forward, Tokens
from genomic_models.dna import BASES, UNKNOWN, base_codes
from genomic_models.errors import ModelError

TOGETHER = 16


@runtime_checkable
class TokenModel(Protocol):
    """What a model must have for its tokens to be scored."""

    @property
    def name(self) -> str: ...

    @property
    def causal(self) -> bool: ...

    @property
    def mask_token(self) -> int | None:
        """Id of what stands in place of a token that is asked for."""

    @property
    def vocabulary(self) -> tuple[tuple[str, int], ...]:
        """Texts of the tokens, with their ids."""

    def tokenize(self, sequences: Sequence[str]) -> Tokens: ...

    def forward_tokens(self, tokens: Tokens) -> Forward:
        """A pass over tokens as they are."""


class Words(NamedTuple):
    """All DNA words of one length in a vocabulary: ids int64 (n), letters as codes int64 (n, k)."""

    ids: Tensor
    codes: Tensor

    @property
    def complete(self) -> bool:
        """Whether every word of the length is there."""
        return len(self.ids) == len(BASES) ** self.codes.shape[1]


@lru_cache(maxsize=8)
def _words(vocabulary: tuple[tuple[str, int], ...]) -> dict[int, Words]:
    by_length: dict[int, list[tuple[int, list[int]]]] = {}
    for text, token in vocabulary:
        if text and not set(text) - set(BASES):
            by_length.setdefault(len(text), []).append((token, [BASES.index(base) for base in text]))
    return {
        size: Words(torch.tensor([i for i, _ in found]), torch.tensor([codes for _, codes in found]))
        for size, found in by_length.items()
    }


def passes_needed(model: TokenModel, sequences: Sequence[str]) -> int:
    """Passes over a sequence that scores cost: one, or one a token where tokens are masked."""
    if model.causal:
        return len(sequences)
    return sum(len(_with_bases(model.tokenize([sequence]))) for sequence in sequences)


def token_nats(
    model: TokenModel, sequence: str, told: Callable[[int], object] = lambda bases: None
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood of each base, and entropy, nats: float32 (L) each.

    Entropy is that of a token's whole distribution, dealt evenly to its bases. NaN where nothing predicts
    (the first token of a model of the next one, if nothing is put before it) and where a token holds other
    letters.

    Parameters
    ----------
    model : TokenModel
        One that predicts the next token, or has a token for what is masked.
    sequence : str
        Upper-case DNA, no longer than the model's context.
    told : callable
        Called with the number of bases scored since the last call.

    Raises
    ------
    ModelError
        A model that does neither, or a sequence longer than it reads.
    """
    nats = np.full(len(sequence), np.nan, np.float32)
    entropy = nats.copy()
    codes = torch.from_numpy(base_codes(sequence).astype(np.int64))
    tokens = model.tokenize([sequence])
    spans, ids = _spans(tokens), tokens.ids[0]
    words, texts = _words(model.vocabulary), {token: text for text, token in model.vocabulary}
    for columns, logp in _predicted(model, tokens):
        for row, column in zip(logp, columns, strict=True):
            start, end = spans[column]
            here = codes[start:end]
            if (here == UNKNOWN).any():
                continue
            known = words.get(len(texts[int(ids[column])]))
            if known is not None and known.complete:
                nats[start:end] = _chain(row, known, here).numpy()
            else:
                nats[start:end] = float(row[ids[column]]) / (end - start)
            entropy[start:end] = float(-torch.where(row > -torch.inf, row.exp() * row, 0.0).sum()) / (
                end - start
            )
        told(sum(spans[column][1] - spans[column][0] for column in columns))
    return nats, entropy


def allele_chances(model: TokenModel, sequence: str, position: int) -> Tensor:
    """Log-chance, nats, of A, C, G and T at a position: float32 (4).

    Each is the sum over the words that hold the base there, the rest of the word unknown: so one base is
    asked about where tokens have several. The word is masked, or predicted from those before: one pass. NaN
    where nothing predicts the word, and where it holds other letters.

    Raises
    ------
    ModelError
        A vocabulary without all words of the token's length, and a position outside the sequence.
    """
    tokens = model.tokenize([sequence])
    spans = _spans(tokens)
    column = next((i for i, (start, end) in enumerate(spans) if start <= position < end), -1)
    if column < 0:
        raise ModelError(f"position {position}: expected 0 to {len(sequence) - 1}")
    start, end = spans[column]
    if set(sequence[start:end]) - set(BASES):
        return torch.full((len(BASES),), torch.nan)
    texts = {token: text for text, token in model.vocabulary}
    words = _words(model.vocabulary).get(len(texts[int(tokens.ids[0, column])]))
    if words is None or not words.complete:
        raise ModelError(
            f"model {model.name}: its vocabulary does not hold all words of {end - start} bases, so that no"
            " sum over them gives an allele's chance"
        )
    rows = [logp[0] for columns, logp in _predicted(model, tokens, (column,)) if columns]
    if not rows:
        return torch.full((len(BASES),), torch.nan)
    holds = words.codes[:, position - start]
    return torch.stack([rows[0][words.ids[holds == code]].logsumexp(0) for code in range(len(BASES))])


def allele_odds(model: TokenModel, sequence: str, position: int, alternative: str) -> float:
    """Log-odds, nats, of another base at a position against the one that stands there.

    Raises
    ------
    ModelError
        As `allele_chances` does, and for a position of which the model says nothing.
    """
    chances = allele_chances(model, sequence, position)
    if chances.isnan().any():
        raise ModelError(f"position {position}: nothing predicts its token, or it holds other letters")
    return float(chances[BASES.index(alternative)] - chances[BASES.index(sequence[position])])


def _spans(tokens: Tokens) -> list[tuple[int, int]]:
    """Bases of each token of the only sequence."""
    length = int(tokens.lengths[0])
    if tokens.spans is None:
        return [(i, i + 1) for i in range(length)]
    return [(int(start), int(end)) for start, end in tokens.spans[0, :length].tolist()]


def _with_bases(tokens: Tokens) -> list[int]:
    return [i for i, (start, end) in enumerate(_spans(tokens)) if end > start]


def _predicted(
    model: TokenModel, tokens: Tokens, only: Sequence[int] = ()
) -> Iterator[tuple[list[int], Tensor]]:
    """Columns of tokens that hold bases, and log-probabilities ``(columns, V)`` of what stands there."""
    asked = [column for column in _with_bases(tokens) if not only or column in only]
    if model.causal:
        columns = [column for column in asked if column > 0]
        logits = _logits(model, tokens)[0].float()
        yield columns, logits[[column - 1 for column in columns]].log_softmax(-1).cpu()
        return
    mask = model.mask_token
    if mask is None:
        raise ModelError(f"model {model.name} sees both sides of a base and has no mask: it cannot score")
    for first in range(0, len(asked), TOGETHER):
        columns = asked[first : first + TOGETHER]
        ids = tokens.ids.repeat(len(columns), 1)
        ids[range(len(columns)), columns] = mask
        spans = None if tokens.spans is None else tokens.spans.repeat(len(columns), 1, 1)
        logits = _logits(model, Tokens(ids, tokens.lengths.repeat(len(columns)), spans))
        yield columns, logits[range(len(columns)), columns].float().log_softmax(-1).cpu()


def _logits(model: TokenModel, tokens: Tokens) -> Tensor:
    found = model.forward_tokens(tokens).logits
    if found is None:
        raise ModelError(f"model {model.name} says nothing of its tokens: it cannot score")
    return found


def _chain(logp: Tensor, words: Words, codes: Tensor) -> Tensor:
    """Log-likelihood (n) of each of the first letters of a word after those before it.

    From log-probabilities ``(V,)``; the first is over the whole vocabulary, so that all add up to the word's.
    A word that was filled up has less letters than those of the vocabulary.
    """
    alike = (words.codes[:, : len(codes)] == codes).cumprod(1).bool()
    begun = logp[words.ids][:, None].masked_fill(~alike, -torch.inf).logsumexp(0)
    return torch.diff(begun, prepend=torch.zeros(1))
