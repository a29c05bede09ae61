"""All features: a map by decoder geometry, and the same features in a table."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app.data.searches import SEARCHES, box, find_features, search
from app.data.study import Opened, current
from app.exports import commands
from app.feature.comparison import compare
from app.figures import picture, table_file
from app.navigation import feature_links, put
from app.tables import CATALOG, COLUMNS
from app.verdict_text import plain
from feature_mining.association.verdict import Verdict
from workbench import InputError
from workbench.browse.atlas import feature_map
from workbench.study.feature_lists import read_lists, write_list
from workbench.study.notes import read_notes
from workbench.wording import plural

ANY = "any"
MOST_DRAWN = 4500
NO_TRACK = "best of no track"
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"]
OTHER = "#9a9a9a"
_FILTERS = ("q", "track", "verdict", "flag", "list")
_FOUND = (
    "found_by",
    "in_sequence",
    "rarity",
    "in_region",
    "fit",
    "matrix_p",
    "motif_share",
    "motif_expected",
    "motif_p",
)


@st.cache_data(max_entries=8, show_spinner="Computing the map of features, once a study")
def _places(_opened: Opened, key: str) -> pd.DataFrame:
    return feature_map(_opened.study)


def _address() -> None:
    filters = {name: str(st.session_state.get(f"atlas_{name}", "")).strip() for name in _FILTERS}
    by = st.session_state.get("atlas_by")
    text = str(st.session_state.get("atlas_text", ""))
    chosen = {name: "" if value == ANY else value for name, value in filters.items()}
    put(**chosen, **{kind: text if kind == by else "" for kind in SEARCHES})


def _box(name: str, options: list[str] | None = None) -> str:
    value = st.query_params.get(name, "" if options is None else ANY)
    if options is not None and value not in options:
        value = ANY
    st.session_state[f"atlas_{name}"] = value
    return str(value)


def filters(opened: Opened) -> pd.DataFrame:
    """Draw the filters, which the address holds; returns the catalogue's rows that pass."""
    table = opened.evidence.catalog
    pinned = [f for f, note in read_notes(opened.study.folder).items() if note.pinned]
    lists = read_lists(opened.study.folder)
    flags = table["flags"].fillna("").astype(str) if "flags" in table else pd.Series("", table.index)
    named = sorted(set(flags.str.split(",").explode()) - {""})
    kept = {"pinned": pinned} | lists
    names = [ANY, *sorted(set(table["best_track"]) - {""})]
    verdicts = [ANY, *sorted(set(table["verdict"]) - {""})]
    words, track, verdict = _box("q"), _box("track", names), _box("verdict", verdicts)
    flag = _box("flag", [ANY, "no flag", *named])
    chosen = _box("list", [ANY, *kept])
    columns = st.columns([3, 2, 2, 2, 2, 2], vertical_alignment="bottom")
    columns[0].text_input(
        "Words", key="atlas_q", on_change=_address,
        help="Any track that a feature goes with (stop), a label, verdict, flag or your note, IUPAC letters"
        " of a motif (TATAAT), a gene, locus tag or product where it is active, or a feature's number.",
    )  # fmt: skip
    columns[1].selectbox("Closest track", names, key="atlas_track", on_change=_address)
    columns[2].selectbox("Verdict", verdicts, key="atlas_verdict", on_change=_address)
    columns[3].selectbox("Flag", [ANY, "no flag", *named], key="atlas_flag", on_change=_address)
    columns[4].selectbox("List", [ANY, *kept], key="atlas_list", on_change=_address)
    dead = columns[5].checkbox("Include dead", help="Features that are hardly ever active.")
    found = find_features(opened, words) if words else None
    keep = (
        table["feature"].isin(found["feature"]).to_numpy() if found is not None else np.ones(len(table), bool)
    )
    if track != ANY:
        keep &= table["best_track"].eq(track).to_numpy()
    if verdict != ANY:
        keep &= table["verdict"].eq(verdict).to_numpy()
    if flag == "no flag":
        keep &= flags.eq("").to_numpy()
    elif flag != ANY:
        keep &= flags.str.split(",").map(lambda found: flag in found).to_numpy()
    if chosen != ANY:
        keep &= table["feature"].isin(kept[chosen]).to_numpy()
    rows = table[keep & (dead | ~table["dead"])].reset_index(drop=True)
    if found is not None:
        return found.merge(rows, on="feature", how="inner")
    return rows.sort_values(["dead", "best_ap_lift"], ascending=[True, False], kind="stable")


