"""Unique haplotypes of a window: which there are, and which samples have which.

Cost grows with the number of calls, not with samples x variants: each edit has a random 128-bit number, a
haplotype is the exclusive or of the numbers of its edits (Zobrist 1970), and equal numbers are one haplotype.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from workbench.cohort.calls import Call, Calls, merged, missing_in, phase_matters
from workbench.cohort.edits import Edit, apply_edits, conflicting
from workbench.cohort.store import ABSENT, MISSING


class Haplotypes(NamedTuple):
    """Unique haplotypes of a window.

    edits : list of tuple of Edit
        One entry a haplotype; the first is the reference, without edits.
    of_sample : int32 (n * ploidy)
        Place in ``edits``; -1 missing, -2 absent.
    missing, ambiguous, unphased : int
        Haplotypes without a call; with edits that overlap; samples in which the phase matters.
    """

    edits: list[tuple[Edit, ...]]
    of_sample: np.ndarray
    missing: int
    ambiguous: int
    unphased: int


def _number(edit: Edit) -> np.ndarray:
    digest = hashlib.blake2b(repr(edit.key).encode(), digest_size=16).digest()
    return np.frombuffer(digest, np.uint64)


def edit_sets(calls: list[Call], keys: np.ndarray) -> tuple[list[tuple[Edit, ...]], np.ndarray]:
    """Unique sets of edits, the empty one first, and the set of each of ``len(keys)`` haplotypes.

    ``keys`` is uint64 (n, 2), the exclusive or of the numbers of each haplotype's edits.
    """
    rows = np.ascontiguousarray(keys).view([("a", np.uint64), ("b", np.uint64)]).ravel()
    unique, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    sets: list[list[Edit]] = [[] for _ in range(unique.size)]
    place = np.full(len(keys), -1, np.int64)
    place[first] = np.arange(unique.size)
    for call in calls:
        for at in place[call.carriers]:
            if at >= 0:
                sets[at].append(call.edit)
    empty = next((i for i, s in enumerate(sets) if not s), None)
    if empty is None:
        return [(), *(tuple(s) for s in sets)], (inverse + 1).astype(np.int32)
    order = [empty, *(i for i in range(len(sets)) if i != empty)]
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return [tuple(sets[i]) for i in order], rank[inverse]


def find_haplotypes(calls: Calls, reference: str, start: int, policy: str = "as_written") -> Haplotypes:
    """Unique haplotypes over a window of the reference.

    Parameters
    ----------
    calls : Calls
        Of this window or of a longer one.
    reference : str
        Letters of the window, from ``start`` on.
    policy : {"as_written", "mask"}
        Samples in which the phase matters and is not known: alleles in the order in which they are written,
        or missing.

    Returns
    -------
    Haplotypes
        Ordered by carriers, most first, after the reference; equal numbers by edits. Different edits that
        give the same letters are one haplotype.
    """
    end = start + len(reference)
    inside = merged(c for c in calls.calls if c.edit.inside(start, end))
    missing = missing_in(calls, start, end)
    unsure = phase_matters(calls, start, end)
    if policy == "mask":
        missing |= np.repeat(unsure, calls.ploidy)
    keys = np.zeros((calls.n_samples * calls.ploidy, 2), np.uint64)
    for call in inside:
        keys[call.carriers] ^= _number(call.edit)
    # Unknown haplotypes must not bring sets of their own.
    unknown = missing | calls.absent
    keys[unknown] = 0
    sets, of_sample = edit_sets(inside, keys)
    ambiguous = np.array([conflicting(s) for s in sets])
    of_sample[missing] = MISSING
    of_sample[calls.absent] = ABSENT
    known = of_sample >= 0
    overlapping = known & ambiguous[np.where(known, of_sample, 0)]
    of_sample[overlapping] = MISSING
    sets, of_sample = _by_sequence(sets, of_sample, reference, start)
    return Haplotypes(
        sets, of_sample, int((missing & ~calls.absent).sum()), int(overlapping.sum()), int(unsure.sum())
    )


def _by_sequence(
    sets: list[tuple[Edit, ...]], of_sample: np.ndarray, reference: str, start: int
) -> tuple[list[tuple[Edit, ...]], np.ndarray]:
    """Keep one set of edits for each sequence that a sample has, most carriers first."""
    counts = np.bincount(of_sample[of_sample >= 0], minlength=len(sets))
    reference_digest = _digest(reference)
    total: dict[bytes, int] = {reference_digest: 0}
    chosen: dict[bytes, tuple[Edit, ...]] = {reference_digest: ()}
    digests = []
    for edits, count in zip(sets, counts, strict=True):
        if not count and edits:
            digests.append(reference_digest)
            continue
        digest = _digest(apply_edits(reference, start, edits).letters)
        digests.append(digest)
        total[digest] = total.get(digest, 0) + int(count)
        chosen.setdefault(digest, edits)
    others = [d for d in chosen if d != reference_digest]
    others.sort(key=lambda d: (-total[d], [e.key for e in chosen[d]]))
    order = [reference_digest, *others]
    rank = {d: i for i, d in enumerate(order)}
    new = np.array([rank[d] for d in digests], np.int32)
    moved = np.where(of_sample >= 0, new[np.maximum(of_sample, 0)], of_sample)
    return [chosen[d] for d in order], moved.astype(np.int32)


def _digest(letters: str) -> bytes:
    return hashlib.blake2b(letters.encode(), digest_size=16).digest()
