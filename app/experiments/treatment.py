"""What was done to a model: a treatment before and after, and the curve of one that was pruned."""

from __future__ import annotations

import streamlit as st

from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.tables import COLUMNS
from app.verdict_text import plain
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED

SHOWN = ["name", "arm", "before", "after", "change", "low", "high", "word"]


def show_treatment(_: Opened, experiment: Experiment) -> None:
    """Draw the symptom and everything else, before and after, beside the sham."""
    from workbench.experiments.outcomes import DETECTOR, SHAM, SYMPTOM  # PyTorch
    from workbench.experiments.treat_page import bits_drawn  # PyTorch

    folder = experiment.folder
    candidates, changes = (read_parquet(folder / f"{name}.parquet") for name in ("candidates", "changes"))
    st.subheader("Before and after")
    if changes.empty:
        st.info("Nothing was found to treat: nothing carries the symptom beyond its controls.")
        return
    chosen = candidates[candidates["chosen"]].iloc[0]
    st.markdown(plain(f"Treatment: {chosen['what']}."))
    symptom = changes[changes["what"] == SYMPTOM]
    st.caption(plain(f"The symptom on the report split: {symptom['name'].iloc[0]}. Less is better."))
    st.dataframe(symptom, hide_index=True, column_order=SHOWN[1:], column_config=COLUMNS)
    flags = read_parquet(folder / "flags.parquet")
    st.caption(
        "Flags of the audit on these bases. Silenced: gone, since the feature fires less than half as often."
    )
    st.dataframe(flags[flags["before"] + flags["after"] > 0], hide_index=True, column_config=COLUMNS)
    st.markdown("**Everything else**")
    sham = "The sham shows what any treatment of this size does."
    none = "There is no sham: too few others of its kind do not carry the symptom."
    st.caption(f"Bits a base more, by class of region. {sham if (changes['arm'] == SHAM).any() else none}")
    picture(themed(bits_drawn(changes)), "treated_bits", NOT_VALIDATED, width="content")
    detectors = changes[changes["what"] == DETECTOR]
    if len(detectors):
        st.dataframe(detectors, hide_index=True, column_order=SHOWN, column_config=COLUMNS)
    verdicts = read_parquet(folder / "verdicts.parquet")
    moved = verdicts[verdicts["verdict_before"] != verdicts["verdict_after"]]
    st.caption(f"{len(moved)} of {len(verdicts)} verdicts are another; controls and q are not read again.")
    if len(moved):
        st.dataframe(moved, hide_index=True, column_config=COLUMNS)


def show_pruned(_: Opened, experiment: Experiment) -> None:
    """Draw size against bits, of the bases that were to be kept."""
    from workbench.experiments.prune_page import curve_drawn  # PyTorch

    curve, models = (read_parquet(experiment.folder / f"{name}.parquet") for name in ("curve", "models"))
    st.subheader("Size against bits")
    kept = experiment.settings.track or "the whole genome"
    st.caption(plain(f"Bits a base of report bases, {kept}, by the share of the parameters that is left."))
    own = (table[(table["bases"] == "kept") & table["bits"].notna()] for table in (curve, models))
    picture(themed(curve_drawn(*own)), "pruned_curve", NOT_VALIDATED, width="content")
