"""Detectors: what they promise and keep, where they call along the genome; attacks on them."""

from __future__ import annotations

import re
from html import escape

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened
from app.figures import Figure, picture, table_file
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError
from workbench.engines import background
from workbench.experiments.kind import Experiment
from workbench.experiments.question import FOLDER
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study.locus import move
from workbench.tracks import read_tracks
from workbench.wording import NOT_VALIDATED, plural, spoken

SCAN = "scan.gff3"
# Calls in the lane, in the list, and attacked places that are spelled out; bases shown beside a change.
MOST_DRAWN, MOST_LISTED, MOST_SPELLED, BESIDE = 5000, 200, 24, 8
ZOOM = 20
# Reads on light and on dark.
GREY = "#808495"
_CHANGE = re.compile(r"(\d+)([ACGT])>([ACGT])")


def show_detector(opened: Opened, experiment: Experiment) -> None:
    """Draw what a detector promised and kept, its operating curve, and its scan of the genome."""
    from workbench.experiments.detect import find_detector  # PyTorch
    from workbench.experiments.detector_page import reliability_drawn  # PyTorch

    detector = find_detector(opened.study, experiment.name)
    st.write(plain(str(detector)))
    left, right = st.columns(2)
    reliability = experiment.folder / "reliability.parquet"
    if reliability.is_file():
        with left:
            st.caption("What was said of calls on the report split, beside what became of them.")
            picture(
                themed(reliability_drawn(read_parquet(reliability))),
                "reliability",
                NOT_VALIDATED,
                width="content",
            )
    calls = experiment.folder / "calls.parquet"
    if calls.is_file():
        with right:
            st.caption(
                "Operating curve: of the calls on the report split, most certain first, the share that is"
                " true. Dashed: the promise, which holds where sites are as dense as stated."
            )
            curve = operating_curve(read_parquet(calls))
            picture(_operating_drawn(curve, detector.precision), "operating", NOT_VALIDATED, width="content")
    _scan(opened, experiment)
    line = st.container(horizontal=True)
    link(line, links.experiments(new="attack", detector=experiment.name), "Attack it", "swords")


def operating_curve(calls: pd.DataFrame) -> pd.DataFrame:
    """``kept`` calls of the highest probability, and the share of them that is ``true``, a row a call."""
    ordered = calls.sort_values("probability", ascending=False, kind="stable")
    kept = np.arange(1, len(ordered) + 1)
    shares = ordered["true"].to_numpy(float).cumsum() / kept
    return pd.DataFrame({"kept": kept, "true": shares, "probability": ordered["probability"].to_numpy()})


def _operating_drawn(curve: pd.DataFrame, promise: float) -> Figure:
    share = alt.Y("true:Q", title="share that is true", scale=alt.Scale(domain=[0, 1]))
    line = (
        alt.Chart(curve)
        .mark_line(interpolate="step-after", color="#2367a8")
        .encode(
            x=alt.X("kept:Q", title="calls kept", axis=alt.Axis(format="d", tickMinStep=1)),
            y=share,
            tooltip=["kept", alt.Tooltip("true:Q", format=".0%"), alt.Tooltip("probability:Q", format=".2f")],
        )
    )
    rule = alt.Chart(pd.DataFrame({"true": [promise]})).mark_rule(strokeDash=[4, 3], color=GREY)
    return alt.layer(line, rule.encode(y=share)).properties(width=260, height=260)


def _scan(opened: Opened, experiment: Experiment) -> None:
    st.subheader("Along the genome")
    study, path = opened.study, experiment.folder / SCAN
    run = background.state(study.folder)
    if run.running and run.step == f"{FOLDER}/{experiment.name}":
        st.fragment(_follow, run_every=2.0)(opened)
        return
    label = "Scan the genome again" if path.is_file() else "Scan the genome"
    if st.button(label, key="scan", icon=":material/travel_explore:"):
        try:
            background.start_scan(study, experiment.name, path)
            st.rerun()
        except InputError as error:
            st.error(plain(str(error)))
    if path.is_file():
        _calls(opened, experiment)


def _follow(opened: Opened) -> None:
    """Draw how far the scan is."""
    run = background.state(opened.study.folder)
    if not run.running:
        st.rerun()
    last = run.output.strip().splitlines()[-1:]
    st.info(plain(f"Scanning. {' '.join(last)}"))


