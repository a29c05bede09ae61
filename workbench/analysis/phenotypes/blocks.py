"""Features and variants of the samples, streamed in blocks with the names of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.cohort.store import ABSENT, MISSING, spread

if TYPE_CHECKING:
    from workbench.study.study import Study

# Numbers (features x samples) of a block.
CELLS = 16_000_000

# What plain variants are called in the place of a burden.
VARIANTS = "variants"


@dataclass(frozen=True)
class Block:
    """Rows of one region.

    Attributes
    ----------
    region : str
    features : list
        Indices of features, or names of variants.
    names : list of str
    values : float32 (k, n_samples), NaN where missing
    reference : float32 (k), of the reference haplotype; NaN of a ready matrix, which has none
    """

    region: str
    features: list[int] | list[str]
    names: list[str]
    values: np.ndarray
    reference: np.ndarray


def burden_names(study: Study) -> list[str]:
    """Burdens to test, and `VARIANTS` where the study has them."""
    if study.config.cohort.matrix:
        return ["value"]
    return [*study.config.phenotype.burdens, VARIANTS]


def read_blocks(study: Study, burden: str) -> Iterator[Block]:
    """Blocks of one burden, region by region, never more than `CELLS` numbers at a time."""
    if burden == VARIANTS:
        yield from _variant_blocks(study)
        return
    strand = study.config.phenotype.strand
    for region in study.burdens:
        size = max(1, CELLS // max(len(region.sample_haplotype), 1))
        for start in range(0, len(region.features), size):
            rows = slice(start, start + size)
            values = region.values(burden, strand, rows)
            known = np.nan if study.config.cohort.matrix else values[:, 0]
            yield Block(
                region.region,
                region.features[rows].tolist(),
                region.feature_names[rows],
                spread(values, region.sample_haplotype),
                np.broadcast_to(known, len(values)),
            )


def _variant_blocks(study: Study) -> Iterator[Block]:
    table = study.table("haplotypes")
    for region in study.burdens:
        own = table[table["region"] == region.region]
        names = list(dict.fromkeys(v for row in own["variants"] for v in row))
        if names:
            values = variant_counts(own, names, region.sample_haplotype)
            yield Block(region.region, names, names, values, np.zeros(len(names), np.float32))


def variant_counts(haplotypes: pd.DataFrame, names: list[str], sample_haplotype: np.ndarray) -> np.ndarray:
    """How many of each sample's haplotypes carry each variant.

    Parameters
    ----------
    haplotypes : rows of the table ``haplotypes`` of one region
    names : list of str
        Variants.
    sample_haplotype : int32 (n, ploidy)

    Returns
    -------
    float32 (n_variants, n_samples), NaN where any haplotype of the sample is missing
    """
    place = {name: i for i, name in enumerate(names)}
    carried = np.zeros((len(names), int(haplotypes["haplotype"].max()) + 1), np.float32)
    for haplotype, variants in zip(haplotypes["haplotype"], haplotypes["variants"], strict=True):
        for name in variants:
            carried[place[name], haplotype] = 1
    counts = np.zeros((len(names), len(sample_haplotype)), np.float32)
    for column in sample_haplotype.T:
        counts += np.where(column == ABSENT, 0, carried[:, np.maximum(column, 0)])
    counts[:, (sample_haplotype == MISSING).any(axis=1)] = np.nan
    return counts
