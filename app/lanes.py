"""Lanes of the browser: annotation, variants of samples and codons in a stretch."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.data import Opened, key_of
from workbench.carried import COHORT, carried_variants, driving_variants
from workbench.frames import Codon, codons
from workbench.report.strips import spread
from workbench.track_cache import TrackIndex, interval_tracks
from workbench.tracks.track import Track
from workbench.views import Locus, annotation

MOST_BOXES = 600
"""Boxes of one track in the stretch that is sent, four views: more are drawn as one."""


@st.cache_resource(max_entries=4, show_spinner=False)
def _tracks(_opened: Opened, key: tuple[str, ...]) -> Future[list[Track]]:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(interval_tracks, _opened.study)
        pool.shutdown(wait=False)
    return future


def tracks(opened: Opened) -> Future[list[Track]]:
    """The interval tracks of a study, being read in the background."""
    return _tracks(opened, key_of(opened))


@st.cache_resource(max_entries=16, show_spinner=False)
def _sampled(_opened: Opened, key: tuple[str, ...], asked: str) -> tuple[Track, ...]:
    every = carried_variants(_opened.study)
    if asked == COHORT:
        return (every,)
    return driving_variants(_opened.study, asked), every


def variants(opened: Opened, asked: str) -> tuple[Track, ...]:
    """Variants of samples that an address asks for (`app.links`); ``InputError`` where there are none."""
    return _sampled(opened, key_of(opened), asked) if asked else ()


@st.cache_resource(max_entries=4, show_spinner=False)
def _index(_opened: Opened, key: tuple[str, ...]) -> TrackIndex:
    return TrackIndex(tracks(_opened).result())


@st.cache_data(max_entries=400, show_spinner=False)
def _boxes(_opened: Opened, key: tuple[str, ...], track: str, at: Locus, most: int) -> pd.DataFrame:
    return annotation(_index(_opened, key).near(track, at), at, most)


def boxes(opened: Opened, track: str, at: Locus, most: int) -> pd.DataFrame:
    """Intervals of a track that meet a stretch, as `workbench.views.annotation` gives them."""
    return _boxes(opened, key_of(opened), track, at, most)


def lane(opened: Opened, track: str, locus: Locus) -> dict[str, Any]:
    """A track's boxes in a stretch, as the canvas takes them."""
    return {"name": track, "kind": "interval", **_drawn(boxes(opened, track, locus, MOST_BOXES))}


def variant_lane(track: Track, locus: Locus) -> dict[str, Any]:
    """Variants in a stretch, as the canvas takes them."""
    drawn = _drawn(annotation(track, locus, MOST_BOXES))
    return {"name": track.name, "kind": "variant", **drawn}


def _drawn(table: pd.DataFrame) -> dict[str, Any]:
    """Boxes and the rows they need so that none lies on another."""
    levels = np.asarray(spread(table["start"].to_numpy(), table["end"].to_numpy()), int)
    drawn = zip(
        table["start"].tolist(), table["end"].tolist(), table["strand"].tolist(),
        table["name"].tolist(), levels.tolist(), table["intervals"].tolist(), strict=True,
    )  # fmt: skip
    return {"rows": int(levels.max()) + 1 if levels.size else 1, "boxes": list(drawn)}


def codons_in(opened: Opened, locus: Locus) -> list[Codon]:
    """Codons of coding tracks that meet a stretch; none while the annotation is being read."""
    ready = tracks(opened)
    if not ready.done():
        return []
    found: list[Codon] = []
    index = _index(opened, key_of(opened))
    for track in ready.result():
        if track.type == "CDS":
            near = index.near(track.name, locus).intervals
            found += codons(opened.study.genome, near, locus)
    return found
