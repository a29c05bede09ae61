"""What stands beside whatever was done to the model: arms that could do the same, and a word for all of it.

`evidence` is what the script's component ``evidence`` (``assets/evidence.js``) draws, in every mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.experiments.evidence import NOT_TESTED, Verdict, verdict_of
from workbench.judges.judge import NotJudged, References
from workbench.judges.training_match import TrainingMatch
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

# Random directions, and other features or sets of them, that stand beside an edit.
CONTROLS = 20


def beside(
    done: str, column: str, effects: np.ndarray, bits: np.ndarray, more: bool, idle: str
) -> tuple[dict[str, dict[str, float | None]], Verdict]:
    """Arms of one edit beside what could do the same, and the verdict on it.

    Parameters
    ----------
    done, column : str
        What the edit, and what an effect, is called.
    effects, bits : ndarray
        Of no edit, the edit, `CONTROLS` random directions, then of other features; bits a base.
    more : bool
        Whether the edit is to raise the effect.
    idle : str
        Why there is nothing to test; "" where there is.
    """
    groups = {
        "unedited": slice(0, 1), done: slice(1, 2), "random direction": slice(2, 2 + CONTROLS),
        "other features": slice(2 + CONTROLS, None),
    }  # fmt: skip
    arms = {
        name: {
            column: _mean(effects[rows]),
            "furthest": _furthest(effects[rows]),
            "bits a base": _mean(bits[rows]),
        }
        for name, rows in groups.items()
    }
    if idle:
        return arms, Verdict(NOT_TESTED, idle)
    controls = {name: effects[groups[name]] for name in list(groups)[2:]}
    return arms, verdict_of(effects[groups[done]], controls, more, float(bits[1]), unedited=float(bits[0]))


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _furthest(values: np.ndarray) -> float | None:
    return float(values[np.abs(values).argmax()]) if values.size else None


def evidence(
    arms: Mapping[str, Mapping[str, float | None]], verdict: Verdict, match: str, lines: Sequence[str] = ()
) -> dict[str, Any]:
    """Evidence as the canvas draws it.

    Parameters
    ----------
    arms : mapping of str to mapping of str to float
        Values of each arm by readout, the unedited one first; None where there is none.
    verdict : Verdict
    match : str
        `training_match` of what was written.
    lines : sequence of str
        How the arms were made, in sentences.
    """
    columns = list(dict.fromkeys(name for values in arms.values() for name in values))
    rows = [[arm, *(values.get(name) for name in columns)] for arm, values in arms.items()]
    return {
        "columns": columns,
        "rows": rows,
        "verdict": verdict.word,
        "why": verdict.why,
        "match": match,
        "lines": list(lines),
        "note": NOT_VALIDATED,
    }


def training_match(study: Study, letters: str) -> str:
    """How much of a sequence the model may have seen in training, in a sentence."""
    try:
        found = _judge(study.config.model.name).read(letters)
    except NotJudged as reason:
        return f"not tested: {reason}"
    return (
        f"{found['shared']} of {found['sampled']} sampled words are in the training sequence: as of sequence"
        f" of {float(str(found['identity'])):.0%} identity"
    )


@lru_cache(maxsize=2)
def _judge(model: str) -> TrainingMatch:
    return TrainingMatch(References(model=model))
