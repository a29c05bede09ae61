"""Features along the genome, over the annotation; the address holds place and features."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from app.charts import MOST_INTERVALS, MOST_TRACKS, FeatureStrip, bins_for, browser
from app.data import Opened, current
from app.words import plain, short_label
from workbench import InputError
from workbench.report.formats import bases
from workbench.views import Locus, annotation, find_locus, move, strips

MOST_FEATURES = 6
FIRST_VIEW = 6000
MOVES = {
    "left": (":material/chevron_left:", {"shift": -0.5}, "Move left by half a view"),
    "right": (":material/chevron_right:", {"shift": 0.5}, "Move right by half a view"),
    "in": (":material/zoom_in:", {"zoom": 1 / 3}, "Zoom in"),
    "out": (":material/zoom_out:", {"zoom": 3.0}, "Zoom out"),
}


def _typed() -> None:
    st.query_params["at"] = st.session_state["place"]


def _chosen() -> None:
    st.query_params["features"] = ",".join(map(str, st.session_state["shown_features"]))


def _moved(opened: Opened, at: Locus, how: dict[str, float]) -> None:
    st.query_params["at"] = str(move(opened.study, at, **how))


def first_features(opened: Opened) -> list[int]:
    """The best features of the first tracks, those with the best verdicts."""
    led = [int(f) for f in opened.evidence.shown["feature"] if f >= 0]
    alive = opened.evidence.catalog.query("not dead")["feature"].astype(int).tolist()
    return list(dict.fromkeys(led or alive))[:3]


def asked_features(opened: Opened) -> list[int]:
    """Features of the address, else the first ones. Raises ``InputError`` for what is none."""
    given = st.query_params.get("features")
    if given is None:
        return first_features(opened)
    parts = [part.strip() for part in given.split(",") if part.strip()]
    last = len(opened.evidence.catalog) - 1
    for part in parts:
        if not part.isdecimal() or int(part) > last:
            raise InputError(f"feature {part!r}: expected a number from 0 to {last}")
    return list(dict.fromkeys(int(part) for part in parts))[:MOST_FEATURES]


def first_place(opened: Opened, features: list[int]) -> Locus:
    """Round the strongest base of the first feature."""
    for feature in features:
        row = opened.evidence.catalog.loc[feature]
        if not row["dead"]:
            position = int(row["position"])
            return move(opened.study, Locus(row["chrom"], position, position + 1), zoom=FIRST_VIEW)
    chrom, length = next(iter(opened.evidence.manifest.contigs.items()))
    return Locus(chrom, 0, min(FIRST_VIEW, length))


def place_box(opened: Opened, features: list[int]) -> Locus | None:
    """The box for a place with its buttons; None, and a sentence, for a place that is not there."""
    given = st.query_params.get("at")
    at, problem = None, ""
    try:
        at = find_locus(opened.study, given) if given else first_place(opened, features)
    except InputError as error:
        problem = str(error)
    st.session_state["place"] = given if at is None else f"{at.chrom}:{at.start:,}-{at.end:,}"
    box, *buttons = st.columns([8, 1, 1, 1, 1], vertical_alignment="bottom")
    box.text_input(
        "Place",
        key="place",
        on_change=_typed,
        help="contig:start-end (0-based, end not included), a contig, or the name of an interval",
    )
    for button, (name, (icon, how, meaning)) in zip(buttons, MOVES.items(), strict=True):
        button.button(
            "",
            key=f"move_{name}",
            icon=icon,
            help=meaning,
            disabled=at is None,
            on_click=_moved,
            args=(opened, at, how),
            width="stretch",
        )
    if problem:
        st.error(plain(problem))
    return at


def feature_box(opened: Opened, features: list[int]) -> None:
    """The box that chooses features."""
    evidence = opened.evidence
    st.session_state["shown_features"] = features
    labels = {f: f"{f} · {short_label(evidence, f)}" for f in features}
    named = evidence.catalog["best_track"]
    st.multiselect(
        f"Features (at most {MOST_FEATURES})",
        evidence.catalog["feature"].astype(int).tolist(),
        key="shown_features",
        max_selections=MOST_FEATURES,
        format_func=lambda f: labels.get(f) or f"{f} · {named[f]}?",
        on_change=_chosen,
        help="? after a track: the closest one, with no verdict that backs it",
    )


def lanes(opened: Opened, at: Locus, features: list[int]) -> list[tuple[str, pd.DataFrame]]:
    """Annotation of the chosen tracks, those of the features first."""
    names = [t.name for t in opened.study.tracks if t.kind == "interval"]
    wanted = [opened.evidence.catalog.loc[f, "best_track"] for f in features]
    order = sorted(names, key=lambda n: wanted.index(n) if n in wanted else len(wanted))
    chosen = st.multiselect(
        "Tracks", names, default=order[:MOST_TRACKS], max_selections=MOST_TRACKS
    )
    by_name = {t.name: t for t in opened.study.tracks}
    return [(name, annotation(by_name[name], at, MOST_INTERVALS)) for name in chosen]


def feature_strips(opened: Opened, at: Locus, features: list[int]) -> list[FeatureStrip]:
    """Both strands of every chosen feature."""
    if not features:
        return []
    evidence, bins = opened.evidence, bins_for(len(features))
    read = {s: strips(opened.study, features, *at, s, bins) for s in "+-"}
    return [
        FeatureStrip(
            feature,
            short_label(evidence, feature),
            {strand: tables[feature] for strand, tables in read.items()},
            float(evidence.catalog.loc[feature, "max"]) or 1.0,
        )
        for feature in features
    ]


def beside(opened: Opened, at: Locus, shown: list[tuple[str, pd.DataFrame]]) -> None:
    """The same view as a table and as a command."""
    with st.expander("Intervals in view, as a table"):
        table = pd.concat([t.assign(track=name) for name, t in shown]) if shown else pd.DataFrame()
        if table.empty:
            st.write("The chosen tracks have no interval here.")
        else:
            columns = ["track", "name", "start", "end", "strand", "intervals"]
            st.dataframe(table[columns], hide_index=True)
    numbers = ",".join(map(str, st.session_state["shown_features"]))
    if numbers:
        with st.expander("These features in another genome browser"):
            folder = shlex.quote(str(opened.study.folder))
            st.code(
                f"workbench export {folder} --what activations --format bigwig"
                f" --features {numbers} --out bigwig",
                language="bash",
            )


def page() -> None:
    """The whole page."""
    opened = current()
    st.title("Browse")
    try:
        features = asked_features(opened)
    except InputError as error:
        st.error(plain(str(error)))
        features = first_features(opened)
    at = place_box(opened, features)
    feature_box(opened, features)
    if at is None:
        return
    shown = lanes(opened, at, features)
    if not features and not shown:
        st.info("Choose a feature or a track to draw.")
        return
    bins = feature_strips(opened, at, features)
    size = bases(at.end - at.start)
    st.caption(
        f"{size}. Blue, upwards: the plus strand; orange, downwards: the minus strand; grey: no value."
        " Full height is a feature's strongest activation in the genome; each bar is the maximum of its bin."
    )
    st.altair_chart(browser(at, bins, shown), width="content")
    beside(opened, at, shown)


page()
