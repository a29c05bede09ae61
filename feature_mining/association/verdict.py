"""The last word on a track: is its best feature more than what the controls reach.

Words, meanings, rules and colours of verdicts and controls stand here and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd

# Lift below which a feature marks nothing, and margin below which it is no better than a control.
MIN_LIFT = 0.02
MAX_Q = 0.05
# Blocks of the genome, and intervals, below which a track is not judged.
#
# In simulation (`tests/feature_mining/association/test_margin.py`) the 95 % interval of a margin holds the
# truth in 0.90 to 0.95 of cases from 8 blocks on, in 0.87 with 4, in 0.74 with 3.
FEWEST = 8


# How reasons begin that more sequence or more annotation would mend.
FEW = f"fewer than {FEWEST}"


class Verdict(StrEnum):
    """What is said of a track's best feature, from best to worst; a member is its word.

    Attributes
    ----------
    meaning : str
        A clause on the track's best feature.
    rule : str
        When the word is given.
    colour : str
        Of Okabe and Ito's, told apart by colour-blind readers.
    """

    meaning: str
    rule: str
    colour: str

    def __new__(cls, word: str, meaning: str = "", rule: str = "", colour: str = "") -> Verdict:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning, member.rule, member.colour = meaning, rule, colour
        return member

    LEARNT = (
        "learnt",
        "the best feature beats every control that ran",
        f"lift at least {MIN_LIFT}, q at most {MAX_Q}, and above every control that ran: a margin in lift of"
        f" at least {MIN_LIFT} whose 95 % block-bootstrap interval lies above 0",
        "#0072B2",
    )
    DIRECTION = (
        "principal direction as good",
        "one principal direction of the layer does as well as the best feature",
        "above the other controls, but not above the best principal direction",
        "#D55E00",
    )
    NEURON = (
        "raw neuron as good",
        "a single neuron of the model does as well as the best feature",
        "above the controls that ignore the layer, but not above the best raw neuron",
        "#E69F00",
    )
    RANDOM = (
        "random-weights too",
        "the same recipe on a model with random weights does as well as the best feature",
        "above composition, but not above the same recipe on random weights",
        "#CC79A7",
    )
    COMPOSITION = (
        "composition",
        "local base composition, fitted or kept in a shuffled genome, does as well as the best feature",
        "not above the composition model, or not above itself on the shuffled genome",
        "#009E73",
    )
    CHANCE = (
        "not distinguishable",
        "the best feature does not stand out from chance by enough",
        f"lift below {MIN_LIFT} or q above {MAX_Q}",
        "#999999",
    )
    NOT_TESTED = (
        "not tested",
        "there is too little to judge by, so nothing is said for or against it",
        "no feature with a score and a q on bases of which train and select hold no near copy, no control"
        f" to compare with, or a track with fewer than {FEWEST} intervals, or in fewer than {FEWEST} blocks"
        " of the genome, in the report sample",
        "#F0E442",
    )


class Control(StrEnum):
    """What a track's best feature has to beat, in the order in which it is asked; a member is its column.

    Attributes
    ----------
    word, meaning : str
    verdict : Verdict
        Given where the feature is not above this control.
    colour : str
    lift, margin, low, high : str
        Columns of the table of tracks: its lift, the feature's less that, and the ends of the margin's
        interval.
    """

    word: str
    meaning: str
    verdict: Verdict
    colour: str

    def __new__(cls, name: str, word: str, meaning: str, verdict: Verdict, colour: str) -> Control:
        member = str.__new__(cls, name)
        member._value_ = name
        member.word, member.meaning, member.verdict, member.colour = word, meaning, verdict, colour
        return member

    COMPOSITION = (
        "composition",
        "composition",
        "a model of local base composition",
        Verdict.COMPOSITION,
        "#2f9e73",
    )
    SHUFFLED = (
        "shuffled",
        "shuffled genome",
        "the feature itself on the genome shuffled with its dinucleotides kept",
        Verdict.COMPOSITION,
        "#c4505f",
    )
    RANDOM = (
        "random",
        "random weights",
        "the same recipe on the network untrained",
        Verdict.RANDOM,
        "#b565b0",
    )
    NEURON = (
        "neuron",
        "raw neuron",
        "the best single number of the layer, either sign",
        Verdict.NEURON,
        "#d9822b",
    )
    DIRECTION = (
        "pca",
        "principal direction",
        "the best principal direction of the layer, either sign",
        Verdict.DIRECTION,
        "#a8742f",
    )

    @property
    def lift(self) -> str:
        """Column of this control's lift."""
        return f"{self}_ap_lift"

    @property
    def margin(self) -> str:
        """Column of the feature's margin over this control."""
        return f"margin_{self}"

    @property
    def low(self) -> str:
        """Column of the lower end of the margin's 95 % interval."""
        return f"margin_{self}_low"

    @property
    def high(self) -> str:
        """Column of its upper end."""
        return f"margin_{self}_high"


