"""Counts by feature, bin and column in one byte each, or two, and in eight for the features that need them.

Bins are cut at quantiles, so that counts of a feature are alike and small: of many features a bin holds no
more than 255 bases of a column, and few are active so often that one holds more than 65,535. Bin 0 alone is
large in all of them; it is not kept, being what the other bins leave of the column's bases, which are the
same for every feature.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

# Of a feature of eight bytes a count as much room as of so many of one byte.
_BYTES = 8
_NAMES = ("few", "totals", "rows", "wide")


class Cells:
    """Counts (F, n_bins, C), read as from an array: ``cells[features]`` by slice or by numbers.

    few : uint8 or, where many features need it, uint16 (F, n_bins - 1, C), counts of the bins from 1 on
    totals : int64 (C), counts of all bins together
    rows : int64 (W), features whose counts are in ``wide`` instead, int64 (W, n_bins - 1, C)
    slots : int64 (F), row of ``wide`` of every feature, -1 for none
    """

    def __init__(self, few: np.ndarray, totals: np.ndarray, rows: np.ndarray, wide: np.ndarray) -> None:
        self.few, self.totals, self.rows, self.wide = few, totals, rows, wide
        self.slots = np.full(len(few), -1, np.int64)
        self.slots[rows] = np.arange(rows.size)
        # No count of a feature in ``few`` is larger.
        self._most = np.full(len(few), self.most, np.int64)

    @classmethod
    def empty(cls, n_features: int, n_bins: int, n_columns: int) -> Cells:
        """Nothing counted yet."""
        few = np.zeros((n_features, n_bins - 1, n_columns), np.uint8)
        totals, rows = np.zeros(n_columns, np.int64), np.zeros(0, np.int64)
        cells = cls(few, totals, rows, np.zeros((0, *few.shape[1:]), np.int64))
        cells._most[:] = 0
        return cells

    @classmethod
    def of(cls, counts: np.ndarray) -> Cells:
        """The same counts as an array int (F, n_bins, C); its sum over bins is that of any feature."""
        cells = cls.empty(*counts.shape)
        if len(counts):
            cells.totals += counts[0].sum(axis=0)
        cells.add(0, counts)
        return cells

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Cells:
        """Back from `arrays()`."""
        return cls(*(np.asarray(arrays[name]) for name in _NAMES))

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name."""
        return {name: getattr(self, name) for name in _NAMES}

    @property
    def most(self) -> int:
        """Highest count that `few` holds."""
        return int(np.iinfo(self.few.dtype).max)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Features, bins and columns."""
        n_features, others, n_columns = self.few.shape
        return n_features, others + 1, n_columns

    def __len__(self) -> int:
        return len(self.few)

    def __getitem__(self, features: slice | np.ndarray) -> np.ndarray:
        """Counts of some features, int32 or int64 (f, n_bins, C)."""
        chosen = np.arange(*features.indices(len(self))) if isinstance(features, slice) else features
        narrow = self.totals.max(initial=0) <= np.iinfo(np.int32).max
        out = np.empty((chosen.size, *self.shape[1:]), np.int32 if narrow else np.int64)
        _spread(self.few, self.totals, self.slots, self.wide, chosen, out)
        return out

    def __add__(self, other: Cells) -> Cells:
        few = self.few.astype(np.promote_types(self.few.dtype, other.few.dtype))
        total = Cells(few, self.totals + other.totals, self.rows, self.wide.copy())
        most = _highest_sum(self.few, other.few)
        total._make_room(most)
        total._widen(other.rows)
        _add(total.few, total.slots, total.wide, other.few, 0)
        total.wide[total.slots[other.rows]] += other.wide
        return total

    def expect(self, more: np.ndarray) -> None:
        """Make room for so many more in any bin and column of each feature, int (F)."""
        self._most += more
        near = np.flatnonzero(self._most > self.most)
        self._most[near] = _highest(self.few, near) + more[near]
        self._make_room(self._most)

    def _make_room(self, most: np.ndarray) -> None:
        """Have counts up to these, int64 (F), fit."""
        if self.few.dtype == np.uint8 and _BYTES * np.count_nonzero(most > self.most) > len(self):
            self.few = self.few.astype(np.uint16)
        self._widen(np.flatnonzero(most > self.most))

    def _widen(self, features: np.ndarray) -> None:
        """Keep these features in ``wide`` from now on."""
        fresh = np.setdiff1d(features, self.rows)
        if fresh.size:
            self.slots[fresh] = self.rows.size + np.arange(fresh.size)
            self.wide = np.concatenate([self.wide, self.few[fresh]])
            self.rows = np.concatenate([self.rows, fresh])
            self.few[fresh] = 0

    def add(self, first: int, counts: np.ndarray) -> None:
        """Add counts int (f, n_bins, C) of the features from `first` on, but for bin 0: add to ``totals``."""
        more = np.zeros(len(self), np.int64)
        more[first : first + len(counts)] = counts[:, 1:].max(axis=(1, 2), initial=0)
        self.expect(more)
        _add(self.few, self.slots, self.wide, counts[:, 1:], first)


@numba.njit(cache=True, nogil=True)
def _spread(few, totals, slots, wide, chosen, out):
    n_bins, n_columns = out.shape[1], out.shape[2]
    for i in range(chosen.size):
        f = chosen[i]
        for c in range(n_columns):
            out[i, 0, c] = totals[c]
        for b in range(1, n_bins):
            if slots[f] < 0:
                for c in range(n_columns):
                    out[i, b, c] = few[f, b - 1, c]
                    out[i, 0, c] -= few[f, b - 1, c]
            else:
                for c in range(n_columns):
                    out[i, b, c] = wide[slots[f], b - 1, c]
                    out[i, 0, c] -= wide[slots[f], b - 1, c]


@numba.njit(cache=True, nogil=True)
def _highest(few, features):
    found = np.zeros(features.size, np.int64)
    for i in range(features.size):
        most = np.uint16(0)
        for b in range(few.shape[1]):
            for c in range(few.shape[2]):
                most = max(most, np.uint16(few[features[i], b, c]))
        found[i] = most
    return found


@numba.njit(cache=True, nogil=True)
def _highest_sum(one, other):
    found = np.zeros(one.shape[0], np.int64)
    for f in range(one.shape[0]):
        most = np.int32(0)
        for b in range(one.shape[1]):
            for c in range(one.shape[2]):
                most = max(most, np.int32(one[f, b, c]) + np.int32(other[f, b, c]))
        found[f] = most
    return found


@numba.njit(cache=True, nogil=True)
def _add(few, slots, wide, counts, first):
    for i in range(counts.shape[0]):
        f = first + i
        if slots[f] < 0:
            for b in range(few.shape[1]):
                for c in range(few.shape[2]):
                    few[f, b, c] += counts[i, b, c]
        else:
            for b in range(few.shape[1]):
                for c in range(few.shape[2]):
                    wide[slots[f], b, c] += counts[i, b, c]
