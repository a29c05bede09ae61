"""Rules by which tracks and features are judged, as numbers and as sentences."""

from __future__ import annotations

import numpy as np

from feature_mining.association.verdict import MAX_Q, MIN_LIFT

# Average precision lift from which a concept counts as represented.
PRESENT = 0.05
MOST_OF_IT = 0.8
HALF = 0.5
# Answers and the rules that give them, asked in this order.
RULES = {
    "not represented": f"neither 20 features nor the whole layer reach a lift of {PRESENT}",
    "in the layer only": f"20 features reach less than {HALF:.0%} of what the whole layer reaches",
    "one feature": f"one feature reaches at least {MOST_OF_IT:.0%} of what 20 reach",
    "a few features": f"five features reach at least {MOST_OF_IT:.0%} of what 20 reach, one does not",
    "spread over many": f"five features reach less than {MOST_OF_IT:.0%} of what 20 reach",
    "not tested": "no positives in the sample of one of the splits, near copies left out",
}


def answer(one: float, five: float, twenty: float, layer: float) -> str:
    """How a concept is represented, from lifts of 1, 5, 20 features and the whole layer (a key of RULES)."""
    if np.isnan(twenty) or np.isnan(layer):
        return "not tested"
    if not max(twenty, layer) >= PRESENT:
        return "not represented"
    if twenty < HALF * layer:
        return "in the layer only"
    if one >= MOST_OF_IT * twenty:
        return "one feature"
    return "a few features" if five >= MOST_OF_IT * twenty else "spread over many"


STRUCTURES = ("periodicity", "palindrome", "conservation", "boundary")
RULE = (
    f"Not explained: of the tracks that it was tested on, none with q at most {MAX_Q} on which its lift is"
    f" at least {MIN_LIFT} or its precision closes {HALF:.0%} of the gap between base rate and 1."
    " Structured: a score whose z is above 98 % of the rounds' largest null z over all features (max-T),"
    " and large: a mean cosine of 0.1 at the period, stems 1 base longer than in shuffled windows, a tenth of"
    " the strongest bases in near copies of one another, or 1 bit more at the beginnings of runs than inside."
    " Listed: both; features without audit flags first, those whose only structure is a period of three bases"
    " (codons) last, then by z."
)
