"""One feature in full; the address holds its number."""

from __future__ import annotations

from html import escape

import altair as alt
import pandas as pd
import streamlit as st

from app.data import Opened, current
from app.figures import picture
from app.tables import COLUMNS, CONTROLS, SCORES
from app.words import judged, label_sentences, plain, short_label
from feature_mining.logo import logo_svg
from workbench import InputError
from workbench.notes import LONGEST, Note, read_notes, write_note
from workbench.report.context import Evidence, best_associations
from workbench.report.formats import count, fixed, percent
from workbench.views import Locus, move

AROUND = 3000  # bases shown round a place in the browser


def choose(feature: int) -> None:
    """Put a feature in the address."""
    st.query_params["feature"] = str(feature)


def _typed() -> None:
    choose(st.session_state["number"])


def asked(evidence: Evidence) -> int:
    """Feature of the address, else the best of the clearest track; a wrong one ends the page."""
    last = len(evidence.catalog) - 1
    given = st.query_params.get("feature", "")
    led = [int(f) for f in evidence.shown["feature"] if f >= 0]
    feature = int(given) if given.isdecimal() else led[0] if led and not given else 0
    problem = bool(given) and not (given.isdecimal() and feature <= last)
    st.session_state["number"] = 0 if problem else feature
    st.number_input(
        "Feature", min_value=0, max_value=last, step=1, key="number", on_change=_typed, width=160
    )
    if problem:
        st.error(plain(f"Feature {given!r}: expected a number from 0 to {last}."))
        st.stop()
    return feature


def browse_at(chrom: str, position: int, feature: int, opened: Opened) -> None:
    """Open the browser round a place."""
    at = Locus(chrom, position, position + 1)
    place = move(opened.study, at, zoom=AROUND)
    query = {"at": str(place), "features": str(feature)}
    st.switch_page("screens/browse.py", query_params=query)


def facts(row: pd.Series) -> None:
    """How often and how strongly the feature fires."""
    shown = {
        "fires on": (percent(row["density"]), "Share of readings (a base read on one strand)."),
        "plus / minus": (
            f"{percent(row['density_plus'])} / {percent(row['density_minus'])}",
            "The same by strand of the reading.",
        ),
        "active readings": (count(row["n_active"]), "How many."),
        "mean when active": (fixed(row["mean_active"], 2), "Mean activation where it fires."),
        "strongest": (fixed(row["max"], 2), "Largest activation in the genome."),
    }
    for place, (name, (value, meaning)) in zip(st.columns(len(shown)), shown.items(), strict=True):
        place.caption(name, help=meaning)
        place.markdown(f"**{plain(value)}**")


def motif(evidence: Evidence, feature: int) -> None:
    """Logo and sequences of the strongest bases."""
    logo = evidence.logos[evidence.logos["feature"] == feature].sort_values("position")
    examples = evidence.examples[evidence.examples["feature"] == feature].sort_values("rank")
    if logo.empty:
        st.write("It has no active base, so no logo and no examples.")
        return
    svg = logo_svg(
        logo[["A", "C", "G", "T"]].to_numpy(),
        logo["information"].to_numpy(),
        int(logo["position"].iloc[0]),
    )
    st.markdown("**Strongest bases**")
    st.caption(
        f"Logo of {int(logo['n'].max()):,} windows in bits, read on the strand on which the feature fired;"
        " 0 is the active base. Below, the strongest."
    )
    # An image, since the page strips inline SVG; grey text reads on light and on dark.
    st.image(svg.replace("currentColor", "#808495"))
    wide = max(len(f"{r.chrom}:{r.position:,}") for r in examples.itertuples())
    lines = []
    for r in examples.itertuples():
        place = escape(f"{r.chrom}:{r.position:,}".ljust(wide))
        text, middle = str(r.sequence), len(str(r.sequence)) // 2
        lines.append(
            f"{place} {r.strand} {r.value:7.2f}  {escape(text[:middle])}"
            f"<b><u>{escape(text[middle : middle + 1])}</u></b>{escape(text[middle + 1 :])}"
        )
    st.html(
        '<pre style="overflow-x:auto;font-size:0.8rem;line-height:1.35">'
        + "\n".join(lines)
        + "</pre>"
    )


