"""All features in a table, and one of them in full; the address holds its number."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from app.data import Opened, current
from app.tables import CATALOG, COLUMNS, CONTROLS, SCORES
from app.words import judged, label_sentences, plain, short_label
from feature_mining.logo import logo_svg
from workbench.report.context import Evidence, best_associations
from workbench.report.formats import count, fixed, percent
from workbench.views import Locus, move

ANY = "any"
AROUND = 3000  # bases shown round a place in the browser


def choose(feature: int) -> None:
    """Put a feature in the address."""
    st.query_params["feature"] = str(feature)


def _picked() -> None:
    rows = st.session_state["catalog"]["selection"]["rows"]
    if rows:
        choose(st.session_state["listed"][rows[0]])


def catalog(evidence: Evidence) -> None:
    """The filterable table; choosing a row opens the feature."""
    table = evidence.catalog
    first, second, third, fourth = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    motif = first.text_input("Consensus contains", help="Letters as they stand in the table.")
    names = sorted(set(table["best_track"]) - {""})
    track = second.selectbox("Closest track", [ANY, *names])
    verdict = third.selectbox("Verdict", [ANY, *sorted(set(table["verdict"]) - {""})])
    dead = fourth.checkbox("Show dead features")
    keep = table["consensus"].str.contains(motif.strip().upper(), regex=False)
    keep &= table["best_track"].eq(track) if track != ANY else True
    keep &= table["verdict"].eq(verdict) if verdict != ANY else True
    keep &= ~table["dead"] if not dead else True
    rows = table[keep].sort_values("best_ap_lift", ascending=False, kind="stable")
    st.session_state["listed"] = rows["feature"].astype(int).tolist()
    st.caption(
        f"{len(rows):,} of {len(table):,} features, highest lift first. Choose a row to open a feature."
    )
    st.dataframe(
        rows,
        column_order=[c for c in CATALOG if c in rows],
        column_config=COLUMNS,
        hide_index=True,
        height=320,
        key="catalog",
        on_select=_picked,
        selection_mode="single-row",
    )


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
    st.switch_page("pages/browse.py", query_params=query)


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


opened = current()
evidence = opened.evidence
st.title("Features")
catalog(evidence)
st.divider()
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
similar(evidence, feature)
