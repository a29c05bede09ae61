"""Phenotypes and covariates, checked and turned into numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import qr

# A column whose part outside the others is below this share of its length counts as collinear.
COLLINEAR = 1e-8


@dataclass(frozen=True)
class Phenotype:
    """One trait.

    Attributes
    ----------
    name : str
    values : float64 (n_samples,)
        NaN where not measured; 0 and 1 for a binary trait.
    binary : bool
    """

    name: str
    values: np.ndarray
    binary: bool

    @property
    def known(self) -> np.ndarray:
        """Samples in which it was measured, bool (n_samples,)."""
        return ~np.isnan(self.values)


@dataclass(frozen=True)
class Design:
    """Covariates with an intercept in front: float64 (n_samples, c), and the columns' names."""

    matrix: np.ndarray
    names: tuple[str, ...]


def read_phenotype(column: pd.Series) -> Phenotype:
    """A trait from a table's column, indexed by sample.

    Two distinct numbers make a binary trait (the larger is the case), more a quantitative one.

    Raises
    ------
    ValueError
        Text that is no number (the first such sample is named), no known value, or only one.
    """
    name = str(column.name)
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    text = column.notna() & numbers.isna()
    if text.any():
        sample = text.index[text.to_numpy()][0]
        raise ValueError(
            f"phenotype {name}: sample {sample} has {column[sample]!r}, expected a number or an empty"
            " cell; write cases as 1 and controls as 0"
        )
    values = numbers.to_numpy()
    if np.isinf(values).any():
        raise ValueError(f"phenotype {name}: has infinite values, expected numbers")
    distinct = np.unique(values[~np.isnan(values)])
    if distinct.size == 0:
        raise ValueError(f"phenotype {name}: has no value in any sample that has features")
    if distinct.size == 1:
        raise ValueError(
            f"phenotype {name}: is {distinct[0]:g} in all {(~np.isnan(values)).sum()} samples, expected"
            " at least two different values; there is nothing to test"
        )
    binary = distinct.size == 2
    if binary:
        values = np.where(np.isnan(values), np.nan, (values == distinct[1]).astype(np.float64))
    return Phenotype(name, values, binary)


def encode_covariates(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers kept, text turned into indicators (first level in sorted order left out).

    Raises
    ------
    ValueError
        A missing value: the column and the number of samples are named.
    """
    parts = []
    for name in table.columns:
        column = table[name]
        if column.isna().any():
            raise ValueError(
                f"covariate {name}: missing in {int(column.isna().sum())} samples, expected a value in"
                " every sample; fill it in or leave the covariate out"
            )
        if pd.api.types.is_numeric_dtype(column):
            parts.append(column.astype(np.float64).to_frame())
        else:
            dummies = pd.get_dummies(column.astype(str), prefix=str(name), dtype=np.float64)
            parts.append(dummies.iloc[:, 1:])
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=table.index)


def build_design(covariates: pd.DataFrame | None, n_samples: int) -> Design:
    """An intercept and the encoded covariates of the samples that are tested.

    Raises
    ------
    ValueError
        A covariate that is constant or a linear combination of the others (it is named), or fewer
        samples than needed to estimate one more effect.
    """
    names = ["intercept"]
    matrix = np.ones((n_samples, 1))
    if covariates is not None and covariates.shape[1]:
        encoded = encode_covariates(covariates)
        names += [str(c) for c in encoded.columns]
        matrix = np.column_stack([matrix, encoded.to_numpy()])
    if n_samples < matrix.shape[1] + 2:
        raise ValueError(
            f"{n_samples} samples for {matrix.shape[1]} covariates (intercept included), expected at"
            f" least {matrix.shape[1] + 2}; leave covariates out"
        )
    spare = np.flatnonzero(~independent(matrix))
    if spare.size:
        raise ValueError(
            f"covariate {names[spare[0]]}: is constant or a linear combination of"
            f" {', '.join(names[: spare[0]])}; leave it out"
        )
    return Design(matrix, tuple(names))


def independent(matrix: np.ndarray) -> np.ndarray:
    """Which columns add something to those before them, bool (c,)."""
    length = np.linalg.norm(matrix, axis=0)
    # Unpivoted: the first column that adds nothing is the one to name.
    triangle = qr(matrix / np.where(length > 0, length, 1), mode="r")[0]
    kept: np.ndarray = np.abs(np.diag(triangle)) >= COLLINEAR
    return kept & (length > 0)
