"""Variants as people write them: ``contig:position:REF:ALT``, HGVS of a genome (g.) and of a protein (p.).

Of HGVS (https://hgvs-nomenclature.org) are read g. substitutions, deletions, insertions, duplications and
deletion-insertions, and p. substitutions of one amino acid, whose codon `protein_change` chooses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from genomic_models.dna import BASES
from workbench.cohort.edits import Variant
from workbench.errors import InputError
from workbench.genome.fasta import check_letters
from workbench.tracks.loci import read_gene_words
from workbench.tracks.track import Contigs
from workbench.variants.consequence import Annotation
from workbench.variants.protein_change import change_codon, parse_change
from workbench.variants.subject import Subject, intervals
from workbench.wording import listed

_HGVS = re.compile(r"(?:(.+?)[:_])?\(?([a-z])\.(.+?)\)?", re.DOTALL)
_PLAIN = re.compile(r"(?:(.+):)?([1-9]\d{0,14}):([A-Za-z]*):([A-Za-z]*)")
_POINT = re.compile(r"([1-9]\d{0,14})([A-Za-z])>([A-Za-z])")
_INSERTION = re.compile(r"([1-9]\d{0,14})_([1-9]\d{0,14})ins([A-Za-z]+)")
_DUPLICATION = re.compile(r"([1-9]\d{0,14})(?:_([1-9]\d{0,14}))?dup([A-Za-z]*)")
_DELETION = re.compile(r"([1-9]\d{0,14})(?:_([1-9]\d{0,14}))?del([A-Za-z]*?)(?:ins([A-Za-z]+))?")
_READ = "expected contig:position:REF:ALT, contig:g.123A>G (or del, ins, dup, delins) or gene:p.Ser450Leu"


class Named(NamedTuple):
    """A variant, and how it was chosen where its name leaves a choice (else empty)."""

    variant: Variant
    said: str = ""


class VariantNames:
    """Reads names of variants of a genome.

    Parameters
    ----------
    annotation : Annotation
        The genome, its coding sequences and the codon table.
    here : str
        Contig of names that say none; such names are refused where it is empty.
    sources : sequence of Path
        Annotation files in which a gene is looked for by its locus tag or another name.
    """

    def __init__(self, annotation: Annotation, here: str = "", sources: Sequence[Path] = ()) -> None:
        self.annotation, self.here, self.sources = annotation, here, sources
        self.genome = annotation.genome
        self.contigs = Contigs(self.genome.lengths, self.genome.circular)

    def read(self, text: str) -> Named:
        """The variant of a name; ``InputError``, a sentence, for what is none or is not on the genome."""
        text = text.strip()
        if plain := _PLAIN.fullmatch(text):
            chrom, first, old, new = plain.groups()
            start = int(first) - 1
            return Named(self._edited(text, self._contig(text, chrom), start, start + len(old), old, new))
        hgvs = _HGVS.fullmatch(text)
        if hgvs and hgvs[2] == "g":
            return Named(self._genomic(text, self._contig(text, hgvs[1]), hgvs[3]))
        if hgvs and hgvs[2] == "p" and hgvs[1]:
            return self._protein(text, hgvs[1], hgvs[3])
        raise InputError(f"{text[:80]}: not read as a variant; {_READ}")

    def _contig(self, text: str, name: str | None) -> str:
        if not (name or self.here):
            raise InputError(f"{text[:80]}: says no contig; {_READ}")
        return self.contigs.named(name or self.here)

    def _genomic(self, text: str, chrom: str, change: str) -> Variant:
        if found := _POINT.fullmatch(change):
            start = int(found[1]) - 1
            return self._edited(text, chrom, start, start + 1, found[2], found[3])
        if found := _INSERTION.fullmatch(change):
            before, after = int(found[1]), int(found[2])
            if after != before + 1:
                raise InputError(f"{text[:80]}: expected an insertion between neighbours, as in 5_6insA")
            return self._edited(text, chrom, before, before, "", found[3])
        if found := _DUPLICATION.fullmatch(change):
            start, end = int(found[1]) - 1, int(found[2] or found[1])
            self._compare(text, chrom, start, end, found[3])
            return self._edited(text, chrom, end, end, "", self._letters(text, chrom, start, end))
        if found := _DELETION.fullmatch(change):
            start, end = int(found[1]) - 1, int(found[2] or found[1])
            return self._edited(text, chrom, start, end, found[3], found[4] or "")
        raise InputError(f"{text[:80]}: not read as a variant; {_READ}")

    def _edited(self, text: str, chrom: str, start: int, end: int, old: str, new: str) -> Variant:
        """A variant that puts ``new`` in place of ``[start, end)``.

        As in a VCF, what adds or takes bases alone is written with the base before it.
        """
        there = self._letters(text, chrom, start, end)
        self._compare(text, chrom, start, end, old)
        new = check_letters(text[:80], new)
        if set(new) - set(BASES):
            raise InputError(f"{text[:80]}: allele {new[:20]}; expected letters A, C, G, T")
        if there == new:
            raise InputError(f"{text[:80]}: changes nothing; expected another allele")
        if there and new:
            return Variant(chrom, start, there, new)
        if start:
            beside = self._letters(text, chrom, start - 1, start)
            return Variant(chrom, start - 1, beside + there, beside + new)
        beside = self._letters(text, chrom, end, end + 1)
        return Variant(chrom, 0, there + beside, new + beside)

    def _letters(self, text: str, chrom: str, start: int, end: int) -> str:
        length = self.genome.lengths[chrom]
        if not 0 <= start <= end <= length:
            raise InputError(f"{text[:80]}: expected a place on {chrom}, which has the bases 1 to {length:,}")
        return self.genome.fetch(chrom, start, end)

    def _compare(self, text: str, chrom: str, start: int, end: int, old: str) -> None:
        there = self._letters(text, chrom, start, end)
        if old and check_letters(text[:80], old) != there:
            raise InputError(
                f"{text[:80]}: the sequence has {there[:20]} at {start + 1:,}, not {old.upper()[:20]}; is the"
                " variant of another assembly?"
            )

    def _protein(self, text: str, gene: str, change: str) -> Named:
        wanted = parse_change(text, change)
        found: dict[Variant, str] = {}
        seen: list[str] = []
        for rows in self._coding(text, gene):
            letters, places = self.annotation.spelled(rows)
            acid = self.annotation.acid_at(letters, wanted.number)
            if acid != wanted.old:
                seen.append(f"{acid}{wanted.number}" if acid else f"{len(letters) // 3:,} codons")
                continue
            strand = str(rows["strand"].iloc[0])
            chosen = change_codon(text, letters, places, strand, wanted, self.annotation)
            chrom = str(rows["chrom"].iloc[0])
            there = self.genome.fetch(chrom, chosen.start, chosen.end)
            variant = chosen.variant(chrom, there)
            found[variant] = f"{gene} {wanted}: {chosen.said}, {variant.name}"
        if len(found) > 1:
            places_of = listed([f"{variant.start + 1:,}" for variant in found])
            raise InputError(
                f"{text}: {len(found)} genes are called so, at {places_of}; name the base instead"
            )
        if not found:
            raise InputError(f"{text}: {gene} has {listed(seen)} there; is it numbered otherwise?")
        ((variant, said),) = found.items()
        return Named(variant, said)

    def _coding(self, text: str, gene: str) -> list[pd.DataFrame]:
        """Coding sequences of a name, else of a locus tag, protein or synonym: their parts."""
        rows = self.annotation.coding
        if rows is None or rows.empty:
            raise InputError(f"{text}: no coding sequence is known here; name the base, as in g.123A>G")
        hit = rows[rows["name"].astype(str).str.casefold() == gene.casefold()]
        if hit.empty and self.sources:
            words = pd.concat([read_gene_words(path, self.contigs) for path in self.sources])
            words = words[words["word"].str.casefold() == gene.casefold()]
            places = pd.MultiIndex.from_frame(words[["chrom", "start", "end"]])
            hit = rows[pd.MultiIndex.from_frame(rows[["chrom", "start", "end"]]).isin(places)]
        if hit.empty:
            raise InputError(f"{text}: no coding sequence is called {gene}")
        return self.annotation.whole(hit)


def names_of(subject: Subject, codon_table: int) -> VariantNames:
    """The reader of names of variants of a genome with its annotation."""
    annotation = Annotation(subject.genome, intervals(subject, "CDS"), None, codon_table)
    files = dict.fromkeys(Path(track.source) for track in subject.tracks if track.type == "CDS")
    return VariantNames(annotation, sources=list(files))
