"""All features: a map by decoder geometry, and the same features in a table."""

from __future__ import annotations

import shlex

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import links
from app.data import Opened, current
from app.figures import VERDICT_COLORS, picture, table_file
from app.tables import CATALOG, COLUMNS
from app.words import label_sentences, plain, short_label
from workbench import InputError
from workbench.atlas import feature_map, find_motif, find_words
from workbench.notes import read_notes
from workbench.pasted import clean, firing, read_pasted

ANY = "any"
MOST_DRAWN = 4500
_FILTERS = ("q", "motif", "track", "verdict", "flags")


@st.cache_data(max_entries=8, show_spinner="Laying out the map of features, once a study")
def _places(_opened: Opened, key: str) -> pd.DataFrame:
    return feature_map(_opened.study)


def _address() -> None:
    for name in _FILTERS:
        value = str(st.session_state.get(f"atlas_{name}", "")).strip()
        if value and value != ANY:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def _box(name: str, options: list[str] | None = None) -> str:
    value = st.query_params.get(name, "" if options is None else ANY)
    if options is not None and value not in options:
        value = ANY
    st.session_state[f"atlas_{name}"] = value
    return value


def filters(opened: Opened) -> pd.DataFrame:
    """The catalogue's rows that the boxes leave; the address holds them."""
    table = opened.evidence.catalog
    first, second, third, fourth, fifth = st.columns([3, 2, 2, 2, 2], vertical_alignment="bottom")
    names = [ANY, *sorted(set(table["best_track"]) - {""})]
    verdicts = [ANY, *sorted(set(table["verdict"]) - {""})]
    words, motif = _box("q"), _box("motif")
    track, verdict = _box("track", names), _box("verdict", verdicts)
    first.text_input(
        "Words", key="atlas_q", on_change=_address,
        help="Track, verdict, consensus, flag, your note, or a feature's number.",
    )  # fmt: skip
    second.text_input(
        "Motif (IUPAC)", key="atlas_motif", on_change=_address, help="As in TATAAT or GGNCC."
    )
    third.selectbox("Closest track", names, key="atlas_track", on_change=_address)
    fourth.selectbox("Verdict", verdicts, key="atlas_verdict", on_change=_address)
    dead = fifth.checkbox("Show dead features")
    notes = {f: note.text for f, note in read_notes(opened.study.folder).items()}
    keep = find_words(table, words, notes) if words else np.ones(len(table), bool)
    keep &= (table["best_track"].eq(track) if track != ANY else True) & (
        table["verdict"].eq(verdict) if verdict != ANY else True
    )
    rows = table[keep & (dead | ~table["dead"])]
    rows = rows.sort_values("best_ap_lift", ascending=False, kind="stable")
    if motif:
        found = find_motif(opened.evidence.examples, motif).set_index("feature")
        rows = rows[rows["feature"].isin(found.index)]
        rows = rows.assign(
            motif_share=found["share"].reindex(rows["feature"]).to_numpy(),
            motif_expected=found["expected"].reindex(rows["feature"]).to_numpy(),
            motif_p=found["p"].reindex(rows["feature"]).to_numpy(),
        ).sort_values("motif_p", kind="stable")
    return rows


