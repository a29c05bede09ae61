"""A sequence of one's own: likelihood, features, and every substitution in a stretch."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import commands
from app.data import Opened, current, key_of
from app.figures import picture, table_file
from app.searches import read_cached
from app.words import plain, short_label
from workbench import InputError
from workbench.alleles import LEAST, apply_changes, gained_and_lost
from workbench.pasted import LETTERS, LONGEST, MOST_MUTATED, clean, firing, mutate
from workbench.pasted import Pasted as Read
from workbench.views import find_locus

MOST_STRIPS = 8
_ALLELE = {
    "feature": st.column_config.NumberColumn(format="%d"),
    "reference": st.column_config.NumberColumn("in sequence", format="%.2f"),
    "allele": st.column_config.NumberColumn("in allele", format="%.2f"),
    "difference": st.column_config.NumberColumn(format="%.2f"),
    "of_largest": st.column_config.NumberColumn(
        "of its largest", format="percent", help="Of its largest value, in the genome or here."
    ),
}
BINS = 500


@st.cache_data(max_entries=16, show_spinner="The model reads every substitution, on both strands")
def _mutated(
    _opened: Opened, key: tuple[str, ...], sequence: str, start: int, end: int, feature: int
) -> pd.DataFrame:
    return mutate(_opened.study, sequence, start, end, feature)


def given(opened: Opened) -> str:
    """The sequence of the boxes, or of the address' place; ends the page where there is none."""
    longest = min(LONGEST, opened.study.model.context)
    at = st.query_params.get("at", "")
    if at and "sequence_text" not in st.session_state:
        locus = find_locus(opened.study, at)
        if locus.end - locus.start > longest:
            raise InputError(
                f"{locus}: {locus.end - locus.start:,} bases; this model reads at most {longest:,} at once,"
                " choose a shorter stretch"
            )
        st.session_state["sequence_text"] = opened.study.genome.fetch(*locus)
    text = st.text_area(
        f"Sequence (2 to {longest:,} bases; a FASTA header is left out)", key="sequence_text",
        height=140,
    )  # fmt: skip
    file = st.file_uploader(
        "or a FASTA file with one record", key="sequence_file", max_upload_size=1
    )
    if file is not None and not text.strip():
        data = file.read(LONGEST * 4 + 1)
        if len(data) > LONGEST * 4:
            raise InputError(f"the file is too large: at most {LONGEST:,} bases")
        text = data.decode("utf-8", "replace")
    if not text.strip():
        st.info("Paste a sequence to see how likely the model finds it and which features fire.")
        st.stop()
    return clean(text, longest)


