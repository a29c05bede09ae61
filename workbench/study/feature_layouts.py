"""How one strand's reading lies in a feature file: the layout that is written, and the one before it.

Nothing else knows a dataset of such a file. In both, ``callable`` says which bases have a value (full left
context, a letter of ACGT), a bit each, and ``zoom/N`` holds maximum and sum in bins of N bases, by feature.

* Layout 2, written: ``feature_mining.packing``. ``scale/low`` and ``scale/shift`` say how the file's 16-bit
  values are read; a group a strand holds ``counts``, ``starts``, ``gaps``, ``values`` of blocks.
* Layout 1, read: CSR arrays ``indptr``, ``indices``, ``values`` (float32), row 0 being the first base, and
  CSC arrays of zoom levels.
"""

from __future__ import annotations

from collections.abc import Sequence
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
CHUNK = 16_384
# Pieces of what is read a feature at a time, and packed tight.
SMALL = 4096
# Levels with fewer entries a shard are read whole: one read costs less than one a feature.
WHOLE_LEVEL = 100_000

Maxima = tuple[np.ndarray, np.ndarray]


class Side(Protocol):
    """One strand's reading of an open file, ``n_rows`` bases; rows count from its first base."""

    def __init__(self, file: h5py.File, strand: str, n_rows: int, n_features: int) -> None: ...

    def callable(self, start: int, stop: int) -> np.ndarray:
        """Which rows have a value, bool."""

    def rows(self, start: int, stop: int) -> Csr:
        """Features of rows."""

    def columns(self, features: Sequence[int]) -> np.ndarray:
        """Values of features at all rows, float32 (features, n_rows)."""

    def maxima(self, size: int, features: Sequence[int]) -> list[Maxima]:
        """Bins int32 of a zoom level in which each feature fires, and its maximum there, float32."""

    def zoom(self, size: int) -> ZoomLevel:
        """A whole zoom level."""


def write_sides(file: h5py.File, strands: dict[str, tuple[Csr, np.ndarray]]) -> None:
    """Write rows and callable bases of every strand in layout 2; ``ValueError`` for values not finite."""
    scale = scale_of([features for features, _ in strands.values()])
    file.attrs.update(layout=2, relative_error=scale.relative_error)
    for name, array in scale._asdict().items():
        _put(file, f"scale/{name}", array, SMALL)
    for strand, (features, mask) in strands.items():
        side = STRANDS[strand]
        counts, starts, gaps, codes = pack(features, scale)
        _put(file, f"{side}/starts", starts, SMALL)
        _put(file, f"{side}/counts", counts.ravel(), SMALL)
        _put(file, f"{side}/gaps", gaps, SMALL)
        _put(file, f"{side}/values", codes, CHUNK, deflate=False)
        _put(file, f"{side}/callable", np.packbits(mask), CHUNK)
        for size, level in pyramid(rounded(features, scale), ZOOMS).items():
            for name, array in pack_level(level, scale, size)._asdict().items():
                _put(file, f"{side}/zoom/{size}/{name}", array, SMALL, deflate=name != "max")


def _put(file: h5py.File, name: str, array: np.ndarray, chunk: int, deflate: bool = True) -> None:
    """Store an array in pieces, each with a checksum that is compared whenever it is read."""
    pieces = {"chunks": (min(chunk, array.size),), "fletcher32": True} if array.size else {}
    # What is as good as random would only be slower.
    tight = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if array.size and deflate else {}
    file.create_dataset(name, data=array, **pieces, **tight)
    # HDF5 gives pieces their places when it writes them: at once, so that equal arrays make equal files.
    file.flush()


