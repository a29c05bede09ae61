"""Interval tracks of a study, parsed once and kept as one Parquet file in the study's cache folder."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from workbench.errors import InputError
from workbench.files.parquet import read_parquet, write_parquet
from workbench.files.settings import stated
from workbench.tracks.track import COLUMNS, Track

if TYPE_CHECKING:
    from workbench.study.study import Study


def interval_tracks(study: Study) -> list[Track]:
    """The study's interval tracks, as `Study.tracks` has them, without parsing files a second time.

    The file is named by the hash of what the tracks depend on (manifest, settings); where it cannot be
    written, the tracks are read from the inputs every time.
    """
    config = study.config
    settings = [study.manifest.hash, asdict(config.statistics), config.input.rename]
    settings += [derived] if (derived := stated(config.tracks)) else []
    key = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    path = study.folder / "cache" / f"tracks.{key}.parquet"
    with suppress(InputError, KeyError):  # not there yet, damaged, or of another version: made anew
        return _read(read_parquet(path))
    tracks = [track for track in study.tracks if track.kind == "interval"]
    with suppress(InputError, OSError):
        write_parquet(path, _table(tracks))
    return tracks


def _table(tracks: list[Track]) -> pd.DataFrame:
    parts = [t.intervals[COLUMNS].assign(track=t.name, type=t.type, source=t.source) for t in tracks]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return whole.assign(name=whole["name"].astype(str), group=whole["group"].astype(str))


def _read(table: pd.DataFrame) -> list[Track]:
    if "track" not in table:
        return []
    return [
        # Columns that an earlier version did not keep are texts.
        Track(
            str(name),
            rows.reindex(columns=COLUMNS, fill_value="").reset_index(drop=True),
            str(source),
            type=str(kind),
        )
        for (name, kind, source), rows in table.groupby(["track", "type", "source"], sort=False)
    ]
