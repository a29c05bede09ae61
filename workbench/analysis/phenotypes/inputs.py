"""From a cohort to what tests take: trait, covariates, lineages, kinship; mistakes become one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from feature_mining.phenotype.design import Phenotype, build_design, independent, read_phenotype
from feature_mining.phenotype.kinship import components
from feature_mining.phenotype.lineage import indicators
from workbench.errors import InputError
from workbench.wording import listed

if TYPE_CHECKING:
    from workbench.study.study import Study

# Name of the lineage of samples that have none.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Inputs:
    """One trait, ready to be tested.

    Attributes
    ----------
    phenotype : Phenotype
    base : float64 (n, c)
        Intercept, covariates and principal components.
    lineage : str (n,) or None
    lineages : DataFrame (n, k)
        Indicators of lineages; no columns without lineage.
    kinship : float64 (n, n) or None
    covariates : DataFrame
        As the cohort has them.
    """

    phenotype: Phenotype
    base: np.ndarray
    lineage: np.ndarray | None
    lineages: pd.DataFrame
    kinship: np.ndarray | None
    covariates: pd.DataFrame

    @property
    def adjusted(self) -> np.ndarray:
        """`base` and the lineages that say more than it, in the samples with a trait."""
        matrix = np.column_stack([self.base, self.lineages.to_numpy(np.float64)])
        return matrix[:, independent(matrix[self.phenotype.known])]

    @property
    def groups(self) -> np.ndarray:
        """Lineage of each sample, or one group of all."""
        if self.lineage is not None:
            return self.lineage
        return np.full(len(self.base), "all")


@contextmanager
def one_sentence(what: str) -> Iterator[None]:
    """Turn a ``ValueError`` of the statistics into an ``InputError`` that says where."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{what}: {error}") from error


def lineage_column(study: Study) -> str:
    """Group column that is held fixed, empty if the cohort has none."""
    groups = study.cohort.groups
    chosen = study.config.phenotype.lineage or (groups[0] if groups else "")
    if chosen and chosen not in groups:
        raise InputError(
            f"study.toml [phenotype]: lineage is {chosen!r}, expected one of the groups of [cohort]:"
            f" {', '.join(groups) or 'none is given'}"
        )
    return chosen


def read_inputs(study: Study, name: str) -> Inputs:
    """What is known of the samples for one phenotype.

    Raises
    ------
    InputError
        An unknown phenotype; covariates that are missing, constant or collinear; a constant phenotype;
        components without kinship.
    """
    cohort, given = study.cohort, study.config.phenotype
    names = [phenotype.name for phenotype in cohort.phenotypes]
    if name not in names:
        raise InputError(f"{study.folder}: no phenotype {name!r}; expected one of {listed(names, 8)}")
    covariates = cohort.samples[list(cohort.covariates)]
    column = lineage_column(study)
    lineage = cohort.samples[column].replace("", UNKNOWN).to_numpy(str) if column else None
    kinship = cohort.relatedness.kinship if cohort.relatedness else None
    if given.components and kinship is None:
        raise InputError(
            f"study.toml [phenotype]: components is {given.components} but [cohort] has no kinship or tree to"
            " take them from; give one, or set components = 0"
        )
    with one_sentence(f"{study.folder}: phenotype {name}"):
        trait = read_phenotype(cohort.samples.set_index("sample")[name])
        wanted = [covariates]
        if given.components and kinship is not None:
            axes = components(kinship, given.components)
            numbered = [f"component {i + 1}" for i in range(axes.shape[1])]
            wanted.append(pd.DataFrame(axes, columns=numbered, index=covariates.index))
        table = pd.concat(wanted, axis=1)
        # Checked in the samples that are used, kept for all of them.
        build_design(table[trait.known], int(trait.known.sum()))
        base = build_design(table, len(table)).matrix
    lineages = indicators(lineage) if lineage is not None else pd.DataFrame(index=covariates.index)
    return Inputs(trait, base, lineage, lineages, kinship, covariates)
