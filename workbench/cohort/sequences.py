"""FASTA per sample: which file belongs to whom, and where it differs from the reference."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench.cohort.align import Differences, find_differences
from workbench.cohort.calls import Call, Calls, Gap, merged, unwrapped
from workbench.cohort.samples import read_sample_table
from workbench.errors import InputError
from workbench.files.text import stem_of, suffix_of
from workbench.genome.reference import Genome

_FASTA = (".fa", ".fasta", ".fna")


def sequence_files(path: Path) -> dict[str, Path]:
    """Sample to FASTA: of a folder (named as its files) or of a table with columns ``sample, path``.

    Paths in a table are relative to the table. Raises ``InputError`` where there is none, a file is absent,
    or two files are of one sample.
    """
    if path.is_dir():
        files: dict[str, Path] = {}
        for file in sorted(p for p in path.iterdir() if suffix_of(p) in _FASTA):
            name = stem_of(file)
            if name in files:
                raise InputError(f"{path}: {files[name].name} and {file.name} are of one sample")
            files[name] = file
        if not files:
            raise InputError(f"{path}: no FASTA file in the folder; expected SAMPLE.fa for each")
        return files
    table = read_sample_table(path)
    if "path" not in table.columns:
        raise InputError(f"{path}: no column path; expected sample and path, or give a folder")
    files = {s: (path.parent / p) for s, p in zip(table["sample"], table["path"], strict=True)}
    absent = [f"{s} ({p})" for s, p in files.items() if not os.path.exists(p)]
    if absent:
        raise InputError(f"{path}: {len(absent):,} files are absent, first {absent[0]}")
    return files


@lru_cache(maxsize=8192)
def _differences(path: Path, cache: Path, chrom: str, reference: Genome) -> Differences:
    own = Genome(path, cache=cache)
    if chrom not in own.lengths:
        raise InputError(
            f"{path}: no contig {chrom}; it has {', '.join(list(own.lengths)[:6])}; expected the reference's"
            " names"
        )
    sequences = (g.fetch(chrom, 0, g.lengths[chrom]) for g in (reference, own))
    return find_differences(chrom, *sequences)


def sequence_calls(
    files: Mapping[str, Path], reference: Genome, cache: Path, chrom: str, start: int, end: int
) -> Calls:
    """Differences of samples from the reference over a window that may wrap around a circular contig.

    A contig of a sample is aligned once (see `workbench.cohort.align`). What is not known of it (letters
    other than A, C, G, T; stretches that do not align) is missing. Haploid. Raises ``InputError`` for a
    sample without the contig.
    """
    found = Calls(len(files), 1)
    parts = unwrapped(start, end, reference.lengths[chrom], chrom in reference.circular)
    for number, path in enumerate(files.values()):
        edits, gaps = _differences(path, cache, chrom, reference)
        carrier = np.array([number], np.int32)
        for lo, hi, shift in parts:
            found.calls += [Call(e.shifted(shift), carrier) for e in edits if e.inside(lo, hi)]
            found.gaps += [Gap(a + shift, b + shift, carrier) for a, b in gaps if a < hi and b > lo]
    found.calls = merged(found.calls)
    return found