def _calls(opened: Opened, experiment: Experiment) -> None:
    found = {t.type: t.intervals for t in read_tracks(experiment.folder / SCAN, opened.study.genome, {})}
    # Of the two types, stretches on which it abstained have no score.
    parts = [rows for rows in found.values() if rows["score"].notna().any()]
    silent = [rows for rows in found.values() if not rows["score"].notna().any()]
    if not parts:
        st.info("It called nothing.", icon=":material/info:")
        return
    calls = parts[0].sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    calls = calls[["chrom", "start", "end", "strand", "score"]].rename(columns={"score": "probability"})
    kept_silent = plural(sum(map(len, silent)), "stretch", "stretches")
    st.caption(
        f"{plural(len(calls), 'call')}, by the probability that each is true; on {kept_silent} it kept"
        f" silent, since they are unlike what it was made on: there nothing is said."
        f" {NOT_VALIDATED.capitalize()}."
    )
    picture(_lane(calls.head(MOST_DRAWN)), "calls", NOT_VALIDATED, width="stretch")
    shown = calls.head(MOST_LISTED).assign(
        place=[spoken(r.chrom, r.start, r.end) for r in calls.head(MOST_LISTED).itertuples()]
    )
    event = st.dataframe(
        shown[["place", "strand", "probability"]], hide_index=True, height=220, key="calls_list",
        on_select="rerun", selection_mode="single-row",
        column_config={"probability": st.column_config.NumberColumn(format="percent")},
    )  # fmt: skip
    chosen = [row for row in event["selection"]["rows"] if row < len(shown)] or [0]
    one = shown.iloc[chosen[0]]
    place = Interval(str(one["chrom"]), int(one["start"]), int(one["end"]))
    seen = move(opened.study, place, zoom=ZOOM)
    line = st.container(horizontal=True)
    link(line, links.browse("", str(seen)), plain(f"Browse {one['place']}"), "view_timeline")
    table_file(calls, f"{experiment.name}_calls_along_the_genome", NOT_VALIDATED)


def _lane(calls: pd.DataFrame) -> alt.Chart:
    lane = (
        alt.Chart(calls.assign(base=calls["start"] + 1))
        .mark_tick(thickness=2)
        .encode(
            x=alt.X("base:Q", title="base", axis=alt.Axis(format=",d", grid=False)),
            y=alt.Y("strand:N", title=None, sort=["+", "-"]),
            color=alt.Color("probability:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1])),
            tooltip=["chrom", "base", "strand", alt.Tooltip("probability:Q", format=".2f")],
        )
        .properties(height=130)
    )
    if calls["chrom"].nunique() == 1:
        return lane
    return lane.encode(row=alt.Row("chrom:N", title=None))


def show_attack(opened: Opened, experiment: Experiment) -> None:
    """Draw how many changes mislead the detector, and the sequences that did."""
    from workbench.experiments.attack import detector_of  # PyTorch
    from workbench.experiments.detector_page import GOALS, curves_drawn  # PyTorch

    curves = read_parquet(experiment.folder / "curves.parquet")
    report = curves[curves["split"] == "report"]
    for goal, own in report.groupby("goal", sort=False):
        st.caption(f"{GOALS[str(goal)].capitalize()} by number of base changes, with 95 % intervals.")
        picture(themed(curves_drawn(own)), f"attack_{goal}", NOT_VALIDATED, width="content")
    attacks = read_parquet(experiment.folder / "attacks.parquet")
    won = attacks[(attacks["split"] == "report") & attacks["needed"].notna() & (attacks["way"] != "random")]
    st.subheader("Attacked sequences")
    if won.empty:
        st.caption("No attack on the report split succeeded.")
    else:
        st.caption(
            "Of the report split, those that misled it, fewest changes first, in the direction of the place."
            " Underlined: the bases that count; bold: what was written in place of the letter below."
        )
        st.html(_spelled(won.sort_values("needed", kind="stable").head(MOST_SPELLED)))
    detector = detector_of(experiment)
    line = st.container(horizontal=True)
    again = links.experiments(
        new="detect", track=detector.track, mode=detector.mode, precision=f"{detector.precision:g}",
        attacks=experiment.name,
    )  # fmt: skip
    link(line, again, "Make a detector that learns from them", "school")


def _spelled(attacks: pd.DataFrame) -> str:
    lines = []
    for row in attacks.itertuples():
        changes = {int(at): (old, new) for at, old, new in _CHANGE.findall(str(row.changes))}
        first, last = int(row.first), int(row.last)
        start = max(0, min([first, *changes]) - BESIDE)
        end = max([last, *(at + 1 for at in changes)]) + BESIDE
        text, below = [], []
        for at, letter in enumerate(str(row.letters)[start:end], start):
            shown = escape(letter)
            shown = f"<b>{shown}</b>" if at in changes else shown
            text.append(f"<u>{shown}</u>" if first <= at < last else shown)
            below.append(escape(changes[at][0].lower()) if at in changes else " ")
        chrom, _, span = str(row.place).rpartition(":")
        place = spoken(chrom, *map(int, span.split("-")))
        said = f"{place} {row.strand}, {row.goal}, {row.way}: {row.before:.3g} to {row.after:.3g}"
        lines += [escape(said), "".join(text), "".join(below), ""]
    style = "overflow-x:auto;font-size:0.75rem;line-height:1.35;margin:0;max-height:420px"
    return f'<pre tabindex="0" style="{style}">' + "\n".join(lines) + "</pre>"
