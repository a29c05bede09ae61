"""Sequences shuffled so that every dinucleotide keeps its count.

A sequence is a walk over its letters; one with the same dinucleotides is another Eulerian trail through
the same multigraph (Altschul & Erickson 1985). A random tree of last exits that all lead to the last
letter is drawn by loop-erased random walks (Wilson 1996; Propp & Wilson 1998), the other exits of each
letter are shuffled: every trail is equally likely.
"""

from __future__ import annotations

import numba
import numpy as np

# A C G T and whatever else, as one letter.
LETTERS = 5


def shuffle_dinucleotides(codes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random sequence with the dinucleotide counts, the first and the last letter of `codes`.

    Parameters
    ----------
    codes : uint8 (n), A C G T = 0 1 2 3, anything else 4
    random : drawn from; the same state gives the same sequence

    Returns
    -------
    uint8 (n). Letter counts are kept too. Up to three letters there is nothing to shuffle.

    Raises
    ------
    ValueError
        For a code above 4.
    """
    codes = np.ascontiguousarray(codes, np.uint8)
    if codes.size and int(codes.max()) >= LETTERS:
        raise ValueError(f"a letter code of {int(codes.max())}, expected 0 to {LETTERS - 1}")
    return _shuffle(codes, random) if codes.size > 3 else codes.copy()


def shuffle_rows(codes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Every row of uint8 (n, width > 3) codes (0 to 4) shuffled on its own."""
    return _shuffle_rows(np.ascontiguousarray(codes, np.uint8), random)


@numba.njit(cache=True, nogil=True)
def _shuffle(codes, random):
    n = codes.size
    start = np.zeros(LETTERS + 1, np.int64)
    for i in range(n - 1):
        start[codes[i] + 1] += 1
    for a in range(LETTERS):
        start[a + 1] += start[a]
    exits = np.empty(n - 1, np.uint8)
    cursor = start[:-1].copy()
    for i in range(n - 1):
        exits[cursor[codes[i]]] = codes[i + 1]
        cursor[codes[i]] += 1

    last = np.full(LETTERS, -1, np.int64)
    in_tree = np.zeros(LETTERS, np.bool_)
    in_tree[codes[n - 1]] = True
    for a in range(LETTERS):
        if start[a + 1] == start[a]:
            continue
        # The last exit taken from a letter overwrites earlier ones: that erases the walk's loops.
        at = a
        while not in_tree[at]:
            size = start[at + 1] - start[at]
            last[at] = start[at] + min(np.int64(random.random() * size), size - 1)
            at = exits[last[at]]
        at = a
        while not in_tree[at]:
            in_tree[at] = True
            at = exits[last[at]]

    for a in range(LETTERS):
        end = start[a + 1]
        if end > start[a] and a != codes[n - 1]:
            end -= 1
            exits[last[a]], exits[end] = exits[end], exits[last[a]]
        for i in range(end - 1, start[a], -1):
            j = start[a] + min(np.int64(random.random() * (i - start[a] + 1)), i - start[a])
            exits[i], exits[j] = exits[j], exits[i]

    out = np.empty(n, np.uint8)
    cursor = start[:-1].copy()
    out[0] = codes[0]
    for i in range(1, n):
        here = out[i - 1]
        out[i] = exits[cursor[here]]
        cursor[here] += 1
    return out


@numba.njit(cache=True, nogil=True)
def _shuffle_rows(codes, random):
    out = np.empty_like(codes)
    for row in range(len(codes)):
        out[row] = _shuffle(codes[row], random)
    return out
