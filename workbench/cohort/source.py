"""Where a cohort's samples come from, and bringing them together with the phenotypes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.cohort import Cohort, listed, read_cohort, read_sample_table
from workbench.cohort.relatedness import Relatedness, read_matrix, read_tree
from workbench.cohort.sequences import sequence_files
from workbench.cohort.vcf import VariantFile
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.study import Study


class Mismatch(NamedTuple):
    """Samples that only one side has."""

    only_in_source: list[str]
    only_in_phenotypes: list[str]


class Matrix(NamedTuple):
    """A ready table. ``values`` float64 (n, m), NaN missing; ``features`` names of its columns."""

    samples: list[str]
    features: list[str]
    values: np.ndarray


def read_feature_matrix(path: Path) -> Matrix:
    """Read a table of samples x features: a column ``sample``, all others numbers or ``NA``.

    Raises ``InputError`` as `read_sample_table`, and for text (the line, the column and what was found).
    """
    from workbench.cohort.cohort import MISSING

    table = read_sample_table(path)
    columns = table.drop(columns="sample")
    if columns.empty or not len(columns.columns):
        raise InputError(f"{path}: no features; expected numbers in columns besides sample")
    values = columns.mask(columns.isin(MISSING)).apply(pd.to_numeric, errors="coerce")
    strange = values.isna() & ~columns.isin(MISSING)
    if strange.to_numpy().any():
        row, column = (int(a[0]) for a in np.nonzero(strange.to_numpy()))
        raise InputError(
            f"{path}: line {table.index[row]}: feature {columns.columns[column]} is"
            f" {columns.iat[row, column]!r}; expected a number or NA"
        )
    return Matrix(list(table["sample"]), list(columns.columns), values.to_numpy(np.float64))


def source_samples(study: Study) -> tuple[Path, list[str]]:
    """File (or folder) that samples come from, and their names in its order."""
    given = study.config.cohort
    if given.variants:
        path = study.resolve(given.variants)
        return path, VariantFile(path).samples
    if given.sequences:
        path = study.resolve(given.sequences)
        return path, list(sequence_files(path))
    path = study.resolve(given.matrix)
    return path, list(read_sample_table(path)["sample"])


def _match(
    source: Path, names: list[str], table: Path, cohort: Cohort, mismatch: str
) -> tuple[list[str], Mismatch]:
    measured, there = set(cohort.names), set(names)
    found = Mismatch(
        [n for n in names if n not in measured], [n for n in cohort.names if n not in there]
    )
    both = [n for n in names if n in measured]
    if not both:
        raise InputError(
            f"{table}: none of its samples ({listed(cohort.names)}) is in {source} ({listed(names)}); give"
            " the same names on both sides"
        )
    for side, other, missing in (
        (table, source, found.only_in_source),
        (source, table, found.only_in_phenotypes),
    ):
        if missing and mismatch == "refuse":
            raise InputError(
                f"{side}: {len(missing):,} samples of {other.name} are not in it: {listed(missing)}; add"
                f' them, or set mismatch = "intersect" in [cohort] to go on with the {len(both):,} in both'
            )
    return both, found


def read_study_cohort(study: Study) -> tuple[Cohort, Mismatch]:
    """The cohort of a study, in the order of its variants, and the samples that were left out.

    Raises ``InputError`` for what `read_cohort` refuses and for samples that one side lacks.
    """
    given = study.config.cohort
    source, names = source_samples(study)
    if given.phenotypes:
        table = study.resolve(given.phenotypes)
        cohort = read_cohort(table, given.phenotype, given.covariates, given.groups)
        names, left_out = _match(source, names, table, cohort, given.mismatch)
        cohort = cohort.take(names)
    else:
        cohort, left_out = Cohort(pd.DataFrame({"sample": names}), ()), Mismatch([], [])
    return replace(cohort, relatedness=_relatedness(study, names)), left_out


def _relatedness(study: Study, names: list[str]) -> Relatedness | None:
    given = study.config.cohort
    parts: list[Relatedness] = []
    if given.tree:
        parts.append(read_tree(study.resolve(given.tree), names))
    if given.distances:
        path = study.resolve(given.distances)
        parts.append(Relatedness(None, read_matrix(path, names), str(path)))
    if given.kinship:
        path = study.resolve(given.kinship)
        parts.append(Relatedness(read_matrix(path, names), None, str(path)))
    if not parts:
        return None
    # A matrix that the user gave goes before one that a tree implies.
    kinship = [p.kinship for p in parts if p.kinship is not None]
    distance = [p.distance for p in parts if p.distance is not None]
    return Relatedness(
        kinship[-1] if kinship else None,
        distance[-1] if distance else None,
        ", ".join(p.source for p in parts),
    )
