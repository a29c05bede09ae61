"""Named arrays in one file, written atomically and read without pickle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import check_file

Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as npz, compressed at zlib's fastest level, which NumPy's own writer does not offer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=1) as file:
        for name, array in arrays.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, np.asanyarray(array), allow_pickle=False)


def add_arrays(a: Arrays, b: Arrays) -> Arrays:
    """Sum of two sets of arrays, name by name; a name that one lacks counts as zero there."""
    total = dict(a)
    for name, values in b.items():
        total[name] = total[name] + values if name in total else values
    return total


def read_arrays(path: Path, names: Collection[str] | None = None) -> Arrays:
    """Read arrays, all of a file or those named; ``InputError`` where one is missing or damaged."""
    check_file(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if names is None else names)}
    except Exception as error:  # damage ends the reading of a zip in errors of many classes
        raise InputError(f"{path}: not a readable work file ({error}); run again with --force") from None
