"""Reading a checkpoint whatever its layout: the container is told by its bytes, the names by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from genomic_models.checkpoints.layout import check
from genomic_models.checkpoints.safetensors_hf import (
    from_evo1,
    is_evo1,
    is_index,
    is_safetensors,
    load_index,
    load_safetensors,
)
from genomic_models.checkpoints.savanna import from_savanna, is_savanna
from genomic_models.checkpoints.vortex import from_vortex, is_archive, is_vortex, load_archive
from genomic_models.contract import ModelError
from genomic_models.striped_hyena.config import StripedHyenaConfig


class Container(NamedTuple):
    """A kind of file: how it is recognised and read."""

    name: str
    recognise: Callable[[Path], bool]
    load: Callable[[Path], dict[str, object]]


class Layout(NamedTuple):
    """A way of naming tensors: how it is recognised and brought to the network's names."""

    name: str
    recognise: Callable[[set[str]], bool]
    convert: Callable[[Mapping[str, object], str], dict[str, Tensor]]


CONTAINERS = (
    Container("PyTorch archive (.pt, .pt.partN)", is_archive, load_archive),
    Container("safetensors index", is_index, load_index),
    Container("safetensors file", is_safetensors, load_safetensors),
)
LAYOUTS = (
    Layout("Evo 1 (backbone.)", is_evo1, from_evo1),
    Layout("Savanna (sequential.)", is_savanna, from_savanna),
    Layout("vortex (blocks.)", is_vortex, from_vortex),
)
# What a folder is searched for, in this order.
ENTRIES = ("model.safetensors.index.json", "model.safetensors", "*.pt", "*.pt.part0")


def read_checkpoint(path: str | Path, config: StripedHyenaConfig) -> dict[str, Tensor]:
    """Read the tensors of a network from a checkpoint of any known layout.

    Parameters
    ----------
    path : path
        File, piece (``.partN``), index of shards, or folder that holds one of them.
    config : StripedHyenaConfig
        The architecture that the checkpoint should have.

    Returns
    -------
    dict of str to Tensor
        Exactly the tensors of ``layout.expected_tensors``, on the CPU, in the dtypes of the file.

    Raises
    ------
    ModelError
        Nothing there, an unknown or damaged file, a pickle that would run code, or tensors that
        do not fit the configuration.
    """
    return check(read_tensors(path), config, str(path))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint under the network's names, unchecked. Raises as ``read_checkpoint``."""
    entry = find_entry(Path(path))
    container = next((c for c in CONTAINERS if c.recognise(entry)), None)
    if container is None:
        raise ModelError(_unknown_file(entry))
    content = container.load(entry)
    names = {str(name) for name in content}
    layout = next((known for known in LAYOUTS if known.recognise(names)), None)
    if layout is None:
        raise ModelError(
            f"{entry}: no layout of an Evo model: found {', '.join(sorted(names)[:3]) or 'nothing'};"
            f" expected names of one of {', '.join(known.name for known in LAYOUTS)}"
        )
    return layout.convert(content, str(entry))


def find_entry(path: Path) -> Path:
    """The file to begin with: ``path``, or the checkpoint in that folder.

    Raises ``ModelError`` for a folder with none, or with several of one kind.
    """
    if not path.is_dir():
        return path
    for pattern in ENTRIES:
        found = sorted(path.glob(pattern))
        if len(found) > 1:
            raise ModelError(
                f"{path}: holds several checkpoints ({', '.join(p.name for p in found)}): name the file"
            )
        if found:
            return found[0]
    raise ModelError(f"{path}: no checkpoint in this folder; expected one of {', '.join(ENTRIES)}")


def _unknown_file(path: Path) -> str:
    if not path.is_file():
        return f"{path}: no such file: expected a checkpoint"
    with path.open("rb") as file:
        head = file.read(40)
    if head.startswith(b"version https://git-lfs"):
        return f"{path}: a Git LFS pointer, not the weights: fetch the file itself (`git lfs pull`)"
    known = ", ".join(container.name for container in CONTAINERS)
    return (
        f"{path}: begins with {head[:12]!r} ({path.stat().st_size:,} bytes): expected one of {known};"
        " a bare pickle is never read, because it could run code"
    )
