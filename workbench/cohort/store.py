"""Burdens on disk: one HDF5 file a region, features x unique haplotypes.

Arrays are stored feature by feature (``(2, m, U)``, readings plus and minus), so that a test streams blocks
of features and never holds samples x features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.wording import listed

# What is stored for each feature and haplotype, float32.
STATISTICS: tuple[str, ...] = ("max", "sum", "active", "gained", "lost")
STRANDS = {"+": (0,), "-": (1,), "both": (0, 1)}
# How the two readings of a statistic become one.
BOTH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max": np.maximum.reduce,
    **dict.fromkeys(("sum", "active", "gained", "lost"), np.add.reduce),
    "value": lambda pair: pair[0],
}
MISSING, ABSENT = -1, -2
_FEATURES_A_CHUNK = 32


class Block(NamedTuple):
    """Some features of a region.

    region : str
    features : int32 (b)
    values : float32 (b, U), a column a unique haplotype, column 0 the reference
    sample_haplotype : int32 (n, ploidy)
    """

    region: str
    features: np.ndarray
    values: np.ndarray
    sample_haplotype: np.ndarray

    def per_sample(self) -> np.ndarray:
        """``(b, n)`` float32: mean over a sample's haplotypes, NaN where one is missing."""
        return spread(self.values, self.sample_haplotype)


def spread(values: np.ndarray, sample_haplotype: np.ndarray) -> np.ndarray:
    """Values of haplotypes ``(b, U)`` as values of samples ``(b, n)``: the mean over haplotypes.

    Absent haplotypes do not count; a missing one makes the sample NaN.
    """
    present = sample_haplotype != ABSENT
    total = np.zeros((len(values), len(sample_haplotype)), np.float32)
    for column, there in zip(sample_haplotype.T, present.T, strict=True):
        total += np.where(there, values[:, np.where(there, column, 0)], 0)
    mean = total / np.maximum(present.sum(axis=1), 1).astype(np.float32)
    unknown = (sample_haplotype == MISSING).any(axis=1) | ~present.any(axis=1)
    mean[:, unknown] = np.nan
    return mean


class RegionBurdens:
    """Burdens of one region, read from its file when asked for.

    Attributes
    ----------
    region : str
    features : int32 (m)
        Indices of features; ``feature_names`` list of str (m).
    sample_haplotype : int32 (n, ploidy)
    n_haplotypes : int
        U, the reference included.
    statistics : tuple of str
        What ``values`` gives.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            self.region = str(file.attrs["region"])
            self.origin = {k: str(v) for k, v in file.attrs.items() if k != "region"}
            self.features = file["features"][:]
            names = file["feature_names"].asstr()[:] if "feature_names" in file else self.features
            self.feature_names = [str(n) for n in names]
            self.sample_haplotype = file["sample_haplotype"][:]
            self._stored = tuple(k for k in file if k in BOTH)
            self.n_haplotypes = int(file[self._stored[0]].shape[2])
        more = ("mean",) if "sum" in self._stored else ()
        deltas = tuple(f"delta_{s}" for s in ("max", "sum", "mean", "active") if more)
        self.statistics = (*self._stored, *more, *deltas)

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(
                f"{self.path}: not a readable burden file ({error}); run again with --force burdens"
            ) from None

    def values(self, statistic: str, strand: str = "both", rows: slice = slice(None)) -> np.ndarray:
        """``(m, U)`` float32 of a statistic; ``rows`` chooses features by place in ``features``."""
        if statistic not in self.statistics or strand not in STRANDS:
            raise InputError(
                f"{self.path}: no statistic {statistic!r} of strand {strand!r}; it has"
                f" {', '.join(self.statistics)}, of {', '.join(STRANDS)}"
            )
        if statistic.startswith("delta_"):
            own = self.values(statistic.removeprefix("delta_"), strand, rows)
            return own - own[:, :1]
        with self._open() as file:
            if statistic == "mean":
                total = _joined(file, "sum", strand, rows)
                bases = file["bases"][:][list(STRANDS[strand])].sum(axis=0)
                return np.asarray(total / np.maximum(bases, 1).astype(np.float32))
            return _joined(file, statistic, strand, rows)

    def per_sample(self, statistic: str, strand: str = "both", rows: slice = slice(None)) -> np.ndarray:
        """``(m, n)`` float32: mean over each sample's haplotypes, NaN where one is missing."""
        return spread(self.values(statistic, strand, rows), self.sample_haplotype)

    def blocks(self, statistic: str, strand: str = "both", size: int = 512) -> Iterator[Block]:
        """The region's features in pieces of ``size``."""
        for start in range(0, self.features.size, size):
            rows = slice(start, start + size)
            yield Block(
                self.region, self.features[rows], self.values(statistic, strand, rows), self.sample_haplotype
            )