def scatter(opened: Opened, rows: pd.DataFrame) -> list[int]:
    """Draw the map; returns the features selected in it."""
    key = f"{opened.study.folder}/{opened.evidence.sae['hash']}"
    every = _places(opened, key)
    places = every.set_index("feature")
    color = st.segmented_control(
        "Colour by", ["verdict", "closest track", "density"], default="verdict", key="atlas_color"
    )
    drawn = rows.head(MOST_DRAWN)
    table = pd.DataFrame(
        {
            "feature": drawn["feature"].astype(int),
            "x": places["x"].reindex(drawn["feature"]).to_numpy(),
            "y": places["y"].reindex(drawn["feature"]).to_numpy(),
            "verdict": drawn["verdict"].replace("", NO_TRACK),
            "closest track": drawn["best_track"].replace("", "none"),
            "density": drawn["density"].clip(lower=1e-7),
            "rank": drawn["verdict"].ne("").astype(int),
        }
    )
    size = alt.condition("datum.verdict == 'best of no track'", alt.value(30), alt.value(90))
    if color == "density":
        scale = alt.Scale(type="log", scheme="viridis")
        paint = alt.Color("density:Q", scale=scale, legend=alt.Legend(format=".0e"))
    elif color == "closest track":
        top = table["closest track"].value_counts().index[: len(PALETTE)].tolist()
        table["closest track"] = table["closest track"].where(table["closest track"].isin(top), "other")
        scale = alt.Scale(domain=[*top, "other"], range=[*PALETTE[: len(top)], OTHER])
        paint = alt.Color("closest track:N", scale=scale)
    else:
        names = [*(v.value for v in Verdict), NO_TRACK]
        scale = alt.Scale(domain=names, range=[*(v.colour for v in Verdict), "#c4c4c4"])
        paint = alt.Color("verdict:N", scale=scale, legend=alt.Legend(labelLimit=220))
    chosen = alt.selection_interval(name="box")
    # The whole map's edges, so that a filter leaves every feature where it was.
    edges = {a: [float(every[a].min()), float(every[a].max())] for a in ("x", "y")}
    chart = (
        alt.Chart(table)
        .mark_circle()
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=edges["x"])),
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=edges["y"])),
            color=paint,
            size=size,
            order="rank:Q",
            opacity=alt.condition(chosen, alt.value(0.9), alt.value(0.15)),
            tooltip=["feature", "closest track", "verdict", alt.Tooltip("density", format=".2e")],
        )
        .add_params(chosen)
        .properties(height=420, usermeta={"embedOptions": {"renderer": "canvas"}})
    )
    event = picture(chart, "atlas", width="stretch", on_select="rerun", selection_mode="box")
    st.caption(
        "Features near each other have similar decoder directions; large distances mean little. Drag to"
        " select features; the table below follows."
    )
    box = event["selection"].get("box", {}) if event else {}
    inside = np.ones(len(table), bool)
    for axis in ("x", "y"):
        if axis in box:
            inside &= table[axis].between(*sorted(box[axis])).to_numpy()
    return table.loc[inside, "feature"].tolist() if box else []


def save_list(opened: Opened, rows: pd.DataFrame, chosen: list[int]) -> None:
    """Draw the form that saves the chosen features, or all of the table, as a named list."""
    taken = chosen or rows["feature"].astype(int).tolist()
    what = f"the {len(chosen)} chosen" if chosen else f"all {len(taken):,} of the table"
    with st.expander(f"Save {what} as a list"):
        with st.form("keep_list", border=False):
            name = st.text_input("Name of the list", help="An existing list of this name is replaced.")
            if st.form_submit_button("Save"):
                write_list(opened.study.folder, name, taken)
                st.rerun()
        lists = read_lists(opened.study.folder)
        for kept, features in lists.items():
            line = st.container(horizontal=True, vertical_alignment="center")
            line.markdown(f"{plain(kept)}: {plural(len(features), 'feature')}")
            if line.button("Remove", key=f"remove_{kept}", type="tertiary"):
                write_list(opened.study.folder, kept, [])
                st.rerun()
        st.caption("Saved in lists.json of the study.")


opened = current()
st.title("Atlas")
try:
    rows = filters(opened)
    kind, text = box(opened, _address)
    rows = search(opened, rows, kind, text)
except InputError as error:
    st.error(plain(str(error)))
    st.stop()
if rows.empty:
    st.info("No feature matches. Remove a filter or shorten the search.", icon=":material/info:")
    st.stop()
inside = scatter(opened, rows)
if inside:
    rows = rows[rows["feature"].isin(inside)]
st.caption(
    f"{len(rows):,} of {len(opened.evidence.catalog):,} features. Select one to open it, two to compare."
)
order = [c for c in _FOUND if c in rows]
event = st.dataframe(
    rows,
    column_order=["feature", *order, *[c for c in CATALOG if c in rows and c != "feature"]],
    column_config=COLUMNS,
    hide_index=True,
    height=360,
    key="catalog",
    on_select="rerun",
    selection_mode="multi-row",
)
chosen = [int(rows["feature"].iloc[i]) for i in event["selection"]["rows"] if i < len(rows)]
feature_links(chosen)
if len(chosen) >= 2:
    compare(opened, chosen[0], chosen[1])
taken = rows[rows["feature"].isin(chosen)] if chosen else rows
st.caption(f"Files of {plural(len(taken), 'feature')}:")
table_file(taken.drop(columns=["similar", "similar_cosine"], errors="ignore"), "features")
try:
    save_list(opened, rows, chosen)
except InputError as error:
    st.error(plain(str(error)))
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "catalog", "tsv", chosen),
    *([commands.export_activations(folder, chosen, "bigwig")] if chosen else []),
)
