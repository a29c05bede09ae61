"""Hashes of a study's input files beside those that the manifest locks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from workbench.cohort.sequences import sequence_files
from workbench.study.config import COHORT_FILES
from workbench.study.manifest import hash_file
from workbench.study.study import Study


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed: int) -> str:
    return hash_file(path).sha256


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of the FASTA files of a folder or list; read once while it does not change."""
    if path.is_dir():
        return " ".join(file_hash(p) for p in sequence_files(path).values())
    stat = path.stat() if path.exists() else None
    return _hash(path, stat.st_size if stat else 0, stat.st_mtime_ns if stat else 0)


def cohort_files(study: Study) -> dict[str, str]:
    """Key of ``[cohort]`` to hash, for the files that are given."""
    given = study.config.cohort
    return {key: file_hash(study.resolve(getattr(given, key))) for key in COHORT_FILES if getattr(given, key)}
