"""Which words would be complete by the next base: a machine of few states that reads base after base.

A state is what matters of the bases read: how far each forbidden word has come, as the bits of one integer
(the shift-and method of Baeza-Yates & Gonnet 1992), and, where codons count, the last two bases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genomic_models.dna import BASES, IUPAC, UNKNOWN, base_codes

# States, at most; a dozen restriction sites take some hundreds.
MOST = 50_000
# Codes of a base that is known or not: rows of a table of pairs.
LETTERS = 5


@dataclass(frozen=True)
class Automaton:
    """States that the bases lead through.

    Attributes
    ----------
    follow : ndarray
        ``(S, 4)`` int32, the state after each base; -1 where a word would be complete.
    pairs : ndarray
        ``(S,)`` int32, ``5 * a + b`` of the last two bases (code 4 for one that is not known); 0 where they
        are not kept.
    starts : ndarray
        ``(prompts,)`` int32, the state after each prompt.
    """

    follow: np.ndarray
    pairs: np.ndarray
    starts: np.ndarray


def build(motifs: Sequence[str], prompts: Sequence[str], keep_pairs: bool) -> Automaton:
    """The states that can be reached after some prompts.

    Words that lie wholly in a prompt do not count, those that begin there do. A letter of a prompt other than
    A, C, G and T is part of no word. Raises ``ValueError`` where the words need more than `MOST` states.
    """
    begins, ends, holds = _words(motifs)
    unknown = LETTERS * UNKNOWN + UNKNOWN

    def after(state: tuple[int, int], code: int) -> tuple[int, int]:
        bits, pair = state
        come = (bits << 1 | begins) & holds[code] if code != UNKNOWN else 0
        return come, pair % LETTERS * LETTERS + code if keep_pairs else 0

    starts = []
    for prompt in prompts:
        state = (0, unknown if keep_pairs else 0)
        for code in base_codes(prompt).tolist():
            bits, pair = after(state, code)
            state = (bits & ~ends, pair)
        starts.append(state)
    numbers = {state: number for number, state in enumerate(dict.fromkeys(starts))}
    order, follow = list(numbers), []
    for state in order:
        row = []
        for code in range(len(BASES)):
            reached = after(state, code)
            if reached[0] & ends:
                row.append(-1)
                continue
            if reached not in numbers:
                numbers[reached] = len(order)
                order.append(reached)
            row.append(numbers[reached])
        follow.append(row)
        if len(order) > MOST:
            raise ValueError(
                f"the forbidden sites take more than {MOST:,} states together: give fewer, or with fewer Ns"
            )
    pairs = np.array([pair for _, pair in order], np.int32)
    return Automaton(np.array(follow, np.int32), pairs, np.array([numbers[s] for s in starts], np.int32))


def _words(motifs: Sequence[str]) -> tuple[int, int, list[int]]:
    """Bits of first letters, of last letters, and of the letters that each base can be."""
    begins = ends = at = 0
    holds = [0] * len(BASES)
    for motif in motifs:
        begins |= 1 << at
        for letter in motif:
            for code, base in enumerate(BASES):
                holds[code] |= (base in IUPAC[letter]) << at
            at += 1
        ends |= 1 << at - 1
    return begins, ends, holds
