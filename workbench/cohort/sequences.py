"""FASTA per sample: which file belongs to whom, and where it differs from the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.cohort.calls import Call, Calls, Gap, merged, unwrapped
from workbench.cohort.cohort import read_sample_table
from workbench.cohort.edits import Edit
from workbench.errors import InputError
from workbench.genome import Genome
from workbench.text import stem_of, suffix_of
from workbench.windows import Sequences

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
    absent = [f"{s} ({p})" for s, p in files.items() if not p.exists()]
    if absent:
        raise InputError(f"{path}: {len(absent):,} files are absent, first {absent[0]}")
    return files


def sequence_calls(
    files: Mapping[str, Path],
    reference: Sequences,
    cache: Path,
    chrom: str,
    start: int,
    end: int,
) -> Calls:
    """Differences of samples from the reference over a window that may wrap around a circular contig.

    Sequences stand on the reference's coordinates, as ``bcftools consensus`` writes them for substitutions.
    A letter other than A, C, G, T where the reference has one is not known. Haploid.

    Raises ``InputError`` for a sample without the contig, or with one of another length.
    """
    found = Calls(len(files), 1)
    length = reference.lengths[chrom]
    for number, (sample, path) in enumerate(files.items()):
        own = Genome(path, cache=cache)
        if own.lengths.get(chrom) != length:
            has = f"{own.lengths[chrom]:,} bases" if chrom in own.lengths else "is not there"
            raise InputError(
                f"{path}: sample {sample}: contig {chrom} {has}, the reference has {length:,}; expected a"
                " sequence on the reference's coordinates; give insertions and deletions as a VCF"
            )
        carrier = np.array([number], np.int32)
        for lo, hi, shift in unwrapped(start, end, length, chrom in reference.circular):
            theirs, ours = (
                np.frombuffer(source.fetch(chrom, lo, hi).encode(), np.uint8)
                for source in (own, reference)
            )
            for at in np.flatnonzero(theirs != ours):
                place, letter = lo + int(at), chr(theirs[at])
                if chr(ours[at]) not in "ACGT":
                    continue
                if letter not in "ACGT":
                    found.gaps.append(Gap(place + shift, place + shift + 1, carrier))
                    continue
                name = f"{chrom}:{place + 1}:{chr(ours[at])}:{letter}"
                edit = Edit(place, place + 1, letter, name).shifted(shift)
                found.calls.append(Call(edit, carrier))
    found.calls = merged(found.calls)
    return found