def verdicts(tracks: pd.DataFrame) -> pd.DataFrame:
    """Margins, verdict and the rule that gave it, one row a track.

    Parameters
    ----------
    tracks : columns `ap_lift` and `q` (best feature, picked on select, scored on report); `Control.lift`
        and `Control.low` of the controls that ran (report); optionally those of `reasons`

    Returns
    -------
    DataFrame with the same index: `Control.margin` (feature minus control, NaN where the control did
    not run), margin (the smallest), verdict, rule

    Notes
    -----
    Asked in order, the first yes decides: a reason why it cannot be tested (`reasons`), or no control
    that ran -> not tested; lift below 0.02 or q above 0.05 -> not distinguishable; not above a control,
    in the order of `Control` -> its verdict; else learnt. "Above" is a margin of at least 0.02 whose
    interval lies above 0.
    """
    lift, q = tracks["ap_lift"].to_numpy(np.float64), tracks["q"].to_numpy(np.float64)
    out = pd.DataFrame(index=tracks.index)
    rules = reasons(tracks).to_numpy(object, copy=True)
    words = np.where(rules != "", Verdict.NOT_TESTED.value, "").astype(object)

    def decide(which: np.ndarray, word: Verdict, rule: str) -> None:
        which = which & (words == "")
        words[which], rules[which] = word.value, rule

    ran = {}
    for control in Control:
        margin = lift - _column(tracks, control.lift)
        out[control.margin], ran[control] = margin, ~np.isnan(margin)
    decide(~np.any(list(ran.values()), axis=0), Verdict.NOT_TESTED, "no control ran")
    decide(lift < MIN_LIFT, Verdict.CHANCE, f"average precision lift below {MIN_LIFT}")
    decide(q > MAX_Q, Verdict.CHANCE, f"q of the circular-shift null above {MAX_Q}")
    for control in Control:
        small = ran[control] & (out[control.margin] < MIN_LIFT).to_numpy()
        decide(small, control.verdict, f"margin over {control.word} below {MIN_LIFT}")
        # Without an interval nothing is above.
        unsure = ran[control] & ~(_column(tracks, control.low) > 0)
        decide(unsure, control.verdict, f"interval of the margin over {control.word} reaches 0")
    for row in np.flatnonzero(words == ""):
        absent = [control.word for control in Control if not ran[control][row]]
        all_ran = "not run: " + ", ".join(absent) if absent else "beats every control"
        words[row], rules[row] = Verdict.LEARNT.value, f"lift and q pass; {all_ran}"
    out["margin"] = out.min(axis=1)
    out["verdict"], out["rule"] = words, rules
    return out


def _column(tracks: pd.DataFrame, name: str) -> np.ndarray:
    """A column as float64, NaN where the table has none."""
    return tracks.reindex(columns=[name])[name].to_numpy(np.float64)


def reasons(tracks: pd.DataFrame) -> pd.Series:
    """Why a track's best feature cannot be tested; empty where it can.

    Parameters
    ----------
    tracks : columns `ap_lift` and `q`, NaN where there is none; optionally `feature`, below 0 or NaN
        where none was picked, `copied_share`, the share of the track's report bases that were left
        out because train or select hold a near copy of them, and `sample_blocks` and
        `sample_intervals`, blocks of the report sample that hold bases of it and intervals there, counted
        once a reading, so twice where `mode` is any
    """
    asked = {}
    if "sample_blocks" in tracks:
        few = tracks["sample_blocks"] < FEWEST
        asked[f"{FEW} blocks of the report sample hold bases of the track"] = few
    if "sample_intervals" in tracks:
        readings = np.where(tracks["mode"] == "any", 2, 1)
        few = tracks["sample_intervals"] < FEWEST * readings
        asked[f"{FEW} intervals in the report sample"] = few
    asked["q could not be computed: shifting the track never changes the overlap"] = tracks["q"].isna()
    asked["no base of the track, or no other, in the sample of the report split"] = tracks["ap_lift"].isna()
    if "copied_share" in tracks:
        copied = tracks["copied_share"] == 1
        asked["train or select hold near copies of all of it"] = copied
    if "feature" in tracks:
        none = ~(tracks["feature"] >= 0)
        asked["no feature could be picked: no base of the track in the select split"] = none
    found = pd.Series("", tracks.index, object)
    for reason, holds in asked.items():
        found[holds] = reason
    return found


def understood(tracks: pd.DataFrame) -> pd.DataFrame:
    """A table of tracks of any version, in today's words.

    Earlier versions said "not distinguishable" of tracks that could not be tested.
    """
    if "verdict" not in tracks:
        return tracks
    lift = tracks["sample_ap_lift"] if "sample_ap_lift" in tracks else tracks["ap_lift"]
    why = reasons(tracks.assign(ap_lift=lift))
    said = (tracks["verdict"] == Verdict.CHANCE) & (why != "")
    return tracks.assign(
        verdict=tracks["verdict"].mask(said, Verdict.NOT_TESTED.value), rule=tracks["rule"].mask(said, why)
    )
