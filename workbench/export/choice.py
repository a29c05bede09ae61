"""Which features are exported, and what each is called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.verdict import Verdict
from workbench.errors import InputError
from workbench.study.study import Study

# Verdicts whose features are exported only when they are asked for, or where there are no others.
WEAK = (Verdict.CHANCE, Verdict.NOT_TESTED)


class Choice(NamedTuple):
    """A feature to export.

    Attributes
    ----------
    feature : int
    label : str
        What it is called (`workbench.study.feature_labels`).
    track, mode : str
        Its closest track and mode; empty for a feature that was not tested.
    threshold : float
        Frozen threshold of that track; a base is active at this value or above. 0 for a feature without
        a track: active at any positive value.
    max : float
        Largest value on the genome.
    """

    feature: int
    label: str
    track: str
    mode: str
    threshold: float
    max: float

    @property
    def name(self) -> str:
        """As in ``f412|CDS_stop (same strand)`` and ``f7|TATAAT, gene starts``."""
        return f"f{self.feature}|{self.label}"

    def active(self, values: np.ndarray) -> np.ndarray:
        """Which values, float32 (n), count as active, bool (n)."""
        return (values > 0) & (values >= np.float32(self.threshold))


def choose(study: Study, features: list[int] | None) -> list[Choice]:
    """The features asked for, or the tracks' best ones, with their frozen thresholds.

    Without a list: the best feature of every (track, mode) whose verdict is not in ``WEAK``;
    where no track has such a one, the best feature of every (track, mode).

    Raises
    ------
    InputError
        For a number that is no feature of the study, and where nothing can be chosen.
    """
    catalog = study.table("catalog").set_index("feature")
    numbers = _best(study.table("tracks"), study) if features is None else check(features, len(catalog))
    scores = study.table("associations")
    scores = scores[scores["feature"].isin(numbers)].set_index(["feature", "track", "mode"])
    frozen = scores["threshold"].to_dict()
    labels = study.feature_labels()
    chosen = []
    for number in numbers:
        row = catalog.loc[number]
        track, mode = str(row["best_track"]), str(row["best_mode"])
        threshold = float(frozen.get((number, track, mode), 0.0))
        chosen.append(Choice(number, labels[number].text, track, mode, threshold, float(row["max"])))
    return chosen


def check(features: list[int], count: int) -> list[int]:
    """Feature numbers, each once, in the order given; ``InputError`` for one not in ``[0, count)``."""
    if not features:
        raise InputError("no feature named; expected feature numbers, as in --features 12,40")
    for number in features:
        if not 0 <= number < count:
            raise InputError(f"feature {number}: no such feature; this study has features 0 to {count - 1}")
    return list(dict.fromkeys(features))


def describe(chosen: list[Choice]) -> str:
    """A line that says which features are exported."""
    return f"features exported: {'; '.join(c.name for c in chosen)}"


def _best(tracks: pd.DataFrame, study: Study) -> list[int]:
    led = tracks[tracks["feature"] >= 0]
    strong = led[~led["verdict"].isin(WEAK)]
    rows = strong if len(strong) else led
    if not len(rows):
        raise InputError(
            f"{study.folder}: no track has a best feature; name features, as in --features 12,40"
        )
    return [int(number) for number in rows["feature"].unique()]
