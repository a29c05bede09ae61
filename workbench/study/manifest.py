"""What a study was made from: the provenance lock.

Written once by the first stage and compared with what is there at every later run: other inputs, another
model, layer or window under the same folder are refused with both values.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, get_type_hints

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import read_facts, restore
from workbench.files.hashing import sha256_of
from workbench.files.text import check_file
from workbench.genome.interval import Block, Interval
from workbench.genome.splits import CODES

PACKAGES = ("genomics-workbench", "torch", "numpy", "scipy", "pandas", "scikit-learn", "h5py")
# Key of the hash of everything else in the file.
_SEAL = "sha256"
# What to do about a difference, where no more is known.
PUT_BACK = "put the former back"
# Keys that every file has.
_NEEDED = {"windows": ("window", "warmup"), "inputs": ("genome",)}


@dataclass(frozen=True)
class InputFile:
    """A file that went in: absolute path, size, SHA-256 of its bytes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ModelLock:
    """The probed model: what every number of the study was read from.

    Attributes
    ----------
    name, weights_hash, layer, dtype : str
    d_model : int
        Numbers a base at the layer.
    context : int
        Bases that the model reads at once, at most.
    pretraining : str
        What it was trained on, in words.
    """

    name: str
    weights_hash: str
    layer: str
    d_model: int
    dtype: str
    context: int
    pretraining: str

    @property
    def shown_name(self) -> str:
        """Name of the model as pages and exports show it (`shown_model`)."""
        return shown_model(self.name)


@dataclass(frozen=True)
class Manifest:
    """Facts that every output of the study depends on; contigs in the order of the genome's file.

    Attributes
    ----------
    model : ModelLock
    windows, seeds : dict
        Settings, as in ``study.toml``.
    contigs : dict of str to int
        Lengths.
    circular : list of str
    inputs : dict of str to InputFile
        By ``genome``, ``track:PATH``, ``regions``.
    split : list of Block
    shards : list of Interval
        Shard ``i`` is entry ``i``.
    versions : dict
    """

    model: ModelLock
    windows: dict[str, int]
    contigs: dict[str, int]
    circular: list[str]
    inputs: dict[str, InputFile]
    split: list[Block]
    shards: list[Interval]
    seeds: dict[str, int]
    versions: dict[str, str]

    def blocks(self, split: str) -> list[Block]:
        """Blocks of one part of the split, in the order of the genome."""
        return [block for block in self.split if block.split == split]

    def _holds(self, stretch: Interval | Block) -> bool:
        """Whether a stretch lies on a contig, and if it is a block is of a part of the split."""
        inside = 0 <= stretch.start < stretch.end <= self.contigs.get(stretch.chrom, 0)
        return inside and (not isinstance(stretch, Block) or stretch.split in CODES)

    def _values(self) -> dict[str, Any]:
        """As it stands in the file: intervals are objects."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "model": asdict(self.model),
            "inputs": {name: asdict(file) for name, file in self.inputs.items()},
            "split": [block._asdict() for block in self.split],
            "shards": [stretch._asdict() for stretch in self.shards],
        }

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything but the versions."""
        return _digest({k: v for k, v in self._values().items() if k != "versions"})

    def write(self, path: Path) -> None:
        """Write as JSON with a hash of all of it, atomically; contigs stay in their order."""
        values = self._values()
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(values | {_SEAL: _digest(values)}, indent=1))

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read; ``InputError`` where the file is missing, damaged or of a newer version."""
        if not path.exists():
            raise InputError(
                f"{path.parent}: the study has not been planned yet; run `workbench run {path.parent}`"
            )
        try:
            values = read_facts(path)
        except InputError as error:
            raise InputError(f"{error}: damaged manifest; run with --force plan") from None
        # Manifests of older versions have none.
        seal = values.pop(_SEAL, None)
        known = get_type_hints(cls)
        if newer := sorted(set(values) - set(known)):
            raise InputError(
                f"{path}: made by a newer version of the workbench, which knows {', '.join(newer)}; open it"
                " with that version, or run with --force plan"
            )
        found = {name: restore(values.get(name), kind) for name, kind in known.items()}
        for name, value in found.items():
            if value is None or any(key not in value for key in _NEEDED.get(name, ())):
                raise InputError(
                    f"{path}: damaged manifest: {name} is {str(values.get(name))[:40]}; run with --force plan"
                )
        made = cls(**found)
        for name, stretches in (("split", made.split), ("shards", made.shards)):
            if strange := next((s for s in stretches if not made._holds(s)), None):
                raise InputError(
                    f"{path}: damaged manifest: {name} has {strange}, which is no part of the genome;"
                    " run with --force plan"
                )
        if seal not in (None, _digest(made._values())):
            raise InputError(f"{path}: damaged manifest: not what was written; run with --force plan")
        return made


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def shown_model(name: str) -> str:
    """Name of a model; of a local folder only its own name, not where it lies."""
    local = name.removeprefix("hf:")
    repository = local != name and local.count("/") == 1 and not local.startswith((".", "/", "~"))
    return name if repository or "/" not in local else PurePath(local).name


def hash_file(path: Path) -> InputFile:
    """Size and SHA-256 of a file's bytes, streamed."""
    check_file(path)
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return InputFile(str(path), path.stat().st_size, digest)


def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def installed() -> dict[str, str]:
    """Versions that must agree between driver and workers."""
    return {"python": ".".join(platform.python_version_tuple()[:2])} | versions()


def refuse_difference(what: str, locked: object, found: object, folder: Path, back: str = PUT_BACK) -> None:
    """Raise ``InputError`` with both values where ``found`` is not what the study was made with.

    ``back``: what the user can do to have it again.
    """
    if locked != found:
        raise InputError(
            f"{folder}: {what} does not belong to this study: it was made with {locked}, found {found};"
            f" {back}, or start over with `workbench run {folder} --force plan`"
        )
