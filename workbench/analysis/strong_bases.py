"""The strongest bases of a feature, with the letters around them."""

from __future__ import annotations

from typing import NamedTuple

from workbench.analysis.counts import Summary
from workbench.study.study import Study

# Bases on either side of a strong base in examples and logos.
FLANK = 25
# Strong bases nearer than this to a stronger one of the same strand are left out.
APART = 10


def distinct(summary: Summary, feature: int, count: int) -> list[int]:
    """Indices of a feature's strongest bases, leaving out neighbours of stronger ones.

    Neighbours are closer than ``APART``; on the other strand, whose reading sees the same letters, closer
    than ``FLANK``: a place that fires on both strands is one place.
    """
    kept: list[int] = []
    taken: dict[int, list[tuple[int, bool]]] = {}
    for i in range(summary.value.shape[1]):
        if summary.value[feature, i] <= 0 or len(kept) == count:
            break
        position, minus = int(summary.position[feature, i]), bool(summary.minus[feature, i])
        near = taken.setdefault(int(summary.contig[feature, i]), [])
        if all(abs(position - p) >= (APART if m == minus else FLANK) for p, m in near):
            near.append((position, minus))
            kept.append(i)
    return kept


def _window(study: Study, chrom: str, position: int, strand: str) -> str:
    length = study.manifest.contigs[chrom]
    lo, hi = position - FLANK, position + FLANK + 1
    if chrom in study.genome.circular:
        return study.genome.fetch(chrom, lo, hi, strand)
    inside = study.genome.fetch(chrom, max(0, lo), min(length, hi), strand)
    left, right = "." * max(0, -lo), "." * max(0, hi - length)
    return left + inside + right if strand == "+" else right + inside + left


class Strong(NamedTuple):
    """A strong base of a feature, with the letters round it in the direction of the reading."""

    chrom: str
    position: int
    strand: str
    value: float
    sequence: str


def strong_bases(study: Study, summary: Summary, feature: int, count: int) -> list[Strong]:
    """A feature's strongest bases, apart from each other, strongest first."""
    names = list(study.manifest.contigs)
    found = []
    for i in distinct(summary, feature, count):
        chrom = names[summary.contig[feature, i]]
        position = int(summary.position[feature, i])
        strand = "-" if summary.minus[feature, i] else "+"
        sequence = _window(study, chrom, position, strand)
        found.append(Strong(chrom, position, strand, float(summary.value[feature, i]), sequence))
    return found
