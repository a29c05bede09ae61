"""Intervals of tracks near a place, found without looking at every interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.tracks.track import Track
from workbench.wording import listed

# Contig, start, end.
Locus = tuple[str, int, int]


class TrackIndex:
    """Tracks cut by contig and ordered, so that a stretch is found without looking at every interval."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._parts: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, pd.DataFrame]] = {}
        self._tracks = {track.name: track for track in tracks}
        for track in tracks:
            for chrom, rows in track.intervals.groupby("chrom", sort=False):
                rows = rows.sort_values("start", kind="stable")
                reach = np.maximum.accumulate(rows["end"].to_numpy())
                self._parts[track.name, str(chrom)] = rows["start"].to_numpy(), reach, rows

    def near(self, name: str, locus: Locus) -> Track:
        """The track with all its intervals that meet a stretch, and few others; ``InputError`` for none."""
        if name not in self._tracks:
            raise InputError(f"no track {name!r}; expected one of {listed(list(self._tracks), 8)}")
        return replace(self._tracks[name], intervals=self._rows(name, locus))

    def intervals(self, locus: Locus) -> dict[str, pd.DataFrame]:
        """Of every track all intervals that meet a stretch, and few others."""
        return {name: self._rows(name, locus) for name in self._tracks}

    def _rows(self, name: str, locus: Locus) -> pd.DataFrame:
        chrom, start, end = locus
        part = self._parts.get((name, chrom))
        if part is None:
            return self._tracks[name].intervals.iloc[:0]
        starts, reach, rows = part
        first = int(np.searchsorted(reach, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left"))
        return rows.iloc[first : max(first, last)]
