"""Which files' code a model's name would run."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from genomic_models.files import expanded
from genomic_models.released import snapshots_of


def code_files(name: str) -> dict[str, str]:
    """SHA-256, hex, of each Python file that a model's name would run, by path; empty where none is here.

    Of a repository of the Hugging Face hub those of the snapshots in the cache. Settings that name classes of
    code (``auto_map``) count too, and the snapshots of other repositories that they name.
    """
    kind, _, place = name.partition(":")
    if kind == "file":
        found = [expanded(place)]
    elif kind == "hf":
        folder = expanded(place)
        roots = [folder] if folder.is_dir() else snapshots_of(place)
        settings = [path for root in roots for path in sorted(root.glob("*config.json")) if _names(path)]
        others = sorted({name for path in settings for name in _names(path) if name})
        roots = [*roots, *(snapshot for other in others for snapshot in snapshots_of(other))]
        found = [*settings, *(path for root in roots for path in sorted(root.glob("**/*.py")))]
    else:
        found = []
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def _names(settings: Path) -> list[str]:
    """Repositories whose code settings name, as ``OWNER/NAME--file.Class``; "" for the repository's own."""
    try:
        text = json.dumps(json.loads(settings.read_text()))  # letters may have been written as escapes
    except (OSError, ValueError, RecursionError):
        return []
    return [""] * ("auto_map" in text) + re.findall(r'"([\w.-]+/[\w.-]+?)--', text)
