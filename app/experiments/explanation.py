"""What a phenotype's predictor rests on, of the cohort and of single samples."""

from __future__ import annotations

import streamlit as st

from app.charts import themed
from app.data.study import Opened
from app.figures import picture
from app.verdict_text import plain
from workbench.experiments.kind import Experiment
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED, fixed


def show_explained(_: Opened, experiment: Experiment) -> None:
    """Draw what predicts, and what each locus adds to the samples that were asked for."""
    from workbench.experiments.explain_page import MEANING, RESTS, parts_drawn, scores_drawn  # PyTorch

    folder = experiment.folder
    facts = read_facts(folder / "facts.json")
    st.subheader("Loci or lineage")
    st.markdown(plain(f"{MEANING[facts['verdict']]} Verdict: {facts['verdict']}; {facts['reason']}."))
    if facts["simulated"]:
        st.warning(plain(f"SIMULATED samples: {facts['simulated']}"), icon=":material/science:")
    st.warning(
        "Not for diagnosis, and not to choose or withhold a treatment. The page below says what else this may"
        " not be used for.",
        icon=":material/warning:",
    )
    measure = "AUROC" if facts["binary"] else "R²"
    picture(
        themed(scores_drawn(read_parquet(folder / "scores.parquet"), measure)), "explained_scores",
        NOT_VALIDATED, width="content",
    )  # fmt: skip
    if not (folder / "samples.parquet").exists():
        return
    samples, parts = (read_parquet(folder / f"{name}.parquet") for name in ("samples", "parts"))
    for number, (name, own) in enumerate(samples.groupby("sample", sort=False)):
        first = own.iloc[0]
        st.markdown(f"**{plain(f'Sample {name}')}**")
        told = f"Predicted {fixed(first['predicted'], 3)}; its lineage {fixed(first['relatives'], 3)}."
        st.caption(plain(f"{told} It rests {RESTS[first['rests']]}."))
        mine = parts[(parts["sample"] == name) & (parts["folds"] == first["folds"])]
        drawn = themed(parts_drawn(mine, facts["binary"]))
        picture(drawn, f"explained_sample{number}", NOT_VALIDATED, width="content")
