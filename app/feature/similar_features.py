"""Features similar to one: by decoder direction, by track, by co-activation."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import links
from app.data.study import Opened
from app.tables import COLUMNS
from app.verdict_text import short_label
from workbench.browse.feature_profile import SAMPLED, Company

MOST = 8
_COLUMNS = {
    "page": st.column_config.LinkColumn("", display_text="open", width="small"),
    "feature": st.column_config.NumberColumn(format="%d"),
    "cosine": st.column_config.NumberColumn(format="%.2f", help="Of the decoder directions."),
    "above chance": COLUMNS["ap_lift"],
    "share": st.column_config.NumberColumn(format="percent", help="Of this feature's bases."),
    "usual": st.column_config.NumberColumn(format="percent", help="Of all bases of the genome."),
    "times": st.column_config.NumberColumn(format="%.1f×", help="share / usual"),
}


def similar_features(opened: Opened, feature: int, found: Company) -> None:
    """Draw features with a similar decoder direction, of the same track, and co-active ones."""
    st.subheader("Similar features")
    similar, siblings, same, opposite = st.tabs(
        ["Decoder direction", "Same track", "Co-active", "Co-active on the other strand"]
    )
    row = opened.evidence.catalog.loc[feature]
    with similar:
        st.caption("Highest cosine similarity of the decoder directions.")
        table = {"feature": list(row["similar"])[:MOST], "cosine": list(row["similar_cosine"])[:MOST]}
        _show(opened, pd.DataFrame(table), "similar")
    with siblings:
        track, mode = str(row["best_track"]), str(row["best_mode"])
        st.caption(f"Best for the same track on the report split: {track} ({mode})." if track else "")
        scores = opened.evidence.associations
        rows = scores[(scores["track"] == track) & (scores["mode"] == mode)]
        rows = rows[rows["feature"] != feature].nlargest(MOST, "ap_lift")
        _show(
            opened, rows.rename(columns={"ap_lift": "above chance"})[["feature", "above chance"]], "siblings"
        )
    caption = f"Counted at {found.bases:,} bases in up to {SAMPLED} regions of each activation range."
    for tab, rows, name in ((same, found.same, "same"), (opposite, found.opposite, "opposite")):
        with tab:
            st.caption(caption)
            table = rows.head(MOST).rename(columns={"lift": "times"})
            _show(opened, table, name)


def _show(opened: Opened, rows: pd.DataFrame, name: str) -> None:
    if rows.empty:
        st.info("None.")
        return
    dead = opened.evidence.catalog["dead"].reindex(rows["feature"]).to_numpy(bool)
    rows = rows[~dead]
    numbers = rows["feature"].astype(int)
    study = st.query_params.get("study", "")
    rows = rows.assign(
        feature=numbers,
        label=[short_label(opened.evidence, f) for f in numbers],
        page=[f"/{links.feature(study, f)}" for f in numbers],
    )
    order = ["page", "feature", "label", *[c for c in rows if c not in ("page", "feature", "label")]]
    st.dataframe(
        rows, hide_index=True, column_order=order, column_config=_COLUMNS, height="content",
        width="content", key=f"similar_{name}",
    )  # fmt: skip
