"""Below the canvas: the same view as tables, as files and as a command."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from app import links
from app.data import Opened
from app.scene import Shown, fine_tile
from app.words import short_label
from workbench.tiles import TOP, ZERO
from workbench.views import annotation

MOST_ROWS = 200


def tables(opened: Opened, shown: Shown) -> None:
    """The features and intervals in view as tables."""
    st.subheader("In view", divider=False)
    features, intervals = st.columns(2)
    table = feature_table(opened, shown)
    features.caption("Features: the largest value in view, strand by strand.")
    features.dataframe(table, hide_index=True)
    rows = interval_table(shown)
    intervals.caption("Intervals of the chosen tracks.")
    intervals.dataframe(rows, hide_index=True)


def feature_table(opened: Opened, shown: Shown) -> pd.DataFrame:
    """A row a feature and strand: largest value in view, as the canvas draws it, and where."""
    catalog = opened.evidence.catalog
    tile = fine_tile(opened, shown, 1000)
    inside = (tile.edges[1:] > shown.locus.start) & (tile.edges[:-1] < shown.locus.end)
    starts, codes = tile.edges[:-1][inside], tile.codes[:, :, inside]
    rows = []
    strands = "+-" if shown.view.strands == "both" else shown.view.strands
    for f, feature in enumerate(shown.features):
        for s, strand in enumerate(strands):
            best = int(codes[f, s].argmax())
            share = max(0.0, (int(codes[f, s, best]) - ZERO - 0.5) / (TOP - ZERO))
            rows.append(
                {
                    "feature": feature,
                    "label": short_label(opened.evidence, feature),
                    "strand": strand,
                    "largest in view": share * float(catalog.loc[feature, "max"]),
                    "of its largest": share,
                    "at": int(starts[best]),
                    "bins that fire": float((codes[f, s] > ZERO).mean()),
                }
            )
    return pd.DataFrame(rows)


def interval_table(shown: Shown) -> pd.DataFrame:
    """Intervals of the chosen tracks that meet the view, at most ``MOST_ROWS`` of each."""
    parts = [
        annotation(track, shown.locus, MOST_ROWS).assign(track=track.name) for track in shown.tracks
    ]
    columns = ["track", "name", "start", "end", "strand", "intervals"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def command(opened: Opened, shown: Shown) -> None:
    """The command and the address that make this view."""
    folder = str(opened.study.folder)
    view = shown.view
    address = links.browse(
        "", str(shown.locus), shown.features, [t.name for t in shown.tracks], view.threshold,
        view.strands, view.draw, view.brush,
    )  # fmt: skip
    with st.expander("The command that makes this"):
        st.code(f"workbench app {shlex.quote(folder)}\n# then open /{address}", language="bash")
