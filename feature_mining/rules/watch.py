"""Where rules fire along a reading, base after base or in pieces of any size: the same places."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from feature_mining.rules.rule_set import RuleSet

# Of rules that are held to no track.
_ANYWHERE = np.zeros(0, bool)


class Fired(NamedTuple):
    """A rule that fired.

    rule : its number in the set; at : base of the reading, from 0
    levels : of the concepts of its conditions there, shares of their ``top``
    """

    rule: int
    at: int
    levels: tuple[float, ...]


class Watch:
    """Rules along one reading of one strand.

    Parameters
    ----------
    rules : RuleSet
    strand : str
        Strand of the reading.
    """

    def __init__(self, rules: RuleSet, strand: str = "+") -> None:
        self._rules, self._read = rules, 0
        names = rules.names
        # Of every condition: whether it holds, and for how many bases it has.
        self._held: list[np.ndarray] = []
        # Of every rule: whether it may fire, its last base, and how often it has fired.
        self._state: list[np.ndarray] = []
        self._own: list[tuple[np.ndarray, np.ndarray] | None] = []
        for rule in rules.rules:
            columns = np.array([names.index(each.concept) for each in rule.conditions])
            limits = [
                (each.threshold, each.threshold if each.until is None else each.until, each.above, each.run)
                for each in rule.conditions
            ]
            active = not rule.strand or rule.strand == strand
            self._own.append((columns, np.array(limits, np.float64)) if active else None)
            self._held.append(np.zeros((len(columns), 2), np.int64))
            self._state.append(np.array([1, np.iinfo(np.int64).min, 0], np.int64))

    def read(
        self,
        levels: np.ndarray,
        places: np.ndarray | None = None,
        mute: bool = False,
        near: np.ndarray | None = None,
    ) -> list[Fired]:
        """Go on by some bases; the rules that fired, by base and then in their order.

        Parameters
        ----------
        levels : ndarray
            float64 ``(n, concepts)`` in the order of ``RuleSet.names``, shares of ``top``; NaN where a base
            has no value, where no condition holds.
        places : ndarray, optional
            int64 ``(n,)``, the positions that rules speak of; those of the reading without it.
        mute : bool
            Conditions go on, but nothing fires.
        near : ndarray, optional
            bool ``(n, rules)``: whether a base is near enough to what the rule names.

        Raises
        ------
        ValueError
            For a rule that names a track where ``near`` is not given.
        """
        first = self._read
        places = np.arange(first, first + len(levels)) if places is None else places
        found = []
        for number, (rule, own) in enumerate(zip(self._rules.rules, self._own, strict=True)):
            if own is None:
                continue
            columns, limits = own
            if near is None and rule.near:
                raise ValueError(f"{rule}: nothing is known here of {rule.near}")
            allowed = _ANYWHERE if near is None else np.ascontiguousarray(near[:, number])
            last = np.iinfo(np.int64).max if rule.end is None else rule.end
            if mute:
                last = rule.start
            values = np.ascontiguousarray(levels[:, columns], np.float64)
            bounds = np.array([rule.start, last, rule.wait, rule.budget, first], np.int64)
            rows = _fire(values, limits, self._held[number], places, allowed, bounds, self._state[number])
            found += [Fired(number, first + int(row), tuple(values[row].tolist())) for row in rows]
        self._read += len(levels)
        return sorted(found, key=lambda each: (each.at, each.rule))


@numba.njit(cache=True, nogil=True)
def _fire(levels, limits, held, places, allowed, bounds, state):
    start, end, wait, budget, first = bounds
    fired = []
    for row in range(levels.shape[0]):
        together = True
        for c in range(levels.shape[1]):
            level, above = levels[row, c], limits[c, 2] > 0
            limit = limits[c, 1] if held[c, 0] else limits[c, 0]
            on = level > limit if above else level < limit
            held[c, 0] = on
            held[c, 1] = held[c, 1] + 1 if on else 0
            together = together and held[c, 1] >= limits[c, 3]
        if not together:
            state[0] = 1
            continue
        here = start <= places[row] < end and (allowed.size == 0 or allowed[row])
        rested = state[2] == 0 or first + row - state[1] > wait
        if state[0] and here and rested and (budget == 0 or state[2] < budget):
            fired.append(row)
            state[0] = 0
            state[1] = first + row
            state[2] += 1
    return np.array(fired, np.int64)
