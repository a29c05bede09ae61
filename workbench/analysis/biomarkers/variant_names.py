"""Names of variants: SPDI and genomic HGVS."""

from __future__ import annotations

from workbench.cohort.edits import Variant, make_edit
from workbench.genome.reference import Genome


def spdi(variant: Variant) -> str:
    """``SEQUENCE:POSITION:DELETED:INSERTED``, position 0-based, alleles as the file gives them."""
    return f"{variant.chrom}:{variant.start}:{variant.reference}:{variant.alternative}"


def hgvs(variant: Variant, genome: Genome) -> str:
    """Genomic HGVS name (``CHROM:g.``), deletions, insertions and duplications as far 3' as they go.

    Coordinates are 1-based on the forward strand. Variants do not go round the origin of a circular contig.
    """
    edit = make_edit(variant.start, variant.reference, variant.alternative)
    start, end, letters = edit.start, edit.end, edit.letters
    length, chrom = genome.lengths[variant.chrom], variant.chrom

    def at(lo: int, hi: int) -> str:
        return genome.fetch(chrom, lo, hi)

    if start == end and not letters:
        return f"{chrom}:g.{variant.start + 1}="
    if not letters:
        while end < length and at(start, start + 1) == at(end, end + 1):
            start, end = start + 1, end + 1
        return f"{chrom}:g.{_range(start, end)}del"
    if start == end:
        while start < length and at(start, start + 1) == letters[0]:
            letters, start = letters[1:] + letters[0], start + 1
        size = len(letters)
        if start >= size and at(start - size, start) == letters:
            return f"{chrom}:g.{_range(start - size, start)}dup"
        return f"{chrom}:g.{start}_{start + 1}ins{letters}"
    if end - start == 1 == len(letters):
        return f"{chrom}:g.{start + 1}{at(start, end)}>{letters}"
    return f"{chrom}:g.{_range(start, end)}delins{letters}"


def _range(start: int, end: int) -> str:
    return str(start + 1) if end - start == 1 else f"{start + 1}_{end}"
