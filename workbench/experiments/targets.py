"""What of the model's output is asked about, as people write it: an allele, a base, or a stretch."""

from __future__ import annotations

import re
from typing import NamedTuple

from feature_mining.attribution.target import AlleleOdds, BaseProbability, Likelihood, Target
from genomic_models.dna import BASES, reverse_complement
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.experiments.settings import FORMS
from workbench.genome.interval import Interval
from workbench.study.study import Study

_PLACE = re.compile(r"(?P<chrom>.+):(?P<start>[0-9,]+)(?:(?:-|\.\.)(?P<end>[0-9,]+))?")


class Asked(NamedTuple):
    """An output of the model at a place.

    text : as it was written
    place : bases that the output is of, 0-based half-open
    reference, alternative : alleles of one base for log-odds of the second over the first; empty for the
        log-probability of what stands there
    """

    text: str
    place: Interval
    reference: str = ""
    alternative: str = ""

    @property
    def title(self) -> str:
        """What the output is, for people."""
        at = f"{self.place.chrom}:{self.place.start + 1:,}"
        if self.alternative:
            return f"log-odds of {self.alternative} over {self.reference} at {at}"
        if self.place.size == 1:
            return f"log-probability of the base at {at}"
        return f"log-likelihood of {at}-{self.place.end:,}"

    def read(self, study: Study, strand: str, context: int) -> tuple[str, int, Target]:
        """The sequence that ends with the place, in the direction of a strand's reading.

        Returns the letters, how many of them lie before the place, and the target within them. Raises
        ``InputError`` where nothing lies before it, or a letter is not A, C, G or T.
        """
        chrom, start, end = self.place
        length = study.manifest.contigs[chrom]
        first, last = (max(0, start - context), end) if strand == "+" else (start, min(length, end + context))
        letters = study.genome.fetch(chrom, first, last, strand).upper()
        before = len(letters) - self.place.size
        if not before:
            raise InputError(
                f"{self.text}: nothing lies before it on the {strand} strand's reading, so that nothing"
                " predicts it"
            )
        here = letters[before:]
        if strange := set(here) - set(BASES):
            raise InputError(f"{self.text}: holds {', '.join(sorted(strange))}; expected A, C, G and T")
        if self.alternative:
            alleles = (self.reference, self.alternative)
            if strand == "-":
                alleles = (reverse_complement(alleles[0]), reverse_complement(alleles[1]))
            if here != alleles[0]:
                raise InputError(
                    f"{self.text}: the genome has {study.genome.fetch(chrom, start, end)} there, the variant"
                    f" says {self.reference}"
                )
            return letters, before, AlleleOdds(before, *alleles)
        if self.place.size == 1:
            return letters, before, BaseProbability(before, here)
        return letters, before, Likelihood(before, len(letters))


def parse_target(study: Study, text: str) -> Asked:
    """An output from its text, one of `FORMS`. Raises ``InputError`` for any other text."""
    text = text.strip()
    if text.count(":") >= 3:
        variant = parse_variant(text)
        if len(variant.reference) != 1 or len(variant.alternative) != 1:
            raise InputError(f"{text}: expected one base in place of another; score others with `variants`")
        chrom = study.contigs.named(variant.chrom)
        place = Interval(*study.contigs.stretch(chrom, variant.start, variant.start + 1))
        return Asked(text, place, variant.reference, variant.alternative)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r}: expected {FORMS}")
    start = int(found["start"].replace(",", ""))
    end = int((found["end"] or found["start"]).replace(",", ""))
    if start < 1 or end < start:
        raise InputError(f"{text}: expected a first base of 1 or more and an end that is not before it")
    chrom = study.contigs.named(found["chrom"])
    if end > (length := study.manifest.contigs[chrom]):
        raise InputError(f"{text}: {chrom} has {length:,} bases")
    return Asked(text, Interval(chrom, start - 1, end))
