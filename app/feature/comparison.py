"""Two features side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.data.study import Opened
from app.feature.sections import logo_image
from app.tables import COLUMNS, LIFT
from app.verdict_text import label_sentences, plain, short_label
from workbench.report.context import best_associations
from workbench.wording import percent

MOST_TRACKS = 6
TRACK_COLUMNS = ["track", "mode", "ap_lift", "auroc", "q"]


def compare(opened: Opened, first: int, second: int) -> None:
    """Draw labels, logos and held-out scores of two features, and their similarity."""
    evidence = opened.evidence
    st.subheader("Side by side")
    both = [np.asarray(opened.study.sae.W_dec[f].detach().cpu()) for f in (first, second)]
    st.caption(f"Cosine of their decoder directions: {float(both[0] @ both[1]):.3f}.")
    for place, feature in zip(st.columns(2), (first, second), strict=True):
        row = evidence.catalog.loc[feature]
        with place.container(border=True):
            st.markdown(f"#### {feature}: {plain(short_label(evidence, feature))}")
            for sentence in label_sentences(evidence, feature)[:2]:
                st.write(plain(sentence))
            st.caption(plain(f"active at {percent(row['density'])} of readings"))
            if not logo_image(opened, feature):
                st.caption("No active base, so no logo.")
            scores = best_associations(evidence.associations, feature, most=MOST_TRACKS)
            if not scores.empty:
                order = [c for c in TRACK_COLUMNS if c in scores]
                st.dataframe(scores[order], hide_index=True, column_config=COLUMNS)
    shared = _shared(evidence.associations, first, second)
    if not shared.empty:
        st.caption(f"Every track and strand, largest difference first. {LIFT}")
        st.dataframe(shared, hide_index=True, height=240, column_config=COLUMNS)


def _shared(scores: pd.DataFrame, first: int, second: int) -> pd.DataFrame:
    key = ["track", "mode"]
    a, b = (scores[scores["feature"] == f].set_index(key)["ap_lift"] for f in (first, second))
    table = pd.DataFrame({f"feature {first}": a, f"feature {second}": b}).dropna()
    difference = (table.iloc[:, 0] - table.iloc[:, 1]).abs() if len(table) else pd.Series(dtype=float)
    return table.loc[difference.sort_values(ascending=False).index].reset_index().round(3)
