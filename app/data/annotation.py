"""Annotation, variants of samples and codons in a stretch, read once for all pages."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pandas as pd
import streamlit as st

from app.data.own_files import LaneTrack, binned
from app.data.study import Opened, key_of
from workbench import InputError
from workbench.browse.codons import Codon, codons
from workbench.browse.places import name_index
from workbench.browse.track_cache import interval_tracks
from workbench.browse.variant_tracks import COHORT, carried_variants, driving_variants
from workbench.files.text import suffix_of
from workbench.genome.interval import Interval
from workbench.study.locus import annotation
from workbench.tracks import READERS, read_tracks
from workbench.tracks.near import TrackIndex
from workbench.tracks.signal import read_signal
from workbench.tracks.track import Track


@st.cache_resource(max_entries=4, show_spinner=False)
def _tracks(_opened: Opened, key: tuple[str, ...]) -> Future[list[Track]]:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(interval_tracks, _opened.study)
        pool.shutdown(wait=False)
    return future


def tracks(opened: Opened) -> Future[list[Track]]:
    """Future of the interval tracks of a study, read in the background."""
    return _tracks(opened, key_of(opened))


@st.cache_resource(max_entries=4, show_spinner=False)
def _signals(_opened: Opened, key: tuple[str, ...]) -> dict[str, LaneTrack]:
    study = _opened.study
    paths = [study.resolve(path) for path in study.config.input.tracks]
    found: dict[str, LaneTrack] = {}
    for path in (path for path in paths if READERS.get(suffix_of(path)) is read_signal):
        with suppress(InputError):  # a file that has gone since: the study's numbers need it no more
            for track in read_tracks(path, study.genome, study.config.input.rename):
                found[track.name] = binned(track)
    return found


def signals(opened: Opened) -> dict[str, LaneTrack]:
    """The study's signal tracks by name, as their files have them."""
    return _signals(opened, key_of(opened))


@st.cache_resource(max_entries=4, show_spinner="Reading the names of the annotation, once")
def _names(_opened: Opened, key: tuple[str, ...]) -> pd.DataFrame:
    return name_index(_opened.study, tracks(_opened).result())


def names(opened: Opened) -> pd.DataFrame:
    """Names, locus tags and products of the annotation with their places, read once."""
    return _names(opened, key_of(opened))


@st.cache_resource(max_entries=16, show_spinner=False)
def _sampled(_opened: Opened, key: tuple[str, ...], which: str) -> tuple[Track, ...]:
    every = carried_variants(_opened.study)
    if which == COHORT:
        return (every,)
    return driving_variants(_opened.study, which), every


def variants(opened: Opened, which: str) -> tuple[Track, ...]:
    """Variants of samples that an address names (`app.links`); ``InputError`` where there are none."""
    return _sampled(opened, key_of(opened), which) if which else ()


@st.cache_resource(max_entries=4, show_spinner=False)
def _index(_opened: Opened, key: tuple[str, ...]) -> TrackIndex:
    return TrackIndex(tracks(_opened).result())


@st.cache_data(max_entries=400, show_spinner=False)
def _boxes(_opened: Opened, key: tuple[str, ...], track: str, at: Interval, most: int) -> pd.DataFrame:
    return annotation(_index(_opened, key).near(track, at), at, most)


def boxes(opened: Opened, track: str, at: Interval, most: int) -> pd.DataFrame:
    """Intervals of a track that meet a stretch, as `workbench.study.locus.annotation` gives them."""
    return _boxes(opened, key_of(opened), track, at, most)


def coding_near(opened: Opened, locus: Interval) -> list[pd.DataFrame]:
    """Intervals of coding tracks about a stretch; none while the annotation is being read."""
    ready = tracks(opened)
    if not ready.done():
        return []
    index = _index(opened, key_of(opened))
    return [index.near(track.name, locus).intervals for track in ready.result() if track.type == "CDS"]


def codons_in(opened: Opened, locus: Interval) -> list[Codon]:
    """Codons of coding tracks that meet a stretch; none while the annotation is being read."""
    found: list[Codon] = []
    for near in coding_near(opened, locus):
        found += codons(opened.study.genome, near, locus)
    return found
