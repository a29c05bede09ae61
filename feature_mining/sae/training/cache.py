"""Activations on disk, with coordinates: written once by the model, read by any number of trainings.

A folder of shards, each of some windows::

    cache.json              what it holds, and its shards
    rows.00000.npy          float32 (n, d), sites side by side, in reading direction; mapped, not loaded
    positions.00000.npy     int64 (n,), 0-based genome position of each row
    windows.00000.parquet   chrom, start, end (0-based half-open), strand, first, rows of each window

Tables come last of a shard, each file whole or not at all, so a shard that has one is whole. Writing
resumes with the first shard that has none. It takes ``4 d`` bytes a reading, and 8 for its position.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.sae.training.shuffled_rows import ShuffledRows
from feature_mining.sae.training.source import Window
from genomic_models.files import read_json, write_whole

CACHE_FILE = "cache.json"
SHARD_WINDOWS = 64


class Place(NamedTuple):
    """Where the used part of a window lies: 0-based half-open, ``strand`` + or -, reading from its 5' end."""

    chrom: str
    start: int
    end: int
    strand: str


def cache_bytes(rows: int, width: int) -> int:
    """Size on disk of ``rows`` readings of ``width`` numbers."""
    return rows * (4 * width + 8)


def write_cache(
    folder: Path,
    facts: dict[str, Any],
    windows: Sequence[Window],
    places: Sequence[Place],
    read: Callable[[Sequence[Window]], Iterator[Tensor]],
    progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> bool:
    """Write the missing shards of a cache; returns whether it is complete.

    Parameters
    ----------
    folder : Path
        Its own; made if it is not there.
    facts : dict
        What it holds, plain JSON: model, weights, layers, windows. A cache of other facts is refused.
    windows : sequence of Window
    places : sequence of Place
        Of each window.
    read : callable
        The usable rows ``(n, d)`` of windows, one tensor each, in order (``window_rows``, ``site_rows``).
    progress : callable, optional
        Called with the number of rows of each shard.
    should_stop : callable, optional
        Called after each shard; True ends writing.

    Raises
    ------
    ValueError
        A cache of something else in ``folder``; a disk without room; a place that does not fit its window.
    """
    shards = -(-len(windows) // SHARD_WINDOWS)
    whole = {"facts": facts, "windows": len(windows), "shards": shards}
    path = folder / CACHE_FILE
    if path.exists():
        if read_json(path) != whole:
            raise ValueError(f"{folder}: a cache of other activations; delete it or name another folder")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as temporary:
            temporary.write_text(json.dumps(whole, indent=1))
    for shard in range(shards):
        if _file(folder, "windows", shard).exists():
            continue
        part = range(shard * SHARD_WINDOWS, min(len(windows), (shard + 1) * SHARD_WINDOWS))
        rows = _write_shard(folder, shard, [windows[i] for i in part], [places[i] for i in part], read)
        if progress is not None:
            progress(rows)
        if should_stop is not None and should_stop():
            return shard == shards - 1
    return True


def facts_of(folder: Path) -> dict[str, Any] | None:
    """Facts of the cache in a folder, complete or not; None where there is none.

    Raises ``ValueError`` for a head that cannot be read.
    """
    path = folder / CACHE_FILE
    if not path.is_file():
        return None
    try:
        return dict(read_json(path)["facts"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the head of a cache ({error}); delete {folder}") from None


def require_room(folder: Path, rows: int, width: int) -> int:
    """Bytes that a cache takes; raises ``ValueError`` where the disk has no room for them."""
    needed = cache_bytes(rows, width)
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ValueError(
            f"{folder}: activations of {rows:,} readings and {width:,} numbers take"
            f" {needed / 2**30:,.1f} GiB; {free / 2**30:,.1f} GiB are free: train without a cache, or on"
            " a part of the genome"
        )
    return needed


class ActivationCache:
    """A whole cache, opened to be read; rows are mapped into memory and not loaded.

    Raises ``ValueError`` for a folder that holds none, or one that is not whole.
    """

    def __init__(self, folder: Path) -> None:
        facts = facts_of(folder)
        if facts is None:
            raise ValueError(f"{folder}: holds no {CACHE_FILE}: no cache of activations")
        self.facts = facts
        shards = int(read_json(folder / CACHE_FILE)["shards"])
        there = [i for i in range(shards) if _file(folder, "windows", i).exists()]
        if len(there) < shards:
            raise ValueError(f"{folder}: {len(there)} of {shards} shards are written; resume writing it")
        self.folder, self.shards = folder, shards

    @cached_property
    def windows(self) -> pd.DataFrame:
        """A row a window: shard, chrom, start, end, strand, first, rows."""
        parts = [pd.read_parquet(_file(self.folder, "windows", i)) for i in range(self.shards)]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def width(self) -> int:
        """Numbers of a row."""
        return int(self._rows(0).shape[1])

    @property
    def rows(self) -> int:
        """Rows of all windows."""
        return int(self.windows["rows"].sum())

    def read(self, index: int, columns: slice = slice(None)) -> Tensor:
        """Rows ``(n, d)`` float32 of a window, in reading direction."""
        part, shard = self._part(index)
        return torch.from_numpy(np.array(self._rows(shard)[part, columns]))

    def positions(self, index: int) -> np.ndarray:
        """Genome position of each row of a window, int64 ``(n,)``, 0-based."""
        part, shard = self._part(index)
        found: np.ndarray = np.load(_file(self.folder, "positions", shard), mmap_mode="r")[part]
        return np.array(found)

    def _part(self, index: int) -> tuple[slice, int]:
        first, rows, shard = (int(self._numbers[name][index]) for name in ("first", "rows", "shard"))
        return slice(first, first + rows), shard

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        return {name: self.windows[name].to_numpy() for name in ("first", "rows", "shard")}

    def _rows(self, shard: int) -> np.ndarray:
        found: np.ndarray = np.load(_file(self.folder, "rows", shard), mmap_mode="r")
        return found


class CachedActivations(ShuffledRows):
    """An endless stream of shuffled batches from a cache; with one seed those of the model's own stream.

    Parameters
    ----------
    cache : ActivationCache
    batch, together, buffer, seed : int
        As for ``ShuffledActivations``.
    columns : slice, optional
        Those of one site among several.
    """

    def __init__(
        self,
        cache: ActivationCache,
        batch: int = 2048,
        together: int = 8,
        buffer: int = 131_072,
        seed: int = 0,
        columns: slice = slice(None),
    ) -> None:
        lengths = cache.windows["end"] - cache.windows["start"]
        few = int(lengths.sum()) <= max(buffer, batch)
        super().__init__(len(lengths), few, batch, together, buffer, seed)
        self.cache, self.columns = cache, columns

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        return (self.cache.read(i, self.columns) for i in indices)


def _write_shard(
    folder: Path,
    shard: int,
    windows: Sequence[Window],
    places: Sequence[Place],
    read: Callable[[Sequence[Window]], Iterator[Tensor]],
) -> int:
    rows = [part.float().cpu().numpy() for part in read(windows)]
    positions = [_positions(w, p) for w, p in zip(windows, places, strict=True)]
    for found, expected in zip(rows, positions, strict=True):
        if len(found) != len(expected):
            raise ValueError(f"a window has {len(found)} rows; its place and mask say {len(expected)}")
    sizes = np.array([len(part) for part in rows], np.int64)
    table = pd.DataFrame(places).assign(first=np.cumsum(sizes) - sizes, rows=sizes, shard=shard)
    _save(_file(folder, "rows", shard), np.concatenate(rows))
    _save(_file(folder, "positions", shard), np.concatenate(positions))
    with write_whole(_file(folder, "windows", shard)) as temporary:
        table.to_parquet(temporary)
    return int(sizes.sum())


def _positions(window: Window, place: Place) -> np.ndarray:
    bases = np.arange(place.start, place.end, dtype=np.int64)
    bases = bases if place.strand == "+" else bases[::-1]
    return bases if window.use is None else bases[window.use]


def _save(path: Path, array: np.ndarray) -> None:
    with write_whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


def _file(folder: Path, name: str, shard: int) -> Path:
    ending = "parquet" if name == "windows" else "npy"
    return folder / f"{name}.{shard:05d}.{ending}"
