"""Feature maps on disk: one HDF5 file a shard, sparse features on coordinates and a zoom pyramid.

A file ``features/CONTIG.K.h5`` holds a stretch of one contig as it was read on both strands, which
`feature_layouts` lays out. Files are written under a temporary name and renamed when whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from feature_mining.feature_map import Csr, ZoomLevel, concatenate
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.packs import Part
from workbench.genome.windows import check_strand
from workbench.study.feature_layouts import LAYOUTS, ZOOMS, Arrays, Maxima, write_arrays
from workbench.tracks.track import Contigs

# Bytes of a contig's name in the name of a file, at most: a file system takes 255, temporary names too.
_NAMED = 150
# Files of feature maps at most, where each holds one shard.
MOST_FILES = 1000

Place = tuple[Path | Part, str, int, int]


class StrandMap(NamedTuple):
    """One strand's reading of a stretch: sparse features a base, and which bases have a value."""

    features: Csr
    callable: np.ndarray


@dataclass(frozen=True)
class Origin:
    """What a feature map was made with; maps of different origin never mix."""

    model_hash: str
    layer: str
    sae_hash: str


def shard_path(folder: Path, chrom: str, index: int) -> Path:
    """File of a shard; odd characters of a contig's name, and the rest of a long one, are no part of it."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in chrom).lstrip(".")
    safe = safe.encode()[:_NAMED].decode(errors="ignore")
    return folder / f"{safe or 'contig'}.{index:05d}.h5"


def write_shard(path: Path, chrom: str, start: int, origin: Origin, strands: dict[str, StrandMap]) -> None:
    """Write one shard, atomically; ``ValueError`` for values that are not finite."""
    image = shard_image(chrom, start, origin, strands)
    with write_atomic(path) as temporary:
        temporary.write_bytes(image)


def shard_image(chrom: str, start: int, origin: Origin, strands: dict[str, StrandMap]) -> bytes:
    """The bytes of a shard's file, made in memory: HDF5 itself does not survive a full disk."""
    # From 1.10 on HDF5 has checksums of names, attributes and pieces' places too.
    with h5py.File("shard.h5", "w", libver=("v110", "v110"), driver="core", backing_store=False) as file:
        first = next(iter(strands.values()))
        file.attrs.update(
            chrom=chrom,
            start=start,
            end=start + len(first.callable),
            n_features=first.features.n_features,
            model_hash=origin.model_hash,
            layer=origin.layer,
            sae_hash=origin.sae_hash,
        )
        write_arrays(file, dict(strands))
        file.flush()
        return file.id.get_file_image()


@contextmanager
def _reading(path: Path | Part) -> Iterator[None]:
    """Raise ``InputError`` for a file that HDF5 cannot read, whose checksums do not fit, or lacks a part."""
    try:
        yield
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: damaged feature file ({error}); run `workbench verify`, which reads every file, then"
            " make it again with `workbench run`"
        ) from None


