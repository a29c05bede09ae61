"""A user's sequence: likelihood, active features, an allele, saturation mutagenesis."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app.data.searches import read_cached
from app.data.study import Opened, current, key_of, scale
from app.exports import commands
from app.figures import picture, table_file
from app.tables import COLUMNS, OF_TOP
from app.verdict_text import plain, short_label
from genomic_models.dna import BASES
from workbench import InputError
from workbench.browse.alleles import LEAST, gained_and_lost, read_allele
from workbench.browse.pasted_sequence import (
    LONGEST,
    MOST_MUTATED,
    Letters,
    clean,
    firing,
    mutate,
    read_stretch,
)
from workbench.browse.pasted_sequence import Pasted as Read
from workbench.genome.interval import Interval
from workbench.study.locus import find_locus
from workbench.variants.consequence import Annotation
from workbench.variants.hgvs import VariantNames
from workbench.wording import plural

MOST_STRIPS = 8
_ASIDE = {"dead": "dead", "warm-up": "active in the warm-up alone"}
_ALLELE = {
    "feature": st.column_config.NumberColumn(format="%d"),
    "reference": st.column_config.NumberColumn("in sequence", format="percent", help=OF_TOP),
    "allele": st.column_config.NumberColumn("in allele", format="percent", help=OF_TOP),
    "of_largest": st.column_config.NumberColumn(
        "difference", format="percent", help="Of full scale, or of its largest value here where that is more."
    ),
}
BINS = 500


@st.cache_data(max_entries=16, show_spinner="The model reads every substitution, on both strands")
def _mutated(
    _opened: Opened, key: tuple[str, ...], sequence: str, start: int, end: int, feature: int
) -> pd.DataFrame:
    return mutate(_opened.study, sequence, start, end, feature)


def requested_sequence(opened: Opened) -> str:
    """The sequence of the boxes, or of the address' locus; ends the page where there is none."""
    longest = LONGEST
    at = st.query_params.get("at", "")
    if at and "sequence_text" not in st.session_state:
        locus = find_locus(opened.study, at)
        if locus.end - locus.start > longest:
            raise InputError(
                f"{locus}: {locus.end - locus.start:,} bases; at most {longest:,} are read,"
                " choose a shorter stretch"
            )
        st.session_state["sequence_text"] = opened.study.genome.fetch(*locus)
    text = st.text_area(
        f"Sequence (2 to {longest:,} bases; a FASTA header is left out)", key="sequence_text",
        height=140,
    )  # fmt: skip
    file = st.file_uploader("or a FASTA file with one record", key="sequence_file", max_upload_size=1)
    if file is not None and not text.strip():
        data = file.read(LONGEST * 4 + 1)
        if len(data) > LONGEST * 4:
            raise InputError(f"the file is too large: at most {LONGEST:,} bases")
        text = data.decode("utf-8", "replace")
    if not text.strip():
        st.info("Paste a sequence to see how likely the model finds it and which features are active.")
        st.stop()
    return clean(text, longest)


