"""Other ways to choose changes of bases, which a compiled edit has to beat."""

from __future__ import annotations

import numpy as np

from feature_mining.painting.compiler import Changes, Locus


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
    steps, shares = [()], [0.0]  # type: list[Changes], list[float]
    for _ in range(most):
        sets = [tuple(sorted((*steps[-1], one))) for one in locus.substitutions(steps[-1])]
        found = locus.recovered(sets)
        steps.append(sets[int(found.argmax())])
        shares.append(float(found.max()))
    return steps, np.array(shares)


def change_by_likelihood(locus: Locus, most: int) -> tuple[list[Changes], np.ndarray]:
    """What the model finds likeliest, whatever the plan; as `change_greedily`, by log-likelihood."""
    steps = [()]  # type: list[Changes]
    for _ in range(most):
        sets = [tuple(sorted((*steps[-1], one))) for one in locus.substitutions(steps[-1])]
        steps.append(sets[int(locus.likelihood(sets).argmax())])
    return steps, locus.recovered(steps)
