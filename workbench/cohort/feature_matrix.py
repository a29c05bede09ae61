"""A ready table of samples and features in place of haplotypes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.samples import MISSING, read_sample_table, refuse_codes
from workbench.errors import InputError


class Matrix(NamedTuple):
    """A ready table. ``values`` float64 (n, m), NaN missing; ``features`` names of its columns."""

    samples: list[str]
    features: list[str]
    values: np.ndarray


def read_feature_matrix(path: Path, missing: Sequence[str] = ()) -> Matrix:
    """Read a table of samples x features: a column ``sample``, all others numbers, ``NA`` or ``missing``.

    Raises ``InputError`` as `read_sample_table`, and for text (the line, the column and what was found).
    """
    table = read_sample_table(path)
    columns = table.drop(columns="sample")
    if columns.empty or not len(columns.columns):
        raise InputError(f"{path}: no features; expected numbers in columns besides sample")
    absent = columns.isin(MISSING.union(missing))
    for name, column in columns.items():
        refuse_codes(f"{path}: feature {name}", column, missing)
    values = columns.mask(absent).apply(pd.to_numeric, errors="coerce")
    strange = ~np.isfinite(values) & ~absent
    if strange.to_numpy().any():
        row, column = (int(a[0]) for a in np.nonzero(strange.to_numpy()))
        raise InputError(
            f"{path}: line {table.index[row]}: feature {columns.columns[column]} is"
            f" {columns.iat[row, column]!r}; expected a number or NA"
        )
    return Matrix(list(table["sample"]), list(columns.columns), values.to_numpy(np.float64))
