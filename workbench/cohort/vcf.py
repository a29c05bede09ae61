"""Variants of a cohort: VCF or BCF, checked against the reference, read window by window.

Records are applied as they are written, each where it stands, as ``bcftools consensus`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomic_models.dna import BASES
from workbench.cohort.variant_lines import FIXED, SITE, Line, VariantLines
from workbench.errors import InputError
from workbench.genome.windows import Sequences
from workbench.tracks.names import match_names
from workbench.tracks.renaming import advice, propose
from workbench.wording import listed, repeated

_LETTERS = frozenset(BASES + "N")
NO_ALLELE, NO_CALL = -2, -1
_SIMULATED = "##simulated="
_GENOTYPE = re.compile(r"[/|]?(?:[0-9]{1,4}|\.)(?:[/|](?:[0-9]{1,4}|\.))*")
# Alleles of a sample in one genotype, at most.
MOST_ALLELES = 255


class Record(NamedTuple):
    """One line of a VCF.

    start, end : 0-based half-open, of the REF allele; to INFO's END where an allele is symbolic
    alleles : REF, then ALT, upper case
    genotypes : int16 (n, ploidy), allele numbers; -1 no call, -2 no second allele (haploid)
    phased : bool (n)
    where : file, line where that is known, and place, for messages
    """

    chrom: str
    start: int
    end: int
    name: str
    alleles: tuple[str, ...]
    genotypes: np.ndarray
    phased: np.ndarray
    where: str

    def variant(self, allele: int) -> str:
        """``chrom:pos:ref:alt`` of an allele, position 1-based as in the file."""
        return f"{self.chrom}:{self.start + 1}:{self.alleles[0]}:{self.alleles[allele]}"


def check_samples(path: Path, samples: list[str]) -> list[str]:
    """The samples themselves; ``InputError`` for none, or for repeated ones."""
    if not samples:
        raise InputError(
            f"{path}: a VCF without samples; expected genotypes, one column a sample, after FORMAT"
        )
    if twice := repeated(samples):
        raise InputError(
            f"{path}: {len(twice):,} samples are there twice: {listed(twice)}; rename or remove one of each"
            " (bcftools reheader, bcftools view -s)"
        )
    return samples


class VariantFile:
    """A VCF or BCF, plain, bgzipped or indexed.

    Attributes
    ----------
    samples : list of str
        Those kept, in the order of the file.
    ploidy : int
        Alleles a sample in the first record that tells them: a lone ``.`` may stand for any number.
    simulated : str
        What the header says after ``##simulated=``; empty for real samples.
    note : str
        Records that lie on contigs which the genome does not have; empty for none.

    Parameters
    ----------
    path : Path
    keep : list of str, optional
        Samples to read; default all.
    contigs : mapping, optional
        The genome's contigs; without them only the samples are known.
    rename : mapping, optional
        Name in the file to name in the genome.

    Raises
    ------
    InputError
        A missing file, a malformed header, repeated samples, contigs that the genome does not have.
    """

    def __init__(
        self,
        path: Path,
        keep: list[str] | None = None,
        contigs: Mapping[str, int] | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._lines = VariantLines(path)
        place = {name: i for i, name in enumerate(check_samples(path, self._lines.samples))}
        kept = set(place if keep is None else keep)
        self.samples = [s for s in place if s in kept]
        self._columns = [len(FIXED) + place[s] for s in self.samples]
        marks = [h.removeprefix(_SIMULATED) for h in self._lines.header if h.startswith(_SIMULATED)]
        self.simulated = marks[0] if marks else ""
        self.ploidy = self._ploidy()
        self.note = ""
        self._names: dict[str, list[str]] | None = None
        if contigs is not None:
            matched, self.note = match_names(
                str(path), self._lines.contigs, list(contigs), rename or {}, "records",
                lambda: advice(propose(self._lines.told(), contigs, rename or {})),
            )  # fmt: skip
            self._names = {}
            for name, target in matched.items():
                self._names.setdefault(target, []).append(name)
                if found := self._lines.outside(name, contigs[target]):
                    raise InputError(
                        f"{found.where}: position {found.start + 1:,} of {name}; {target} has"
                        f" {contigs[target]:,} bases, so that the variants were called against something else"
                    )
            if not self._lines.contigs:
                raise InputError(f"{path}: no record in it: samples without variants are all alike")

    def _ploidy(self) -> int:
        lines = (line for line in self._lines.records() if _has_genotypes(line))
        found = (_genotypes(line, self._columns)[0] for line in lines)
        return next((calls.shape[1] for calls in found if calls.shape[1] > 1 or (calls >= 0).any()), 1)

    @property
    def indexed(self) -> bool:
        """Whether stretches can be fetched without reading the whole file."""
        return self._lines.indexed

    def read(self, chrom: str, start: int, end: int) -> Iterator[Record]:
        """Records that meet ``[start, end)``, in the order of the file.

        ``chrom`` is the genome's name; so is that of the records.
        """
        for name in [chrom] if self._names is None else self._names.get(chrom, ()):
            for line in self._lines.meeting(name, start, end):
                yield self._record(line, chrom)

    def _record(self, line: Line, chrom: str) -> Record:
        where = line.placed
        if not _has_genotypes(line):
            raise InputError(f"{where}: no GT field; expected a genotype for each sample")
        genotypes, phased = _genotypes(line, self._columns)
        wider = genotypes.shape[1] - self.ploidy
        if wider > 0:
            raise InputError(
                f"{where}: {genotypes.shape[1]} alleles a sample, {self.ploidy} in the first record; expected"
                " one ploidy throughout (bcftools +fixploidy mends it)"
            )
        if wider < 0:
            genotypes = np.pad(genotypes, ((0, 0), (0, -wider)), constant_values=NO_ALLELE)
        name, reference, alternatives = line.columns[2:5]
        others = alternatives.upper().split(",") if alternatives != "." else []
        alleles = (reference.upper(), *others)
        for allele in alleles:
            _check_allele(where, allele)
        if genotypes.max(initial=0) >= len(alleles):
            raise InputError(
                f"{where}: a genotype names allele {genotypes.max()}, of {len(others)} in ALT; the line is"
                " damaged"
            )
        name = "" if name == "." else name
        return Record(chrom, line.start, line.end, name, alleles, genotypes, phased, where)


def _has_genotypes(line: Line) -> bool:
    return "GT" in line.columns[len(SITE)].split(":")


def _genotypes(line: Line, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Alleles, int16 (n, the most of any sample), and whether all are phased, bool (n), of some columns."""
    keys = line.columns[len(SITE)].split(":")
    at = keys.index("GT")
    texts = [line.columns[c] for c in columns]
    if len(keys) > 1:
        # Fields at the end may be left out.
        texts = [(*t.split(":", at + 1), *"." * (at + 1))[at] for t in texts]
    different = list(dict.fromkeys(texts))
    parsed = [_parse_genotype(line.where, text) for text in different]
    alleles = np.full((len(parsed), max(len(p) for p in parsed)), NO_ALLELE, np.int16)
    for row, own in zip(alleles, parsed, strict=True):
        row[: len(own)] = own
    phased = np.array(["/" not in text and "|" in text for text in different])
    code = {text: i for i, text in enumerate(different)}
    codes = np.fromiter(map(code.__getitem__, texts), np.int64, len(texts))
    return alleles[codes], phased[codes]


