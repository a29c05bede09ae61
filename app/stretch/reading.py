"""What is read: a pasted sequence or a place of the genome, its genes, and the model's reading of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st

from app.data.annotation import names, tracks
from app.data.study import Opened, key_of
from genomic_models.dna import IUPAC
from workbench import InputError
from workbench.browse.alleles import Allele, read_allele
from workbench.browse.found_genes import find_genes
from workbench.browse.pasted_sequence import LONGEST, Letters, Pasted, clean, read_stretch
from workbench.browse.places import read_place
from workbench.cohort.edits import Edit
from workbench.genome.interval import Interval
from workbench.genome.windows import Sequences
from workbench.judges.judge import NotJudged
from workbench.tracks.track import empty_intervals
from workbench.variants.consequence import Annotation
from workbench.variants.hgvs import VariantNames
from workbench.wording import bases, spoken

# Bases on each side of a change that is named before a sequence is given.
AROUND = 600
# Characters of what may be a name.
LONGEST_NAME = 40
_HEADER = re.compile(r">\s*([^\s>]{1,60})")
_BASES = re.compile(r"[A-Za-z\s\d]+")


class Source(NamedTuple):
    """What is read: ``letters`` of a pasted sequence, else a place of the study's genome."""

    locus: Interval
    letters: str = ""

    def genome(self, opened: Opened) -> Sequences:
        """Where its letters are fetched from."""
        return Letters(self.locus.chrom, self.letters) if self.letters else opened.study.genome

    def __str__(self) -> str:
        if self.letters:
            return f"{self.locus.chrom}, {bases(len(self.letters))}"
        return f"{spoken(*self.locus)} of the study's genome, {bases(self.locus.size)}"


def read_source(opened: Opened, text: str, here: str = "") -> Source:
    """What a reader typed: bases or FASTA, else a place as on the browse page; ``here``: contig in view.

    Raises ``InputError``, a sentence, for neither, and for more than is read.
    """
    text = text.strip()
    lettered = _BASES.fullmatch(text) and not text.isdecimal() and not _is_name(opened, text)
    if text.startswith(">") or lettered:
        header = _HEADER.match(text)
        letters = clean(text)
        return Source(Interval(header[1] if header else "pasted", 0, len(letters)), letters)
    return of_place(read_place(opened.study, text, names(opened), here))


def _is_name(opened: Opened, text: str) -> bool:
    """Whether letters name a contig or an interval, or are a part of a name that no sequence has."""
    if len(text) > LONGEST_NAME:
        return False
    known, word = names(opened)["word"], text.casefold()
    if opened.study.contigs.target(text) in opened.evidence.manifest.contigs or (known == word).any():
        return True
    other = set(text.upper()) - set(IUPAC)
    return any(map(str.isalpha, other)) and bool(known.str.contains(word, regex=False).any())


def of_place(locus: Interval) -> Source:
    """A place of the study's genome; ``InputError`` where it is longer than what is read."""
    if locus.size > LONGEST:
        raise InputError(
            f"{spoken(*locus)} has {bases(locus.size)}: at most {bases(LONGEST)} are read; choose a shorter"
            " stretch"
        )
    return Source(locus)


def around(opened: Opened, text: str) -> Source:
    """The place of the genome around changes that a reader named; ``InputError`` where they name none."""
    reader = _names(opened, key_of(opened))
    named = [reader.read(part).variant for part in re.split(r"[,;\s]+", text.strip()) if part]
    chroms = {variant.chrom for variant in named}
    if len(chroms) > 1:
        raise InputError(f"changes on {len(chroms)} contigs: name those of one, or give the sequence")
    chrom = chroms.pop()
    start = max(0, min(v.start for v in named) - AROUND)
    end = max(v.start + len(v.reference) for v in named) + AROUND
    return of_place(Interval(chrom, start, min(end, opened.study.genome.lengths[chrom])))


@st.cache_resource(max_entries=4, show_spinner="Reading the coding sequences of the annotation")
def _names(_opened: Opened, key: tuple[str, ...]) -> VariantNames:
    study = _opened.study
    coding = [track.intervals for track in tracks(_opened).result() if track.type == "CDS"]
    table = pd.concat(coding, ignore_index=True) if coding else None
    files = [Path(study.resolve(path)) for path in study.config.input.tracks]
    return VariantNames(Annotation(study.genome, table, None), sources=files)


class Genes(NamedTuple):
    """Genes found in a pasted sequence, and why there are none where they were not looked for."""

    table: pd.DataFrame
    why_not: str = ""


@st.cache_data(max_entries=16, show_spinner="Looking for genes")
def found_genes(source: Source) -> Genes:
    """Genes of a pasted sequence."""
    try:
        return Genes(find_genes(Letters(source.locus.chrom, source.letters)))
    except NotJudged as reason:
        return Genes(empty_intervals(), str(reason))


def changes(opened: Opened, source: Source, text: str) -> Allele:
    """The allele that a reader typed; ``InputError``, a sentence, for what cannot be."""
    reader = _names(opened, key_of(opened))
    if source.letters:
        reader = VariantNames(Annotation(source.genome(opened), found_genes(source).table, None))
    reader = VariantNames(reader.annotation, source.locus.chrom, reader.sources)
    return read_allele(text, reader, source.locus)


def consequences(opened: Opened, source: Source, allele: Allele) -> list[str]:
    """What each change does to a protein, in words, of those that touch a coding sequence."""
    annotation = _names(opened, key_of(opened)).annotation
    if source.letters:
        annotation = Annotation(source.genome(opened), found_genes(source).table, None)
    found = [annotation.consequence(variant) for variant in allele.variants]
    return [f"{c.gene} {c.protein or c.kind}".replace("_", " ") for c in found if c.gene]


@st.cache_resource(max_entries=8, show_spinner=False)
def _read(_opened: Opened, key: tuple[str, ...], source: Source, edits: tuple[Edit, ...]) -> Pasted:
    bar = st.progress(0.0, "The model reads the sequence on both strands")

    def told(done: int, windows: int) -> None:
        bar.progress(done / windows, f"The model has read {done:,} of {windows:,} windows")

    try:
        return read_stretch(_opened.study, source.genome(_opened), source.locus, edits, told)
    finally:
        bar.empty()


def read(opened: Opened, source: Source, edits: list[Edit] | None = None) -> Pasted:
    """The model's reading of a sequence, or of an allele of it, kept for all pages."""
    return _read(opened, key_of(opened), source, tuple(edits or ()))
