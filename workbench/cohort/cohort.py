"""The cohort: samples with phenotypes, covariates, groups and relatedness, checked at the door."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.relatedness import Relatedness
from workbench.errors import InputError
from workbench.text import read_lines, suffix_of

MISSING = frozenset(("", "NA", "na", "N/A", "NaN", "nan", "."))
"""Entries that mean: not measured."""
_PLINK = ({1.0, 2.0}, {-9.0, 1.0, 2.0}, {-9.0, 0.0, 1.0})
LISTED = 8
"""Names shown in a sentence."""


class Phenotype(NamedTuple):
    """A measured trait. ``kind``: ``binary`` (0 and 1, 1 the case) or ``quantitative``."""

    name: str
    kind: str


@dataclass(frozen=True)
class Cohort:
    """Samples and what is known of them.

    Attributes
    ----------
    samples : DataFrame
        ``sample`` and the columns named below; one row a sample, index 0 to n - 1.
    phenotypes : tuple of Phenotype
    covariates, groups : tuple of str
        Columns of ``samples``.
    relatedness : Relatedness or None
        In the order of ``samples``.
    """

    samples: pd.DataFrame
    phenotypes: tuple[Phenotype, ...]
    covariates: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    relatedness: Relatedness | None = None

    @property
    def names(self) -> list[str]:
        """Names of the samples, in order."""
        return list(self.samples["sample"])

    def take(self, names: Sequence[str]) -> Cohort:
        """The same cohort with these samples in this order, checked anew for constant phenotypes."""
        rows = pd.Index(self.samples["sample"]).get_indexer(list(names))
        samples = self.samples.iloc[rows].reset_index(drop=True)
        for phenotype in self.phenotypes:
            _kind("the samples kept", phenotype.name, samples[phenotype.name].to_numpy())
        kin = self.relatedness.take(rows) if self.relatedness else None
        return replace(self, samples=samples, relatedness=kin)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: the first few, and how many more."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def repeated(names: Sequence[str]) -> list[str]:
    """Names that are there more than once, in order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)


def read_sample_table(path: Path) -> pd.DataFrame:
    """A table of text with a column ``sample``: tab or comma separated (by suffix), or Parquet.

    The index is the line of the file. Raises ``InputError`` for a row of the wrong length, no column
    ``sample``, repeated columns or samples, or no rows.
    """
    if suffix_of(path) == ".parquet":
        table = pd.read_parquet(path)
        table = table.astype(object).where(table.notna(), "").astype(str)
    else:
        cut = "," if suffix_of(path) == ".csv" else "\t"
        lines = [(n, line.split(cut)) for n, line in read_lines(path) if line.strip()]
        if not lines:
            raise InputError(f"{path}: empty; expected a table with a column sample")
        header = lines[0][1]
        for number, fields in lines[1:]:
            if len(fields) != len(header):
                raise InputError(
                    f"{path}: line {number:,}: {len(fields)} columns, the header has {len(header)};"
                    f" expected {'commas' if cut == ',' else 'tabs'} between columns"
                )
        rows = [[f.strip() for f in fields] for _, fields in lines[1:]]
        table = pd.DataFrame(rows, columns=header, index=[n for n, _ in lines[1:]], dtype=str)
    columns = [str(c).strip().lstrip("#") for c in table.columns]
    table.columns = pd.Index(columns)
    if twice := repeated(columns):
        raise InputError(f"{path}: column {twice[0]} is there twice; give each its own name")
    if "sample" not in columns:
        raise InputError(
            f"{path}: no column sample; found {listed(columns)}; name the column of samples so"
        )
    if table.empty:
        raise InputError(f"{path}: no samples; expected one line a sample")
    if twice := repeated(list(table["sample"])):
        raise InputError(
            f"{path}: {len(twice):,} samples are there twice: {listed(twice)}; keep one line of each"
        )
    return table


def _kind(where: str, name: str, values: np.ndarray) -> str:
    """Kind of a phenotype; ``InputError`` where nothing can be learnt from it."""
    known = np.unique(values[~np.isnan(values)])
    if known.size < 2:
        found = f"{known[0]:g} in every sample" if known.size else "no value"
        raise InputError(
            f"{where}: phenotype {name} is constant ({found}); expected two values or more"
        )
    if set(known) == {0.0, 1.0}:
        return "binary"
    if set(known) in _PLINK:
        raise InputError(
            f"{where}: phenotype {name} holds {', '.join(f'{v:g}' for v in known)}, which looks like"
            " PLINK's coding; write 1 for cases, 0 for controls and NA where it is not known"
        )
    if not np.isfinite(known).all():
        raise InputError(f"{where}: phenotype {name} has infinite values; expected numbers or NA")
    return "quantitative"


def _numbers(column: pd.Series) -> tuple[np.ndarray, object]:
    """Values as float64, NaN for missing ones; and the line of the first that is no number, or None."""
    values = np.full(len(column), math.nan)
    for i, text in enumerate(column):
        if text in MISSING:
            continue
        try:
            values[i] = float(text)
        except ValueError:
            return values, column.index[i]
    return values, None


def _column(path: Path, table: pd.DataFrame, what: str, name: str) -> pd.Series:
    if name not in table.columns:
        raise InputError(
            f"{path}: no {what} column {name}; it has {listed([c for c in table.columns if c != 'sample'])}"
        )
    return table[name]


def read_cohort(
    path: Path,
    phenotypes: Sequence[str] = (),
    covariates: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Cohort:
    """Read a table of phenotypes.

    Parameters
    ----------
    path : Path
        As for `read_sample_table`. Missing entries are empty, ``NA``, ``nan`` or ``.``.
    phenotypes : sequence of str
        Columns to explain; none: all that are not covariates or groups.
    covariates, groups : sequence of str
        Columns to adjust for; columns that tell lineage, site or family.

    Raises
    ------
    InputError
        Besides `read_sample_table`: an absent column, a phenotype with text (the line and what was found),
        a constant one, one coded 1 and 2.
    """
    table = read_sample_table(path)
    used = {"sample", *covariates, *groups}
    chosen = list(phenotypes) or [c for c in table.columns if c not in used]
    if not chosen:
        raise InputError(f"{path}: no phenotype; expected a column besides {', '.join(used)}")
    columns: dict[str, object] = {"sample": table["sample"].to_numpy()}
    found = []
    for name in chosen:
        text = _column(path, table, "phenotype", name)
        values, line = _numbers(text)
        if line is not None:
            raise InputError(
                f"{path}: line {line}: phenotype {name} is {text[line]!r}; expected a number (1 and 0 for"
                f" cases and controls) or NA; or name it among the groups or covariates"
            )
        columns[name] = values
        found.append(Phenotype(name, _kind(str(path), name, values)))
    for name in covariates:
        text = _column(path, table, "covariate", name)
        values, line = _numbers(text)
        columns[name] = values if line is None else text.to_numpy()
    for name in groups:
        text = _column(path, table, "group", name)
        columns[name] = text.where(~text.isin(MISSING), "").to_numpy()
    return Cohort(pd.DataFrame(columns), tuple(found), tuple(covariates), tuple(groups))
