"""Which associations become candidates, and which variants drive them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.analysis.biomarkers.tiers import LEVEL
from workbench.analysis.biomarkers.variant_names import hgvs, spdi
from workbench.analysis.burdens.drivers import read_drivers
from workbench.cohort.edits import parse_variant
from workbench.study.study import Study

# Candidates of one phenotype, burden and region; those with the smallest p.
MOST = 20
# Driving variants named a candidate, by their share.
DRIVERS = 5
DRIVER_COLUMNS = (
    "driving_variants",
    "driving_hgvs",
    "driving_spdi",
    "driving_delta",
    "driving_alone",
    "driving_share",
)
KEY = ["region", "burden", "feature"]


def choose_candidates(study: Study) -> pd.DataFrame:
    """Rows of ``phenotype_associations`` with q at most `LEVEL`, in order of p within their phenotype.

    Dead features, which are active on too few bases to be tested on anything, are left out.

    Of features that are equal in all samples (one ``pattern``) the first is kept, and ``same_pattern`` counts
    them; at most `MOST` are kept a phenotype, burden and region.
    """
    table = study.table("phenotype_associations")
    found = table[table["q"] <= LEVEL].copy()
    # The features of a ready matrix are not those of the autoencoder.
    if not study.config.cohort.matrix:
        catalog = study.table("catalog")
        found = found[~found["feature"].isin(catalog.loc[catalog["dead"], "feature"])].copy()
    place = ["phenotype", "burden", "region"]
    found["same_pattern"] = found.groupby([*place, "pattern"])["feature"].transform("size")
    order = ["phenotype", "minus_log10_p", "region", "burden", "feature"]
    found = found.sort_values(order, ascending=[True, False, True, True, True], kind="stable")
    found = found.drop_duplicates([*place, "pattern"])
    return found.groupby(place).head(MOST).reset_index(drop=True)


def driven_regions(study: Study) -> list[str]:
    """Regions with candidates whose variants are known; none for a ready matrix."""
    if study.config.cohort.matrix:
        return []
    return sorted(set(choose_candidates(study)["region"]))


def drive(study: Study, region: str) -> pd.DataFrame:
    """Driving variants of a region's candidates: ``region, burden, feature`` and `DRIVER_COLUMNS` (lists).

    ``driving_delta``: burden less that of the same haplotype without the variant, mean over carriers;
    ``driving_alone``: the variant on the reference, less the reference.
    """
    found = choose_candidates(study)
    found = found[found["region"] == region]
    readings = read_drivers(study, region, sorted(set(found["feature"].astype(int))))
    rows = []
    for burden, own in found.groupby("burden"):
        statistic = str(burden).removeprefix("delta_")
        table = readings.effects(statistic, study.config.phenotype.strand)
        for feature in sorted(set(own["feature"].astype(int))):
            top = table[(table["feature"] == feature) & (table["share"] > 0)].head(DRIVERS)
            variants = [parse_variant(name) for name in top["variant"]]
            lists = (
                top["variant"].tolist(),
                [hgvs(v, study.genome) for v in variants],
                [spdi(v) for v in variants],
                *(top[k].astype(np.float64).tolist() for k in ("effect", "alone", "share")),
            )
            rows.append((region, burden, feature, *lists))
    return pd.DataFrame(rows, columns=[*KEY, *DRIVER_COLUMNS])
