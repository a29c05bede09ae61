"""FASTA per sample: which file belongs to whom."""

from __future__ import annotations

from pathlib import Path

from workbench.cohort.cohort import read_sample_table
from workbench.errors import InputError
from workbench.text import stem_of, suffix_of

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
