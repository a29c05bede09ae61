"""A feature's activations along the genome for its page: distribution, loci, metagene, co-activation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app.data.annotation import boxes, tracks
from app.data.study import Opened, key_of, table
from app.feature.locus_panels import Panel
from workbench.browse.feature_profile import (
    Company,
    around,
    company,
    firing_bins,
    histogram,
    places,
    profiles,
)
from workbench.browse.metagene import metagene_profile
from workbench.genome.interval import Interval
from workbench.wording import percent, spoken

MOST_GENES = 8
GENES = ("gene", "CDS", "mRNA", "transcript")
ENDS_COLUMNS = ["on", "end", "offset", "share_active"]


class FeatureActivity(NamedTuple):
    """Histogram of bins, loci of each activation range with their activations, and co-active features."""

    histogram: pd.DataFrame
    places: pd.DataFrame
    loci: list[Interval]
    values: list[dict[str, np.ndarray]]
    company: Company


@st.cache_data(max_entries=64, show_spinner="Reading its activations")
def _feature_activity(_opened: Opened, key: tuple[str, ...], feature: int) -> FeatureActivity:
    study = _opened.study
    bins = firing_bins(study, feature)
    chosen = places(bins)
    loci = around(study, chosen)
    return FeatureActivity(
        histogram(bins),
        chosen,
        loci,
        profiles(study, feature, loci),
        company(study, feature, bins, _opened.evidence.catalog.sort_index()),
    )


def feature_activity(opened: Opened, feature: int) -> FeatureActivity:
    """Histogram, loci and co-active features of a feature."""
    return _feature_activity(opened, key_of(opened), feature)


@st.cache_data(max_entries=64, show_spinner="Reading activations around interval ends")
def _metagene(_opened: Opened, key: tuple[str, ...], feature: int, on: list[tuple[str, str]]) -> pd.DataFrame:
    by_name = {track.name: track for track in tracks(_opened).result()}
    parts = [
        metagene_profile(_opened.study, feature, by_name[name], mode) for name, mode in on if name in by_name
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def metagene(opened: Opened, feature: int, on: list[tuple[str, str]]) -> tuple[pd.DataFrame, bool]:
    """Rows of ``metagene`` for (track, mode) pairs, and whether they are from a sample of intervals.

    Their column ``on`` names the track and its mode.
    """
    whole = table(opened, "metagene")
    sampled = whole is None
    if whole is None:
        rows = _metagene(opened, key_of(opened), feature, on)
    else:
        wanted = pd.MultiIndex.from_tuples(on or [("", "")])
        own = whole[whole["feature"] == feature]
        rows = own[pd.MultiIndex.from_frame(own[["track", "mode"]]).isin(wanted)]
    if rows.empty:
        return pd.DataFrame(columns=[*ENDS_COLUMNS, "n_ends"]), sampled
    rows = rows[rows["n_ends"] > 0]
    rows = rows.assign(on=rows["track"].astype(str) + " (" + rows["mode"].astype(str) + ")")
    return rows[[*ENDS_COLUMNS, "n_ends"]].reset_index(drop=True), sampled


def gene_track(opened: Opened) -> str:
    """Name of the track drawn above loci: genes where there are some, else the first; empty for none."""
    named = tracks(opened).result()
    for kind in GENES:
        for track in named:
            if track.type == kind or track.name == kind:
                return track.name
    return named[0].name if named else ""


def locus_panels(opened: Opened, found: FeatureActivity, maximum: float) -> list[Panel]:
    """A panel a locus, with the genes there; its title says how strong the feature is, of full scale."""
    name = gene_track(opened)
    none = pd.DataFrame(columns=["start", "end", "strand", "name"])
    drawn = []
    for row, locus, values in zip(found.places.itertuples(), found.loci, found.values, strict=True):
        title = f"{spoken(*locus)}  ·  {percent(float(row.max) / maximum)}"
        genes = boxes(opened, name, locus, MOST_GENES) if name else none
        drawn.append(Panel(title, locus, values, genes))
    return drawn
