"""One feature in full; the address holds its number."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from app import links
from app.data.study import Opened, current, scale
from app.exports import commands
from app.feature.activations import FeatureActivity, feature_activity, locus_panels, metagene
from app.feature.locus_panels import loci_chart
from app.feature.sections import causal, consistency, notes, strongest
from app.feature.similar_features import similar_features
from app.figures import picture, table_file
from app.navigation import link, put
from app.tables import COLUMNS, CONTROLS, SCORES, once_each
from app.verdict_text import label_sentences, plain, short_label
from workbench.browse.feature_profile import AROUND, BIN
from workbench.browse.metagene import INTERVALS
from workbench.genome.interval import Interval
from workbench.report.context import Evidence, best_associations
from workbench.study.feature_labels import judged
from workbench.study.locus import move
from workbench.wording import count, percent, strength

# Bases shown around a locus in the browser.
WIDE = 3000
# Best features of tracks that are offered where none is asked for.
MOST_OFFERED = 4
END_COLOURS = ["#0072B2", "#D55E00"]


def choose() -> None:
    """Put the typed feature in the address."""
    if st.session_state["number"] is not None:
        put(feature=str(st.session_state["number"]))


def requested_feature(evidence: Evidence) -> int:
    """The feature of the address; one that names none, or a wrong one, ends the page with the question."""
    last = len(evidence.catalog) - 1
    try:
        feature = links.parse_feature(st.query_params.to_dict())
    except ValueError:
        feature = -1
    problem = feature is not None and not 0 <= feature <= last
    st.session_state["number"] = None if problem else feature
    st.number_input(
        f"Feature, 0 to {last}", min_value=0, max_value=last, step=1, key="number",
        on_change=choose, width=180, value=None, placeholder="number",
    )  # fmt: skip
    if feature is None:
        st.title("Feature")
        st.info("Which feature? Type its number, or find one by what it marks:", icon=":material/help:")
        line = st.container(horizontal=True)
        link(line, links.Address("atlas", {}), "Atlas: all features", "scatter_plot")
        link(line, links.Address("track", {}), "Track: every feature for a track", "format_list_numbered")
        best = [int(f) for f in evidence.shown["feature"] if f >= 0]
        # Those that are drawn on the other pages first.
        for one in list(dict.fromkeys([*drawn_features(evidence), *best]))[:MOST_OFFERED]:
            link(line, links.feature("", one), plain(f"{one}: {short_label(evidence, one)}"), "category")
        st.stop()
    if problem:
        st.error(plain(f"Feature {st.query_params['feature']!r}: expected a number from 0 to {last}."))
        st.stop()
    return feature


def drawn_features(evidence: Evidence) -> list[int]:
    """Features that the address says are drawn; none where it cannot be read."""
    try:
        found = links.parse_numbers(st.query_params.get("features")) or ()
    except ValueError:
        return []
    return [feature for feature in found if feature < len(evidence.catalog)]


def facts(row: pd.Series, top: float) -> None:
    """Draw density and strength of a feature's activations; ``top`` is the value at full scale."""
    share = "As a share of full scale: the value that 99.9 % of its active bases do not reach."
    measures = {
        "density": (
            percent(row["density"]),
            "Share of readings (a base read on one strand) at which it is active.",
        ),
        "plus / minus": (
            f"{percent(row['density_plus'])} / {percent(row['density_minus'])}",
            "Density by the strand that the model read.",
        ),
        "active readings": (count(row["n_active"]), "Number of readings at which it is active."),
        "mean when active": (
            percent(row["mean_active"] / top),
            f"{share} Activation: {strength(row['mean_active'])}.",
        ),
        "strongest": (percent(row["max"] / top), f"{share} Activation: {strength(row['max'])}."),
    }
    for place, (name, (value, meaning)) in zip(st.columns(len(measures)), measures.items(), strict=True):
        place.caption(name, help=meaning)
        place.markdown(f"**{plain(value)}**")


def values(found: FeatureActivity, thresholds: pd.DataFrame, top: float) -> None:
    """Activation distribution, over the genome, with the threshold of its best track."""
    st.subheader("Activation distribution")
    bins = int(found.histogram["bins"].sum())
    st.caption(
        f"Largest activation in each of the {bins:,} bins of {BIN} bases in which it is active, counts on"
        " a log scale. Dashed: the threshold frozen for its closest track."
    )
    shown = found.histogram[found.histogram["bins"] > 0]
    shown = shown.assign(one=0.8, left=shown["low"] / top, right=shown["high"] / top)
    thresholds = thresholds / top
    bars = (
        alt.Chart(shown)
        .mark_bar(color="#0072B2", stroke=None)
        .encode(
            x=alt.X("left:Q", title="strength, of full scale", axis=alt.Axis(format="~%", grid=False)),
            x2="right:Q",
            y=alt.Y("bins:Q", title="bins", scale=alt.Scale(type="log", domainMin=0.8)),
            y2="one:Q",
            tooltip=[
                alt.Tooltip("left:Q", title="from", format=".0%"),
                alt.Tooltip("right:Q", title="to", format=".0%"),
                alt.Tooltip("low:Q", title="activation from", format=".3g"),
                alt.Tooltip("high:Q", title="activation to", format=".3g"),
                alt.Tooltip("bins:Q", title="bins", format=","),
            ],
        )
    )
    rule = alt.Chart(thresholds).mark_rule(strokeDash=[4, 3], color="#888888").encode(x="threshold:Q")
    picture(alt.layer(bars, rule).properties(height=190), "histogram", width="stretch")