def _joined(file: h5py.File, statistic: str, strand: str, rows: slice) -> np.ndarray:
    sides = STRANDS[strand]
    if file[statistic].shape[0] == 1:
        sides = (0,)
    pair = np.stack([file[statistic][side, rows] for side in sides])
    return np.asarray(BOTH[statistic](pair), np.float32)


class RegionWriter:
    """Writes the file of a region, a block of features at a time; it appears under its name when whole.

    Parameters
    ----------
    path : Path
    region : str
    origin : mapping
        What the burdens are made with; kept with them and compared when they are opened.
    features : int32 (m)
    shape : tuple of int
        ``(strands, m, U)`` of every statistic.
    """

    def __init__(
        self,
        path: Path,
        region: str,
        origin: Mapping[str, str],
        features: np.ndarray,
        shape: tuple[int, int, int],
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        temporary = self._stack.enter_context(write_atomic(path))
        self._file = self._stack.enter_context(h5py.File(temporary, "w"))
        self._file.attrs.update({**origin, "region": region})
        self._file["features"] = features.astype(np.int32)
        self._shape = shape

    def __enter__(self) -> RegionWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)

    def put(self, name: str, values: np.ndarray | list[str]) -> None:
        """Write ``sample_haplotype``, ``bases`` or ``feature_names``."""
        self._file[name] = values

    def fill(self, statistic: str, at: slice, values: np.ndarray) -> None:
        """Write float32 ``(strands, b, U)`` of a statistic for features ``at``."""
        if statistic not in self._file:
            strands, m, u = self._shape
            chunk = (1, min(_FEATURES_A_CHUNK, max(1, m)), max(1, u))
            self._file.create_dataset(
                statistic, (strands, m, u), np.float32, chunks=chunk, compression="gzip", shuffle=True
            )
        self._file[statistic][:, at] = values


def write_matrix(path: Path, origin: Mapping[str, str], features: list[str], values: np.ndarray) -> int:
    """Write a ready table, float64 ``(n, m)``, NaN missing; returns the number of unique samples' rows.

    Samples with the same values share a column, after the first, which stands for the reference and is all 0;
    a sample with any missing value is missing.
    """
    known = ~np.isnan(values).any(axis=1)
    unique, inverse = np.unique(values[known], axis=0, return_inverse=True)
    columns = np.concatenate([np.zeros((1, values.shape[1])), unique]).astype(np.float32)
    of_sample = np.full((len(values), 1), MISSING, np.int32)
    of_sample[known, 0] = 1 + inverse.ravel()
    shape = (1, len(features), len(columns))
    with RegionWriter(path, "matrix", origin, np.arange(len(features)), shape) as out:
        out.put("feature_names", features)
        out.put("sample_haplotype", of_sample)
        out.fill("value", slice(0, len(features)), columns.T[None])
    return len(unique)


class BurdenStore:
    """Burdens of all regions.

    Attributes
    ----------
    regions : DataFrame
        ``region, chrom, start, end, strand, bases_dropped, haplotypes, features, missing`` (share of
        samples), ``state``.
    samples : list of str
        Order of the samples in every region.
    """

    def __init__(
        self, folder: Path, regions: pd.DataFrame, samples: list[str], origin: Mapping[str, str]
    ) -> None:
        self.folder, self.regions, self.samples = folder, regions, samples
        self.origin = dict(origin)

    def index(self, region: str) -> int:
        """Row of ``regions`` with this name; ``InputError`` where there is none."""
        found = np.flatnonzero((self.regions["region"] == region).to_numpy())
        if not found.size:
            known = listed(self.regions["region"].tolist(), 8)
            raise InputError(f"{self.folder}: no region {region}; it has {known}")
        return int(found[0])

    def open(self, region: str) -> RegionBurdens:
        """One region; ``InputError`` where it was dropped, or made with another model or autoencoder."""
        index = self.index(region)
        state = self.regions["state"].iloc[index]
        if state != "kept":
            raise InputError(f"{self.folder}: region {region} has no burdens: {state}")
        burdens = RegionBurdens(region_path(self.folder, index))
        if burdens.origin != self.origin:
            raise InputError(
                f"{burdens.path}: made with {burdens.origin}, but the study has {self.origin}; run again"
                " with --force burdens"
            )
        return burdens

    def __iter__(self) -> Iterator[RegionBurdens]:
        """Regions that were kept, in order."""
        for region in self.regions.loc[self.regions["state"] == "kept", "region"]:
            yield self.open(region)


def region_path(folder: Path, index: int) -> Path:
    """File of region ``index``."""
    return folder / f"region.{index:05d}.h5"