def likelihood(read: Read) -> None:
    """Draw bits a base on both strands."""
    st.subheader("Likelihood")
    size = -(-len(read.sequence) // BINS)
    parts = []
    for strand, nats in read.nats.items():
        bits = pd.Series(-nats / np.log(2)).groupby(np.arange(len(nats)) // size).mean()
        parts.append(pd.DataFrame({"position": bits.index * size + 1, "bits": bits, "strand": strand}))
    mean = [f"{s}: {np.nanmean(-n) / np.log(2):.3f} bits a base" for s, n in read.nats.items()]
    averaged = f"; mean of {size} bases a point" if size > 1 else ""
    st.caption(plain(f"{', '.join(mean)}; 2 is chance, lower is more likely{averaged}."))
    scale = alt.Scale(domain=["+", "-"], range=["#0072B2", "#D55E00"])
    chart = (
        alt.Chart(pd.concat(parts))
        .mark_line(strokeWidth=1)
        .encode(
            x=alt.X("position:Q", title="position"),
            y=alt.Y("bits:Q", title="bits"),
            color=alt.Color("strand:N", scale=scale),
        )
        .properties(height=180)
    )
    picture(chart, "likelihood", width="stretch")


def features(opened: Opened, read: Read) -> list[int]:
    """Draw the active features with labels and positions; returns them, strongest first."""
    st.subheader("Features")
    warmup = opened.study.grid.warmup
    table = firing(read, opened.evidence.catalog, scale(opened), warmup)
    if table.empty:
        st.info("No feature is active here.")
        return []
    table.insert(1, "label", [short_label(opened.evidence, int(f)) for f in table["feature"]])
    table["position"] += 1
    ranked, aside = table[table["aside"] == ""], table[table["aside"] != ""]
    context = (
        f"The first {warmup:,} bases of a reading (warm-up) have little context and do not count."
        if len(read.sequence) > warmup
        else f"All of it is warm-up (the first {warmup:,} bases of a reading), which has little context: in"
        " the study such bases are discarded, so take these values with care."
    )
    active = plural(len(ranked), "feature")
    st.caption(f"{active} active, the value that is rarest on the genome first. {context}")
    st.dataframe(
        ranked.drop(columns="aside"), hide_index=True, height=260, column_config=COLUMNS, key="ranked",
        column_order=["feature", "label", "rarity", "of_top", "bases", "strand", "position"],
    )  # fmt: skip
    if len(aside):
        counted = aside["aside"].value_counts()
        said = [f"{counted[why]:,} {words}" for why, words in _ASIDE.items() if why in counted]
        with st.expander(f"Not ranked: {' and '.join(said)}"):
            st.dataframe(aside, hide_index=True, column_config=COLUMNS, key="aside")
    table_file(table, "sequence_features")
    if ranked.empty:
        return []
    top = ranked["feature"].head(MOST_STRIPS).astype(int).tolist()
    size = -(-len(read.sequence) // (BINS // 2))
    active = read.fires[read.fires["feature"].isin(top)].copy()
    active["start"] = active["position"] // size * size + 1
    active = active.groupby(["feature", "strand", "start"], as_index=False)["value"].max()
    # A base's number stands in its middle.
    active["left"], active["right"] = active["start"] - 0.5, active["start"] + size - 0.5
    active["strength"] = active["value"] / scale(opened).top[active["feature"]]
    active["label"] = [f"{f} {short_label(opened.evidence, int(f))} {s}"
                      for f, s in zip(active["feature"], active["strand"], strict=True)]  # fmt: skip
    span = [0.5, len(read.sequence) + 0.5]
    chart = (
        alt.Chart(active)
        .mark_rect()
        .encode(
            x=alt.X("left:Q", title="position", scale=alt.Scale(domain=span, nice=False)),
            x2="right:Q",
            y=alt.Y("label:N", title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color(
                "strength:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1], clamp=True), title="strength",
                legend=alt.Legend(format=".0%"),
            ),
            tooltip=[
                "label", "start", alt.Tooltip("strength", format=".0%"),
                alt.Tooltip("value", title="activation", format=".2f"),
            ],
        )
    )  # fmt: skip
    picture(chart, "sequence_strips", width="stretch")
    return ranked["feature"].astype(int).tolist()


def allele(opened: Opened, read: Read, key: tuple[str, ...]) -> None:
    """Draw an allele against the sequence above: likelihood, features gained and lost."""
    st.subheader("An allele")
    st.caption(
        "Changes as position:REF:ALT, apart by commas (the first base is number 1; an empty REF inserts"
        " before the position, an empty ALT deletes), or the whole other sequence."
    )
    text = st.text_area("Allele", key="allele_text", height=80, placeholder="120:A:G, 131:CT:")
    if not text.strip():
        return
    locus, letters = Interval("sequence", 0, len(read.sequence)), Letters("sequence", read.sequence)
    changes = read_allele(text, VariantNames(Annotation(letters, None, None), "sequence"), locus)
    other = read_stretch(opened.study, letters, locus, changes.edits)
    before, after = (
        float(np.mean([np.nansum(n, dtype=np.float64) for n in r.nats.values()])) for r in (read, other)
    )
    st.write(
        plain(
            f"Log-likelihood of the allele less that of the sequence: {after - before:+.2f} nats, mean of"
            " both strands; below 0 the model finds the allele less likely."
        )
    )
    table = gained_and_lost(read, other, opened.evidence.catalog, scale(opened))
    if table.empty:
        st.info(f"No feature changes by {LEAST:.0%} of full scale.")
        return
    table.insert(1, "label", [short_label(opened.evidence, f) for f in table["feature"]])
    st.caption(f"Features that change by {LEAST:.0%} or more.")
    top = scale(opened).top[table["feature"]]
    shown = table.assign(reference=table["reference"] / top, allele=table["allele"] / top)
    columns, dead = ["feature", "label", "change", "reference", "allele", "of_largest"], table["dead"]
    st.dataframe(
        shown[~dead], hide_index=True, height=260, column_config=_ALLELE, column_order=columns, key="changed"
    )
    if dead.any():
        with st.expander(plural(int(dead.sum()), "dead feature")):
            st.dataframe(
                shown[dead], hide_index=True, column_config=_ALLELE, column_order=columns, key="changed_dead"
            )
    table_file(table, "allele")


def mutagenesis(opened: Opened, read: Read, key: tuple[str, ...], found: list[int]) -> None:
    """Draw saturation mutagenesis of a region, on request."""
    st.subheader("Saturation mutagenesis")
    left, middle, right = st.columns(3)
    length = len(read.sequence)
    start = int(left.number_input("From position", 1, length, max(1, length // 2 - 14))) - 1
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
    table = _mutated(opened, key, read.sequence, start, start + size, int(feature))
    table = table.assign(position=table["position"] + 1)
    for what, title in (
        ("log_likelihood", "Change of log-likelihood, nats"),
        ("feature", f"Change of the largest value of feature {feature}"),
    ):
        most_change = float(table[what].abs().max()) or 1.0
        scale = alt.Scale(scheme="purpleorange", domain=[-most_change, most_change])
        chart = (
            alt.Chart(table)
            .mark_rect()
            .encode(
                x=alt.X("position:O", title="position", axis=alt.Axis(labelOverlap=True)),
                y=alt.Y("letter:N", sort=list(BASES), title=None),
                color=alt.Color(f"{what}:Q", scale=scale, title=None),
                tooltip=["position", "reference", "letter", alt.Tooltip(what, format=".3f")],
            )
            .properties(title=title, height=220)
        )
        picture(chart, f"mutagenesis_{what}", width="stretch")
    table_file(table, "mutagenesis")


opened = current()
st.title("Sequence")
try:
    sequence = requested_sequence(opened)
    key = key_of(opened)
    read = read_cached(opened, key, sequence)
    likelihood(read)
    found = features(opened, read)
    if found:
        mutagenesis(opened, read, key, found)
    allele(opened, read, key)
except InputError as error:
    st.error(plain(str(error)))
model = str(opened.evidence.manifest.model.name)
commands.show(
    commands.score(model),
    commands.variants(opened.study.folder),
    note="The second explains alleles of the study's own genome: chrom:position:REF:ALT, 1-based.",
)
