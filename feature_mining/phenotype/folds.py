"""Folds that keep groups together, outside and inside."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

OUTER, INNER = 5, 3
# Up to this many groups each is left out by itself.
SINGLE = 10


class Fold(NamedTuple):
    """Indices of samples for training and testing, and what is special about the fold (empty: nothing)."""

    train: np.ndarray
    test: np.ndarray
    note: str


def outer_folds(y: np.ndarray, groups: np.ndarray | None, binary: bool, seed: int = 0) -> list[Fold]:
    """Outer folds.

    Parameters
    ----------
    y : float64 (n,)
    groups : (n,) or None
        Lineage or site: no group is in both parts of a fold. None: random folds, which let relatives of
        the tested samples into the training part.
    binary : bool
    seed : int

    Raises
    ------
    ValueError
        Fewer than two groups, fewer than ten samples, or all groups' training parts of one class.
    """
    n = len(y)
    if n < 2 * OUTER:
        raise ValueError(f"{n} samples, expected at least {2 * OUTER} for cross-validation")
    nothing = np.zeros((n, 1))
    if groups is None:
        if binary:
            random = StratifiedKFold(OUTER, shuffle=True, random_state=seed)
        else:
            random = KFold(OUTER, shuffle=True, random_state=seed)
        pieces = _split(random, nothing, y)
    else:
        names = np.unique(groups)
        if names.size < 2:
            raise ValueError(
                f"all {n} samples are of group {str(names[0])!r}, expected at least two groups; without them"
                " nothing can be said of a lineage or site never seen"
            )
        if names.size <= SINGLE:
            pieces = _split(LeaveOneGroupOut(), nothing, y, groups)
        else:
            grouped = StratifiedGroupKFold(OUTER, shuffle=True, random_state=seed)
            # Stratified by class; a quantitative trait by halves.
            label = y if binary else (y > np.median(y)).astype(int)
            pieces = _split(grouped, nothing, label, groups)
    folds = []
    for train, test in pieces:
        held = "" if groups is None else ", ".join(map(str, np.unique(groups[test])[:3]))
        if np.ptp(y[train]) == 0:
            only = "cases" if y[train][0] == 1 else "controls"
            note = f"left out: without {held} only {only if binary else 'one value'} remain to train on"
        elif np.ptp(y[test]) == 0:
            only = "cases" if y[test][0] == 1 else "controls"
            where = held or "a random fold"
            note = f"{where} has {only if binary else 'one value'} only: no score of its own"
        else:
            note = ""
        folds.append(Fold(train, test, note))
    if all(fold.note.startswith("left out") for fold in folds):
        raise ValueError(
            "every fold leaves one class to train on, because each class lies in one group; choose other"
            " groups"
        )
    return folds


def _split(splitter: Any, *data: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pieces of a splitter, without its warning of small classes: notes say what those cost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter.split(*data))


def inner_folds(
    y: np.ndarray, groups: np.ndarray | None, binary: bool, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of a training part, for choosing penalties; groups kept together where there are two or more.

    Folds whose training part is of one class are left out; an empty list says that nothing can be chosen.
    """
    nothing = np.zeros((len(y), 1))
    label = y if binary else (y > np.median(y)).astype(int)
    if groups is not None and np.unique(groups).size >= 2:
        count = min(INNER, np.unique(groups).size)
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        pieces = _split(splitter, nothing, label, groups)
    elif np.bincount(label.astype(int)).min() >= INNER:
        splitter = StratifiedKFold(INNER, shuffle=True, random_state=seed)
        pieces = _split(splitter, nothing, label)
    else:
        pieces = []
    return [(a, b) for a, b in pieces if np.ptp(y[a]) > 0 and np.ptp(y[b]) > 0]
