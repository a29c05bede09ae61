"""Features of a region as bytes ready to draw: bins no finer than a pixel, values as a share of full scale.

A tile's codes are uint8: 0 no value, 1 the value 0, 2 to 255 the value as a share of the feature's full scale
(rounded up, so that what fires never looks like what does not), 255 also what lies above. Maxima come from
the zoom levels of the feature store, bases from its rows; a level of a whole shard, and pages of its bases,
are coded once and kept, up to a number of bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.genome.windows import check_strand
from workbench.study.feature_layouts import ZOOMS
from workbench.study.feature_store import FeatureShard
from workbench.study.locus import check_features, check_locus

if TYPE_CHECKING:
    from workbench.study.study import Study

LEVELS = (1, *ZOOMS)
NOTHING, ZERO, TOP = 0, 1, 255
# Bases read at once of those of a shard: a multiple of every bin that is drawn from bases.
PAGE = 16_384
KEPT_BYTES = 96 << 20
OPEN_FILES = 64


class Tile(NamedTuple):
    """Adjoining bins of a stretch.

    chrom : str
    size : int
        Bases a bin (those at a shard's end may be shorter).
    edges : int64 (n + 1)
    codes : uint8 (features, strands, n)
    """

    chrom: str
    size: int
    edges: np.ndarray
    codes: np.ndarray


def encode(values: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Codes uint8 of values float32 (F, n), NaN: none, with full scale ``top`` float (F)."""
    share = np.ceil(values * ((TOP - ZERO) / top[:, None]).astype(np.float32))
    with np.errstate(invalid="ignore"):
        codes = np.clip(share, 0, TOP - ZERO) + ZERO
    return np.where(np.isnan(values), NOTHING, codes).astype(np.uint8)


def bin_size(bases: int, pixels: int) -> int:
    """The largest power of two that is no wider than a pixel, at least 1."""
    return 1 << max(0, (bases // max(1, pixels)).bit_length() - 1)


class TileReader:
    """Reads tiles of one study; several threads may share it.

    Parameters
    ----------
    study : Study
    top : float (d_sae)
        Every feature's value at full scale; 0 and below count as 1.
    """

    def __init__(self, study: Study, top: np.ndarray) -> None:
        self.study = study
        self.store = study.features
        self.top = np.where(top > 0, top, 1).astype(np.float64)
        self._open: OrderedDict[int, FeatureShard] = OrderedDict()
        self._kept: OrderedDict[tuple[int, int, str, int, int], np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = RLock()

    def tile(self, features: Sequence[int], locus: Interval, size: int, strands: str = "+-") -> Tile:
        """Maxima of features in bins of ``size`` bases, a power of two, over at least the stretch.

        The bins are the same wherever the stretch begins, so views that overlap agree; the tile may reach
        past the stretch by less than one bin. Raises ``InputError`` for a place, feature or strand that is
        not there, and for another size.
        """
        locus = check_locus(self.study, *locus)
        check_features(self.study, features)
        for strand in strands:
            check_strand(strand)
        if size < 1 or size & (size - 1):
            raise InputError(f"bins of {size}: expected a power of two")
        if not features:
            return Tile(locus.chrom, size, np.array([locus.start, locus.end]), _nothing(0, len(strands)))
        level = max(z for z in LEVELS if z <= size)
        edges: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        at = locus.start
        with self._lock:
            for index, start, end in self._pages(locus, level):
                if start > at:
                    edges.append(np.array([at]))
                    codes.append(_nothing(len(features), len(strands)))
                first = (max(locus.start, start) - start) // size * size
                last = min(-(-(min(locus.end, end) - start) // size) * size, end - start)
                left = np.arange(first, last, size)
                part = slice(first // level, -(-last // level))
                whole = self._page(index, start, end, features, strands, level)[:, :, part]
                edges.append(start + left)
                codes.append(np.maximum.reduceat(whole, (left - first) // level, axis=2))
                at = start + last
        if at < locus.end:
            edges.append(np.array([at]))
            codes.append(_nothing(len(features), len(strands)))
            at = locus.end
        return Tile(locus.chrom, size, np.append(np.concatenate(edges), at), np.concatenate(codes, axis=2))

    def holds(self, features: Sequence[int], locus: Interval, size: int, strands: str = "+-") -> bool:
        """Whether a tile can be had without reading any file."""
        level = max(z for z in LEVELS if z <= size)
        with self._lock:
            return all(
                (start, index, strand, level, feature) in self._kept
                for index, start, _ in self._pages(locus, level)
                for strand in strands
                for feature in features
            )

    def _pages(self, locus: Interval, level: int) -> Iterator[tuple[int, int, int]]:
        """What is read at once of the shards that meet a stretch: place of the shard, start and end."""
        for index in self.store.within(*locus):
            _, _, start, end = self.store.shards[index]
            if level > 1:
                yield index, start, end
                continue
            first = (max(locus.start, start) - start) // PAGE
            for at in range(start + first * PAGE, min(locus.end, end), PAGE):
                yield index, at, min(at + PAGE, end)

    def _page(
        self, index: int, start: int, end: int, features: Sequence[int], strands: str, level: int
    ) -> np.ndarray:
        """Codes uint8 (features, strands, bins) of a page of a shard, or a level of the whole."""
        columns = []
        for strand in strands:
            absent = [f for f in features if (start, index, strand, level, f) not in self._kept]
            fresh = dict(zip(absent, self._read(index, start, end, absent, strand, level), strict=True))
            column = []
            for feature in features:
                key = (start, index, strand, level, feature)
                if feature in fresh:
                    self._keep(key, fresh[feature])
                    column.append(fresh[feature])
                else:
                    self._kept.move_to_end(key)
                    column.append(self._kept[key])
            columns.append(column)
        while self._bytes > KEPT_BYTES and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return np.array(columns, np.uint8).swapaxes(0, 1)

    def _keep(self, key: tuple[int, int, str, int, int], codes: np.ndarray) -> None:
        self._kept[key] = codes
        self._bytes += codes.nbytes

    def _file(self, index: int) -> FeatureShard:
        shard = self._open.pop(index, None)
        # Closed: it was damaged, and may have been mended since.
        if shard is None or not shard.file:
            shard = self.store.open(self.store.shards[index][0])
        self._open[index] = shard
        if len(self._open) > OPEN_FILES:
            self._open.popitem(last=False)[1].file.close()
        return shard

    def _read(
        self, index: int, start: int, end: int, features: list[int], strand: str, level: int
    ) -> np.ndarray:
        if not features:
            return np.zeros((0, 0), np.uint8)
        shard = self._file(index)
        mask = shard.callable(strand, start, end)
        known = mask if level == 1 else np.logical_or.reduceat(mask, np.arange(0, mask.size, level))
        if level == 1:
            values = shard.columns(strand, features, start, end)
        else:
            values = np.zeros((len(features), known.size), np.float32)
            for row, (bins, top) in zip(values, shard.maxima(strand, level, features), strict=True):
                row[bins] = top
        values[:, ~known] = np.nan
        return encode(values, self.top[features])


def _nothing(features: int, strands: int) -> np.ndarray:
    return np.full((features, strands, 1), NOTHING, np.uint8)
