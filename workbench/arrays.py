"""Named arrays in one file, written atomically and read without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.atomic import write_atomic
from workbench.errors import InputError


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as compressed npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays; ``InputError`` where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a readable work file ({error}); run again with --force"
        ) from None
