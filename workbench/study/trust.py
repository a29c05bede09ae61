"""Settings of a study that run something on this machine, and whether its user agreed to them.

A study is a folder that one may have received. Shell lines, programs and options for a scheduler in its
settings, and code that comes with a model, take effect only once the user of this machine has accepted them
(``workbench trust``). What was accepted is kept with the user's own settings, by folder, as a hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from genomic_models.code_files import code_files
from workbench.errors import InputError
from workbench.files.facts import fits, read_facts, write_facts
from workbench.study.config import JobConfig, ModelConfig

# Keys of ``[jobs]`` whose values a job runs, hands to the scheduler, or tells of itself.
JOB_KEYS = ("setup", "extra", "python", "container", "mail")


def risky_jobs(settings: JobConfig) -> dict[str, Any]:
    """What a job of these settings would run, by key; empty for nothing."""
    return {f"[jobs] {key}": getattr(settings, key) for key in JOB_KEYS if getattr(settings, key)}


def risky_model(settings: ModelConfig) -> dict[str, Any]:
    """Model whose own code would run, and the SHA-256 of each file of it here, by key; empty for none."""
    if not settings.trust_remote_code:
        return {}
    hashes = {f"sha256 of {path}": digest for path, digest in code_files(settings.name).items()}
    return {"[model] trust_remote_code": True, "[model] name": settings.name} | hashes


def foreign_owner(folder: Path) -> str:
    """Name (or number) of the user that a folder belongs to; empty where it is this one."""
    owner = folder.stat().st_uid
    if owner == os.geteuid():
        return ""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"


def accept(folder: Path, found: Mapping[str, Any]) -> None:
    """Note that the user of this machine agrees to these settings in this folder."""
    known = _known()
    hashes = known.setdefault(str(folder.resolve()), [])
    if _hash(found) not in hashes:
        hashes.append(_hash(found))
        write_facts(_place(), known)


def refuse_untrusted(folder: Path, found: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for settings that were not accepted for this folder on this machine."""
    if found and _hash(found) not in _known().get(str(folder.resolve()), []):
        raise InputError(
            f"{folder}: its settings would run commands or code here ({', '.join(found)}); see them with"
            f" `workbench trust {folder}`, and accept them with --accept if they are yours"
        )


def _hash(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _place() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "genomics-workbench" / "trusted.json"


def _known() -> dict[str, list[str]]:
    with suppress(InputError):
        return {k: v for k, v in read_facts(_place()).items() if fits(v, list[str])}
    return {}
