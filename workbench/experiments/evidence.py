"""What a few sequences written at one place say of an edit, in a word that is no more than they can say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from workbench.wording import plural

STEERS, AS_RANDOM, BREAKS, NOT_TESTED = "steers", "as random", "breaks the model", "not tested"
# Bits a base of letters drawn evenly: sequence that the model finds less likely than that is none to it.
EVEN = 2.0
# Bits a base by which what the model finds unlikely as it is may become less likely, and is not broken.
SLACK = 0.1
# Chance of as large a difference between two arms that are alike.
LEVEL = 0.05
# Arrangements of samples that are counted; beyond that as many are drawn.
_MOST = 20_000


class Verdict(NamedTuple):
    """A word, and the sentence that says why."""

    word: str
    why: str


def verdict_of(
    edited: np.ndarray,
    controls: Mapping[str, np.ndarray],
    more: bool,
    bits: float,
    seed: int = 0,
    unedited: float = 0.0,
) -> Verdict:
    """What samples at one place say of an edit.

    Parameters
    ----------
    edited : ndarray
        Readout of each sample; NaN where the judge could not say.
    controls : mapping of str to ndarray
        The same of every arm that could do as much.
    more : bool
        Whether more of the readout was expected, not less.
    bits : float
        Bits a base at which the unedited model finds the edited samples.
    seed : int
        Of arrangements that are drawn.
    unedited : float
        Bits a base of what stands there, unedited; 0 where nothing does.

    Returns
    -------
    Verdict
        ``steers`` where the edited arm is beyond every control, each at `LEVEL` (exact permutation of
        samples); ``breaks the model`` where `bits` exceed those of letters drawn evenly, and `unedited` by
        `SLACK`; ``not tested`` where so few samples could not tell the arms apart, however they fell.
    """
    if bits > max(EVEN, unedited + SLACK):
        return Verdict(BREAKS, f"{bits:.2f} bits a base: less likely to the model than letters drawn evenly")
    own = edited[np.isfinite(edited)]
    chances: dict[str, float] = {}
    for arm, values in controls.items():
        other = values[np.isfinite(values)]
        if not own.size or not other.size:
            return Verdict(NOT_TESTED, f"the judge could not read the arm {arm if own.size else 'painted'}")
        if 1 / _arrangements(own.size, other.size) > LEVEL:
            return Verdict(
                NOT_TESTED,
                f"{plural(own.size, 'sample')} and {other.size} of {arm} cannot differ at {LEVEL:g}",
            )
        chances[arm] = _permutation(own if more else -own, other if more else -other, seed)
    if not chances:
        return Verdict(NOT_TESTED, "nothing stands beside it")
    worst = max(chances, key=lambda arm: chances[arm])
    samples = f"{plural(own.size, 'sample')} at one place; p {chances[worst]:.2g} against {worst}"
    if chances[worst] <= LEVEL:
        return Verdict(STEERS, f"beyond every control: {samples}")
    return Verdict(AS_RANDOM, f"no further than a control: {samples}")


def _arrangements(own: int, other: int) -> float:
    return math.comb(own + other, own)


def _permutation(own: np.ndarray, other: np.ndarray, seed: int) -> float:
    """Chance that the means of two groups lie as far apart, the first above, when samples are dealt anew."""
    if 1 in (own.size, other.size):  # where one value stands among all, which SciPy does not take
        every = np.concatenate([own, other])
        return float((every >= own[0]).mean() if own.size == 1 else (every <= other[0]).mean())
    from scipy.stats import permutation_test  # SciPy

    found = permutation_test(
        (own, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), vectorized=True,
        alternative="greater", n_resamples=_MOST, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.pvalue)
