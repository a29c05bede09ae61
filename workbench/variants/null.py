"""Random insertions and deletions near one that is judged: how low a score of its kind falls by chance."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np

from genomic_models.dna import BASES, UNKNOWN, base_codes
from workbench.cohort.edits import Variant
from workbench.genome.windows import Sequences
from workbench.variants.effects import measure
from workbench.variants.subject import Subject

# Bases of the pieces of a contig within which indels are drawn.
NEAR = 5_000
_TRIES = 20


def piece_of(variant: Variant, genome: Sequences) -> tuple[int, int]:
    """The piece ``[start, end)`` of its contig that a variant begins in; the last takes up the remainder."""
    length = genome.lengths[variant.chrom]
    pieces = max(1, length // NEAR)
    index = min(variant.edit.start // NEAR, pieces - 1)
    return index * NEAR, length if index == pieces - 1 else (index + 1) * NEAR


def random_alike(variant: Variant, genome: Sequences, count: int, rng: np.random.Generator) -> list[Variant]:
    """Variants that delete and insert as many bases as one does, at random places of its piece.

    Inserted letters are drawn by the base composition of the piece; they follow a base. Where a variant both
    deletes and inserts, no base at either end stays the same. Fewer than ``count`` come back where little of
    the piece is known.
    """
    edit = variant.edit
    gone, new = edit.end - edit.start, len(edit.letters)
    start, end = piece_of(variant, genome)
    letters = genome.fetch(variant.chrom, start, end)
    codes = base_codes(letters)
    composition = np.bincount(codes[codes != UNKNOWN], minlength=len(BASES)).astype(float)
    found: list[Variant] = []
    first, last = int(start == 0), end - start - gone
    if last < first or not composition.any():
        return found
    for at in rng.integers(first, last + 1, _TRIES * count):
        drawn = rng.choice(len(BASES), new, p=composition / composition.sum())
        inserted = "".join(BASES[code] for code in drawn)
        made = Variant(variant.chrom, start + int(at), letters[at : at + gone], inserted)
        own = made.edit
        alike = (own.end - own.start, len(own.letters)) == (gone, new)
        if alike and not (codes[at : at + gone] == UNKNOWN).any():
            found.append(made)
        if len(found) == count:
            break
    return found


class Null:
    """Scores of random indels, made once for all variants of a piece that change as many bases.

    Parameters
    ----------
    subject : Subject
    count : int
        Random indels a piece and kind.
    seed : int
    """

    def __init__(self, subject: Subject, count: int, seed: int) -> None:
        self.subject = replace(subject, layer="", sae=None)
        self.count, self.seed = count, seed
        self._scores: dict[tuple[int, ...], np.ndarray] = {}

    def scores(self, variant: Variant) -> np.ndarray:
        """Scores of indels like a variant, float64 (n); none where its alleles are of one length."""
        edit = variant.edit
        gone, new = edit.end - edit.start, len(edit.letters)
        if gone == new:
            return np.zeros(0)
        start, _ = piece_of(variant, self.subject.genome)
        key = (crc32(variant.chrom.encode()), start, gone, new)
        if key not in self._scores:
            rng = np.random.default_rng([self.seed, *key])
            drawn = random_alike(variant, self.subject.genome, self.count, rng)
            scores = [effect.score for effect in measure(self.subject, drawn)]
            self._scores[key] = np.array(scores, np.float64)
        return self._scores[key]


def tail(score: float, null: np.ndarray) -> float:
    """Share of a score and its null that is as low or lower (Phipson & Smyth 2010); NaN without a null."""
    return (1 + int((null <= score).sum())) / (1 + null.size) if null.size else float("nan")
