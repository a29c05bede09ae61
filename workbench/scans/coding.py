"""Which bases may be changed without changing a protein."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomic_models.dna import BASES, UNKNOWN, base_codes, reverse_complement_codes
from workbench.judges.codon_usage import ACIDS
from workbench.study.study import Study
from workbench.tracks.derive import features


class Free(NamedTuple):
    """Changes that may be made in a stretch, in genome order.

    allowed : bool (n, 4), bases that may take the place of the one that stands there
    group : int64 (n), the same for bases of which only one may be changed
    """

    allowed: np.ndarray
    group: np.ndarray


class Coding:
    """Coding sequences of a study's tracks.

    Those in one piece, complete and begun in frame can be changed by synonymous codons, one base a codon;
    their first and last codons, and bases of any other coding sequence, or of two, cannot.
    """

    def __init__(self, study: Study) -> None:
        self._genome = study.genome
        self._frames: dict[str, list[tuple[int, int, str]]] = {}
        self._spans: dict[str, list[np.ndarray]] = {}
        for track in study.tracks:
            if track.type != "CDS":
                continue
            spans = track.intervals.drop_duplicates(["chrom", "start", "end", "strand"])
            for chrom, own in spans.groupby("chrom", sort=False):
                self._spans.setdefault(str(chrom), []).append(own[["start", "end"]].to_numpy(np.int64))
            for chrom, _, _, complete, parts in features(track.intervals, study.contigs):
                (one, *more) = parts
                whole = complete and not more and one.phase <= 0 and (one.end - one.start) % 3 == 0
                if whole and one.strand in ("+", "-"):
                    self._frames.setdefault(chrom, []).append((one.start, one.end, one.strand))

    def free(self, chrom: str, start: int, end: int, synonymous: bool = True) -> Free:
        """What may be changed in a stretch; everywhere any base where ``synonymous`` is false."""
        codes = base_codes(self._genome.fetch(chrom, start, end))
        allowed = np.repeat((codes != UNKNOWN)[:, None], len(BASES), axis=1)
        allowed[np.arange(len(codes)), np.minimum(codes, len(BASES) - 1)] = False
        group = np.arange(end - start)
        if not synonymous:
            return Free(allowed, group)
        depth = np.zeros(end - start, np.int64)
        for spans in self._spans.get(chrom, []):
            for lo, hi in spans[(spans[:, 0] < end) & (spans[:, 1] > start)]:
                depth[max(lo - start, 0) : hi - start] += 1
        coding = np.zeros_like(allowed)
        for lo, hi, strand in set(self._frames.get(chrom, [])):
            if lo < end and hi > start:
                self._add_codons(coding, group, chrom, (lo, hi, strand), start, end)
        allowed[depth > 0] &= coding[depth > 0] & (depth[depth > 0] == 1)[:, None]
        return Free(allowed, group)

    def _add_codons(
        self,
        coding: np.ndarray,
        group: np.ndarray,
        chrom: str,
        cds: tuple[int, int, str],
        start: int,
        end: int,
    ) -> None:
        """Mark the synonymous changes of one coding sequence within a stretch."""
        lo, hi, strand = cds
        for first in range(lo, hi, 3):
            # The first and the last codon on either strand stay: a start and a stop.
            if first in (lo, hi - 3) or first + 3 <= start or first >= end:
                continue
            codes = base_codes(self._genome.fetch(chrom, first, first + 3))
            if (codes == UNKNOWN).any():
                continue
            own = _acid(codes, strand)
            for i in range(3):
                at = first + i - start
                if not 0 <= at < end - start:
                    continue
                group[at] = -1 - (first + 3)
                for base in range(len(BASES)):
                    other = codes.copy()
                    other[i] = base
                    coding[at, base] = base != codes[i] and own != "*" and _acid(other, strand) == own


def _acid(codes: np.ndarray, strand: str) -> str:
    a, b, c = (codes if strand == "+" else reverse_complement_codes(codes)).tolist()
    return str(ACIDS[16 * a + 4 * b + c])
