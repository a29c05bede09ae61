"""Feature maps on disk: one HDF5 file a shard, sparse rows on coordinates and a zoom pyramid.

A file ``features/CONTIG.K.h5`` holds a stretch of one contig. Groups ``plus`` and ``minus`` hold the reading
of that strand: row ``r`` of the CSR arrays is base ``start + r`` on both. ``callable`` says which bases have
a value (full left context, a letter of ACGT). ``zoom/N`` holds, feature by feature, the maximum and the sum
in bins of N bases, for browsing. Files are written under a temporary name and renamed when whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from feature_mining.feature_map import Csr, concatenate, pyramid
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.windows import check_strand
from workbench.tracks.track import Contigs

# Numbers of a piece with a checksum of its own.
CHUNK = 16_384
# Bytes of a contig's name in the name of a file, at most: a file system takes 255, temporary names too.
_NAMED = 150
ZOOMS = (64, 512, 4096)
STRANDS = {"+": "plus", "-": "minus"}


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


class Zoom(NamedTuple):
    """Binned features of one strand, by feature: CSC pointers, bins, maxima and sums (float32)."""

    indptr: np.ndarray
    bins: np.ndarray
    max: np.ndarray
    sum: np.ndarray


def shard_path(folder: Path, chrom: str, index: int) -> Path:
    """File of a shard; odd characters of a contig's name, and the rest of a long one, are no part of it."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in chrom).lstrip(".")
    safe = safe.encode()[:_NAMED].decode(errors="ignore")
    return folder / f"{safe or 'contig'}.{index:05d}.h5"


def write_shard(path: Path, chrom: str, start: int, origin: Origin, strands: dict[str, StrandMap]) -> None:
    """Write one shard, atomically.

    The file is made in memory and written in one piece: HDF5 itself does not survive a full disk.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        _fill(file, chrom, start, origin, strands)
        file.flush()
        image = file.id.get_file_image()
    with write_atomic(path) as temporary:
        temporary.write_bytes(image)


def _fill(file: h5py.File, chrom: str, start: int, origin: Origin, strands: dict[str, StrandMap]) -> None:
    file.attrs.update(
        chrom=chrom,
        start=start,
        end=start + len(next(iter(strands.values())).callable),
        model_hash=origin.model_hash,
        layer=origin.layer,
        sae_hash=origin.sae_hash,
    )
    for strand, (features, mask) in strands.items():
        group = file.create_group(STRANDS[strand])
        file.attrs["n_features"] = features.n_features
        narrow = np.uint16 if features.n_features <= 1 << 16 else np.int32
        _put(group, "indptr", features.indptr)
        _put(group, "indices", features.indices.astype(narrow))
        _put(group, "values", features.values)
        _put(group, "callable", np.packbits(mask))
        for size, zoom in pyramid(features, ZOOMS).items():
            level = group.create_group(f"zoom/{size}")
            for name, array in zip(Zoom._fields, zoom, strict=True):
                _put(level, name, array)


def _put(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Store an array in pieces, each with a checksum that is compared whenever it is read."""
    pieces = {"chunks": (min(CHUNK, array.size),), "fletcher32": True} if array.size else {}
    group.create_dataset(name, data=array, **pieces)
    # HDF5 gives pieces their places when it writes them: at once, so that equal arrays make equal files.
    group.file.flush()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
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
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            self.file = h5py.File(path, "r")
        with self.reading():
            attrs = self.file.attrs
            self.chrom = str(attrs["chrom"])
            self.start, self.end = int(attrs["start"]), int(attrs["end"])
            self.n_features = int(attrs["n_features"])
            self.origin = Origin(str(attrs["model_hash"]), str(attrs["layer"]), str(attrs["sae_hash"]))
        self._sides: dict[str, dict[str, h5py.Dataset]] = {}

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
        if not self.start <= start <= end <= self.end:
            raise InputError(
                f"{self.file.filename}: {start}-{end}: expected a stretch within {self.start}-{self.end}"
            )
        check_strand(strand)
        lo, hi = start - self.start, end - self.start
        with self.reading():
            side = self._side(strand)
            indptr = side["indptr"][lo : hi + 1]
            first, last = int(indptr[0]), int(indptr[-1])
            features = Csr(
                indptr - first,
                side["indices"][first:last].astype(np.int32),
                side["values"][first:last],
                self.n_features,
            )
            packed = side["callable"][lo // 8 : (hi + 7) // 8]
        mask = np.unpackbits(packed)[lo % 8 :][: hi - lo].astype(bool)
        return StrandMap(features, mask)

    def _side(self, strand: str) -> dict[str, h5py.Dataset]:
        """Arrays of one strand's reading; h5py takes longer to find one than to read a few of its rows."""
        check_strand(strand)
        if strand not in self._sides:
            group = self.file[STRANDS[strand]]
            names = ("indptr", "indices", "values", "callable")
            self._sides[strand] = {name: group[name] for name in names}
        return self._sides[strand]

    def zoom(self, strand: str, size: int) -> Zoom:
        """A whole level of the pyramid, one of ``ZOOMS``; bin 0 begins at ``start``."""
        check_strand(strand)
        if size not in ZOOMS:
            raise InputError(f"bins of {size}: expected one of {', '.join(map(str, ZOOMS))}")
        with self.reading():
            level = self.file[f"{STRANDS[strand]}/zoom/{size}"]
            return Zoom(*(level[name][:] for name in Zoom._fields))


class FeatureStore:
    """All shards of a study, addressed by genome coordinates.

    Parameters
    ----------
    shards : list of (Path, chrom, start, end)
        Files in genome order and what they cover.
    origin : Origin
        What the maps must have been made with; another raises ``InputError`` with both hashes.
    contigs : Contigs
        What places must lie on.
    """

    def __init__(self, shards: list[tuple[Path, str, int, int]], origin: Origin, contigs: Contigs) -> None:
        self.shards = shards
        self.origin = origin
        self.contigs = contigs

    def __repr__(self) -> str:
        bases = sum(end - start for _, _, start, end in self.shards)
        contigs = len({chrom for _, chrom, _, _ in self.shards})
        return f"FeatureStore({bases:,} bases of {contigs:,} contigs in {len(self.shards):,} shards)"

    def open(self, path: Path) -> FeatureShard:
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
        for path, name, lo, hi in self.shards:
            if name == chrom and lo < end and hi > start:
                with self.open(path) as shard:
                    yield shard, max(lo, start), min(hi, end)

    @cached_property
    def _width(self) -> int:
        with self.open(self.shards[0][0]) as shard:
            return shard.n_features

    def rows(self, chrom: str, start: int, end: int, strand: str) -> StrandMap:
        """Reading of a region; bases that no shard covers are not callable and have no features.

        Raises ``InputError`` for a place that is not on the genome, and for a strand other than + and -.
        """
        check_strand(strand)
        parts: list[Csr] = []
        masks: list[np.ndarray] = []
        at, width = start, 0
        for shard, lo, hi in self.stretches(chrom, start, end):
            width = shard.n_features
            if lo > at:
                parts.append(_blank(lo - at, width))
                masks.append(np.zeros(lo - at, bool))
            part = shard.rows(strand, lo, hi)
            parts.append(part.features)
            masks.append(part.callable)
            at = hi
        if at < end:
            parts.append(_blank(end - at, width or self._width))
            masks.append(np.zeros(end - at, bool))
        return StrandMap(concatenate(parts), np.concatenate(masks))


def _blank(n: int, width: int) -> Csr:
    return Csr(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), width)
