"""What a treatment changed on the report split: the symptom, and everything else, each with its noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from feature_mining.association.margin import Bases, draw_blocks, interval, resample
from feature_mining.association.verdict import FEWEST, Control, verdicts
from feature_mining.detection.detector import Detector
from feature_mining.detection.precision import estimate
from workbench.analysis.labels import study_columns
from workbench.experiments.follow_up import COUNTED, DRAWS, FollowUp, draws_of
from workbench.experiments.symptoms import KEEPS, Symptom, call_scores
from workbench.study.study import Study

WORSE, BETTER, SAME, UNTESTED = "worse", "better", "no change shown", "not tested"
TREATED, SHAM, RANDOM = "treated", "sham", "random direction"
SYMPTOM, BITS, DETECTOR = "symptom", "bits a base", "detector"
CHANGES = ["what", "name", "arm", "before", "after", "change", "low", "high", "word"]


def changed(
    what: str, name: str, arm: str, pair: tuple[np.ndarray, np.ndarray], held: int, more_is_better: bool
) -> tuple[object, ...]:
    """A row of ``CHANGES``: a figure before and after, each as it is and on the same draws, and the word.

    Fewer than ``FEWEST`` blocks that hold something of it give no interval, and so no word.
    """
    before, after = pair
    apart = after - before
    found = estimate(float(apart[0]), apart[1:], held if held >= FEWEST else 0)
    return (what, name, arm, before[0], after[0], *found, _word(found.low, found.high, more_is_better))


def _word(low: float, high: float, more_is_better: bool) -> str:
    if np.isnan(low) or np.isnan(high):
        return UNTESTED
    if low <= 0 <= high:
        return SAME
    return BETTER if (low > 0) == more_is_better else WORSE


def compare_arms(
    symptom: Symptom, detectors: Mapping[str, Detector], untreated: FollowUp, arms: Mapping[str, FollowUp]
) -> pd.DataFrame:
    """Symptom, bits by class of region, and detectors, a row an arm: ``CHANGES``."""
    rows = []
    for arm, found in arms.items():
        strengths = symptom.strength(untreated, untreated), symptom.strength(found, untreated)
        rows.append(changed(SYMPTOM, symptom.unit, arm, strengths, symptom.held(untreated), False))
        rows += _bits(untreated, found, arm)
        for name, detector in detectors.items():
            before, after = (call_scores(detector, each.detectors[name]) for each in (untreated, found))
            for figure in ("precision", "recall"):
                pair = getattr(before, figure), getattr(after, figure)
                rows.append(changed(DETECTOR, f"{name}: {figure}", arm, pair, before.held, True))
    return pd.DataFrame(rows, columns=CHANGES)


def _bits(untreated: FollowUp, found: FollowUp, arm: str) -> Iterator[tuple[object, ...]]:
    times = draws_of(untreated.size)
    for at, name in enumerate(untreated.classes):
        letters = untreated.letters[:, at]
        if letters.any():
            with np.errstate(invalid="ignore", divide="ignore"):
                before, after = (
                    (times @ each.bits[:, at]) / (times @ letters) for each in (untreated, found)
                )
            yield changed(BITS, name, arm, (before, after), int((letters > 0).sum()), False)


def compare_verdicts(study: Study, untreated: FollowUp, arms: Mapping[str, FollowUp]) -> pd.DataFrame:
    """Every track's feature, as it scores before and after.

    Returns
    -------
    DataFrame
        ``track, mode, feature, arm``; ``before, after``, lift on the sample; ``change, low, high, word``;
        ``verdict_before``, the study's, and ``verdict_after``, by the same rules with lift and margins moved
        by the change. Controls and q are the study's own: they are not read again.
    """
    columns = study_columns(study)
    tracks = study.table("tracks").set_index(["track", "mode"], drop=False)
    times = draw_blocks(untreated.size, DRAWS)
    rows = []
    for arm, found in arms.items():
        for c, column in enumerate(columns):
            if column not in tracks.index or not (known := tracks.loc[column])["feature"] >= 0:
                continue
            bases = Bases(untreated.inside[:, c], untreated.weight, untreated.block)
            before, after = (resample(each.scores[:, c], bases, times) for each in (untreated, found))
            change, ends = after.lift - before.lift, interval(after, before, bases.held)
            rows.append(
                {
                    **dict(zip(("track", "mode"), column, strict=True)),
                    "feature": int(known["feature"]),
                    "arm": arm,
                    "before": before.lift,
                    "after": after.lift,
                    "change": change,
                    **ends._asdict(),
                    "word": _word(*ends, True),
                    "verdict_before": str(known["verdict"]),
                    "verdict_after": _moved(known, change),
                }
            )
    names = ["track", "mode", "feature", "arm", "before", "after", "change", "low", "high", "word"]
    return pd.DataFrame(rows, columns=[*names, "verdict_before", "verdict_after"])


def _moved(known: pd.Series, change: float) -> str:
    """The verdict where a feature's lift, and with it its margins, are so much more."""
    if np.isnan(change):
        return UNTESTED
    row = known.to_frame().T.reset_index(drop=True).infer_objects()
    row["ap_lift"] = row["sample_ap_lift"].astype(float) + change
    for control in Control:
        if control.low in row:
            row[control.low] = row[control.low].astype(float) + change
    return str(verdicts(row)["verdict"].iloc[0])


def compare_flags(untreated: FollowUp, arms: Mapping[str, FollowUp]) -> pd.DataFrame:
    """Flags by the audit's rules on the report sample.

    Returns
    -------
    DataFrame
        ``flag, arm, before, after``; of those before, ``cured`` (gone, and the feature still fires at least
        half as often) and ``silenced`` (gone, but it does not); ``new``.
    """
    was = untreated.flags()
    rows = []
    for arm, found in arms.items():
        now = found.flags()
        fires = now["fired"] >= KEEPS * was["fired"]
        for flag in COUNTED:
            gone = was[flag] & ~now[flag]
            counts = was[flag], now[flag], gone & fires, gone & ~fires, ~was[flag] & now[flag]
            rows.append((flag, arm, *(int(each.sum()) for each in counts)))
    return pd.DataFrame(rows, columns=["flag", "arm", "before", "after", "cured", "silenced", "new"])
