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
from workbench.files.numbers import parse_number
from workbench.files.tables import read_table
from workbench.wording import listed, repeated

# Entries that mean: not measured.
MISSING = frozenset(("", "NA", "na", "N/A", "NaN", "nan", "."))
_PLINK = ({1.0, 2.0}, {-9.0, 1.0, 2.0}, {-9.0, 0.0, 1.0}, {-9.0, 0.0, 1.0, 2.0})
# Numbers that tables of phenotypes use for: not measured.
CODES = (-9.0, -99.0, -999.0, -9999.0, -99999.0, -88.0, -888.0, 9999.0, 99999.0, -(2.0**31))
# Others that are taken for one where they stand far above all else: how many times the next lower value.
_HIGH, _APART = (9.0, 99.0, 999.0), 4


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
        """The same cohort with these samples in this order, checked anew for constant phenotypes.

        Raises ``InputError`` for a name that no sample has.
        """
        rows = pd.Index(self.samples["sample"]).get_indexer(list(names))
        if (rows < 0).any():
            strange = [name for name, row in zip(names, rows, strict=True) if row < 0]
            raise InputError(f"no sample {listed(strange)}; the cohort has {listed(self.names)}")
        samples = self.samples.iloc[rows].reset_index(drop=True)
        for phenotype in self.phenotypes:
            _kind("the samples kept", phenotype.name, samples[phenotype.name].to_numpy())
        kin = self.relatedness.take(rows) if self.relatedness else None
        return replace(self, samples=samples, relatedness=kin)


def read_sample_table(path: Path) -> pd.DataFrame:
    """A table of text with a column ``sample``, as `read_table` reads it; row names of R are left out.

    Raises ``InputError`` besides for no column ``sample``, repeated columns or samples, or no rows.
    """
    table = read_table(path)
    columns = [str(c).strip().lstrip("#") for c in table.columns]
    table.columns = pd.Index(columns)
    if twice := repeated(columns):
        raise InputError(
            f"{path}: column {twice[0] or 'without a name'} is there twice; give each its own name"
        )
    if "sample" not in columns:
        nameless = "; its first column has no name" if columns[0] == "" else ""
        raise InputError(
            f"{path}: no column sample; found {listed([c for c in columns if c])}{nameless}; name the column"
            " of samples so"
        )
    if table.empty:
        raise InputError(f"{path}: no samples; expected one line a sample")
    if twice := repeated(list(table["sample"])):
        raise InputError(
            f"{path}: {len(twice):,} samples are there twice: {listed(twice)}; keep one line of each"
        )
    return table.drop(columns="", errors="ignore")


def refuse_codes(
    where: str, column: pd.Series, missing: Sequence[str], likely: bool = False, high: bool = True
) -> None:
    """Raise ``InputError`` for entries that are customary codes of a missing value.

    ``column`` holds text; a list ``missing`` that the user gave settles what is missing, so that nothing is
    asked. With ``likely``, -1 is a code where no other value is below 0, and, if ``high``, 9, 99 and 999
    where they stand far above all others (9 above 0, 1 and 2 alone).
    """
    if missing:
        return
    values = pd.to_numeric(column, errors="coerce")
    codes = [*CODES, *(_likely_codes(values.dropna().unique(), high) if likely else ())]
    found = column[values.isin(codes)]
    if len(found):
        code = found.iloc[0]
        raise InputError(
            f"{where} is {code} in {int((column == code).sum()):,} of {len(column):,} rows, first at line"
            f" {found.index[0]}; that often stands for a missing value: set missing ="
            f' ["{code}"] in [cohort] if it does here, or missing = ["NA"] if it was measured'
        )


def _likely_codes(values: np.ndarray, high: bool) -> list[float]:
    """Of different values, those that are codes of a missing value by what the others are.

    Of two values none is: the other would be constant.
    """
    if len(values) < 3:
        return []
    *below, last, top = sorted(values)
    # A 9 among fractions or counts may well be measured.
    far = top > _APART * last >= 0 and (top != 9 or {*below, last} <= {0.0, 1.0, 2.0})
    codes = [top] if high and top in _HIGH and far else []
    return codes + [v for v in below[:1] if v == -1 and [*below, last][1] >= 0]


