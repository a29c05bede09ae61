"""Other ways to choose changes of bases, which a compiled edit has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from feature_mining.painting.compiler import Changes, Locus, joined


def change_at_random(locus: Locus, most: int, draws: int, seed: int) -> np.ndarray:
    """Share of the effect after 0, 1, ... random changes, mean over draws: float64 ``(most + 1,)``."""
    random = np.random.default_rng(seed)
    sets: list[Changes] = []
    for number in range(1, most + 1):
        for _ in range(draws):
            places = random.choice(np.arange(locus.start, locus.end), number, replace=False)
            codes = (locus.codes[places] + random.integers(1, 4, number)) % 4
            sets.append(tuple(sorted((int(at), int(code)) for at, code in zip(places, codes, strict=True))))
    return np.append(0.0, locus.recovered(sets).reshape(most, draws).mean(axis=1))


def change_greedily(locus: Locus, most: int) -> tuple[list[Changes], np.ndarray]:
    """Without gradients: every substitution is read, the best kept, and so on.

    Returns the set after each step, the empty one first, and their shares of the effect.
    """
    steps, shares = _step_by_step(locus, most, locus.recovered)
    return steps, np.array([0.0, *shares])


def change_by_likelihood(locus: Locus, most: int) -> tuple[list[Changes], np.ndarray]:
    """What the model finds likeliest, whatever the plan; as `change_greedily`, by log-likelihood."""
    steps, _ = _step_by_step(locus, most, locus.likelihood)
    return steps, locus.recovered(steps)


def _step_by_step(
    locus: Locus, most: int, score: Callable[[Sequence[Changes]], np.ndarray]
) -> tuple[list[Changes], list[float]]:
    steps: list[Changes] = [()]
    scores: list[float] = []
    for _ in range(most):
        sets = [joined(steps[-1], one) for one in locus.substitutions(steps[-1])]
        found = score(sets)
        steps.append(sets[int(found.argmax())])
        scores.append(float(found.max()))
    return steps, scores
