"""Variants of a cohort: VCF or BCF, checked against the reference, read window by window.

Records are applied as they are written, each where it stands, as ``bcftools consensus`` does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workbench.cohort.cohort import listed, repeated
from workbench.errors import InputError
from workbench.text import read_lines, suffix_of
from workbench.tracks.names import match_names
from workbench.windows import Sequences

FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
SUFFIXES = (".vcf", ".bcf")
_LETTERS = frozenset("ACGTN")
_KNOWN = frozenset("ACGT")
NO_ALLELE, NO_CALL = -2, -1
_SIMULATED = "##simulated="


class Record(NamedTuple):
    """One line of a VCF.

    start, end : 0-based half-open, of the REF allele
    alleles : REF, then ALT, upper case
    genotypes : int16 (n, ploidy), allele numbers; -1 no call, -2 no second allele (haploid)
    phased : bool (n)
    """

    chrom: str
    start: int
    end: int
    name: str
    alleles: tuple[str, ...]
    genotypes: np.ndarray
    phased: np.ndarray

    def variant(self, allele: int) -> str:
        """``chrom:pos:ref:alt`` of an allele, position 1-based as in the file."""
        return f"{self.chrom}:{self.start + 1}:{self.alleles[0]}:{self.alleles[allele]}"


def check_header(path: Path) -> list[str] | None:
    """Samples of a VCF's header, read as text; None for BCF, which is not text.

    Raises ``InputError`` for a first line that is not VCF, a ``#CHROM`` line that is missing, not separated
    by tabs or lacks columns, no samples, repeated samples, or a first record that does not fit.
    """
    if suffix_of(path) == ".bcf":
        return None
    header: list[str] | None = None
    for number, line in read_lines(path):
        where = f"{path}: line {number:,}"
        if number == 1 and not line.startswith("##fileformat=VCF"):
            raise InputError(
                f"{where}: found {line[:40]!r}; expected ##fileformat=VCF, the first line of a VCF"
            )
        if line.startswith("##"):
            continue
        if header is not None:
            if len(line.split("\t")) != len(header):
                raise InputError(
                    f"{where}: {len(line.split(chr(9)))} columns, the header has {len(header)}; expected tabs"
                    " between columns"
                )
            break
        header = line.split("\t")
        if tuple(header[: len(FIXED)]) != FIXED:
            found = f"{line[:60]!r}"
            spaced = line.split()[:8] == list(FIXED[:8])
            hint = (
                "its columns are separated by spaces, or FORMAT and samples are missing; write tabs"
                if spaced
                else "expected #CHROM POS ID REF ALT QUAL FILTER INFO FORMAT and samples"
            )
            raise InputError(f"{where}: malformed header {found}: {hint}")
    if header is None:
        raise InputError(f"{path}: no #CHROM line; expected a VCF with samples")
    return header[len(FIXED) :]


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
        Alleles a sample in the first record that has genotypes.
    simulated : str
        What the header says after ``##simulated=``; empty for real samples.

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
        if suffix_of(path) not in SUFFIXES:
            raise InputError(f"{path}: unknown kind of variants; expected .vcf, .vcf.gz or .bcf")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        header = check_header(path)
        if header is not None:
            check_samples(path, header)
        self._keep = keep
        file = self._open()
        self.samples = check_samples(path, list(file.samples))
        header_lines = str(file.raw_header).splitlines()
        marks = [h.removeprefix(_SIMULATED) for h in header_lines if h.startswith(_SIMULATED)]
        self.simulated = marks[0] if marks else ""
        self.ploidy = self._ploidy(file)
        self._names: dict[str, str] = {}
        if contigs is not None:
            counts = dict.fromkeys(self.contigs(), 1)
            matched, _ = match_names(str(path), counts, list(contigs), rename or {})
            self._names = {target: name for name, target in matched.items()}

    def _open(self) -> Any:
        from cyvcf2 import VCF

        # A contig without variants is nothing to warn of.
        warnings.filterwarnings("ignore", message="no intervals found", category=UserWarning)
        try:
            return VCF(str(self.path), samples=self._keep, gts012=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path}: cannot be read as VCF or BCF ({error}); check it with bcftools view -h"
            ) from None

    def _ploidy(self, file: Any) -> int:
        try:
            return next((row.genotype.array().shape[1] - 1 for row in file if row.genotype), 1)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: damaged in its first records ({error})") from None

    @property
    def indexed(self) -> bool:
        """Whether stretches can be fetched without reading the whole file."""
        return any(self.path.with_name(self.path.name + s).exists() for s in (".tbi", ".csi"))

    def read(self, chrom: str, start: int, end: int) -> Iterator[Record]:
        """Records whose REF allele meets ``[start, end)``, in the order of the file.

        ``chrom`` is the genome's name; so is that of the records.
        """
        # A contig that the header forgot is looked for under the genome's own name.
        name = self._names.get(chrom, chrom)
        file = self._open()
        rows = file(f"{name}:{start + 1}-{end}") if self.indexed else file
        try:
            for row in rows:
                if str(row.CHROM) == name and row.start < end and row.end > start:
                    yield self._record(row, chrom)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{self.path}: damaged at {chrom}:{start + 1}-{end} ({error})"
            ) from None

    def contigs(self) -> list[str]:
        """Contigs by the file's own names: of its header or index, else of its records."""
        file = self._open()
        named = list(file.seqnames)
        return named or list(dict.fromkeys(row.CHROM for row in file))

    def _record(self, row: Any, chrom: str) -> Record:
        where = f"{self.path}: {row.CHROM}:{row.POS}"
        calls = row.genotype
        if calls is None:
            raise InputError(f"{where}: no GT field; expected a genotype for each sample")
        array = calls.array()
        genotypes = array[:, :-1].astype(np.int16)
        wider = genotypes.shape[1] - self.ploidy
        if wider > 0:
            raise InputError(
                f"{where}: {genotypes.shape[1]} alleles a sample, {self.ploidy} in the first record; expected"
                " one ploidy throughout (bcftools +fixploidy mends it)"
            )
        if wider < 0:
            genotypes = np.pad(genotypes, ((0, 0), (0, -wider)), constant_values=NO_ALLELE)
        alleles = (row.REF.upper(), *(a.upper() for a in row.ALT))
        for allele in alleles:
            _check_allele(where, allele)
        return Record(
            chrom,
            int(row.start),
            int(row.start) + len(row.REF),
            row.ID or "",
            alleles,
            genotypes,
            array[:, -1].astype(bool),
        )


