"""Below the canvas: the active features, what an allele changes, and saturation mutagenesis."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app.data.study import Opened, key_of, scale
from app.figures import picture, table_file
from app.navigation import put
from app.stretch.reading import Source, consequences
from app.stretch.strips import MOST_STRIPS, Reading, context_words
from app.tables import COLUMNS, OF_TOP
from app.verdict_text import plain, short_label
from genomic_models.dna import BASES
from workbench.browse.alleles import LEAST, gained_and_lost
from workbench.browse.pasted_sequence import MOST_MUTATED, Pasted, firing, mutate
from workbench.cohort.edits import Edit
from workbench.wording import plural

_ASIDE = {"dead": "dead", "warm-up": "active in bases with little context alone"}
_ALLELE = {
    "feature": st.column_config.NumberColumn(format="%d"),
    "reference": st.column_config.NumberColumn("in sequence", format="percent", help=OF_TOP),
    "allele": st.column_config.NumberColumn("in allele", format="percent", help=OF_TOP),
    "of_largest": st.column_config.NumberColumn(
        "difference", format="percent", help="Of full scale, or of the larger value where that is more."
    ),
    "position": st.column_config.NumberColumn(
        "base", format="localized", help="Where it differs most; the first base is number 1."
    ),
}


@st.cache_data(max_entries=16, show_spinner="Ranking the active features")
def _active(_opened: Opened, key: tuple[str, ...], _pasted: Pasted, source: Source) -> pd.DataFrame:
    return firing(_pasted, _opened.evidence.catalog, scale(_opened), _opened.study.grid.warmup)


@st.cache_data(max_entries=16, show_spinner="Comparing the two alleles base by base")
def _changed(
    _opened: Opened, key: tuple[str, ...], _sides: tuple[Pasted, Pasted], source: Source, edits: list[Edit]
) -> pd.DataFrame:
    return gained_and_lost(*_sides, _opened.evidence.catalog, scale(_opened))


def active_features(opened: Opened, reading: Reading) -> pd.DataFrame:
    """Features that are active in the sequence, ranked first, as `firing` gives them, with labels."""
    table = _active(opened, key_of(opened), reading.pasted, reading.source)
    table.insert(1, "label", [short_label(opened.evidence, int(f)) for f in table["feature"]])
    table["position"] += 1
    return table


def changed_features(opened: Opened, reading: Reading) -> pd.DataFrame:
    """Features that differ between the two alleles, with labels; empty where there is one allele."""
    if reading.allele is None or reading.changed is None:
        return pd.DataFrame({"feature": [], "dead": []})
    sides = reading.pasted, reading.changed
    table = _changed(opened, key_of(opened), sides, reading.source, reading.allele.edits)
    table.insert(1, "label", [short_label(opened.evidence, f) for f in table["feature"]])
    table["position"] += 1
    return table


def draw_chosen(table: pd.DataFrame, rows: list[int], key: str) -> None:
    """Draw a button that puts chosen rows among the features that are drawn."""
    chosen = [int(table["feature"].iloc[i]) for i in rows if i < len(table)][:MOST_STRIPS]
    st.button(
        f"Draw the chosen rows ({len(chosen)})" if chosen else "Draw: choose rows of the table", key=key,
        disabled=not chosen, on_click=_draw, args=(chosen,),
    )  # fmt: skip


def _draw(features: list[int]) -> None:
    st.session_state["sequence_drawn"] = CURRENT
    put(features=",".join(map(str, features)))


# Which features are drawn.
CURRENT, RAREST, CHANGED = "current features", "rarest here", "changed most"


def features_section(opened: Opened, reading: Reading, table: pd.DataFrame) -> None:
    """Draw the table of active features."""
    st.subheader("Features")
    if table.empty:
        # What is not read is not said to be without features.
        read = set(reading.pasted.sequence) & set(BASES)
        st.info("No feature is active here." if read else "Nothing is read: no letter is A, C, G or T.")
        return
    ranked, aside = table[table["aside"] == ""], table[table["aside"] != ""]
    said = f"{plural(len(ranked), 'feature')} active, the value that is rarest on the genome first."
    st.caption(f"{said} {context_words(opened, reading)}")
    chosen = st.dataframe(
        ranked.drop(columns="aside"), hide_index=True, height=260, column_config=COLUMNS, key="ranked",
        column_order=["feature", "label", "rarity", "of_top", "bases", "strand", "position"],
        on_select="rerun", selection_mode="multi-row",
    )  # fmt: skip
    draw_chosen(ranked, chosen["selection"]["rows"], "draw_ranked")
    if len(aside):
        counted = aside["aside"].value_counts()
        why = [f"{counted[name]:,} {words}" for name, words in _ASIDE.items() if name in counted]
        with st.expander(f"Not ranked: {' and '.join(why)}"):
            st.dataframe(aside, hide_index=True, column_config=COLUMNS, key="aside")
    table_file(table, "sequence_features")


def allele_section(opened: Opened, reading: Reading, table: pd.DataFrame) -> None:
    """Draw what the allele changes: protein, likelihood, features."""
    if reading.allele is None or reading.changed is None:
        return
    st.subheader("The two alleles")
    for said in reading.allele.said:
        st.write(plain(said))
    if found := consequences(opened, reading.source, reading.allele):
        st.write(plain(f"Of proteins: {', '.join(found)}."))
    before, after = (
        float(np.mean([np.nansum(n, dtype=np.float64) for n in r.nats.values()]))
        for r in (reading.pasted, reading.changed)
    )
    st.write(
        plain(
            f"Log-likelihood with the changes less that without: {after - before:+.2f} nats, mean of both"
            " strands; below 0 the model finds the sequence less likely with them."
        )
    )
    if table.empty:
        st.info(f"No feature changes by {LEAST:.0%} of full scale at any base.")
        return
    st.caption(f"Features that change by {LEAST:.0%} or more at a base, compared base with base.")
    top = scale(opened).top[table["feature"]]
    shown = table.assign(reference=table["reference"] / top, allele=table["allele"] / top)
    columns, dead = ["feature", "label", "change", "reference", "allele", "of_largest"], table["dead"]
    columns += ["strand", "position"]
    chosen = st.dataframe(
        shown[~dead], hide_index=True, height=260, column_config=_ALLELE, column_order=columns, key="changed",
        on_select="rerun", selection_mode="multi-row",
    )  # fmt: skip
    draw_chosen(table[~dead], chosen["selection"]["rows"], "draw_changed")
    if dead.any():
        with st.expander(plural(int(dead.sum()), "dead feature")):
            st.dataframe(
                shown[dead], hide_index=True, column_config=_ALLELE, column_order=columns, key="changed_dead"
            )
    table_file(table, "allele")


@st.cache_data(max_entries=16, show_spinner="The model reads every substitution, on both strands")
def _mutated(
    _opened: Opened, key: tuple[str, ...], sequence: str, start: int, end: int, feature: int
) -> pd.DataFrame:
    return mutate(_opened.study, sequence, start, end, feature)


def mutagenesis(opened: Opened, reading: Reading, found: list[int]) -> None:
    """Draw saturation mutagenesis of a region, on request."""
    if not found:
        return
    st.subheader("Saturation mutagenesis")
    left, middle, right = st.columns(3)
    sequence, first = reading.pasted.sequence, reading.pasted.start
    length = len(sequence)
    asked = left.number_input("From position", first + 1, first + length, first + max(1, length // 2 - 14))
    start = int(asked) - 1 - first
    most = min(MOST_MUTATED, length - start)
    size = int(
        middle.number_input("Bases", 1, most, min(30, most), help=f"At most {MOST_MUTATED}, for time.")
    )
    feature = right.selectbox(
        "Feature", found, format_func=lambda f: f"{f} {short_label(opened.evidence, f)}"
    )
    if not st.toggle(
        "Run saturation mutagenesis", help="Every substitution: three readings a base and strand."
    ):
        return
    table = _mutated(opened, key_of(opened), sequence, start, start + size, int(feature))
    table = table.assign(position=table["position"] + 1 + first)
    for what, title in (
        ("log_likelihood", "Change of log-likelihood, nats"),
        ("feature", f"Change of the largest value of feature {feature}"),
    ):
        most_change = float(table[what].abs().max()) or 1.0
        colours = alt.Scale(scheme="purpleorange", domain=[-most_change, most_change])
        chart = (
            alt.Chart(table)
            .mark_rect()
            .encode(
                x=alt.X("position:O", title="position", axis=alt.Axis(labelOverlap=True)),
                y=alt.Y("letter:N", sort=list(BASES), title=None),
                color=alt.Color(f"{what}:Q", scale=colours, title=None),
                tooltip=["position", "reference", "letter", alt.Tooltip(what, format=".3f")],
            )
            .properties(title=title, height=220)
        )
        picture(chart, f"mutagenesis_{what}", width="stretch")
    table_file(table, "mutagenesis")
