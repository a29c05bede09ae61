"""What a feature page shows of the feature's values along the genome, computed once by ``workbench``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app.data import Opened, key_of
from app.lanes import boxes, tracks
from app.small_strips import Panel
from workbench import InputError
from workbench.feature_profile import (
    Company,
    around,
    company,
    firing_bins,
    histogram,
    places,
    profiles,
)
from workbench.report.formats import percent, strength
from workbench.round_ends import round_ends
from workbench.views import Locus

MOST_GENES = 8
GENES = ("gene", "CDS", "mRNA", "transcript")
ENDS_COLUMNS = ["on", "end", "offset", "share_active"]


class Portrait(NamedTuple):
    """Bins that reach each value, places by band of strength with their values, and company."""

    histogram: pd.DataFrame
    places: pd.DataFrame
    loci: list[Locus]
    values: list[dict[str, np.ndarray]]
    company: Company


@st.cache_data(max_entries=64, show_spinner="Reading where it fires")
def _portrait(_opened: Opened, key: tuple[str, ...], feature: int) -> Portrait:
    study = _opened.study
    bins = firing_bins(study, feature)
    chosen = places(bins)
    loci = around(study, chosen)
    return Portrait(
        histogram(bins),
        chosen,
        loci,
        profiles(study, feature, loci),
        company(study, feature, bins, _opened.evidence.catalog.sort_index()),
    )


def portrait(opened: Opened, feature: int) -> Portrait:
    """The feature along the genome."""
    return _portrait(opened, key_of(opened), feature)


@st.cache_resource(max_entries=4, show_spinner=False)
def _table(_opened: Opened, key: tuple[str, ...], name: str) -> pd.DataFrame | None:
    try:
        return _opened.study.table(name)
    except InputError:
        return None


def table(opened: Opened, name: str) -> pd.DataFrame | None:
    """A table of the study, read once; None where the study has none of this name."""
    return _table(opened, key_of(opened), name)


@st.cache_data(max_entries=64, show_spinner="Reading round the ends of intervals")
def _ends(
    _opened: Opened, key: tuple[str, ...], feature: int, on: list[tuple[str, str]]
) -> pd.DataFrame:
    by_name = {track.name: track for track in tracks(_opened).result()}
    parts = [
        round_ends(_opened.study, feature, by_name[name], mode)
        for name, mode in on
        if name in by_name
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def ends(opened: Opened, feature: int, on: list[tuple[str, str]]) -> tuple[pd.DataFrame, bool]:
    """Rows of ``metagene`` for (track, mode) pairs, and whether they are from a sample of intervals.

    ``on`` is added: the track with its mode.
    """
    whole = table(opened, "metagene")
    sampled = whole is None
    if whole is None:
        rows = _ends(opened, key_of(opened), feature, on)
    else:
        asked = pd.MultiIndex.from_tuples(on or [("", "")])
        own = whole[whole["feature"] == feature]
        rows = own[pd.MultiIndex.from_frame(own[["track", "mode"]]).isin(asked)]
    if rows.empty:
        return pd.DataFrame(columns=[*ENDS_COLUMNS, "n_ends"]), sampled
    rows = rows[rows["n_ends"] > 0]
    rows = rows.assign(on=rows["track"].astype(str) + " (" + rows["mode"].astype(str) + ")")
    return rows[[*ENDS_COLUMNS, "n_ends"]].reset_index(drop=True), sampled


def gene_track(opened: Opened) -> str:
    """The track drawn over small strips: genes where there are some, else the first; empty for none."""
    named = tracks(opened).result()
    for kind in GENES:
        for track in named:
            if track.type == kind or track.name == kind:
                return track.name
    return named[0].name if named else ""


def panels(opened: Opened, found: Portrait) -> list[Panel]:
    """A small strip a place, with the genes there."""
    name = gene_track(opened)
    none = pd.DataFrame(columns=["start", "end", "strand", "name"])
    drawn = []
    for row, locus, values in zip(found.places.itertuples(), found.loci, found.values, strict=True):
        band = f"{percent(row.share)} of its largest ({strength(float(row.max))})"
        title = f"{locus.chrom}:{locus.start:,}-{locus.end:,}  ·  {band}"
        genes = boxes(opened, name, locus, MOST_GENES) if name else none
        drawn.append(Panel(title, locus, values, genes))
    return drawn
