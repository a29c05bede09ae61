"""Below the canvas: the same view as tables, and features active in the selected region."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import links
from app.canvas.browsing import MOST_FEATURES, features_query
from app.canvas.message import View, fine_tile
from app.canvas.pane import Pane
from app.data.annotation import boxes
from app.data.searches import enriched
from app.data.study import Opened
from app.tables import OF_TOP
from app.verdict_text import plain, short_label
from workbench import InputError
from workbench.browse.enrichment import CAUTION
from workbench.browse.tiles import TOP, ZERO
from workbench.wording import bases, plural, spoken

MOST_ROWS = 200
MOST_FOUND = 40
_SHARE = st.column_config.NumberColumn(format="percent")
# How the columns of ``enrichment`` are shown.
_FIRES = {
    "inside": st.column_config.NumberColumn(
        format="percent", help="Share of active readings in the selected region."
    ),
    "outside": st.column_config.NumberColumn(format="percent", help="The same on the rest of the contig."),
    "odds_ratio": st.column_config.NumberColumn("odds ratio", format="%.1f"),
    "odds_low": st.column_config.NumberColumn("at least", format="%.1f", help="Lower bound, 95 %."),
    "expected": st.column_config.NumberColumn(format="%.1f"),
    "p_hypergeometric": st.column_config.NumberColumn("p (hypergeometric)", format="%.1e"),
    "p_shift": st.column_config.NumberColumn("p (shift)", format="%.4f"),
}


def active_here(opened: Opened, view: View, pane: Pane) -> None:
    """Draw the table of features enriched in the selected region; chosen rows are added to the canvas."""
    if view.brush is None:
        return
    st.subheader("Features active here")
    st.caption(plain(f"{spoken(*view.brush)}, {bases(view.brush.end - view.brush.start)}"))
    try:
        table = enriched(opened, view.brush, MOST_FOUND)
    except InputError as error:
        st.error(plain(str(error)))
        return
    if table.empty:
        st.info("No feature is active here more often than on the rest of the contig.")
        return
    labels = [short_label(opened.evidence, int(f)) for f in table["feature"]]
    table.insert(1, "label", labels)
    dead = table.pop("dead")
    table, aside = table[~dead], table[dead]
    chosen = st.dataframe(
        table,
        hide_index=True,
        height=260,
        column_config=_FIRES,
        key=pane.of("active_here"),
        on_select="rerun",
        selection_mode="multi-row",
    )
    st.caption(CAUTION)
    if len(aside):
        with st.expander(f"{plural(len(aside), 'dead feature')}, too rarely active to be tested on anything"):
            st.dataframe(aside, hide_index=True, column_config=_FIRES)
    rows = [int(table["feature"].iloc[i]) for i in chosen["selection"]["rows"] if i < len(table)]
    add, clear = st.columns(2)
    add.button(
        f"Draw the chosen rows ({len(rows)})" if rows else "Draw: choose rows of the table",
        key=pane.of("add_found"),
        disabled=not rows,
        on_click=lambda: pane.put(**features_query([*view.features, *rows][-MOST_FEATURES:])),
        width="stretch",
    )
    clear.button(
        "Clear the selection",
        key=pane.of("clear_brush"),
        on_click=lambda: pane.put(brush=""),
        width="stretch",
    )


def tables(opened: Opened, view: View) -> None:
    """Draw the features and intervals in view as tables."""
    st.subheader("In view", divider=False)
    features, intervals = st.columns(2)
    table = feature_table(opened, view)
    features.caption("Features: the strongest activation in view, by strand read.")
    features.dataframe(
        table,
        hide_index=True,
        column_config={
            "feature": st.column_config.NumberColumn(format="%d"),
            "strongest in view": st.column_config.NumberColumn(format="percent", help=OF_TOP),
            "active bins": _SHARE,
            "at": st.column_config.NumberColumn(format="localized"),
            "page": st.column_config.LinkColumn(display_text="open"),
        },
    )
    rows = interval_table(opened, view)
    intervals.caption("Intervals of the chosen tracks.")
    intervals.dataframe(rows, hide_index=True)


def feature_table(opened: Opened, view: View) -> pd.DataFrame:
    """A row a feature and strand: largest value in view, as the canvas draws it, and where."""
    tile = fine_tile(opened, view, 1000)
    inside = (tile.edges[1:] > view.locus.start) & (tile.edges[:-1] < view.locus.end)
    starts, codes = tile.edges[:-1][inside], tile.codes[:, :, inside]
    rows = []
    strands = "+-" if view.request.strands == "both" else view.request.strands
    for f, feature in enumerate(view.features):
        for s, strand in enumerate(strands):
            best = int(codes[f, s].argmax())
            share = max(0.0, (int(codes[f, s, best]) - ZERO - 0.5) / (TOP - ZERO))
            rows.append(
                {
                    "feature": feature,
                    "label": short_label(opened.evidence, feature),
                    "strand": strand,
                    "strongest in view": share,
                    "at": int(starts[best]) + 1,
                    "active bins": float((codes[f, s] > ZERO).mean()),
                    "page": str(links.feature(st.query_params.get("study", ""), feature)),
                }
            )
    return pd.DataFrame(rows)


def interval_table(opened: Opened, view: View) -> pd.DataFrame:
    """Intervals of the chosen tracks that meet the view, at most ``MOST_ROWS`` of each."""
    parts = [
        boxes(opened, track.name, view.locus, MOST_ROWS).assign(track=track.name)
        for track in view.tracks
        if track.kind == "interval"
    ]
    columns = ["track", "name", "start", "end", "strand", "intervals"]
    if not parts:
        return pd.DataFrame(columns=columns)
    # As people count: the first base is number 1.
    table = pd.concat(parts)[columns]
    return table.assign(start=table["start"] + 1)
