"""Candidates in each lineage by itself, and with standard errors that ask less of the data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from feature_mining.phenotype.design import independent
from feature_mining.phenotype.linear import robust
from feature_mining.phenotype.strata import COLUMNS, effects_by_group, heterogeneity
from workbench.analysis.phenotypes.inputs import Inputs, read_inputs
from workbench.study.study import Study

SUMMARY = ("lineages_tested", "lineages_same_direction", "heterogeneity_p", "heterogeneity_i2")


def _groups(study: Study, table: pd.DataFrame) -> Iterator[tuple[Inputs, pd.DataFrame, np.ndarray]]:
    """Candidates of one phenotype, region and burden with their values, float32 (k, n_samples)."""
    strand = study.config.phenotype.strand
    for name, of_trait in table.groupby("phenotype", sort=False):
        inputs = read_inputs(study, str(name))
        for (region, burden), own in of_trait.groupby(["region", "burden"], sort=False):
            store = study.burdens.open(str(region))
            place = {int(f): i for i, f in enumerate(store.features)}
            at = [place[int(f)] for f in own["feature"]]
            rows = [store.per_sample(str(burden), strand, slice(i, i + 1))[0] for i in at]
            yield inputs, own, np.stack(rows)


def lineage_effects(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """A row a candidate and lineage: ``candidate_id`` and the columns of `effects_by_group`.

    Empty where the cohort has no lineages.
    """
    parts = [pd.DataFrame(columns=["candidate_id", *COLUMNS[1:]])]
    for inputs, own, values in _groups(study, table):
        if inputs.lineage is not None:
            found = effects_by_group(values, inputs.phenotype, inputs.base, inputs.lineage)
            ids = own["candidate_id"].to_numpy()[found["row"].to_numpy(int)]
            parts.append(found.drop(columns="row").assign(candidate_id=ids))
    filled = [p for p in parts if len(p)] or parts[:1]
    return pd.concat(filled, ignore_index=True)[list(parts[0])]


def summarise(table: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """`SUMMARY` of every candidate, in the order of ``table``."""
    of = dict(list(effects.groupby("candidate_id")))
    rows = []
    for name, beta in zip(table["candidate_id"], table["beta"], strict=True):
        own = of.get(name, effects.iloc[:0])
        found = heterogeneity(own["beta"].to_numpy(float), own["se"].to_numpy(float))
        same = int((np.sign(own["beta"].to_numpy(float)) == np.sign(beta)).sum())
        rows.append((len(own), same, found.p, found.i2))
    return pd.DataFrame(rows, columns=list(SUMMARY), index=table.index)


def robust_errors(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """``se_hc3, p_hc3`` of candidates of quantitative traits; missing for others and under a mixed model."""
    found = pd.DataFrame(np.nan, index=table.index, columns=["se_hc3", "p_hc3"])
    if study.config.phenotype.model != "fixed":
        return found
    for inputs, own, values in _groups(study, table):
        if inputs.phenotype.binary:
            continue
        for index, x in zip(own.index, values, strict=True):
            here = inputs.phenotype.known & ~np.isnan(x)
            design = inputs.adjusted[here]
            design = design[:, independent(design)]
            row = robust(x[here][None], inputs.phenotype.values[here], design)
            found.loc[index] = row.iloc[0]
    return found
