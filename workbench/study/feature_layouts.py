"""How one strand's reading lies in a feature file: the layout that is written, and the one before it.

Nothing else knows a dataset of such a file. In both, ``callable`` says which bases have a value (full left
context, a letter of ACGT), a bit each, and ``zoom/N`` holds maximum and sum in bins of N bases, by feature.

* Layout 2, written: `feature_mining.packing`. ``scale`` (low, shift) says how the file's 16-bit values are
  read, ``starts`` (plus, minus) where blocks begin in ``gaps`` and ``values`` of the group of their strand,
  which ``counts`` divides by block and feature.
* Layout 1, read: a group a strand of CSR arrays ``indptr``, ``indices``, ``values`` (float32), row 0 the
  first base, and CSC arrays of zoom levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import h5py
import numpy as np

from feature_mining.feature_map import Csr, ZoomLevel, pyramid
from feature_mining.packing import (
    BLOCK,
    Packed,
    PackedLevel,
    Scale,
    from_codes,
    pack,
    pack_level,
    rounded,
    scale_of,
    unpack,
    unpack_features,
    unpack_level,
)

ZOOMS = (64, 512, 4096)
STRANDS = {"+": "plus", "-": "minus"}
# Numbers of a piece with a checksum of its own.
CHUNK = 4096
# Levels with fewer entries a shard are read whole: one read costs less than one a feature.
WHOLE_LEVEL = 100_000

Maxima = tuple[np.ndarray, np.ndarray]


class Arrays(Protocol):
    """What an open file holds of ``n_rows`` bases; rows count from the first."""

    def __init__(self, file: h5py.File, n_rows: int, n_features: int) -> None: ...

    def callable(self, strand: str, start: int, stop: int) -> np.ndarray:
        """Which rows have a value, bool."""

    def rows(self, strand: str, start: int, stop: int) -> Csr:
        """Features of rows."""

    def columns(self, strand: str, features: Sequence[int], start: int, stop: int) -> np.ndarray:
        """Values of features at rows, float32 (features, stop - start)."""

    def maxima(self, strand: str, size: int, features: Sequence[int]) -> list[Maxima]:
        """Bins int32 of a zoom level in which each feature fires, and its maximum there, float32."""

    def zoom(self, strand: str, size: int) -> ZoomLevel:
        """A whole zoom level."""


def write_arrays(file: h5py.File, strands: dict[str, tuple[Csr, np.ndarray]]) -> None:
    """Write rows and callable bases of both strands in layout 2; ``ValueError`` for values not finite."""
    scale = scale_of([features for features, _ in strands.values()])
    file.attrs.update(layout=2, relative_error=scale.relative_error)
    _put(file, "scale", np.stack([part.astype(np.uint16) for part in scale]))
    starts = []
    for strand, (features, mask) in strands.items():
        # Groups are kept open: h5py takes longer to look one up by its path than to write a small array.
        side = file.create_group(STRANDS[strand])
        packed = pack(features, scale)
        starts.append(packed.starts)
        _put(side, "counts", packed.counts)
        _put(side, "gaps", packed.gaps)
        _put(side, "values", packed.codes, deflate=False)
        _put(side, "callable", np.packbits(mask))
        zoom = side.create_group("zoom")
        for size, level in pyramid(rounded(features, scale), ZOOMS).items():
            bins = zoom.create_group(str(size))
            for name, array in pack_level(level, scale, size)._asdict().items():
                _put(bins, name, array, deflate=name != "max")
    _put(file, "starts", np.stack(starts))


def _put(group: h5py.Group, name: str, array: np.ndarray, deflate: bool = True) -> None:
    """Store an array in pieces, each with a checksum that is compared whenever it is read."""
    *rows, width = array.shape
    piece = (*(1 for _ in rows), min(CHUNK, width)) if array.size else None
    # The calls beneath ``create_dataset``, which works out the settings of every array anew: half its time.
    kind, space = h5py.h5t.py_create(array.dtype, logical=True), h5py.h5s.create_simple(array.shape)
    data = h5py.h5d.create(group.id, name.encode(), kind, space, _storage(piece, deflate))
    data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(array))
    # HDF5 gives pieces their places when it writes them: at once, so that equal arrays make equal files.
    h5py.h5f.flush(group.id)


@cache
def _storage(piece: tuple[int, ...] | None, deflate: bool) -> h5py.h5p.PropDCID:
    """How an array is stored: its pieces, filters and no dates, which would differ from run to run."""
    storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    storage.set_obj_track_times(False)
    if piece:
        storage.set_chunk(piece)
        # What is as good as random would only be slower.
        if deflate:
            storage.set_shuffle()
            storage.set_deflate(4)
        storage.set_fletcher32()
    return storage


class PackedArrays:
    """Layout 2."""

    def __init__(self, file: h5py.File, n_rows: int, n_features: int) -> None:
        self.file, self.n_rows, self.n_features = file, n_rows, n_features
        self.data: dict[str, h5py.Dataset] = {}
        low, shift = self._get("scale")[:]
        self.scale = Scale(low.astype(np.uint16), shift.astype(np.uint8))

    def _get(self, name: str) -> h5py.Dataset:
        if name not in self.data:
            # Looking it up as a member of its group takes several times longer.
            self.data[name] = h5py.Dataset(h5py.h5d.open(self.file.id, name.encode()))
        return self.data[name]

    def callable(self, strand: str, start: int, stop: int) -> np.ndarray:
        return _unpacked_bits(self._get(f"{STRANDS[strand]}/callable"), start, stop)

    def _blocks(self, strand: str, first: int, stop: int) -> Packed:
        side = STRANDS[strand]
        starts = self._get("starts")[list(STRANDS).index(strand), first : stop + 1]
        at = slice(int(starts[0]), int(starts[-1]))
        parts = (("counts", slice(first, stop)), ("gaps", at), ("values", at))
        counts, gaps, codes = (
            self._get(f"{side}/{name}")[part].astype(np.uint16, copy=False) for name, part in parts
        )
        return Packed(counts, starts, gaps, codes)

    def rows(self, strand: str, start: int, stop: int) -> Csr:
        first = start // BLOCK
        packed = self._blocks(strand, first, max(first, -(-stop // BLOCK)))
        return unpack(packed, self.scale, first * BLOCK, start, stop)

    def columns(self, strand: str, features: Sequence[int], start: int, stop: int) -> np.ndarray:
        first = start // BLOCK
        packed = self._blocks(strand, first, max(first, -(-stop // BLOCK)))
        return unpack_features(packed, self.scale, features, first * BLOCK, start, stop)

    def _level(self, strand: str, size: int, name: str) -> h5py.Dataset:
        return self._get(f"{STRANDS[strand]}/zoom/{size}/{name}")

    def maxima(self, strand: str, size: int, features: Sequence[int]) -> list[Maxima]:
        counts, gaps, top = (self._level(strand, size, name) for name in ("counts", "gaps", "max"))
        indptr = np.concatenate([[0], np.cumsum(counts[:], dtype=np.int64)])
        return [
            (np.cumsum(own, dtype=np.int32), from_codes(codes, np.full(codes.size, feature), self.scale))
            for (own, codes), feature in zip(_slices(gaps, top, indptr, features), features, strict=True)
        ]

    def zoom(self, strand: str, size: int) -> ZoomLevel:
        level = PackedLevel(*(self._level(strand, size, name)[:] for name in PackedLevel._fields))
        return unpack_level(level, self.scale, size)


class PlainArrays:
    """Layout 1."""

    def __init__(self, file: h5py.File, n_rows: int, n_features: int) -> None:
        self.file, self.n_rows, self.n_features = file, n_rows, n_features
        self.sides: dict[str, dict[str, h5py.Dataset]] = {}

    def _side(self, strand: str) -> dict[str, h5py.Dataset]:
        """Arrays of one strand; h5py takes longer to find one than to read a few of its rows."""
        if strand not in self.sides:
            group = self.file[STRANDS[strand]]
            names = ("indptr", "indices", "values", "callable")
            self.sides[strand] = {name: group[name] for name in names}
        return self.sides[strand]

    def callable(self, strand: str, start: int, stop: int) -> np.ndarray:
        return _unpacked_bits(self._side(strand)["callable"], start, stop)

    def rows(self, strand: str, start: int, stop: int) -> Csr:
        side = self._side(strand)
        indptr = side["indptr"][start : stop + 1]
        at = slice(int(indptr[0]), int(indptr[-1]))
        return Csr(
            indptr - at.start, side["indices"][at].astype(np.int32), side["values"][at], self.n_features
        )

    def columns(self, strand: str, features: Sequence[int], start: int, stop: int) -> np.ndarray:
        rows = self.rows(strand, start, stop)
        out = np.zeros((len(features), rows.n_rows), np.float32)
        slots = np.full(self.n_features, -1, np.int32)
        slots[list(features)] = np.arange(len(features))
        slot = slots[rows.indices]
        at = np.flatnonzero(slot >= 0)
        out[slot[at], np.searchsorted(rows.indptr, at, side="right") - 1] = rows.values[at]
        return out[slots[list(features)]]

    def _level(self, strand: str, size: int) -> h5py.Group:
        return self.file[f"{STRANDS[strand]}/zoom/{size}"]

    def maxima(self, strand: str, size: int, features: Sequence[int]) -> list[Maxima]:
        level = self._level(strand, size)
        return _slices(level["bins"], level["max"], level["indptr"][:], features)

    def zoom(self, strand: str, size: int) -> ZoomLevel:
        level = self._level(strand, size)
        return ZoomLevel(*(level[name][:] for name in ZoomLevel._fields))


LAYOUTS: dict[int, type[Arrays]] = {1: PlainArrays, 2: PackedArrays}
NEWEST = max(LAYOUTS)


def _slices(
    first: h5py.Dataset, second: h5py.Dataset, indptr: np.ndarray, features: Sequence[int]
) -> list[Maxima]:
    """Parts of two arrays of a level that belong to each feature."""
    if len(features) > 1 and first.size < WHOLE_LEVEL:
        first, second = first[:], second[:]
    parts = [slice(int(indptr[feature]), int(indptr[feature + 1])) for feature in features]
    return [(first[part], second[part]) for part in parts]


def _unpacked_bits(packed: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    bits = np.unpackbits(packed[start // 8 : (stop + 7) // 8])
    return bits[start % 8 :][: stop - start].astype(bool)
