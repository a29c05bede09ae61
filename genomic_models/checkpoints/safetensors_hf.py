"""The files of Evo 1: safetensors, whole or in shards with an index, names prefixed ``backbone``.

The first upload of the two togethercomputer repositories (``main``, 1.0) has wrongly permuted projections,
and ``1.1_fix`` corrects it. Names, shapes and dtypes of the two are equal, so no reader can tell them
apart: take revision ``1.1_fix``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from genomic_models.checkpoints.vortex import tensors_only
from genomic_models.contract import ModelError
from genomic_models.files import read_json

PREFIX = "backbone."


def is_safetensors(path: Path) -> bool:
    """Whether ``path`` is a safetensors file: a length of 8 bytes, then a JSON header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32


def load_safetensors(path: Path) -> dict[str, object]:
    """All tensors of one safetensors file, on the CPU. Raises ``ModelError`` for a damaged one."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path}: cannot be read as safetensors ({error}); it is cut or damaged: download it again"
        ) from error


def is_index(path: Path) -> bool:
    """Whether ``path`` is an index of shards, by its name."""
    return path.is_file() and path.name.endswith(".safetensors.index.json")


def load_index(path: Path) -> dict[str, object]:
    """All tensors of the shards that an index names.

    Raises
    ------
    ModelError
        An index that cannot be read, a shard that is not there, or one without its tensors.
    """
    try:
        shards: dict[str, str] = read_json(path)["weight_map"]
        files = sorted(set(shards.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: not an index of safetensors shards ({type(error).__name__}: {error}); expected a"
            " JSON object with weight_map: download it again"
        ) from error
    absent = [name for name in files if not (path.parent / name).is_file()]
    if absent:
        raise ModelError(
            f"{path.parent / absent[0]}: shard missing ({len(absent)} of the {len(files)} that"
            f" {path.name} names): download all shards into one folder"
        )
    content: dict[str, object] = {}
    for name in files:
        content |= load_safetensors(path.parent / name)
    lost = [name for name in shards if name not in content]
    if lost:
        raise ModelError(
            f"{path}: tensor {lost[0]} should be in {shards[lost[0]]} and is not: index and shards are"
            " of different downloads"
        )
    return content


def is_evo1(names: set[str]) -> bool:
    """Whether these are names of the published Evo 1 files."""
    return f"{PREFIX}embedding_layer.weight" in names


def from_evo1(content: Mapping[str, object], source: str) -> dict[str, Tensor]:
    """Tensors under the network's names: the prefix goes."""
    return tensors_only({k.removeprefix(PREFIX): v for k, v in content.items()}, source)
