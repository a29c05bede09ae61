"""Where a sample's sequence differs from the reference, insertions and deletions included.

Words of 31 letters that are unique in both sequences, one in each stretch of the reference, are anchors; the
longest chain of them that runs the same way in both is kept (as in MUMmer, Delcher et al. 1999). Between two
anchors equal ends are taken off; what is left is compared letter by letter where it is of one length and
mostly alike, else aligned (Needleman & Wunsch with affine gaps). Longer stretches without anchors
(rearrangements, other sequence) are not known.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from Bio.Align import PairwiseAligner

from genomic_models.dna import BASES, UNKNOWN, base_codes
from workbench.cohort.edits import Edit
from workbench.cohort.readings import common_prefix

WORD = 31
# Bases of the reference for one anchor.
STRETCH = 256
# Letters that are aligned at a time, at most.
LONGEST = 3000
# Share of equal letters from which a stretch of one length is compared letter by letter.
ALIKE = 0.7


class Differences(NamedTuple):
    """Edits that turn the reference into the sample, sorted; and stretches that are not known."""

    edits: list[Edit]
    gaps: list[tuple[int, int]]


def _words(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words that are there once, uint64 ascending, and where they start."""
    n = codes.size - WORD + 1
    if n <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    key = np.zeros(n, np.uint64)
    for i in range(WORD):
        key = (key << np.uint64(2)) | (codes[i : n + i] & 3).astype(np.uint64)
    unknown = np.concatenate([[0], np.cumsum(codes == UNKNOWN)])
    whole = np.flatnonzero(unknown[WORD:] == unknown[:-WORD])
    words, first, counts = np.unique(key[whole], return_index=True, return_counts=True)
    once = counts == 1
    return words[once], whole[first[once]]


def find_anchors(reference: str, sample: str) -> list[tuple[int, int]]:
    """Starts of equal words in both, ascending in both, none overlapping."""
    words_a, at_a = _words(base_codes(reference))
    words_b, at_b = _words(base_codes(sample))
    _, i, j = np.intersect1d(words_a, words_b, assume_unique=True, return_indices=True)
    order = np.argsort(at_a[i], kind="stable")
    a, b = at_a[i][order], at_b[j][order]
    _, first = np.unique(a // STRETCH, return_index=True)
    chain = _longest_rising(b[first])
    pairs = [(int(a[first[k]]), int(b[first[k]])) for k in chain]
    kept: list[tuple[int, int]] = []
    for pair in pairs:
        if not kept or min(pair[0] - kept[-1][0], pair[1] - kept[-1][1]) >= WORD:
            kept.append(pair)
    return kept


def _longest_rising(values: np.ndarray) -> list[int]:
    """Places of a longest rising subsequence (patience sorting)."""
    tails: list[int] = []
    places: list[int] = []
    before = [-1] * values.size
    for i, value in enumerate(values.tolist()):
        pile = bisect_left(tails, value)
        before[i] = places[pile - 1] if pile else -1
        if pile == len(tails):
            tails.append(value)
            places.append(i)
        else:
            tails[pile], places[pile] = value, i
    chain = []
    at = places[-1] if places else -1
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]


@lru_cache(maxsize=1)
def _aligner() -> Any:
    aligner = PairwiseAligner(mode="global", match_score=2, mismatch_score=-3)
    aligner.open_gap_score, aligner.extend_gap_score = -7, -1
    return aligner


def _columns(found: Differences, reference: str, sample: str, start: int) -> None:
    """Compare two stretches of one length letter by letter."""
    a, b = (np.frombuffer(s.encode(), np.uint8) for s in (reference, sample))
    for i in np.flatnonzero(a != b):
        at = start + int(i)
        if reference[i] not in BASES:
            continue
        if sample[i] in BASES:
            found.edits.append(Edit(at, at + 1, sample[i]))
        else:
            found.gaps.append((at, at + 1))


def _between(found: Differences, reference: str, sample: str, start: int) -> None:
    """Differences of what lies between two anchors."""
    left = common_prefix(reference, sample)
    reference, sample, start = reference[left:], sample[left:], start + left
    right = common_prefix(reference[::-1], sample[::-1])
    if right:
        reference, sample = reference[:-right], sample[:-right]
    if not reference and not sample:
        return
    if len(reference) == len(sample):
        equal = np.mean([a == b or b == "N" for a, b in zip(reference, sample, strict=True)])
        if equal >= ALIKE or len(reference) < WORD // 2:
            _columns(found, reference, sample, start)
            return
    if set(sample) <= set(BASES) and (not reference or not sample):
        found.edits.append(Edit(start, start + len(reference), sample))
    elif max(len(reference), len(sample)) > LONGEST or set(sample) - set(BASES):
        found.gaps.append((start, start + max(1, len(reference))))
    else:
        _aligned(found, reference, sample, start)


def _aligned(found: Differences, reference: str, sample: str, start: int) -> None:
    path = _aligner().align(reference, sample)[0].coordinates
    for (a, b), (c, d) in zip(path.T[:-1].tolist(), path.T[1:].tolist(), strict=True):
        if c - a == d - b:
            _columns(found, reference[a:c], sample[b:d], start + a)
        else:
            found.edits.append(Edit(start + a, start + c, sample[b:d]))


def find_differences(chrom: str, reference: str, sample: str) -> Differences:
    """Edits, named ``chrom:pos:ref:alt``, that turn one sequence into the other.

    Letters other than A, C, G, T in the sample are not known; so are stretches without any common word.
    """
    found = Differences([], [])
    at_a = at_b = 0
    for a, b in [*find_anchors(reference, sample), (len(reference), len(sample))]:
        _between(found, reference[at_a:a], sample[at_b:b], at_a)
        at_a, at_b = min(a + WORD, len(reference)), min(b + WORD, len(sample))
    edits = sorted(found.edits)
    return Differences([_named(chrom, reference, e) for e in edits], sorted(found.gaps))


def _named(chrom: str, reference: str, edit: Edit) -> Edit:
    """The edit with its name as a VCF would write it: with the base before an insertion or deletion."""
    lo, hi, letters = edit.start, edit.end, edit.letters
    if not letters or lo == hi:
        if lo:
            lo, letters = lo - 1, reference[lo - 1] + letters
        else:
            hi, letters = hi + 1, letters + reference[hi]
    return edit._replace(name=f"{chrom}:{lo + 1}:{reference[lo:hi]}:{letters}")