def _refuse_unknown_status(where: str, values: np.ndarray, missing: Sequence[str]) -> None:
    """Raise ``InputError`` for 0, 1 and 2, unless the user said what is missing."""
    if not missing and set(values[~np.isnan(values)]) == {0.0, 1.0, 2.0}:
        raise InputError(
            f"{where} is 0 in {int((values == 0).sum()):,} of {len(values):,} rows, and 1 or 2 in others;"
            " PLINK writes 0 for not known, 1 for controls, 2 for cases: write NA, 0 and 1 if that is what"
            ' they mean, or set missing = ["NA"] in [cohort] if 0, 1 and 2 were measured'
        )


def _kind(where: str, name: str, values: np.ndarray) -> str:
    """Kind of a phenotype; ``InputError`` where nothing can be learnt from it."""
    known = np.unique(values[~np.isnan(values)])
    if known.size < 2:
        found = f"{known[0]:g} in every sample" if known.size else "no value"
        raise InputError(f"{where}: phenotype {name} is constant ({found}); expected two values or more")
    if set(known) == {0.0, 1.0}:
        return "binary"
    if set(known) in _PLINK:
        raise InputError(
            f"{where}: phenotype {name} holds {', '.join(f'{v:g}' for v in known)}, which looks like"
            " PLINK's coding; write 1 for cases, 0 for controls and NA where it is not known"
        )
    return "quantitative"


def _numbers(column: pd.Series) -> tuple[np.ndarray, object]:
    """Values as float64, NaN for empty ones; and the line of the first that is no number, or None."""
    values = np.full(len(column), math.nan)
    for i, text in enumerate(column):
        if not text:
            continue
        try:
            values[i] = parse_number(text)
        except ValueError:
            return values, column.index[i]
    return values, None


def _mostly_numbers(column: pd.Series) -> bool:
    """Whether more than half of the entries are numbers."""
    known = column[column != ""]
    return bool(pd.to_numeric(known, errors="coerce").notna().mean() > 0.5)


def _column(path: Path, table: pd.DataFrame, what: str, name: str, missing: Sequence[str] = ()) -> pd.Series:
    """Text of a column, empty where it is missing."""
    if name not in table.columns:
        raise InputError(
            f"{path}: no {what} column {name}; it has {listed([c for c in table.columns if c != 'sample'])}"
        )
    return table[name].mask(table[name].isin(MISSING.union(missing)), "")


def read_cohort(
    path: Path,
    phenotypes: Sequence[str] = (),
    covariates: Sequence[str] = (),
    groups: Sequence[str] = (),
    missing: Sequence[str] = (),
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
    missing : sequence of str
        Entries that mean: not measured, besides the usual ones.

    Raises
    ------
    InputError
        Besides `read_sample_table`: an absent column, a phenotype with text (the line and what was found),
        a constant one, one coded 1 and 2; unless ``missing`` says what is missing, one coded 0, 1 and 2,
        and in any column a number such as -9 or 9999 that often codes a missing value.
    """
    table = read_sample_table(path)
    used = {"sample", *covariates, *groups}
    chosen = list(phenotypes) or [c for c in table.columns if c not in used]
    if not chosen:
        raise InputError(f"{path}: no phenotype; expected a column besides {', '.join(used)}")
    columns: dict[str, object] = {"sample": table["sample"].to_numpy()}
    found = []
    for name in chosen:
        text = _column(path, table, "phenotype", name, missing)
        values, line = _numbers(text)
        if line is not None:
            raise InputError(
                f"{path}: line {line}: phenotype {name} is {text[line]!r}; expected a number (1 and 0 for"
                f" cases and controls) or NA; or name it among the groups or covariates"
            )
        columns[name] = values
        found.append(Phenotype(name, _kind(str(path), name, values)))
        refuse_codes(f"{path}: phenotype {name}", text, missing, likely=True)
        _refuse_unknown_status(f"{path}: phenotype {name}", values, missing)
    for name in covariates:
        text = _column(path, table, "covariate", name, missing)
        refuse_codes(f"{path}: covariate {name}", text, missing, likely=True)
        values, line = _numbers(text)
        if line is not None and _mostly_numbers(text):
            raise InputError(
                f"{path}: line {line}: covariate {name} is {text[line]!r} among numbers: set missing ="
                f' ["{text[line]}"] in [cohort] if it was not measured there; write categories as words'
            )
        columns[name] = values if line is None else text.to_numpy()
    for name in groups:
        text = _column(path, table, "group", name, missing)
        # A lineage may be called 9.
        refuse_codes(f"{path}: group {name}", text, missing, likely=True, high=False)
        columns[name] = text.to_numpy()
    return Cohort(pd.DataFrame(columns), tuple(found), tuple(covariates), tuple(groups))