def evidence_tables(evidence: Evidence, feature: int) -> None:
    """Controls where the feature leads a track, and its scores on all tracks."""
    led = judged(evidence, feature)
    if len(led):
        st.markdown("**Controls of the tracks that it is the best for**")
        order = [c for c in CONTROLS if c in led]
        st.dataframe(led[order], hide_index=True, column_config=COLUMNS)
    best = best_associations(evidence.associations, feature, most=10)
    st.markdown("**Tracks, held-out scores**")
    if best.empty:
        st.write("Not tested against any track.")
        return
    st.caption("Best strand mode of each track by its select score; at most ten.")
    order = [c for c in SCORES if c in best]
    st.dataframe(best[order], hide_index=True, column_config=COLUMNS)


def similar(evidence: Evidence, feature: int) -> None:
    """Features whose decoder directions are closest."""
    row = evidence.catalog.loc[feature]
    near = list(zip(row["similar"], row["similar_cosine"], strict=True))[:6]
    if not near:
        return
    st.markdown("**Similar features**")
    st.caption("By cosine of their decoder directions.")
    for place, (other, cosine) in zip(st.columns(3) * 2, near, strict=False):
        place.button(
            f"{other} · {plain(short_label(evidence, int(other)))} · {cosine:.2f}",
            key=f"similar{other}",
            on_click=choose,
            args=(int(other),),
            width="stretch",
        )


def metagene(opened: Opened, feature: int) -> None:
    """How often it fires round starts and ends of intervals, on its closest tracks."""
    try:
        table = opened.study.table("metagene")
    except InputError:
        return
    rows = table[(table["feature"] == feature) & (table["n_ends"] > 0)]
    if rows.empty:
        return
    rows = rows.assign(on=rows["track"] + " (" + rows["mode"] + ")")
    kept = rows["on"].drop_duplicates().head(3)
    rows = rows[rows["on"].isin(kept)]
    st.markdown("**Round starts and ends of intervals**")
    chart = (
        alt.Chart(rows[["on", "end", "offset", "share_active"]])
        .mark_line()
        .encode(
            x=alt.X("offset:Q", title="bases from the end, in the interval's direction"),
            y=alt.Y("share_active:Q", title="share that fires"),
            color=alt.Color("on:N", title="track"),
            column=alt.Column("end:N", title=None),
        )
        .properties(width=320, height=160)
    )
    picture(chart, "metagene")


def notes(opened: Opened, feature: int) -> None:
    """A note and a rating, kept in the study."""
    folder = opened.study.folder
    now = read_notes(folder).get(feature, Note())
    with st.expander("Note and rating", expanded=bool(now.text or now.rating)):
        with st.form(f"note{feature}", border=False):
            text = st.text_area("Note", now.text, max_chars=LONGEST)
            rating = st.slider("Rating", 0, 5, now.rating)
            pinned = st.checkbox("Pin it in the atlas", now.pinned)
            if st.form_submit_button("Keep"):
                write_note(folder, feature, Note(text, rating, pinned))
                st.toast("Kept in the study.")
        st.caption("Kept as text in notes.json of the study.")


opened = current()
evidence = opened.evidence
st.title("Feature")
feature = asked(evidence)
row = evidence.catalog.loc[feature]
st.header(f"Feature {feature}: {plain(short_label(evidence, feature))}")
for sentence in label_sentences(evidence, feature):
    st.write(plain(sentence))
facts(row)
if not row["dead"] and st.button(
    "Open its strongest base in the browser", icon=":material/genetics:"
):
    browse_at(row["chrom"], int(row["position"]), feature, opened)
motif(evidence, feature)
evidence_tables(evidence, feature)
metagene(opened, feature)
similar(evidence, feature)
notes(opened, feature)
