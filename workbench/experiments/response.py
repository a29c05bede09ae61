"""Dose and response: each arm's readout by strength, and how often the feature wins over the best control.

Prompts are the blocks: intervals come from drawing whole prompts anew, and the best control is chosen again
in every draw, so that its choice is part of the uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

UNEDITED, FEATURE = "unedited", "feature"
CONTROLS = ("random direction", "other feature", "shifted place", "same GC")
DRAWS = 2000
# Share of draws outside of an interval, on each side.
TAIL = 0.025


class Hypothesis(NamedTuple):
    """What a feature is said to do when it is added.

    Attributes
    ----------
    readout : str
    sign : int
        1 for more of it, -1 for less.
    strength : float
    select_t : float
        Mean of what the feature does beyond the best control, in standard errors over prompts.
    """

    readout: str
    sign: int
    strength: float
    select_t: float


def freeze(written: pd.DataFrame, readouts: Sequence[str]) -> Hypothesis:
    """The readout, direction and strength at which one feature is furthest beyond its best control.

    ``written`` has a column a readout in place of ``response`` of `summarise`. To be tested on other prompts:
    here it is the best of many.
    """
    found = []
    for readout in readouts:
        arms = _Arms(written.assign(response=written[readout]), None, np.random.default_rng(0))
        for strength in sorted(set(written["strength"]) - {0.0}):
            for sign in (1, -1):
                found.append(Hypothesis(readout, sign, strength, arms.beyond(strength, sign)))
    return max(found, key=lambda each: each.select_t)


def summarise(
    written: pd.DataFrame,
    damage: pd.DataFrame | None,
    sign: int,
    seed: int,
    tests: int = 0,
    controls: Sequence[str] = CONTROLS,
    tested: str = FEATURE,
) -> pd.DataFrame:
    """The response of every arm.

    Parameters
    ----------
    written : DataFrame
        ``feature, arm, strength, prompt, response, gc``, a row a sequence; `UNEDITED` at strength 0.
    damage : DataFrame
        ``feature, arm, strength, place, strand, response``: bits a base of natural sequence; None where that
        was not measured.
    sign : int
        1 where more of the readout was expected, -1 where less.
    seed : int
        Of the bootstrap.
    tests : int
        Features and strengths that share the level; 0 for those of ``written``.
    controls : sequence of str
        Arms that could do the same.
    tested : str
        The arm that they could do the same as.

    Returns
    -------
    DataFrame
        A row a feature, strength and arm: ``response`` with ``low`` and ``high``; ``effect``, response less
        that of the same prompts unedited, with ``effect_low, effect_high``; ``gc``; ``prompts``; ``damage``,
        bits a base more on natural sequence, NaN where that was not measured. Of the feature's arm also
        ``best_control``; ``win_rate``, share of prompts whose effect in the expected direction exceeds that
        control's, ties half, with ``win_low, win_high`` at a level that is shared out over features and
        strengths; and ``steers``: the win rate's lower bound is above one half, and the effect's on the
        expected side of 0.
    """
    rows: list[dict[str, object]] = []
    asked = tests or written[written["strength"] > 0].groupby(["feature", "strength"]).ngroups
    for feature, own in written.groupby("feature", sort=False):
        bits = None
        if damage is not None:
            bits = damage[damage["feature"] == feature].groupby(["arm", "strength"])["response"].mean()
        arms = _Arms(own, bits, np.random.default_rng(seed), controls, tested)
        strengths = sorted(set(own["strength"]) - {0.0})
        found = [arms.row(UNEDITED, 0.0)]
        for strength in strengths:
            found.append(arms.row(tested, strength) | arms.contest(strength, sign, TAIL / asked))
            found += [arms.row(arm, strength) for arm in controls]
        rows += [{"feature": feature} | row for row in found]
    return pd.DataFrame(rows)


class _Arms:
    """Means by prompt of every arm of one feature, and draws of prompts."""

    def __init__(
        self,
        written: pd.DataFrame,
        bits: pd.Series | None,
        random: np.random.Generator,
        controls: Sequence[str] = CONTROLS,
        tested: str = FEATURE,
    ) -> None:
        self.controls, self.tested = tuple(controls), tested
        keys = ["arm", "strength"]
        self.means = written.pivot_table(index="prompt", columns=keys, values="response", dropna=False)
        self.base = self.means[UNEDITED, 0.0].to_numpy()
        self.gc = written.groupby(keys)["gc"].mean()
        self.bits = bits
        self.draws = random.integers(0, len(self.means), (DRAWS, len(self.means)))

    def effect(self, arm: str, strength: float) -> np.ndarray:
        """Response less that of the same prompt unedited, ``(prompts,)``."""
        effect: np.ndarray = self.means[arm, strength].to_numpy() - self.base
        return effect

    def row(self, arm: str, strength: float) -> dict[str, object]:
        """What is said of every arm."""
        found: dict[str, object] = {"strength": strength, "arm": arm}
        values = self.means[arm, strength].to_numpy()
        for name, prefix, of in (("response", "", values), ("effect", "effect_", values - self.base)):
            drawn = np.nanmean(of[self.draws], axis=1)
            found[name] = float(np.nanmean(of))
            found[f"{prefix}low"], found[f"{prefix}high"] = np.nanquantile(drawn, [TAIL, 1 - TAIL])
        return found | {
            "gc": float(self.gc[arm, strength]),
            "prompts": int(np.isfinite(values).sum()),
            "damage": self.damage(arm, strength),
        }

    def damage(self, arm: str, strength: float) -> float:
        """Bits a base more on natural sequence; NaN where that was not measured."""
        if self.bits is None:
            return float("nan")
        return float(self.bits.get((arm, strength), np.nan) - self.bits[UNEDITED, 0.0])

    def beyond(self, strength: float, sign: int) -> float:
        """Mean over prompts of the effect beyond the best control, in standard errors; -inf for none."""
        effect, others = self.effects(strength, sign)
        apart = effect - others[win_rate(effect, others)[1]]
        apart = apart[np.isfinite(apart)]
        if len(apart) < 2:
            return -np.inf
        error = float(apart.std(ddof=1)) / np.sqrt(len(apart))
        return float(apart.mean()) / max(error, 1e-12)

    def effects(self, strength: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """What the feature ``(prompts,)`` and every control ``(controls, prompts)`` do in a direction."""
        others = np.stack([self.effect(arm, strength) for arm in self.controls])
        return sign * self.effect(self.tested, strength), sign * others

    def contest(self, strength: float, sign: int, tail: float) -> dict[str, object]:
        """The feature's arm against the controls."""
        effect, others = self.effects(strength, sign)
        rate, best = win_rate(effect, others)
        drawn = [win_rate(effect[chosen], others[:, chosen])[0] for chosen in self.draws]
        low, high = np.nanquantile(drawn, [tail, 1 - tail])
        least = np.nanquantile(np.nanmean(effect[self.draws], axis=1), tail)
        return {
            "best_control": self.controls[best],
            "win_rate": rate,
            "win_low": low,
            "win_high": high,
            "steers": bool(low > 0.5 and least > 0),
        }


def win_rate(effect: np.ndarray, others: np.ndarray) -> tuple[float, int]:
    """Share of blocks in which ``effect`` ``(n,)`` exceeds the best control of ``others`` ``(arms, n)``.

    The best control is the one with the largest mean. Ties count half, blocks without a value not at all.
    Returns the share and the control's row.
    """
    means = np.where(np.isfinite(others).any(axis=1), np.nan_to_num(others).sum(axis=1), -np.inf)
    means = means / np.maximum(np.isfinite(others).sum(axis=1), 1)
    best = int(means.argmax())
    known = np.isfinite(effect) & np.isfinite(others[best])
    if not known.any():
        return float("nan"), best
    apart = effect[known] - others[best][known]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean()), best


def arms_of(strengths: Sequence[float]) -> int:
    """Sequences a prompt and copy."""
    return 1 + (1 + len(CONTROLS)) * len(strengths)