def _parse_genotype(where: str, text: str) -> list[int]:
    alleles = text.lstrip("/|").replace("|", "/").split("/")
    if not _GENOTYPE.fullmatch(text):
        raise InputError(
            f"{where}: genotype {text[:40]!r}; expected numbers of alleles or ., as in 0/1 or 0|."
        )
    if len(alleles) > MOST_ALLELES:
        raise InputError(f"{where}: a genotype of {len(alleles):,} alleles; expected {MOST_ALLELES} at most")
    return [NO_CALL if a == "." else int(a) for a in alleles]


def _check_allele(where: str, allele: str) -> None:
    """Refuse letters that are no sequence; symbolic alleles and ``*`` are told apart later."""
    if allele and (
        allele == "*" or "<" in allele or "[" in allele or "]" in allele or set(allele) <= _LETTERS
    ):
        return
    raise InputError(
        f"{where}: allele {allele!r}; expected letters A, C, G, T, N, or *; a deletion is written with the"
        " base before it (bcftools norm -f REFERENCE mends older notations)"
    )


def symbolic(allele: str) -> bool:
    """Whether an allele stands for a sequence that is not written out (``<DEL>``, a breakend)."""
    return any(c in allele for c in "<[]")


def check_reference(record: Record, genome: Sequences) -> None:
    """Refuse a record whose REF is not what the genome has there, or lies past its contig's end."""
    length = genome.lengths[record.chrom]
    where = record.where
    if record.end > length:
        raise InputError(f"{where}: past the end of the contig, which has {length:,} bases")
    found = genome.fetch(record.chrom, record.start, record.start + len(record.alleles[0]))
    agree = all(a == b or b not in BASES for a, b in zip(record.alleles[0], found, strict=True))
    if not agree:
        raise InputError(
            f"{where}: REF is {record.alleles[0][:20]}, the genome has {found[:20]} there; give the reference"
            " that the variants were called against"
        )
