"""What features, variants, lineages and a catalogue predict of a phenotype."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.phenotype.design import encode_covariates
from feature_mining.phenotype.models import Predictors
from feature_mining.phenotype.patterns import collapse, rarity
from feature_mining.phenotype.prediction import cross_validate
from workbench.analysis.phenotypes.blocks import VARIANTS, burden_names, read_blocks
from workbench.analysis.phenotypes.inputs import Inputs, read_inputs
from workbench.errors import InputError
from workbench.files.tables import read_table

if TYPE_CHECKING:
    from workbench.study.study import Study


def predict(study: Study, name: str) -> pd.DataFrame:
    """Nested cross-validation of one phenotype, with lineages held out and, beside it, with random folds.

    Folds that cannot be made (too few samples, each class in a lineage of its own) give rows without scores;
    their note says why. Raises ``InputError`` for whatever `read_inputs` refuses, and for a catalogue that
    cannot be read.
    """
    inputs = read_inputs(study, name)
    sets = list(_baselines(study, name, inputs))
    burdens = [b for b in burden_names(study) if b != VARIANTS]
    sets += [Predictors(f"features, {b}", read_columns(study, b).values) for b in burdens]
    seed = study.config.run.seed
    parts: list[tuple[np.ndarray | None, str]] = []
    if inputs.lineage is not None:
        parts.append((inputs.lineage, "lineages held out"))
    parts.append((None, "random"))
    clusters = inputs.lineage if inputs.lineage is not None else np.arange(len(inputs.base)).astype(str)
    tables = []
    for groups, folds in parts:
        try:
            tables.append(cross_validate(sets, inputs.phenotype, groups, clusters, folds, seed))
        except ValueError as error:
            rows = {"predictors": [s.name for s in sets], "folds": folds, "group": "all"}
            tables.append(pd.DataFrame(rows | {"note": f"{folds}: not scored: {error}"}))
    table = pd.concat(tables, ignore_index=True)
    if inputs.lineage is None:
        # Without lineages every sample is a group of its own: nothing to report a row for.
        table = table[table["group"] == "all"].reset_index(drop=True)
        alone = "random folds only: no lineage is known, relatives may be on both sides"
        table["note"] = [f"{alone}; {note}" if note else alone for note in table["note"]]
    table.insert(0, "phenotype", name)
    return table


def _baselines(study: Study, name: str, inputs: Inputs) -> list[Predictors]:
    found = []
    if inputs.covariates.shape[1]:
        encoded = encode_covariates(inputs.covariates)
        found.append(Predictors("covariates", encoded.to_numpy()))
    if inputs.lineages.shape[1]:
        found.append(Predictors("lineage", inputs.lineages.to_numpy(np.float64)))
    if VARIANTS in burden_names(study):
        values, names, *_ = read_columns(study, VARIANTS)
        found.append(Predictors("variants", values))
        if study.config.phenotype.catalogue:
            known = read_catalogue(study, name)
            found.append(Predictors("catalogue", values[:, [n in known for n in names]]))
    return found


class Columns(NamedTuple):
    """What is predicted from.

    values : float64 (n_samples, k), NaN missing; names, regions : of the columns
    reference : float64 (k), as of `Block`
    """

    values: np.ndarray
    names: list[str]
    regions: list[str]
    reference: np.ndarray


def read_columns(study: Study, burden: str) -> Columns:
    """Rows of a burden that are common enough to be tested, equal ones once.

    Neither looks at the phenotype's values.
    """
    fewest = study.config.phenotype.fewest
    values: list[np.ndarray] = []
    reference: list[np.ndarray] = []
    names: list[str] = []
    regions: list[str] = []
    for block in read_blocks(study, burden):
        everyone = np.arange(block.values.shape[1])
        first = collapse(block.values, everyone).first
        cases = np.zeros(len(everyone), dtype=bool)
        kept = first[rarity(block.values[first], cases).carriers >= fewest]
        values.append(block.values[kept].T)
        reference.append(block.reference[kept])
        names += [block.names[i] for i in kept]
        regions += [block.region] * len(kept)
    empty = np.empty((len(study.cohort.samples), 0))
    every = np.concatenate([empty, *values], axis=1).astype(np.float64)
    return Columns(every, names, regions, np.concatenate([np.empty(0), *reference]).astype(np.float64))


def read_catalogue(study: Study, phenotype: str) -> set[str]:
    """Known variants (``CHROM:POS:REF:ALT``) of a phenotype; ``InputError`` for another table."""
    path = study.resolve(study.config.phenotype.catalogue)
    table = read_table(path)
    missing = {"variant", "phenotype"} - set(table.columns)
    if missing:
        raise InputError(
            f"{path}: no column {sorted(missing)[0]}, expected variant (CHROM:POS:REF:ALT) and phenotype"
        )
    return set(table.loc[table["phenotype"] == phenotype, "variant"])