def by_sequence(opened: Opened, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose features fire in a pasted sequence, strongest first."""
    with st.expander("Features that fire in a sequence"):
        text = st.text_area("Sequence", key="atlas_sequence", height=90)
        if not text.strip():
            return rows
        sequence = clean(text)
        with st.spinner("The model reads the sequence"):
            found = firing(read_pasted(opened.study, sequence), opened.evidence.catalog)
        found = found.set_index("feature")["of_genome"]
        rows = rows[rows["feature"].isin(found.index)]
        share = found.reindex(rows["feature"]).to_numpy()
        return rows.assign(in_sequence=share).sort_values("in_sequence", ascending=False)


def scatter(opened: Opened, rows: pd.DataFrame) -> list[int]:
    """The map; gives the features that were selected in it."""
    key = f"{opened.study.folder}/{opened.evidence.sae['hash']}"
    places = _places(opened, key).set_index("feature")
    color = st.segmented_control(
        "Colour by", ["verdict", "closest track", "density"], default="verdict", key="atlas_color"
    )
    drawn = rows.head(MOST_DRAWN)
    table = pd.DataFrame(
        {
            "feature": drawn["feature"].astype(int),
            "x": places["x"].reindex(drawn["feature"]).to_numpy(),
            "y": places["y"].reindex(drawn["feature"]).to_numpy(),
            "verdict": drawn["verdict"].replace("", "best of no track"),
            "closest track": drawn["best_track"].replace("", "none"),
            "density": drawn["density"].clip(lower=1e-7),
        }
    )
    if color == "density":
        paint = alt.Color("density:Q", scale=alt.Scale(type="log", scheme="viridis"))
    elif color == "closest track":
        top = table["closest track"].value_counts().index[:7]
        table["closest track"] = table["closest track"].where(
            table["closest track"].isin(top), "other"
        )
        paint = alt.Color("closest track:N", scale=alt.Scale(scheme="tableau10"))
    else:
        names = [*VERDICT_COLORS, "best of no track"]
        scale = alt.Scale(domain=names, range=[*VERDICT_COLORS.values(), "#8884"])
        paint = alt.Color("verdict:N", scale=scale)
    chosen = alt.selection_interval(name="box")
    chart = (
        alt.Chart(table)
        .mark_circle(size=34)
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(zero=False)),
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False)),
            color=paint,
            opacity=alt.condition(chosen, alt.value(0.85), alt.value(0.15)),
            tooltip=["feature", "closest track", "verdict", alt.Tooltip("density", format=".2e")],
        )
        .add_params(chosen)
        .properties(height=420, usermeta={"embedOptions": {"renderer": "canvas"}})
    )
    said = picture(chart, "atlas", width="stretch", on_select="rerun", selection_mode="box")
    st.caption("Features near each other write in like directions. Drag to choose some.")
    box = said["selection"].get("box", {}) if said else {}
    inside = np.ones(len(table), bool)
    for axis in ("x", "y"):
        if axis in box:
            inside &= table[axis].between(*sorted(box[axis])).to_numpy()
    return table.loc[inside, "feature"].tolist() if box else []


def compare(opened: Opened, features: list[int]) -> None:
    """Two features side by side."""
    for place, feature in zip(st.columns(2), features, strict=True):
        row = opened.evidence.catalog.loc[feature]
        with place.container(border=True):
            st.subheader(f"{feature}: {plain(short_label(opened.evidence, feature))}")
            for sentence in label_sentences(opened.evidence, feature):
                st.write(plain(sentence))
            st.write(
                plain(f"Consensus {row['consensus'] or 'none'}; density {row['density']:.2e}.")
            )
            go = links.feature("", feature)
            st.page_link(go.file, label="Open", query_params=go.query)
    both = [np.asarray(opened.study.sae.W_dec[f].detach().cpu()) for f in features]
    st.caption(f"Cosine of their decoder directions: {float(both[0] @ both[1]):.3f}")


opened = current()
st.title("Atlas")
try:
    rows = by_sequence(opened, filters(opened))
except InputError as error:
    st.error(plain(str(error)))
    st.stop()
inside = scatter(opened, rows)
if inside:
    rows = rows[rows["feature"].isin(inside)]
pinned = [f for f, n in read_notes(opened.study.folder).items() if n.pinned]
if pinned and st.toggle(f"Pinned only ({len(pinned)})"):
    rows = rows[rows["feature"].isin(pinned)]
st.caption(
    f"{len(rows):,} of {len(opened.evidence.catalog):,} features. Choose one to open it, two to compare."
)
order = [c for c in ("in_sequence", "motif_share", "motif_expected", "motif_p") if c in rows]
said = st.dataframe(
    rows,
    column_order=["feature", *order, *[c for c in CATALOG if c in rows and c != "feature"]],
    column_config=COLUMNS,
    hide_index=True,
    height=360,
    key="catalog",
    on_select="rerun",
    selection_mode="multi-row",
)
chosen = [int(rows["feature"].iloc[i]) for i in said["selection"]["rows"] if i < len(rows)]
if chosen:
    go = links.feature("", chosen[0])
    st.page_link(go.file, label=f"Open feature {chosen[0]}", query_params=go.query)
if len(chosen) >= 2:
    compare(opened, chosen[:2])
table_file(rows.drop(columns=["similar", "similar_cosine"], errors="ignore"), "features")
with st.expander("The command that makes this"):
    folder = shlex.quote(str(opened.study.folder))
    st.code(
        f"workbench export {folder} --what catalog --format tsv --out catalog.tsv", language="bash"
    )