def metagene_section(opened: Opened, feature: int, scores: pd.DataFrame) -> None:
    """Draw the share of intervals at which it is active, by distance from their ends (metagene profile)."""
    st.subheader("Activation around interval ends")
    on = list(zip(scores["track"].astype(str), scores["mode"].astype(str), strict=True))
    rows, sampled = metagene(opened, feature, on)
    if rows.empty:
        st.caption("No interval of its closest tracks lies entirely in the report split.")
        return
    many = f"a sample of at most {INTERVALS} intervals" if sampled else "all intervals"
    st.caption(
        plain(f"Share of {many} of {rows['on'].iloc[0]} at which it is active, by distance in bases from the")
        + " interval's first (5') or last (3') base on its strand."
    )
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.5, interpolate="step")
        .encode(
            x=alt.X("offset:Q", title="bases from the end", axis=alt.Axis(grid=False, tickCount=5)),
            y=alt.Y("share_active:Q", title="share active", axis=alt.Axis(format="~p")),
            color=alt.Color(
                "end:N", scale=alt.Scale(domain=["5'", "3'"], range=END_COLOURS), legend=None
            ),
            column=alt.Column("end:N", sort=["5'", "3'"], title=None, header=alt.Header()),
            tooltip=["on", "offset", alt.Tooltip("share_active", format=".3p"), "n_ends"],
        )
        .properties(width=165, height=140)
    )  # fmt: skip
    picture(chart, "metagene", width="content")


def loci(opened: Opened, found: FeatureActivity, feature: int, maximum: float) -> None:
    """Draw the feature at loci of each quarter of its activation range."""
    st.subheader("Loci by activation strength")
    st.caption(
        f"{AROUND} bases each: the two strongest, then typical ones of each quarter of its range, all on"
        " one scale. Up: the plus strand, down: the minus strand."
    )
    picture(loci_chart(locus_panels(opened, found, maximum), maximum), "places", width="content")
    rows = found.places
    names = [f"{r.chrom}:{r.start + 1:,} ({percent(r.max / maximum)})" for r in rows.itertuples()]
    line = st.container(horizontal=True)
    for name, row in zip(names, rows.itertuples(), strict=True):
        at = move(opened.study, Interval(str(row.chrom), int(row.start), int(row.end)), zoom=WIDE / BIN)
        link(line, links.browse("", str(at), [feature]), plain(name), "view_timeline")


def evidence_tables(evidence: Evidence, feature: int, best: pd.DataFrame) -> None:
    """Draw controls of the tracks for which it is the best feature, and its scores on all tracks."""
    led = judged(evidence.tracks, feature)
    if len(led):
        st.subheader("Controls of the tracks for which it is the best feature")
        order = [c for c in CONTROLS if c in led]
        st.dataframe(once_each(led)[order], hide_index=True, column_config=COLUMNS)
    st.subheader("Tracks, held-out scores")
    if best.empty:
        st.write("Not tested against any track.")
        return
    st.caption("The strand mode of each track that did best on the select split, best first.")
    order = [c for c in SCORES if c in best]
    st.dataframe(once_each(best)[order], hide_index=True, column_config=COLUMNS, height="content")
    line = st.container(horizontal=True)
    for track, mode in best[["track", "mode"]].head(MOST_OFFERED).itertuples(index=False):
        link(line, links.track("", track, mode), plain(f"Every feature for {track}"), "format_list_numbered")
    table_file(evidence.associations.query("feature == @feature"), f"feature{feature}_scores")


opened = current()
evidence = opened.evidence
head = st.container()
feature = requested_feature(evidence)
row = evidence.catalog.loc[feature]
with head:
    st.title(f"Feature {feature}: {plain(short_label(evidence, feature))}")
for sentence in label_sentences(evidence, feature):
    st.write(plain(sentence))
top = float(scale(opened).top[feature])
facts(row, top)
consistency(opened, feature)
notes(opened, feature)
causal(opened, feature)
best = best_associations(evidence.associations, feature, most=12)
strongest(opened, feature)
if not row["dead"] and row["max"] > 0:
    found = feature_activity(opened, feature)
    left, right = st.columns(2, gap="large")
    with left:
        values(found, best[["threshold"]].head(1) if "threshold" in best else pd.DataFrame(), top)
    with right:
        metagene_section(opened, feature, best.head(1))
    loci(opened, found, feature, top)
evidence_tables(evidence, feature, best)
if not row["dead"] and row["max"] > 0:
    similar_features(opened, feature, found.company)
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "associations", "tsv", [feature]),
    commands.export_table(folder, "examples", "tsv", [feature]),
    commands.export_activations(folder, [feature], "bigwig"),
    commands.export_activations(folder, [feature], "bed"),
)
