"""How much a candidate has behind it, by fixed rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEVEL = 0.05
"""Largest q of a candidate."""

RULES = {
    "A": (
        "replicated as B, and an intervention in the organism changed the phenotype. This program makes no"
        " such intervention (what a variant does to the model's reading is none), so it never gives A"
    ),
    "B": (
        "q at most 0.05 and locus with lineages held fixed, and replicated in samples that took no part in"
        " the discovery: same direction, one-sided p at most 0.05 / patterns carried over"
    ),
    "C": "q at most 0.05 and locus with lineages held fixed, in this one cohort only",
    "D": (
        "q at most 0.05, but not significant after Bonferroni with lineages held fixed, or no lineage is"
        " known"
    ),
}
"""Tier to rule; the first of B, C, D that holds."""


def tier_of(row: Mapping[str, Any]) -> str:
    """Tier of a row of ``phenotype_associations``; columns that a study lacks count as not shown."""
    if row.get("lineage_effect", "") != "locus":
        return "D"
    # NaN (not asked again) is no replication, although it is true to Python.
    return "B" if row.get("replicated", False) is True else "C"
