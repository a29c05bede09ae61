"""Steering: dose and response of every arm, feature by feature; passports: what decided, seed by seed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.navigation import link
from app.verdict_text import plain, short_label
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.study.passports import TABLE
from workbench.wording import NOT_VALIDATED, fixed, percent

# Features that are drawn; the tables hold all.
MOST_DRAWN = 6


def _head(opened: Opened, feature: int) -> None:
    st.subheader(plain(f"Feature {feature}: {short_label(opened.evidence, feature)}"))


def _links(feature: int) -> None:
    line = st.container(horizontal=True)
    link(line, links.feature("", feature), f"Feature {feature}", "category")
    link(line, links.browse("", "", [feature]), "Browse", "view_timeline")


def show_steering(opened: Opened, experiment: Experiment) -> None:
    """Draw what each strength of each feature did, beside all arms that could do the same."""
    from workbench.experiments.steering_page import responses_drawn  # PyTorch

    responses = read_parquet(experiment.folder / "responses.parquet")
    for feature, own in list(responses.groupby("feature", sort=False))[:MOST_DRAWN]:
        number = int(str(feature))
        _head(opened, number)
        st.write(plain(_said(own)))
        st.caption(
            plain(f"Mean of {experiment.settings.readout} over prompts, with 95 % intervals, as the judge")
            + " reads it that knows nothing of the autoencoder. At 0: unedited."
        )
        picture(themed(responses_drawn(own)), f"steering{number}", NOT_VALIDATED, width="content")
        _links(number)


def _said(own: pd.DataFrame) -> str:
    tested = own[own["win_rate"].notna()]
    steers = tested[tested["steers"].astype(bool)]
    if len(steers):
        doses = ", ".join(fixed(dose, 1) for dose in steers["strength"])
        return f"It steers at strength {doses}: the win rate over the best control is above one half."
    best = tested.loc[tested["win_rate"].idxmax()] if len(tested) else None
    if best is None:
        return "Not tested: the judge could not read enough of what was written."
    return (
        "It does not steer: at no strength is it surely beyond what the best control does. Best win rate"
        f" {percent(best['win_rate'])} ({percent(best['win_low'])} to {percent(best['win_high'])}) at"
        f" strength {fixed(best['strength'], 1)}, over {best['best_control']}."
    )


def show_passports(opened: Opened, experiment: Experiment) -> None:
    """Draw the outcome of every feature, and what decided it in every autoencoder."""
    from workbench.experiments.passport_page import passports_drawn  # PyTorch

    passports = read_parquet(experiment.folder / f"{TABLE}.parquet")
    features = [int(feature) for feature in dict.fromkeys(passports["feature"])]
    for feature in features[:MOST_DRAWN]:
        own = passports[passports["feature"] == feature]
        first = own.sort_values("sae_seed", kind="stable").iloc[0]
        _head(opened, feature)
        more = "more" if first["sign"] > 0 else "less"
        st.markdown(
            f"**{plain(str(first['causal']).capitalize())}**: added at strength"
            f" {fixed(first['strength'], 1)}, it makes the model write {more} {plain(first['readout'])}; in"
            f" {int(own['steers'].sum())} of {len(own)} autoencoders."
        )
        _links(feature)
    if passports["win_rate"].notna().any():
        st.caption("Win rate over the best control on the report split, with the interval that decides.")
        names = {feature: f"{feature} {short_label(opened.evidence, feature)}" for feature in features}
        picture(themed(passports_drawn(passports, names)), "passports", NOT_VALIDATED, width="content")
