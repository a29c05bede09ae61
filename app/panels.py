"""Below the canvas: the same view as tables, as files and as a command."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from app import links
from app.browsing import MOST_FEATURES, show_features, write_address
from app.data import Opened, key_of
from app.downloads import export_command
from app.lanes import boxes
from app.scene import Shown, fine_tile, words_of
from app.words import plain
from workbench import InputError
from workbench.enrichment import CAUTION, Counts, contig_counts, enrichment
from workbench.report.formats import bases
from workbench.tiles import TOP, ZERO
from workbench.views import Locus

MOST_ROWS = 200
MOST_FOUND = 40
_SHARE = st.column_config.NumberColumn(format="percent")
_FIRES = {
    "inside": st.column_config.NumberColumn(
        format="percent", help="Share of readings, selected stretch."
    ),
    "outside": st.column_config.NumberColumn(
        format="percent", help="The same, rest of the contig."
    ),
    "odds_ratio": st.column_config.NumberColumn("odds ratio", format="%.1f"),
    "odds_low": st.column_config.NumberColumn("at least", format="%.1f", help="Lower bound, 95 %."),
    "expected": st.column_config.NumberColumn(format="%.1f"),
    "p_hypergeometric": st.column_config.NumberColumn("p (hypergeometric)", format="%.1e"),
    "p_shift": st.column_config.NumberColumn("p (shift)", format="%.4f"),
}
"""How the columns of ``enrichment`` are shown."""


@st.cache_resource(max_entries=32, show_spinner="Counting every feature on this contig, once")
def _counts(_opened: Opened, key: tuple[str, ...], chrom: str) -> Counts:
    return contig_counts(_opened.study, chrom)


@st.cache_data(max_entries=64, show_spinner="Counting what fires in the selected stretch")
def _enriched(_opened: Opened, key: tuple[str, ...], stretch: Locus) -> pd.DataFrame:
    counts = _counts(_opened, key, stretch.chrom)
    return enrichment(_opened.study, stretch, counts, MOST_FOUND)


def fires_here(opened: Opened, shown: Shown) -> None:
    """Features enriched in the selected stretch; chosen rows are drawn."""
    if shown.brush is None:
        return
    st.subheader("What fires here")
    st.caption(plain(f"{shown.brush}, {bases(shown.brush.end - shown.brush.start)}"))
    try:
        table = _enriched(opened, key_of(opened), shown.brush)
    except InputError as error:
        st.error(plain(str(error)))
        return
    if table.empty:
        st.info("No feature fires here more often than on the rest of the contig.")
        return
    labels = [words_of(opened, int(f)).label for f in table["feature"]]
    table.insert(1, "label", labels)
    chosen = st.dataframe(
        table,
        hide_index=True,
        height=260,
        column_config=_FIRES,
        key="fires_here",
        on_select="rerun",
        selection_mode="multi-row",
    )
    st.caption(CAUTION)
    rows = [int(table["feature"].iloc[i]) for i in chosen["selection"]["rows"] if i < len(table)]
    add, clear = st.columns(2)
    add.button(
        f"Draw the chosen rows ({len(rows)})" if rows else "Draw: choose rows of the table",
        key="add_found",
        disabled=not rows,
        on_click=lambda: show_features([*shown.features, *rows][-MOST_FEATURES:]),
        width="stretch",
    )
    clear.button(
        "Clear the selection",
        key="clear_brush",
        on_click=lambda: write_address(brush=""),
        width="stretch",
    )


def tables(opened: Opened, shown: Shown) -> None:
    """The features and intervals in view as tables."""
    st.subheader("In view", divider=False)
    features, intervals = st.columns(2)
    table = feature_table(opened, shown)
    features.caption("Features: the largest value in view, strand by strand.")
    features.dataframe(
        table,
        hide_index=True,
        column_config={
            "feature": st.column_config.NumberColumn(format="%d"),
            "of its largest": _SHARE,
            "bins that fire": _SHARE,
            "largest in view": st.column_config.NumberColumn(format="%.3g"),
            "at": st.column_config.NumberColumn(format="localized"),
            "page": st.column_config.LinkColumn(display_text="open"),
        },
    )
    rows = interval_table(opened, shown)
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
                    "label": words_of(opened, feature).label,
                    "strand": strand,
                    "largest in view": share * float(catalog.loc[feature, "max"]),
                    "of its largest": share,
                    "at": int(starts[best]),
                    "bins that fire": float((codes[f, s] > ZERO).mean()),
                    "page": str(links.feature(st.query_params.get("study", ""), feature)),
                }
            )
    return pd.DataFrame(rows)


def interval_table(opened: Opened, shown: Shown) -> pd.DataFrame:
    """Intervals of the chosen tracks that meet the view, at most ``MOST_ROWS`` of each."""
    parts = [
        boxes(opened, track.name, shown.locus, MOST_ROWS).assign(track=track.name)
        for track in shown.tracks
    ]
    columns = ["track", "name", "start", "end", "strand", "intervals"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def command(opened: Opened, shown: Shown) -> None:
    """The command and the address that make this view."""
    folder = str(opened.study.folder)
    view = shown.view
    address = links.browse(
        "", str(shown.locus), shown.features, [t.name for t in shown.tracks], view.threshold,
        view.strands, view.draw, view.brush, view.variants,
    )  # fmt: skip
    with st.expander("The command that makes this"):
        st.code(f"workbench app {shlex.quote(folder)}\n# then open /{address}", language="bash")
        if shown.features:
            st.code(export_command(opened, shown), language="bash")