class FeatureShard:
    """An open shard file.

    Attributes
    ----------
    chrom, start, end : str, int, int
        The stretch, 0-based half-open.
    n_features : int
    layout : int
        Which of `feature_layouts`.
    relative_error : float
        No value differs from the one that was written by more than this share of it.
    """

    def __init__(self, path: Path | Part) -> None:
        self.path = path
        with _reading(path):
            self.file = h5py.File(path.open() if isinstance(path, Part) else path, "r")
        with self.reading():
            attrs = self.file.attrs
            self.chrom = str(attrs["chrom"])
            self.start, self.end = int(attrs["start"]), int(attrs["end"])
            self.n_features = int(attrs["n_features"])
            self.origin = Origin(str(attrs["model_hash"]), str(attrs["layer"]), str(attrs["sae_hash"]))
            self.layout = int(attrs.get("layout", 1))
            self.relative_error = float(attrs.get("relative_error", 0.0))
        if self.layout not in LAYOUTS:
            self.file.close()
            raise InputError(
                f"{path}: layout {self.layout} of feature files; this version reads up to {max(LAYOUTS)}:"
                " install the version that wrote it"
            )

    def __enter__(self) -> FeatureShard:
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read arrays of ``file`` inside the block; ``InputError`` where it is damaged.

        It is closed then: HDF5 would go on with what it read of it after the file was mended.
        """
        try:
            with _reading(self.path):
                yield
        except InputError:
            self.file.close()
            raise

    def rows(self, strand: str, start: int, end: int) -> StrandMap:
        """Reading of ``[start, end)``; ``InputError`` for a strand or a stretch that is not in the shard."""
        lo, hi = self._within(start, end)
        check_strand(strand)
        with self.reading():
            return StrandMap(self._arrays.rows(strand, lo, hi), self._arrays.callable(strand, lo, hi))

    def callable(self, strand: str, start: int, end: int) -> np.ndarray:
        """Which bases of ``[start, end)`` have a value, bool; errors as of ``columns``."""
        lo, hi = self._within(start, end)
        check_strand(strand)
        with self.reading():
            return self._arrays.callable(strand, lo, hi)

    def _within(self, start: int, end: int) -> tuple[int, int]:
        if not self.start <= start <= end <= self.end:
            raise InputError(f"{self.path}: {start}-{end}: expected a stretch within {self.start}-{self.end}")
        return start - self.start, end - self.start

    def columns(self, strand: str, features: Sequence[int], start: int, end: int) -> np.ndarray:
        """Values of features of the study at every base of ``[start, end)``, float32 (features, bases).

        ``InputError`` for another strand or a stretch that is not in the shard.
        """
        lo, hi = self._within(start, end)
        check_strand(strand)
        with self.reading():
            return self._arrays.columns(strand, features, lo, hi)

    def zoom(self, strand: str, size: int) -> ZoomLevel:
        """A whole level of the pyramid, one of ``ZOOMS``; bin 0 begins at ``start``."""
        _check_level(strand, size)
        with self.reading():
            return self._arrays.zoom(strand, size)

    def maxima(self, strand: str, size: int, features: Sequence[int]) -> list[Maxima]:
        """Of each feature the bins of a level in which it fires, int32, and its maxima there, float32."""
        _check_level(strand, size)
        with self.reading():
            return self._arrays.maxima(strand, size, features)

    @cached_property
    def _arrays(self) -> Arrays:
        return LAYOUTS[self.layout](self.file, self.end - self.start, self.n_features)


def _check_level(strand: str, size: int) -> None:
    check_strand(strand)
    if size not in ZOOMS:
        raise InputError(f"bins of {size}: expected one of {', '.join(map(str, ZOOMS))}")


class FeatureStore:
    """All shards of a study, addressed by genome coordinates.

    Parameters
    ----------
    shards : list of (Path or Part, chrom, start, end)
        Files, or parts of packs, in genome order, and what they cover.
    origin : Origin
        What the maps must have been made with; another raises ``InputError`` with both hashes.
    contigs : Contigs
        What places must lie on.
    """

    def __init__(self, shards: list[Place], origin: Origin, contigs: Contigs) -> None:
        self.shards = shards
        self.origin = origin
        self.contigs = contigs

    def __repr__(self) -> str:
        bases = sum(end - start for _, _, start, end in self.shards)
        contigs = len({chrom for _, chrom, _, _ in self.shards})
        return f"FeatureStore({bases:,} bases of {contigs:,} contigs in {len(self.shards):,} shards)"

    def open(self, path: Path | Part) -> FeatureShard:
        """Open a shard file and check its provenance."""
        shard = FeatureShard(path)
        if shard.origin != self.origin:
            raise InputError(
                f"{path}: made with {shard.origin}, but the study has {self.origin}; run again with"
                " --force encode"
            )
        return shard

    def stretches(self, chrom: str, start: int, end: int) -> Iterator[tuple[FeatureShard, int, int]]:
        """Open shards that meet ``[start, end)``, with the part of it that each holds.

        Raises ``InputError`` for a place that is not on the genome.
        """
        chrom, start, end = self.contigs.stretch(chrom, start, end)
        for index in self.within(chrom, start, end):
            path, _, lo, hi = self.shards[index]
            with self.open(path) as shard:
                yield shard, max(lo, start), min(hi, end)

    def within(self, chrom: str, start: int, end: int) -> range:
        """Places in ``shards`` of those that meet a stretch of a contig."""
        ends, starts, first = self._ends.get(chrom, ([], [], 0))
        return range(first + bisect_right(ends, start), first + bisect_left(starts, end))

    @cached_property
    def _ends(self) -> dict[str, tuple[list[int], list[int], int]]:
        """By contig ends and starts of its shards, ascending, and the place of the first."""
        found: dict[str, tuple[list[int], list[int], int]] = {}
        for index, (_, chrom, start, end) in enumerate(self.shards):
            ends, starts, _ = found.setdefault(chrom, ([], [], index))
            ends.append(end)
            starts.append(start)
        return found

    @cached_property
    def _width(self) -> int:
        with self.open(self.shards[0][0]) as shard:
            return shard.n_features

    def rows(self, chrom: str, start: int, end: int, strand: str) -> StrandMap:
        """Reading of a region; bases that no shard covers are not callable and have no features.

        Raises ``InputError`` for a place that is not on the genome, and for a strand other than + and -.
        """
        check_strand(strand)
        return self._rows(chrom, start, end, strand)[strand]

    def strands(self, chrom: str, start: int, end: int) -> dict[str, StrandMap]:
        """Readings of a region on both strands, as ``rows``; every file is opened once."""
        return self._rows(chrom, start, end, "+-")

    def _rows(self, chrom: str, start: int, end: int, strands: str) -> dict[str, StrandMap]:
        found: dict[str, list[StrandMap]] = {strand: [] for strand in strands}
        at, width = start, 0

        def skip(stop: int, width: int) -> None:
            for parts in found.values():
                parts.append(StrandMap(_blank(stop - at, width), np.zeros(stop - at, bool)))

        for shard, lo, hi in self.stretches(chrom, start, end):
            width = shard.n_features
            if lo > at:
                skip(lo, width)
            for strand, parts in found.items():
                parts.append(shard.rows(strand, lo, hi))
            at = hi
        if at < end:
            skip(end, width or self._width)
        return {
            strand: StrandMap(
                concatenate([part.features for part in parts]),
                np.concatenate([part.callable for part in parts]),
            )
            for strand, parts in found.items()
        }


def _blank(n: int, width: int) -> Csr:
    return Csr(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), width)
