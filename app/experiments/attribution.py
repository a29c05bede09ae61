"""Attribution: the features that a prediction hangs on, with the way to the canvas."""

from __future__ import annotations

import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.navigation import link
from app.verdict_text import plain, short_label
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study.locus import move
from workbench.wording import NOT_VALIDATED, fixed

# Predictions and features that are drawn, and bases around a place in the browser.
MOST_DRAWN, MOST_FEATURES, AROUND = 6, 12, 200


def show_attribution(opened: Opened, experiment: Experiment) -> None:
    """Draw the leading features of each prediction beside what is lost without them."""
    from workbench.experiments.attribution_page import effects_drawn  # PyTorch

    targets = read_parquet(experiment.folder / "targets.parquet")
    ablations = read_parquet(experiment.folder / "ablations.parquet")
    for number, row in enumerate(targets.head(MOST_DRAWN).itertuples()):
        own = ablations[(ablations["target"] == row.target) & (ablations["strand"] == row.strand)]
        st.subheader(plain(f"{row.title}, {row.strand} strand's reading"))
        st.caption(
            f"{fixed(row.value, 2)} nats, {fixed(row.baseline, 2)} with the layer at its mean; from features"
            f" {fixed(row.from_features, 2)}, not explained by the autoencoder {fixed(row.from_error, 2)};"
            f" error of the sum {fixed(row.completeness_error, 3)}."
        )
        leading = [int(feature) for feature in own.loc[~own["control"], "feature"]][:MOST_FEATURES]
        if len(own):
            names = {int(f): f"{int(f)} {short_label(opened.evidence, int(f))}" for f in own["feature"]}
            picture(themed(effects_drawn(own, names)), f"attribution{number}", NOT_VALIDATED, width="content")
        place = Interval(str(row.chrom), int(row.start), int(row.end))
        seen = move(opened.study, place, zoom=AROUND / max(1, place.end - place.start))
        line = st.container(horizontal=True)
        # The canvas takes apart the probability of one base at a time.
        mode, ask = (
            ("attribute", f"{place.chrom}:{place.start + 1}:{row.strand}")
            if place.size == 1
            else ("read", "")
        )
        seen_there = links.browse("", str(seen), leading, mode=mode, ask=ask)
        link(line, seen_there, "See it on the canvas", "view_timeline")
    if len(targets) > MOST_DRAWN:
        st.caption(f"The first {MOST_DRAWN} predictions; the tables hold all.")
