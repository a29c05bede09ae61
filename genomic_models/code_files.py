"""Which files' code a model's name would run."""

from __future__ import annotations

import hashlib

from genomic_models.files import expanded
from genomic_models.released import snapshots_of


def code_files(name: str) -> dict[str, str]:
    """SHA-256, hex, of each Python file that a model's name would run, by path; empty where none is here.

    Of a repository of the Hugging Face hub those of the snapshots in the cache.
    """
    kind, _, place = name.partition(":")
    if kind == "file":
        found = [expanded(place)]
    elif kind == "hf":
        folder = expanded(place)
        roots = [folder] if folder.is_dir() else snapshots_of(place)
        found = [path for root in roots for path in sorted(root.glob("**/*.py"))]
    else:
        found = []
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}
