"""How much a candidate has behind it, by fixed rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Largest q of a candidate.
LEVEL = 0.05
# Share of a candidate's drive that variants of known effect must have.
CAUSAL = 0.5

# Tier to rule; the first that holds.
RULES = {
    "A": (
        "replicated as B, and causal by evidence from outside this cohort: at least half of what drives the"
        " burden (driving_share) is the work of variants that the catalogue under [phenotype] names as known"
        " to change this phenotype; a catalogue made from the same samples is no such evidence"
    ),
    "B": (
        "q at most 0.05 and locus with lineages held fixed, and replicated in samples that took no part in"
        " the discovery: same direction, one-sided p at most 0.05 / patterns tested again"
    ),
    "C": "q at most 0.05 and locus with lineages held fixed, in this one cohort only",
    "D": (
        "q at most 0.05, but not significant after Bonferroni with lineages held fixed, or no lineage is"
        " known"
    ),
}
# Of Okabe and Ito's, told apart by colour-blind readers.
TIER_COLOURS = {"A": "#009E73", "B": "#0072B2", "C": "#E69F00", "D": "#CC79A7"}


def tier_of(row: Mapping[str, Any]) -> str:
    """Tier of a candidate; columns that a study lacks count as not shown."""
    if row.get("lineage_effect", "") != "locus":
        return "D"
    # NaN (not tested again) is no replication, although it is true to Python; nor is a NaN share causal.
    if row.get("replicated", False) is not True:
        return "C"
    return "A" if row.get("catalogue_share", 0.0) >= CAUSAL else "B"
