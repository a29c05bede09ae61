"""What a study was made from: the provenance lock.

Written once by the first stage and compared with what is there at every later run: other inputs, another
model, layer or window under the same folder are refused with both values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

from workbench.atomic import write_atomic
from workbench.errors import InputError

PACKAGES = ("genomics-workbench", "torch", "numpy", "scipy", "pandas", "scikit-learn", "h5py")


@dataclass(frozen=True)
class InputFile:
    """A file that went in: absolute path, size, SHA-256 of its bytes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Facts that every output of the study depends on.

    Attributes
    ----------
    model : dict
        ``name, weights_hash, layer, d_model, dtype, context, tokenizer, pretraining``.
    windows, sae, seeds : dict
        Settings, as in ``study.toml``.
    contigs : dict of str to int
        Lengths.
    circular : list of str
    inputs : dict of str to dict
        ``genome``, ``track:PATH``, ``regions`` to ``InputFile``.
    split : list of dict
        Blocks ``chrom, start, end, split``.
    shards : list of dict
        ``chrom, start, end``; shard ``i`` is entry ``i``.
    versions : dict
    """

    model: dict[str, Any]
    windows: dict[str, Any]
    contigs: dict[str, int]
    circular: list[str]
    inputs: dict[str, dict[str, Any]]
    split: list[dict[str, Any]]
    shards: list[dict[str, Any]]
    seeds: dict[str, int]
    versions: dict[str, str]

    @property
    def model_name(self) -> str:
        """Name of the model as pages and exports show it (`shown_model`)."""
        return shown_model(str(self.model["name"]))

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the versions."""
        values = {k: v for k, v in asdict(self).items() if k != "versions"}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1, sort_keys=True))

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read; ``InputError`` where the file is missing or damaged."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            raise InputError(
                f"{path.parent}: the study has not been planned yet; run `workbench run {path.parent}`"
            ) from None
        except (json.JSONDecodeError, TypeError) as error:
            raise InputError(f"{path}: damaged manifest ({error}); run with --force plan") from None


def shown_model(name: str) -> str:
    """Name of a model; of a local folder only its own name, not where it lies."""
    local = name.removeprefix("hf:")
    repository = local != name and local.count("/") == 1 and not local.startswith((".", "/", "~"))
    return name if repository or "/" not in local else PurePath(local).name


def hash_file(path: Path) -> InputFile:
    """Size and SHA-256 of a file's bytes, streamed."""
    try:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
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


def refuse_difference(what: str, locked: object, found: object, folder: Path) -> None:
    """Raise ``InputError`` with both values where ``found`` is not what the study was made with."""
    if locked != found:
        raise InputError(
            f"{folder}: {what} does not belong to this study: it was made with {locked}, found {found};"
            f" put the former back, or start over with `workbench run {folder} --force plan`"
        )
