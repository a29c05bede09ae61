"""One feature in full; the address holds its number."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from app import commands, links
from app.character import consistency, notes, strongest
from app.data import Opened, current
from app.figures import picture, table_file
from app.portrait import Portrait, ends, panels, portrait
from app.relatives import relatives
from app.small_strips import small_strips
from app.tables import COLUMNS, CONTROLS, SCORES
from app.words import judged, label_sentences, plain, short_label
from workbench.feature_profile import AROUND, BIN
from workbench.report.context import Evidence, best_associations
from workbench.report.formats import count, percent, strength
from workbench.round_ends import INTERVALS
from workbench.views import Locus, move

WIDE = 3000
# Bases shown round a place in the browser.
END_COLOURS = ["#0072B2", "#D55E00"]


def choose() -> None:
    """Put the typed feature in the address."""
    st.query_params["feature"] = str(st.session_state["number"])


def asked(evidence: Evidence) -> int:
    """Feature of the address, else the best of the clearest track; a wrong one ends the page."""
    last = len(evidence.catalog) - 1
    given = st.query_params.get("feature", "")
    led = [int(f) for f in evidence.shown["feature"] if f >= 0]
    feature = int(given) if given.isdecimal() else led[0] if led and not given else 0
    problem = bool(given) and not (given.isdecimal() and feature <= last)
    st.session_state["number"] = 0 if problem else feature
    st.number_input(
        f"Feature, 0 to {last}", min_value=0, max_value=last, step=1, key="number",
        on_change=choose, width=180,
    )  # fmt: skip
    if problem:
        st.error(plain(f"Feature {given!r}: expected a number from 0 to {last}."))
        st.stop()
    return feature


def facts(row: pd.Series) -> None:
    """How often and how strongly the feature fires."""
    shown = {
        "fires on": (percent(row["density"]), "Share of readings (a base read on one strand)."),
        "plus / minus": (
            f"{percent(row['density_plus'])} / {percent(row['density_minus'])}",
            "The same by strand of the reading.",
        ),
        "active readings": (count(row["n_active"]), "How many."),
        "mean when active": (strength(row["mean_active"]), "Mean activation where it fires."),
        "strongest": (strength(row["max"]), "Largest activation in the genome."),
    }
    for place, (name, (value, meaning)) in zip(st.columns(len(shown)), shown.items(), strict=True):
        place.caption(name, help=meaning)
        place.markdown(f"**{plain(value)}**")


def values(found: Portrait, thresholds: pd.DataFrame) -> None:
    """How strongly it fires, over the genome, with the threshold of its best track."""
    st.subheader("How strongly it fires")
    bins = int(found.histogram["bins"].sum())
    st.caption(
        f"The largest value in each of the {bins:,} stretches of {BIN} bases in which it fires, counted on"
        " a log scale. Dashed: the threshold frozen for its closest track."
    )
    base = alt.Chart(found.histogram[found.histogram["bins"] > 0].assign(one=0.8))
    bars = base.mark_bar(color="#0072B2", stroke=None).encode(
        x=alt.X("low:Q", title="activation", axis=alt.Axis(format="~s", grid=False)),
        x2="high:Q",
        y=alt.Y("bins:Q", title="stretches", scale=alt.Scale(type="log", domainMin=0.8)),
        y2="one:Q",
        tooltip=[
            alt.Tooltip("low:Q", format=".3s"),
            alt.Tooltip("high:Q", format=".3s"),
            alt.Tooltip("bins:Q", title="stretches", format=","),
        ],
    )
    rule = (
        alt.Chart(thresholds).mark_rule(strokeDash=[4, 3], color="#888888").encode(x="threshold:Q")
    )
    picture(alt.layer(bars, rule).properties(height=190), "histogram", width="stretch")


def round_intervals(opened: Opened, feature: int, scores: pd.DataFrame) -> None:
    """How often it fires round starts and ends of intervals of its closest tracks."""
    st.subheader("Round starts and ends")
    on = list(zip(scores["track"].astype(str), scores["mode"].astype(str), strict=True))
    rows, sampled = ends(opened, feature, on)
    if rows.empty:
        st.caption("No interval of its closest tracks lies whole in the report split.")
        return
    many = f"a sample of at most {INTERVALS} intervals" if sampled else "all intervals"
    st.caption(
        plain(
            f"Share of {many} of {rows['on'].iloc[0]} at which it fires, by the base counted from the"
        )
        + " interval's first (5') or last (3') base in its direction."
    )
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.5, interpolate="step")
        .encode(
            x=alt.X("offset:Q", title="bases from the end", axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("share_active:Q", title="share that fires", axis=alt.Axis(format="~p")),
            color=alt.Color(
                "end:N", scale=alt.Scale(domain=["5'", "3'"], range=END_COLOURS), legend=None
            ),
            column=alt.Column("end:N", sort=["5'", "3'"], title=None, header=alt.Header()),
            tooltip=["on", "offset", alt.Tooltip("share_active", format=".3p"), "n_ends"],
        )
        .properties(width=165, height=140)
    )  # fmt: skip
    picture(chart, "metagene", width="content")


def loci(opened: Opened, found: Portrait, feature: int, maximum: float) -> None:
    """Small strips at places of every strength."""
    st.subheader("Places of every strength")
    st.caption(
        f"{AROUND} bases each: the two strongest, then typical ones of each quarter of its range; all with"
        " one height. Up: the plus reading, down: the minus reading."
    )
    picture(small_strips(panels(opened, found), maximum), "places", width="content")
    rows = found.places
    names = [f"{r.chrom}:{r.start:,} ({percent(r.share)})" for r in rows.itertuples()]
    line = st.container(horizontal=True)
    for name, row in zip(names, rows.itertuples(), strict=True):
        at = move(
            opened.study, Locus(str(row.chrom), int(row.start), int(row.end)), zoom=WIDE / BIN
        )
        go = links.browse("", str(at), [feature])
        line.page_link(
            go.file, label=plain(name), icon=":material/view_timeline:", query_params=go.query,
            width="content",
        )  # fmt: skip


def evidence_tables(evidence: Evidence, feature: int, best: pd.DataFrame) -> None:
    """Controls where the feature leads a track, and its scores on all tracks."""
    led = judged(evidence, feature)
    if len(led):
        st.subheader("Controls of the tracks that it is the best for")
        order = [c for c in CONTROLS if c in led]
        st.dataframe(led[order], hide_index=True, column_config=COLUMNS)
    st.subheader("Tracks, held-out scores")
    if best.empty:
        st.write("Not tested against any track.")
        return
    st.caption("The strand mode of each track that did best on the select split, best first.")
    order = [c for c in SCORES if c in best]
    st.dataframe(best[order], hide_index=True, column_config=COLUMNS, height="content")
    table_file(evidence.associations.query("feature == @feature"), f"feature{feature}_scores")


opened = current()
evidence = opened.evidence
head = st.container()
feature = asked(evidence)
row = evidence.catalog.loc[feature]
with head:
    st.title(f"Feature {feature}: {plain(short_label(evidence, feature))}")
for sentence in label_sentences(evidence, feature):
    st.write(plain(sentence))
facts(row)
consistency(opened, feature)
notes(opened, feature)
best = best_associations(evidence.associations, feature, most=12)
strongest(opened, feature)
if not row["dead"] and row["max"] > 0:
    found = portrait(opened, feature)
    left, right = st.columns(2, gap="large")
    with left:
        values(found, best[["threshold"]].head(1) if "threshold" in best else pd.DataFrame())
    with right:
        round_intervals(opened, feature, best.head(1))
    loci(opened, found, feature, float(row["max"]))
evidence_tables(evidence, feature, best)
if not row["dead"] and row["max"] > 0:
    relatives(opened, feature, found.company)
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "associations", "tsv", [feature]),
    commands.export_table(folder, "examples", "tsv", [feature]),
    commands.export_activations(folder, [feature], "bigwig"),
    commands.export_activations(folder, [feature], "bed"),
)
