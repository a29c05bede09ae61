"""Labels of a study: the tested columns, their intervals, and label states of a stretch."""

from __future__ import annotations

import pandas as pd

from feature_mining.association.labels import Column, LabelStates, label_states, track_columns
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.study import Study
from workbench.tracks import read_regions


def study_columns(study: Study) -> list[Column]:
    """(track, mode) of every column that is tested."""
    return track_columns(intervals_by_track(study))


def intervals_by_track(study: Study, chrom: str | None = None) -> dict[str, pd.DataFrame]:
    """Intervals of the tested tracks, on one contig or on all."""
    tracks = {t.name: t.intervals for t in study.tracks if t.kind == "interval"}
    if chrom is None:
        return tracks
    return {name: rows[rows["chrom"] == chrom] for name, rows in tracks.items()}


def labels_of(
    study: Study, columns: list[Column], chrom: str, start: int, end: int, strand: str
) -> LabelStates:
    """Label states of a stretch for one strand's reading."""
    return label_states(study.track_index.intervals(Interval(chrom, start, end)), start, end, strand, columns)


def named_regions(study: Study, name: str, what: str) -> pd.DataFrame:
    """Intervals ``chrom, start, end, name`` of a track, or of a BED file; ``what`` names them in a refusal.

    Raises ``InputError`` where the name is neither, and as `read_regions`.
    """
    track = next((t for t in study.tracks if t.name == name and len(t.intervals)), None)
    if track is not None:
        return track.intervals[["chrom", "start", "end", "name"]].reset_index(drop=True)
    path = study.resolve(name)
    if not path.is_file():
        names = ", ".join(t.name for t in study.tracks if len(t.intervals))
        raise InputError(f"{what} {name!r} are neither a BED file nor a track; expected one of {names}")
    return read_regions(path, study.genome, study.config.input.rename)
