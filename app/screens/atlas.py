"""All features: a map by decoder geometry, and the same features in a table."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import commands, links
from app.comparing import compare
from app.data import Opened, current
from app.figures import VERDICT_COLORS, picture, table_file
from app.searches import SEARCHES, box, search
from app.tables import CATALOG, COLUMNS
from app.words import plain
from workbench import InputError
from workbench.atlas import feature_map, find_words
from workbench.feature_lists import read_lists, write_list
from workbench.notes import read_notes

ANY = "any"
MOST_DRAWN = 4500
UNLED = "best of no track"
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"]
OTHER = "#9a9a9a"
_FILTERS = ("q", "track", "verdict", "flag", "list")
_FOUND = ("in_sequence", "in_region", "fit", "matrix_p", "motif_share", "motif_expected", "motif_p")


@st.cache_data(max_entries=8, show_spinner="Laying out the map of features, once a study")
def _places(_opened: Opened, key: str) -> pd.DataFrame:
    return feature_map(_opened.study)


def _write(name: str, value: str) -> None:
    if value and value != ANY:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def _address() -> None:
    for name in _FILTERS:
        _write(name, str(st.session_state.get(f"atlas_{name}", "")).strip())
    by = st.session_state.get("atlas_by")
    for kind in SEARCHES:
        _write(kind, str(st.session_state.get("atlas_text", "")) if kind == by else "")


def _box(name: str, options: list[str] | None = None) -> str:
    value = st.query_params.get(name, "" if options is None else ANY)
    if options is not None and value not in options:
        value = ANY
    st.session_state[f"atlas_{name}"] = value
    return str(value)


def filters(opened: Opened) -> pd.DataFrame:
    """The catalogue's rows that the boxes leave; the address holds them."""
    table = opened.evidence.catalog
    notes, lists = read_notes(opened.study.folder), read_lists(opened.study.folder)
    flags = (
        table["flags"].fillna("").astype(str) if "flags" in table else pd.Series("", table.index)
    )
    named = sorted(set(flags.str.split(",").explode()) - {""})
    kept = {"pinned": [f for f, n in notes.items() if n.pinned]} | lists
    names = [ANY, *sorted(set(table["best_track"]) - {""})]
    verdicts = [ANY, *sorted(set(table["verdict"]) - {""})]
    words, track, verdict = _box("q"), _box("track", names), _box("verdict", verdicts)
    flag = _box("flag", [ANY, "no flag", *named])
    chosen = _box("list", [ANY, *kept])
    columns = st.columns([3, 2, 2, 2, 2, 2], vertical_alignment="bottom")
    columns[0].text_input(
        "Words", key="atlas_q", on_change=_address,
        help="Track, verdict, consensus, flag, your note, or a feature's number.",
    )  # fmt: skip
    columns[1].selectbox("Closest track", names, key="atlas_track", on_change=_address)
    columns[2].selectbox("Verdict", verdicts, key="atlas_verdict", on_change=_address)
    columns[3].selectbox("Flag", [ANY, "no flag", *named], key="atlas_flag", on_change=_address)
    columns[4].selectbox("List", [ANY, *kept], key="atlas_list", on_change=_address)
    dead = columns[5].checkbox("Dead too", help="Features that hardly ever fire.")
    texts = {f: note.text for f, note in notes.items()}
    keep = find_words(table, words, texts) if words else np.ones(len(table), bool)
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
    rows = table[keep & (dead | ~table["dead"])]
    return rows.sort_values("best_ap_lift", ascending=False, kind="stable")


def scatter(opened: Opened, rows: pd.DataFrame) -> list[int]:
    """The map; gives the features that were selected in it."""
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
            "verdict": drawn["verdict"].replace("", UNLED),
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
        table["closest track"] = table["closest track"].where(
            table["closest track"].isin(top), "other"
        )
        scale = alt.Scale(domain=[*top, "other"], range=[*PALETTE[: len(top)], OTHER])
        paint = alt.Color("closest track:N", scale=scale)
    else:
        names = [*VERDICT_COLORS, UNLED]
        scale = alt.Scale(domain=names, range=[*VERDICT_COLORS.values(), "#c4c4c4"])
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
    said = picture(chart, "atlas", width="stretch", on_select="rerun", selection_mode="box")
    st.caption(
        "Features near each other write in like directions; distances between far ones mean little. Drag to"
        " choose some; the table below follows."
    )
    box = said["selection"].get("box", {}) if said else {}
    inside = np.ones(len(table), bool)
    for axis in ("x", "y"):
        if axis in box:
            inside &= table[axis].between(*sorted(box[axis])).to_numpy()
    return table.loc[inside, "feature"].tolist() if box else []


def keep(opened: Opened, rows: pd.DataFrame, chosen: list[int]) -> None:
    """Put the chosen features, or all of the table, on a named list of the study."""
    taken = chosen or rows["feature"].astype(int).tolist()
    what = f"the {len(chosen)} chosen" if chosen else f"all {len(taken):,} of the table"
    with st.expander(f"Keep {what} as a list"):
        with st.form("keep_list", border=False):
            name = st.text_input("Name of the list", help="A name that is there is replaced.")
            if st.form_submit_button("Keep"):
                write_list(opened.study.folder, name, taken)
                st.rerun()
        lists = read_lists(opened.study.folder)
        for kept, features in lists.items():
            line = st.container(horizontal=True, vertical_alignment="center")
            line.markdown(f"{plain(kept)}: {len(features):,} features")
            if line.button("Remove", key=f"remove_{kept}", type="tertiary"):
                write_list(opened.study.folder, kept, [])
                st.rerun()
        st.caption("Kept in lists.json of the study.")


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
    st.info("No feature is left. Take a filter away, or search for less.", icon=":material/info:")
    st.stop()
inside = scatter(opened, rows)
if inside:
    rows = rows[rows["feature"].isin(inside)]
st.caption(
    f"{len(rows):,} of {len(opened.evidence.catalog):,} features. Choose one to open it, two to compare."
)
order = [c for c in _FOUND if c in rows]
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
line = st.container(horizontal=True)
for feature in chosen[:6]:
    go = links.feature("", feature)
    line.page_link(
        go.file, label=f"Open feature {feature}", icon=":material/category:",
        query_params=go.query, width="content",
    )  # fmt: skip
if chosen:
    go = links.browse("", "", chosen[:12])
    line.page_link(
        go.file, label="Draw them in the browser", icon=":material/view_timeline:",
        query_params=go.query, width="content",
    )  # fmt: skip
if len(chosen) >= 2:
    compare(opened, chosen[0], chosen[1])
taken = rows[rows["feature"].isin(chosen)] if chosen else rows
st.caption(f"Files of {len(taken):,} features:")
table_file(taken.drop(columns=["similar", "similar_cosine"], errors="ignore"), "features")
try:
    keep(opened, rows, chosen)
except InputError as error:
    st.error(plain(str(error)))
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "catalog", "tsv", chosen),
    *([commands.export_activations(folder, chosen, "bigwig")] if chosen else []),
)
