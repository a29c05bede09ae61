"""Labels of a study: the tested columns, their intervals, and label states of a stretch."""

from __future__ import annotations

import pandas as pd

from feature_mining.association.labels import Column, LabelStates, label_states, track_columns
from workbench.study.study import Study


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
    return label_states(intervals_by_track(study, chrom), start, end, strand, columns)
