"""AnnData files (``.h5ad``), written with h5py by the format's specification.

The format is HDF5 with an encoding named on every element
(https://anndata.readthedocs.io/en/latest/fileformat-prose.html); writing it directly asks for no library that
a study does not need otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from workbench.files.atomic import write_atomic

TEXT = h5py.string_dtype("utf-8")


def write_anndata(
    path: Path, rows: Iterable[np.ndarray], obs: pd.DataFrame, var: pd.DataFrame, words: Mapping[str, str]
) -> None:
    """Write ``X`` float32 (observations, variables), given some rows at a time.

    Indices of ``obs`` and ``var`` have names; ``words`` go into ``uns``.
    """
    with write_atomic(path) as temporary, h5py.File(temporary, "w") as file:
        _encode(file, "anndata", "0.1.0")
        values = file.create_dataset("X", (len(obs), len(var)), np.float32)
        _encode(values, "array", "0.2.0")
        first = 0
        for some in rows:
            values[first : first + len(some)] = some
            first += len(some)
        _frame(file, "obs", obs)
        _frame(file, "var", var)
        for name in ("layers", "obsm", "varm", "obsp", "varp"):
            _encode(file.create_group(name), "dict", "0.1.0")
        uns = file.create_group("uns")
        _encode(uns, "dict", "0.1.0")
        for key, text in words.items():
            uns.create_dataset(key, data=text, dtype=TEXT)
            _encode(uns[key], "string", "0.2.0")


def _encode(element: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    element.attrs["encoding-type"] = kind
    element.attrs["encoding-version"] = version


def _array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    if values.dtype.kind in "OUS":
        texts = np.array([str(v) for v in values], dtype=object)
        group.create_dataset(name, data=texts, dtype=TEXT)
        _encode(group[name], "string-array", "0.2.0")
    else:
        group.create_dataset(name, data=values)
        _encode(group[name], "array", "0.2.0")


def _frame(file: h5py.File, name: str, table: pd.DataFrame) -> None:
    group = file.create_group(name)
    _encode(group, "dataframe", "0.2.0")
    # A slash in a name would be a group of its own.
    table = table.rename(columns=lambda column: str(column).replace("/", "|"))
    group.attrs["_index"] = table.index.name
    group.attrs.create("column-order", np.array(list(table.columns), dtype=object), dtype=TEXT)
    _array(group, str(table.index.name), table.index.to_numpy(dtype=object))
    for column in table:
        _array(group, str(column), _plain(table[column]))


def _plain(column: pd.Series) -> np.ndarray:
    """Numbers and booleans as they are; all else as text, missing entries empty."""
    kind = pd.api.types
    if kind.is_bool_dtype(column) or kind.is_numeric_dtype(column):
        found: np.ndarray = column.to_numpy()
        return found
    return column.astype(object).where(column.notna(), "").astype(str).to_numpy(object)
