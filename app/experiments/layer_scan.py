"""The scan of layers: which one is worth a study, and why."""

from __future__ import annotations

import streamlit as st

from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.verdict_text import plain
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED


def show_layers(_: Opened, experiment: Experiment) -> None:
    """Draw the recommendation with its reason, and the pictures that it rests on."""
    from workbench.analysis.layer_scan import tested  # PyTorch
    from workbench.experiments.layers import advise  # PyTorch
    from workbench.experiments.layers_page import costs_drawn, lifts_drawn  # PyTorch

    probes = read_parquet(experiment.folder / "probes.parquet")
    table = read_parquet(experiment.folder / "layers.parquet")
    layers = list(table["layer"])
    advice = advise(probes, layers)
    st.subheader("Which layer")
    if advice.layer:
        st.markdown(f"Recommended: **{plain(advice.layer)}**: {plain(advice.reason)}.")
    else:
        st.markdown(plain(f"None is recommended: {advice.reason}."))
    fair = tested(probes)
    if len(fair):
        st.caption("Lift of a linear probe for every track, fitted on half of select, scored on report.")
        picture(themed(lifts_drawn(fair, layers)), "layer_lifts", NOT_VALIDATED, width="content")
    if untested := sorted(set(probes["track"]) - set(fair["track"])):
        st.caption(
            plain(f"Not tested, since they have too few intervals in the sample: {', '.join(untested)}.")
        )
    st.caption("Bits a base lost with the layer at its mean activation, and its participation ratio.")
    picture(themed(costs_drawn(table)), "layer_costs", NOT_VALIDATED, width="content")
    if advice.layer:
        st.code(f'[model]\nlayer = "{advice.layer}"', language="toml")
        st.caption("So a new study reads this layer, in its study.toml before its run.")
