"""A diff of two models: its leading differences, each with the way to its place, and pictures of all."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.navigation import link
from app.verdict_text import plain
from workbench.experiments.kind import Experiment
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study.locus import move
from workbench.wording import NOT_VALIDATED, fixed, probability, spoken

# Bases that are shown around a difference.
SEEN = 400


def show_diff(opened: Opened, experiment: Experiment) -> None:
    """Draw what differs, opened at the largest difference that has a place."""
    from workbench.experiments.diff_page import along_drawn, features_drawn, pairs_drawn  # PyTorch

    st.write(plain(said(read_facts(experiment.folder / "facts.json"))))
    leading = read_parquet(experiment.folder / "leading.parquet")
    if len(leading):
        _leading(opened, leading)
    for table, drawn, caption in (
        ("along", along_drawn, "Divergence of b's predictions from a's along the genome, bits a base."),
        ("features", features_drawn, "Features: bases at which each is active with a and with b."),
        ("pairs", pairs_drawn, "Matched pairs of two dictionaries, on the same bases and on shifted ones."),
    ):
        path = experiment.folder / f"{table}.parquet"
        if path.is_file():
            rows = read_parquet(path)
            if table != "features" or (rows["change"] != "silent").any():
                st.caption(caption)
                picture(themed(drawn(rows)), f"diff_{table}", NOT_VALIDATED, width="content")


def said(facts: dict) -> str:
    """The answer in sentences."""
    if facts["without"]:
        words = f"Predictions are not compared: {facts['without']}."
    else:
        words = f"b's predictions diverge from a's by {fixed(facts['kl'], 4)} bits a base"
        if "null_kl" in facts:
            words += f", those of the null by {fixed(facts['null_kl'], 4)}. "
            shown = "b differs from the null" if facts["differs"] else "That b differs is not shown"
            words += f"{shown}: p {probability(facts['p'])}, corrected for all words and stretches."
        else:
            words += ". Without a null: whether another seed would differ as much was not tested."
    if "pairs" in facts:
        pairs = facts["pairs"]
        null = sum(pairs["null"]) / len(pairs["null"])
        words += f" Universality {fixed(pairs['score'])}, on shifted bases {fixed(null)}."
    return words


def _leading(opened: Opened, leading: pd.DataFrame) -> None:
    st.subheader("Leading differences")
    leading = leading.assign(
        place=[spoken(r.chrom, r.start, r.end) if r.chrom else "" for r in leading.itertuples()]
    )
    event = st.dataframe(
        leading[["what", "place", "strand", "beside", "q"]], hide_index=True, height=320, key="differences",
        on_select="rerun", selection_mode="single-row",
        column_config={"q": st.column_config.NumberColumn(format="%.2g")},
    )  # fmt: skip
    chosen = [row for row in event["selection"]["rows"] if row < len(leading)]
    first = chosen or [int(i) for i in leading.index[leading["chrom"] != ""][:1]]
    if not first:
        return
    one = leading.iloc[first[0]]
    line = st.container(horizontal=True)
    features = [int(one["feature"])] if one["feature"] >= 0 else None
    if one["chrom"]:
        place = Interval(str(one["chrom"]), int(one["start"]), int(one["end"]))
        seen = move(opened.study, place, zoom=max(1.0, SEEN / (place.end - place.start)))
        link(line, links.browse("", str(seen), features), plain(f"Browse {one['place']}"), "view_timeline")
    if features:
        link(line, links.feature("", features[0]), f"Feature {features[0]}", "category")