def likelihood(read: Read) -> None:
    """Bits a base on both strands."""
    st.subheader("Likelihood")
    size = -(-len(read.sequence) // BINS)
    parts = []
    for strand, nats in read.nats.items():
        bits = pd.Series(-nats / np.log(2)).groupby(np.arange(len(nats)) // size).mean()
        parts.append(pd.DataFrame({"position": bits.index * size, "bits": bits, "strand": strand}))
    mean = [f"{s}: {np.nanmean(-n) / np.log(2):.3f} bits a base" for s, n in read.nats.items()]
    averaged = f"; mean of {size} bases a point" if size > 1 else ""
    st.caption(plain(f"{', '.join(mean)}; 2 is chance, lower is more expected{averaged}."))
    scale = alt.Scale(domain=["+", "-"], range=["#0072B2", "#D55E00"])
    chart = (
        alt.Chart(pd.concat(parts))
        .mark_line(strokeWidth=1)
        .encode(
            x=alt.X("position:Q", title="position, 0-based"),
            y=alt.Y("bits:Q", title="bits"),
            color=alt.Color("strand:N", scale=scale),
        )
        .properties(height=180)
    )
    picture(chart, "likelihood", width="stretch")


def features(opened: Opened, read: Read) -> list[int]:
    """Which features fire, what they mean, and where; gives them, strongest first."""
    st.subheader("Features")
    table = firing(read, opened.evidence.catalog)
    if table.empty:
        st.info("No feature fires here.")
        return []
    table.insert(1, "label", [short_label(opened.evidence, int(f)) for f in table["feature"]])
    st.caption(
        f"{len(table):,} features fire. The first {opened.study.grid.warmup:,} bases of a reading have"
        " little context: in the study such bases are thrown away."
    )
    st.dataframe(
        table,
        hide_index=True,
        height=260,
        column_config={
            "feature": st.column_config.NumberColumn(format="%d"),
            "of_genome": st.column_config.NumberColumn(
                "of its largest", format="percent", help="Of its largest value in the genome."
            ),
            "largest": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    table_file(table, "sequence_features")
    top = table["feature"].head(MOST_STRIPS).astype(int).tolist()
    size = -(-len(read.sequence) // (BINS // 2))
    fires = read.fires[read.fires["feature"].isin(top)].copy()
    fires["start"] = fires["position"] // size * size
    fires = fires.groupby(["feature", "strand", "start"], as_index=False)["value"].max()
    fires["end"] = fires["start"] + size
    fires["label"] = [f"{f} {short_label(opened.evidence, int(f))} {s}"
                      for f, s in zip(fires["feature"], fires["strand"], strict=True)]  # fmt: skip
    chart = (
        alt.Chart(fires)
        .mark_rect()
        .encode(
            x=alt.X("start:Q", title="position, 0-based", scale=alt.Scale(domain=[0, len(read.sequence)])),
            x2="end:Q",
            y=alt.Y("label:N", title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("value:Q", scale=alt.Scale(scheme="viridis"), title="activation"),
            tooltip=["label", "start", alt.Tooltip("value", format=".2f")],
        )
    )  # fmt: skip
    picture(chart, "sequence_strips", width="stretch")
    return table["feature"].astype(int).tolist()


def allele(opened: Opened, read: Read, key: tuple[str, ...]) -> None:
    """An allele against the sequence above: likelihood, features gained and lost."""
    st.subheader("An allele")
    st.caption(
        "Changes as position:REF:ALT (0-based, apart by commas; an empty REF inserts, an empty ALT deletes),"
        " or the whole other sequence."
    )
    text = st.text_area("Allele", key="allele_text", height=80, placeholder="120:A:G, 131:CT:")
    if not text.strip():
        return
    longest = min(LONGEST, opened.study.model.context)
    changed = apply_changes(read.sequence, text) if ":" in text else clean(text, longest)
    if changed == read.sequence:
        st.info("The allele is the same as the sequence above.")
        return
    other = read_cached(opened, key, clean(changed, longest))
    before, after = (
        float(np.mean([np.nansum(n, dtype=np.float64) for n in r.nats.values()]))
        for r in (read, other)
    )
    st.write(
        plain(
            f"Log-likelihood of the allele less that of the sequence: {after - before:+.2f} nats, mean of"
            " both strands; below 0 the model finds the allele less likely."
        )
    )
    table = gained_and_lost(read, other, opened.evidence.catalog)
    if table.empty:
        st.info(f"No feature changes by {LEAST:.0%} of its largest value.")
        return
    table.insert(1, "label", [short_label(opened.evidence, f) for f in table["feature"]])
    st.caption(
        f"Features that change by {LEAST:.0%} or more of their largest, in the genome or here."
    )
    st.dataframe(table, hide_index=True, height=260, column_config=_ALLELE)
    table_file(table, "allele")


def mutagenesis(opened: Opened, read: Read, key: tuple[str, ...], found: list[int]) -> None:
    """Every substitution of a stretch, on request."""
    st.subheader("Every substitution")
    left, middle, right = st.columns(3)
    length = len(read.sequence)
    start = int(left.number_input("From (0-based)", 0, length - 1, max(0, length // 2 - 15)))
    most = min(MOST_MUTATED, length - start)
    size = int(
        middle.number_input(
            "Bases", 1, most, min(30, most), help=f"At most {MOST_MUTATED}, for time."
        )
    )
    feature = right.selectbox(
        "Feature", found, format_func=lambda f: f"{f} {short_label(opened.evidence, f)}"
    )
    if not st.toggle("Read every substitution", help="Three readings a base and strand."):
        return
    table = _mutated(opened, key, read.sequence, start, start + size, int(feature))
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
                x=alt.X("position:O", title="position, 0-based", axis=alt.Axis(labelOverlap=True)),
                y=alt.Y("letter:N", sort=list(LETTERS), title=None),
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
    sequence = given(opened)
    key = key_of(opened)
    read = read_cached(opened, key, sequence)
    likelihood(read)
    found = features(opened, read)
    if found:
        mutagenesis(opened, read, key, found)
    allele(opened, read, key)
except InputError as error:
    st.error(plain(str(error)))
model = str(opened.evidence.manifest.model["name"])
commands.show(
    commands.score(model),
    commands.explain(opened.study.folder),
    note="The second explains alleles of the study's own genome: chrom:position:REF:ALT, 1-based.",
)