class PackedSide:
    """Layout 2."""

    def __init__(self, file: h5py.File, strand: str, n_rows: int, n_features: int) -> None:
        self.n_rows, self.n_features = n_rows, n_features
        low, shift = (file[f"scale/{name}"][:] for name in Scale._fields)
        self.scale = Scale(low.astype(np.uint16), shift.astype(np.uint8))
        self.group = file[STRANDS[strand]]
        self.starts = self.group["starts"][:]
        self.data = {name: self.group[name] for name in ("counts", "gaps", "values", "callable")}

    def callable(self, start: int, stop: int) -> np.ndarray:
        return _unpacked_bits(self.data["callable"], start, stop)

    def _blocks(self, first: int, stop: int) -> Packed:
        at = slice(int(self.starts[first]), int(self.starts[stop]))
        own = slice(first * self.n_features, stop * self.n_features)
        parts = (("counts", own), ("gaps", at), ("values", at))
        counts, gaps, codes = (self.data[name][part].astype(np.uint16, copy=False) for name, part in parts)
        counts = counts.reshape(stop - first, self.n_features)
        return Packed(counts, self.starts[first : stop + 1], gaps, codes)

    def rows(self, start: int, stop: int) -> Csr:
        first = start // BLOCK
        packed = self._blocks(first, max(first, -(-stop // BLOCK)))
        return unpack(packed, self.scale, first * BLOCK, start, stop)

    def columns(self, features: Sequence[int]) -> np.ndarray:
        packed = self._blocks(0, self.starts.size - 1)
        return unpack_features(packed, self.scale, features, self.n_rows)

    def maxima(self, size: int, features: Sequence[int]) -> list[Maxima]:
        level = self.group[f"zoom/{size}"]
        ends = np.cumsum(level["counts"][:], dtype=np.int64)
        parts = _slices(level, ("gaps", "max"), np.concatenate([[0], ends]), features)
        return [
            (np.cumsum(gaps, dtype=np.int32), from_codes(codes, np.full(codes.size, feature), self.scale))
            for (gaps, codes), feature in zip(parts, features, strict=True)
        ]

    def zoom(self, size: int) -> ZoomLevel:
        level = self.group[f"zoom/{size}"]
        packed = PackedLevel(*(level[name][:] for name in PackedLevel._fields))
        return unpack_level(packed, self.scale, size)


class PlainSide:
    """Layout 1."""

    def __init__(self, file: h5py.File, strand: str, n_rows: int, n_features: int) -> None:
        self.n_rows, self.n_features = n_rows, n_features
        self.group = file[STRANDS[strand]]
        # h5py takes longer to find an array than to read a few of its rows.
        self.data = {name: self.group[name] for name in ("indptr", "indices", "values", "callable")}

    def callable(self, start: int, stop: int) -> np.ndarray:
        return _unpacked_bits(self.data["callable"], start, stop)

    def rows(self, start: int, stop: int) -> Csr:
        indptr = self.data["indptr"][start : stop + 1]
        at = slice(int(indptr[0]), int(indptr[-1]))
        indices = self.data["indices"][at].astype(np.int32)
        return Csr(indptr - at.start, indices, self.data["values"][at], self.n_features)

    def columns(self, features: Sequence[int]) -> np.ndarray:
        out = np.zeros((len(features), self.n_rows), np.float32)
        slots = np.full(self.n_features, -1, np.int32)
        slots[list(features)] = np.arange(len(features))
        slot = slots[self.data["indices"][:]]
        at = np.flatnonzero(slot >= 0)
        row = np.searchsorted(self.data["indptr"][:], at, side="right") - 1
        out[slot[at], row] = self.data["values"][:][at]
        return out[slots[list(features)]]

    def maxima(self, size: int, features: Sequence[int]) -> list[Maxima]:
        level = self.group[f"zoom/{size}"]
        return _slices(level, ("bins", "max"), level["indptr"][:], features)

    def zoom(self, size: int) -> ZoomLevel:
        level = self.group[f"zoom/{size}"]
        return ZoomLevel(*(level[name][:] for name in ZoomLevel._fields))


LAYOUTS: dict[int, type[Side]] = {1: PlainSide, 2: PackedSide}
NEWEST = max(LAYOUTS)


def _slices(
    level: h5py.Group, names: tuple[str, str], indptr: np.ndarray, features: Sequence[int]
) -> list[Maxima]:
    """Parts of two arrays of a level that belong to each feature."""
    first, second = (level[name] for name in names)
    if len(features) > 1 and first.size < WHOLE_LEVEL:
        first, second = first[:], second[:]
    parts = [slice(int(indptr[feature]), int(indptr[feature + 1])) for feature in features]
    return [(first[part], second[part]) for part in parts]


def _unpacked_bits(packed: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    bits = np.unpackbits(packed[start // 8 : (stop + 7) // 8])
    return bits[start % 8 :][: stop - start].astype(bool)