def _check_allele(where: str, allele: str) -> None:
    """Refuse letters that are no sequence; symbolic alleles and ``*`` are told apart later."""
    if allele == "*" or "<" in allele or "[" in allele or "]" in allele or set(allele) <= _LETTERS:
        return
    raise InputError(
        f"{where}: allele {allele!r}; expected letters A, C, G, T, N, or *; a deletion is written with the"
        " base before it (bcftools norm -f REFERENCE mends older notations)"
    )


def symbolic(allele: str) -> bool:
    """Whether an allele stands for a sequence that is not written out (``<DEL>``, a breakend)."""
    return any(c in allele for c in "<[]")


def check_reference(path: Path, record: Record, genome: Sequences) -> None:
    """Refuse a record whose REF is not what the genome has there, or lies past its contig's end."""
    length = genome.lengths[record.chrom]
    where = f"{path}: {record.chrom}:{record.start + 1}"
    if record.end > length:
        raise InputError(f"{where}: past the end of the contig, which has {length:,} bases")
    found = genome.fetch(record.chrom, record.start, record.end)
    agree = all(a == b or b not in _KNOWN for a, b in zip(record.alleles[0], found, strict=True))
    if not agree:
        raise InputError(
            f"{where}: REF is {record.alleles[0][:20]}, the genome has {found[:20]} there; give the reference"
            " that the variants were called against"
        )
