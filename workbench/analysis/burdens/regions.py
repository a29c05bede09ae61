"""Regions over which features are added up: genes of a track, intervals of a BED, windows, contigs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.files.text import suffix_of
from workbench.tracks import read_regions

if TYPE_CHECKING:
    from workbench.study.study import Study

COLUMNS = ["region", "chrom", "start", "end", "strand"]
# Tracks that regions come from where none is named, in this order.
TRACKS = ("gene", "CDS")


def _windows(study: Study) -> pd.DataFrame:
    cells = [cell for chrom, n in study.manifest.contigs.items() for cell in study.grid.cells(chrom, n)]
    rows = [(f"{c.chrom}:{c.start}-{c.end}", c.chrom, c.start, c.end, ".") for c in cells]
    return pd.DataFrame(rows, columns=COLUMNS)


def _contigs(study: Study) -> pd.DataFrame:
    rows = [(chrom, chrom, 0, n, ".") for chrom, n in study.manifest.contigs.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


WHOLE: dict[str, Callable[[Study], pd.DataFrame]] = {"windows": _windows, "contigs": _contigs}


def _from_intervals(intervals: pd.DataFrame) -> pd.DataFrame:
    return intervals.rename(columns={"name": "region"})[COLUMNS].copy()


def _bed(study: Study, path: Path) -> pd.DataFrame:
    return _from_intervals(read_regions(path, study.genome, study.config.input.rename))


def _track(study: Study, name: str) -> pd.DataFrame:
    tracks = {t.name: t for t in study.tracks if t.kind == "interval"}
    if name not in tracks:
        raise InputError(
            f"{study.folder}/study.toml [cohort]: regions is {name!r}; expected a BED file, windows,"
            f" contigs, or one of the tracks {', '.join(list(tracks)[:10])}"
        )
    return _from_intervals(tracks[name].intervals)


def _unique(names: pd.Series) -> list[str]:
    """Names of regions, each once: repeated ones are numbered, empty ones called by their place."""
    counts: dict[str, int] = {}
    found = []
    repeated = names.duplicated(keep=False)
    for name, many in zip(names, repeated, strict=True):
        counts[name] = counts.get(name, 0) + 1
        found.append(f"{name}.{counts[name]}" if many else name)
    return found


def cohort_regions(study: Study) -> pd.DataFrame:
    """Regions of a study: ``region, chrom, start, end, strand``, 0-based half-open, names unique.

    ``[cohort] regions`` names a track, a BED file, ``windows`` or ``contigs``; empty: genes, else coding
    sequences, else windows. ``names`` keeps some, ``flank`` adds bases on both sides (clipped to the contig).
    Raises ``InputError`` for names that are not there.
    """
    given = study.config.cohort
    kind = given.regions
    if not kind:
        tracks = {t.name for t in study.tracks if t.kind == "interval"}
        kind = next((t for t in TRACKS if t in tracks), "windows")
    if kind in WHOLE:
        table = WHOLE[kind](study)
    elif suffix_of(Path(kind)) == ".bed":
        table = _bed(study, study.resolve(kind))
    else:
        table = _track(study, kind)
    if given.names:
        absent = [n for n in given.names if n not in set(table["region"])]
        if absent:
            raise InputError(
                f"{study.folder}/study.toml [cohort]: names: no region {', '.join(absent[:6])} in {kind};"
                f" it has {', '.join(table['region'].head(8))}"
            )
        table = table[table["region"].isin(given.names)]
    if table.empty:
        raise InputError(f"{study.folder}: no regions for the cohort in {kind}; name others")
    place = table["chrom"] + ":" + table["start"].astype(str) + "-" + table["end"].astype(str)
    table["region"] = table["region"].where(table["region"].astype(bool), place)
    lengths = table["chrom"].map(dict(study.manifest.contigs)).to_numpy(np.int64)
    table["start"] = np.maximum(0, table["start"] - given.flank)
    table["end"] = np.minimum(lengths, table["end"] + given.flank)
    table = table.reset_index(drop=True)
    table["region"] = _unique(table["region"])
    return table
