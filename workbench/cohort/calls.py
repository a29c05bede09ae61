"""Which haplotypes of a cohort carry which edits over a stretch of a contig; what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from workbench.cohort.edits import Edit, make_edit
from workbench.cohort.vcf import NO_ALLELE, NO_CALL, Record, VariantFile, check_reference, symbolic
from workbench.errors import InputError
from workbench.genome.windows import Sequences


class Call(NamedTuple):
    """An edit and the haplotypes that carry it: int32, numbered ``sample * ploidy + copy``."""

    edit: Edit
    carriers: np.ndarray


class Gap(NamedTuple):
    """Haplotypes whose letters over ``[start, end)`` are not known: int32."""

    start: int
    end: int
    haplotypes: np.ndarray


class Het(NamedTuple):
    """Samples heterozygous at ``[start, end)``, and those of them whose phase is not known: int32."""

    start: int
    end: int
    samples: np.ndarray
    unphased: np.ndarray


@dataclass
class Calls:
    """What a stretch of variants says.

    Attributes
    ----------
    n_samples, ploidy : int
        Samples; haplotypes a sample, the most that any has.
    absent : bool (n * ploidy)
        Haplotypes that a sample does not have (a haploid one among diploid ones).
    starred : int
        Alleles ``*``: bases that a deletion of another record took away.
    """

    n_samples: int
    ploidy: int
    calls: list[Call] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    hets: list[Het] = field(default_factory=list)
    absent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    starred: int = 0

    def __post_init__(self) -> None:
        if not self.absent.size:
            self.absent = np.zeros(self.n_samples * self.ploidy, bool)


def unwrapped(start: int, end: int, length: int, circular: bool) -> list[tuple[int, int, int]]:
    """Parts ``(start, end, shift)`` of a window on its contig; add the shift for the window's coordinate."""
    if not circular:
        return [(max(0, start), min(length, end), 0)]
    parts = []
    while start < end:
        lo = start % length
        size = min(length - lo, end - start)
        parts.append((lo, lo + size, start - lo))
        start += size
    return parts


def read_calls(file: VariantFile, genome: Sequences, chrom: str, start: int, end: int) -> Calls:
    """Read the variants of a window that may wrap around a circular contig.

    Every REF is compared with the genome. Raises ``InputError`` for a REF that differs and for a symbolic
    allele that a sample carries.
    """
    found = Calls(len(file.samples), file.ploidy)
    called = np.zeros(found.n_samples * found.ploidy, bool)
    short = called.copy()
    for lo, hi, shift in unwrapped(start, end, genome.lengths[chrom], chrom in genome.circular):
        for record in file.read(chrom, lo, hi):
            check_reference(record, genome)
            flat = record.genotypes.ravel()
            called |= flat >= 0
            short |= (flat == NO_ALLELE) & np.repeat(record.genotypes[:, 0] >= 0, found.ploidy)
            _add(found, file, record, shift)
    found.absent = short & ~called
    changing = np.flatnonzero(short & called).astype(np.int32)
    if changing.size:
        found.gaps.append(Gap(start, end, changing))
    return found


def _add(found: Calls, file: VariantFile, record: Record, shift: int) -> None:
    calls = record.genotypes
    start, end = record.start + shift, record.end + shift
    flat = calls.ravel()
    # A lone "." stands for all of a sample's alleles.
    unknown = (flat == NO_CALL) | np.repeat(calls[:, 0] == NO_CALL, found.ploidy)
    if unknown.any():
        found.gaps.append(Gap(start, end, np.flatnonzero(unknown).astype(np.int32)))
    for allele in range(1, len(record.alleles)):
        carriers = np.flatnonzero(flat == allele).astype(np.int32)
        if not carriers.size:
            continue
        letters = record.alleles[allele]
        if symbolic(letters):
            raise InputError(
                f"{record.where}: sample {file.samples[carriers[0] // found.ploidy]} carries the symbolic"
                f" allele {letters}, whose sequence is not given; write it out or leave it out"
                " (bcftools view -e 'ALT~\"<\"')"
            )
        if letters == "*":
            # The deletion that took this base away is a record of its own.
            found.starred += carriers.size
        elif "N" in letters:
            found.gaps.append(Gap(start, end, carriers))
        else:
            edit = make_edit(record.start, record.alleles[0], letters, record.variant(allele))
            found.calls.append(Call(edit.shifted(shift), carriers))
    if calls.shape[1] > 1:
        known = (calls >= 0).all(axis=1)
        het = known & (calls != calls[:, :1]).any(axis=1)
        if het.any():
            found.hets.append(
                Het(
                    start,
                    end,
                    np.flatnonzero(het).astype(np.int32),
                    np.flatnonzero(het & ~record.phased).astype(np.int32),
                )
            )


def phase_matters(calls: Calls, start: int, end: int) -> np.ndarray:
    """Bool (n): samples with two or more heterozygous sites in a window, one or more of them unphased."""
    sites, unphased = np.zeros(calls.n_samples, np.int32), np.zeros(calls.n_samples, bool)
    for het in calls.hets:
        if het.start < end and het.end > start:
            sites[het.samples] += 1
            unphased[het.unphased] = True
    return (sites > 1) & unphased


def missing_in(calls: Calls, start: int, end: int) -> np.ndarray:
    """Bool (n * ploidy): haplotypes with unknown letters in a window."""
    missing = np.zeros(calls.n_samples * calls.ploidy, bool)
    for gap in calls.gaps:
        if gap.start < end and gap.end > start:
            missing[gap.haplotypes] = True
    return missing


def merged(calls: Iterable[Call]) -> list[Call]:
    """Calls sorted by edit, those that do the same made one."""
    by_key: dict[tuple[int, int, str], Call] = {}
    for call in calls:
        other = by_key.get(call.edit.key)
        carriers = call.carriers if other is None else np.union1d(other.carriers, call.carriers)
        by_key[call.edit.key] = Call(other.edit if other else call.edit, carriers)
    return [by_key[key] for key in sorted(by_key)]
