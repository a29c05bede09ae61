"""Composition: how far the 4-mers of a sequence are from those of a genome.

The Jensen-Shannon distance (the root of the divergence with logarithms to base 2: 0 the same, 1 nothing in
common; Endres and Schindelin 2003) between the shares of the 136 4-mers, a 4-mer and its reverse complement
being one. A short sequence is far from any genome by chance alone, so the distance of stretches of the genome
of the same length stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import numpy as np

from genomic_models.dna import UNKNOWN, Codes, base_codes
from workbench.genome.reference import Genome
from workbench.judges.judge import Card, Check, Column, Judge, NotJudged, References

K = 4
# Stretches of the genome that a sequence is set beside.
STRETCHES = 32
_PIECE = 1 << 20

CARD = Card(
    name="composition",
    reads="4-mers of both strands",
    columns=(
        Column("distance", "Float64", "Jensen-Shannon distance of its 4-mers from those of --genome, 0 to 1"),
        Column("genome_distance", "Float64", "median distance of 32 stretches of --genome of its length"),
        Column("gc", "Float64", "share of G and C, 0 to 1"),
    ),
    tool="own code",
    licence="BSD-3-Clause",
    source="Endres and Schindelin 2003, IEEE Transactions on Information Theory 49:1858",
    version=lambda: "1",
    needs=("genome",),
    checks=(
        Check(
            "composition_auroc_tuberculosis",
            "AUROC of distance from MG1655, 1 kb of M. tuberculosis against its own (300 sequences)",
            0.989,
        ),
        Check("composition_auroc_aureus", "the same, 1 kb of S. aureus (300 sequences)", 0.9969),
        Check(
            "composition_auroc_citrobacter",
            "the same, 1 kb of C. freundii, a relative (300 sequences)",
            0.5776,
        ),
    ),
)


@cache
def _canonical() -> np.ndarray:
    """Class 0 to 135 of each of the 256 4-mers, int64: it and its reverse complement have the same."""
    words = np.arange(4**K)
    letters = words[:, None] // 4 ** np.arange(K)[::-1] % 4
    turned = (3 - letters[:, ::-1]) @ 4 ** np.arange(K)[::-1]
    _, classes = np.unique(np.minimum(words, turned), return_inverse=True)
    return classes


def spectrum(codes: Codes) -> np.ndarray:
    """Counts of the 4-mers of a sequence, int64 (136); those with an unknown letter are left out."""
    windows = (
        np.lib.stride_tricks.sliding_window_view(codes, K) if codes.size >= K else np.empty((0, K), np.uint8)
    )
    known = windows[(windows != UNKNOWN).all(axis=1)].astype(np.int64)
    return np.bincount(_canonical()[known @ 4 ** np.arange(K)[::-1]], minlength=int(_canonical().max()) + 1)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Jensen-Shannon distance of two arrays of counts, 0 to 1."""
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    return float(np.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2)))


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    use = p > 0
    return float((p[use] * np.log2(p[use] / q[use])).sum())


class Composition(Judge):
    """Judge of composition."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        assert references.genome is not None
        self._genome = Genome(references.genome)
        self._counts = sum_spectra(self._pieces())
        self._beside: dict[int, float] = {}

    def _pieces(self) -> Iterator[Codes]:
        for name, length in self._genome.lengths.items():
            for start in range(0, length, _PIECE):
                yield base_codes(self._genome.fetch(name, start, min(length, start + _PIECE + K - 1)))

    def read(self, letters: str) -> Mapping[str, object]:
        codes = base_codes(letters)
        own = spectrum(codes)
        if not own.sum():
            raise NotJudged("no 4-mer of A, C, G and T")
        return {
            "distance": distance(own, self._counts),
            "genome_distance": self._genome_distance(len(letters)),
            "gc": float(np.isin(codes, (1, 2)).sum() / (codes != UNKNOWN).sum()),
        }

    def _genome_distance(self, bases: int) -> float | None:
        """Median distance of stretches of so many bases; None where no contig has as many."""
        if bases not in self._beside:
            found = [
                distance(own, self._counts) for own in map(spectrum, self._stretches(bases)) if own.sum()
            ]
            self._beside[bases] = float(np.median(found)) if found else float("nan")
        return self._beside[bases]

    def _stretches(self, bases: int) -> Iterator[Codes]:
        """The same stretches for every sequence of a length, drawn evenly over where they can begin."""
        room = {name: length - bases + 1 for name, length in self._genome.lengths.items() if length >= bases}
        ends = np.cumsum(list(room.values()))
        if not room:
            return
        for at in np.random.default_rng(bases).integers(0, ends[-1], STRETCHES):
            i = int(np.searchsorted(ends, at, side="right"))
            name = list(room)[i]
            start = int(at - (ends[i] - room[name]))
            yield base_codes(self._genome.fetch(name, start, start + bases))


def sum_spectra(pieces: Iterable[Codes]) -> np.ndarray:
    """`spectrum` of several sequences together, int64 (136)."""
    return np.sum([spectrum(codes) for codes in pieces], axis=0)
