"""The files of a model, fetched from the Hugging Face hub: resumed, of a stated revision, checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from genomic_models.contract import ModelError
from genomic_models.files import expanded
from genomic_models.released import RELEASED, ReleasedModel
from workbench.errors import InputError
from workbench.files.download import download_shown
from workbench.files.hashing import sha256_of
from workbench.files.text import read_text
from workbench.interruption import heed
from workbench.progress import Progress

# What a checkpoint is read from; programs of a repository are left where they are. Weights that PyTorch saved
# come where a repository has no others.
DATA = ["*.safetensors", "*.json", "*.txt", "*.model"]
SAVED = "pytorch_model.bin"
_COMMIT = re.compile(r"[0-9a-f]{8}")


def get_model(name: str, folder: Path | None, progress: Progress) -> Path:
    """Fetch a released model, or ``hf:OWNER/NAME`` and ``hf:OWNER/NAME@REVISION``; returns where it lies.

    A released model goes into a folder of its name under ``folder``, by default what ``WORKBENCH_MODELS``
    names, and is compared with the published size and SHA-256; others go into the cache of the Hugging Face
    hub, by its own library (extra ``hf``), and are compared with the hashes that the hub gives.
    ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN`` goes along.

    Raises ``InputError`` for a server that cannot be reached or refuses, naming the files and where to put
    them, and for files that are not those that were published; ``ModelError`` for an unknown model.
    """
    if name.startswith("hf:"):
        return _from_hub(name.removeprefix("hf:"))
    if name not in RELEASED:
        raise ModelError(f"unknown model {name!r}: expected {', '.join(RELEASED)}, or hf:OWNER/NAME")
    chosen = folder or os.environ.get("WORKBENCH_MODELS")
    if not chosen:
        raise InputError("say where models go: --folder FOLDER, or set WORKBENCH_MODELS")
    model, place = RELEASED[name], expanded(chosen) / name
    try:
        files = [_fetch(model, file, place, progress) for file in model.files]
        if len(files) == 1 and files[0].suffix == ".json":
            files = [_fetch(model, shard, place, progress) for shard in _shards(files[0])]
    except InputError as error:
        raise InputError(f"{error}; by hand: {model.by_hand(place)}") from None
    _check(model, files)
    return place


def address(model: ReleasedModel, file: str) -> str:
    """Where a file of a released model is fetched from."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    # The hub knows commits by their whole name alone; what comes is checked by its hash.
    revision = "main" if _COMMIT.fullmatch(model.revision) else model.revision
    return f"{endpoint}/{model.repository}/resolve/{revision}/{file}"


def _fetch(model: ReleasedModel, file: str, place: Path, progress: Progress) -> Path:
    path = place / file
    if path.exists():
        return path
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    download_shown(address(model, file), path, f"fetching {file}", progress, headers)
    return path


def _shards(index: Path) -> list[str]:
    """Names of the files that an index of safetensors lists."""
    try:
        names = sorted(set(json.loads(read_text(index))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        index.unlink()
        raise InputError(f"{index}: is no index of safetensors; fetch it again") from None
    if not all(isinstance(name, str) and re.fullmatch(r"[\w.-]+\.safetensors", name) for name in names):
        raise InputError(f"{index}: lists something other than safetensors beside it")
    return names


def _check(model: ReleasedModel, files: list[Path]) -> None:
    """Raise ``InputError`` where files together have not the published size and hash."""
    size = sum(path.stat().st_size for path in files)
    if model.bytes and size != model.bytes:
        raise InputError(
            f"{files[0].parent}: {size:,} bytes, {model.bytes:,} were published; remove what is there and"
            " fetch it again"
        )
    if not model.sha256_prefix:
        return
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb", buffering=0) as handle:
            while piece := handle.read(1 << 22):
                heed()
                digest.update(piece)
    found = digest.hexdigest()
    if not found.startswith(model.sha256_prefix):
        raise InputError(
            f"{files[0].parent}: SHA-256 begins with {found[:16]}, that of the published file with"
            f" {model.sha256_prefix}; remove what is there and fetch it again"
        )


def _check_blobs(place: Path) -> None:
    """Raise ``InputError`` where a file of the hub's cache has not the hash that the hub says it has.

    The cache names what it holds by that hash: SHA-256 of large files, Git's of small ones. A file that has
    another is removed from it.
    """
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        blob = path.resolve()
        if len(blob.name) == 64:
            found = sha256_of(blob)
        elif len(blob.name) == 40:
            content = blob.read_bytes()
            head = f"blob {len(content)}\0".encode()
            found = hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
        else:
            continue  # a cache without links, on a system that has none
        if found != blob.name:
            blob.unlink()
            path.unlink(missing_ok=True)
            raise InputError(f"{path}: its hash is {found}, the hub says {blob.name}; fetch it again")


def _from_hub(repository: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download, snapshot_download  # an extra
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # of the same extra
    except ImportError:
        raise InputError("hf: models need the extra `hf`: pip install 'genomics-workbench[hf]'") from None
    owner, _, revision = repository.partition("@")
    try:
        place = Path(snapshot_download(owner, revision=revision or None, allow_patterns=DATA))
        if not list(place.glob("*.safetensors")):
            hf_hub_download(owner, SAVED, revision=place.name)  # its commit
        _check_blobs(place)
        return place
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError, OSError) as error:
        cause = str(error).strip().splitlines()[0]
        raise InputError(
            f"hf:{repository}: {cause}; without a way to the hub, copy config.json, tokenizer*.json, vocab.*"
            f" and model*.safetensors (or {SAVED}) of huggingface.co/{owner} into a folder and use --model"
            " hf:FOLDER"
        ) from None
