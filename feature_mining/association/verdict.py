"""The last word on a track: is its best feature more than what the controls reach."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.curves import average_precision

MIN_LIFT = 0.02
MAX_Q = 0.05

# Control column -> verdict where the feature does not beat it, in the order in which they are asked.
CONTROLS = {
    "composition_ap_lift": "composition",
    "shuffled_ap_lift": "composition",
    "random_ap_lift": "random-weights too",
    "neuron_ap_lift": "raw neuron as good",
    "pca_ap_lift": "principal direction as good",
}


class Interval(NamedTuple):
    """A 95 % block-bootstrap interval; `resamples` with positives only."""

    low: float
    high: float
    resamples: int


def verdicts(tracks: pd.DataFrame) -> pd.DataFrame:
    """Margins, verdict and the rule that gave it, one row a track.

    Parameters
    ----------
    tracks : columns `ap_lift` and `q` (best feature, picked on select, scored on report) and, for
        the controls that ran, `composition_ap_lift`, `shuffled_ap_lift` (the same feature on the
        dinucleotide-shuffled genome), `random_ap_lift`, `neuron_ap_lift`, `pca_ap_lift` (report);
        optionally `margin_low_*`, the lower ends of bootstrap intervals of the margins, and
        `copied_share`, the share of the track's report bases that were left out of these scores
        because train or select hold a near copy of them

    Returns
    -------
    DataFrame with the same index: margin_composition, margin_shuffled, margin_random, margin_neuron,
    margin_pca (feature minus control, NaN where the control did not run), margin (the smallest),
    verdict, rule

    Notes
    -----
    Asked in order, the first yes decides: nothing but near copies to score, lift below 0.02 or q
    above 0.05 -> "not distinguishable"; not above the composition model, or not above itself on the
    shuffled genome -> "composition"; not above the same recipe on random weights ->
    "random-weights too"; not above the best raw neuron -> "raw neuron as good"; not above the best
    principal direction -> "principal direction as good"; else "learnt".
    "Above" is a margin whose bootstrap interval lies above 0, or without an interval a margin of at
    least 0.02.
    """
    lift, q = tracks["ap_lift"].to_numpy(np.float64), tracks["q"].to_numpy(np.float64)
    out = pd.DataFrame(index=tracks.index)
    words = np.full(len(tracks), "", dtype=object)
    rules = np.full(len(tracks), "", dtype=object)
    weak = ~(lift >= MIN_LIFT)
    chance = ~(q <= MAX_Q)
    words[weak | chance] = "not distinguishable"
    rules[chance] = f"q of the circular-shift null not at or below {MAX_Q}"
    rules[weak] = f"average precision lift below {MIN_LIFT}"
    if "copied_share" in tracks.columns:
        all_copied = (tracks["copied_share"] == 1).to_numpy()
        rules[weak & all_copied] = "train or select hold near copies of all of it"
    absent = []
    for column, word in CONTROLS.items():
        name = column.removesuffix("_ap_lift")
        has = column in tracks.columns
        control = tracks[column].to_numpy(np.float64) if has else np.full(len(tracks), np.nan)
        margin = lift - control
        out[f"margin_{name}"] = margin
        beaten, rule = margin >= MIN_LIFT, f"margin over {name} below {MIN_LIFT}"
        if f"margin_low_{name}" in tracks.columns:
            low = tracks[f"margin_low_{name}"].to_numpy(np.float64)
            beaten = np.where(np.isnan(low), beaten, low > 0)
            rule = f"margin over {name} not distinguishable from 0"
        ran = ~np.isnan(margin)
        absent.append(np.where(ran, "", name))
        fails = ran & ~beaten & (words == "")
        words[fails], rules[fails] = word, rule
    learnt = words == ""
    for row in np.flatnonzero(learnt):
        missing = [names[row] for names in absent if names[row]]
        ran = "beats every control" if not missing else "not run: " + ", ".join(missing)
        rules[row] = f"lift and q pass; {ran}"
    # Nothing can be called learnt against no control at all.
    unjudged = learnt & out.isna().all(axis=1).to_numpy()
    words[learnt], words[unjudged] = "learnt", "not distinguishable"
    out["margin"] = out.min(axis=1)
    out["verdict"], out["rule"] = words, rules
    return out


def bootstrap_margin(
    feature: tuple[np.ndarray, np.ndarray],
    control: tuple[np.ndarray, np.ndarray],
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Block-bootstrap interval of the margin in average precision lift over a control.

    Parameters
    ----------
    feature, control : (positive, all), each (n_blocks, n_bins): report counts, weighted or not, by
        block of the genome, the same blocks in the same order for both

    Notes
    -----
    Both detectors are scored on the same draw, so what they share cancels. NaN with fewer than two
    blocks.
    """
    n_blocks = len(feature[0])
    if len(control[0]) != n_blocks:
        raise ValueError(f"{n_blocks} blocks of the feature, {len(control[0])} of the control")
    if n_blocks < 2:
        return Interval(float("nan"), float("nan"), 0)
    random = np.random.default_rng(seed)
    times = random.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
    margin = _lift(times @ feature[0], times @ feature[1])
    margin -= _lift(times @ control[0], times @ control[1])
    margin = margin[~np.isnan(margin)]
    if margin.size == 0:
        return Interval(float("nan"), float("nan"), 0)
    low, high = np.quantile(margin, [0.025, 0.975])
    return Interval(float(low), float(high), margin.size)


def _lift(positive: np.ndarray, all_: np.ndarray) -> np.ndarray:
    rate = positive.sum(axis=1) / all_.sum(axis=1)
    precision = average_precision(positive[:, :, None], all_)[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (precision - rate) / (1 - rate)
