"""Overview of a study: model and data, findings, weaknesses, quality."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened, current
from app.exports import commands
from app.figures import picture as draw
from app.figures import table_file
from app.navigation import link
from app.tables import COLUMNS, CONTROLS, LED, once_each
from app.verdict_text import plain, short_label
from feature_mining.association.verdict import Verdict
from workbench.analysis.quality_table import quality_lines
from workbench.report import charts
from workbench.report.context import split_sizes
from workbench.report.sentences import SUMMARY_RULE, summary, weaknesses, with_verdict
from workbench.wording import bases, plural


def head(opened: Opened) -> None:
    """Draw model, genome, autoencoder and splits."""
    evidence = opened.evidence
    manifest, sae = evidence.manifest, evidence.sae
    st.title(plain(evidence.name))
    sizes = {name: bases(size) for name, (_, size) in split_sizes(manifest).items()}
    total = sum(manifest.contigs.values())
    st.write(
        plain(
            f"Layer {manifest.model.layer} of the model {manifest.model.name}, read on both strands of"
            f" {bases(total)} ({plural(len(manifest.contigs), 'contig')}), decomposed into"
            f" {sae['d_sae']:,} features by a sparse autoencoder (k = {sae['k']}). Trained on"
            f" {sizes['train']}; features and thresholds chosen on {sizes['select']}; every score below is"
            f" from the remaining {sizes['report']}."
        )
    )
    report = opened.study.folder / "report.html"
    if report.exists():
        st.download_button(
            "Download report.html",
            report.read_bytes(),
            file_name=f"{evidence.name}.report.html",
            mime="text/html",
            icon=":material/download:",
            on_click="ignore",
        )
    else:
        st.caption(plain(f"No report.html yet: run workbench run {opened.study.folder}"))


def findings(opened: Opened) -> None:
    """Draw findings and weaknesses in sentences."""
    evidence = opened.evidence
    found, weak = st.columns(2, gap="large")
    with found:
        st.subheader("What was found")
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in summary(evidence)))
        for feature in dict.fromkeys(with_verdict(evidence, Verdict.LEARNT)["feature"].astype(int)):
            line = st.container(horizontal=True)
            named = plain(f"Feature {feature}: {short_label(evidence, feature)}")
            link(line, links.feature("", feature), named, "category")
            link(line, links.browse(features=[feature]), "where it is strongest", "view_timeline")
    with weak:
        st.subheader("Weaknesses")
        doubts = weaknesses(evidence)
        st.markdown("\n".join(f"- {plain(doubt.sentence)}" for doubt in doubts))
        if not doubts:
            st.write("None of the report's rules found a weakness.")


def tracks(opened: Opened) -> None:
    """Draw the table of tracks with held-out scores, controls and verdicts."""
    evidence = opened.evidence
    st.subheader("Tracks and their best features")
    st.caption(SUMMARY_RULE)
    every = st.toggle("Every strand mode, not only the one that did best on the select split")
    rows = evidence.tracks if every else evidence.shown
    # Untested tracks have no feature.
    rows = once_each(rows.assign(feature=rows["feature"].where(rows["feature"] >= 0)))
    if rows.empty:
        st.info("No track was tested. Add annotation to the study and run it again.")
        return
    scores, controls, picture = st.tabs(["Held-out scores", "Controls", "Picture"])
    for tab, columns in ((scores, LED), (controls, CONTROLS)):
        order = [c for c in columns if c in rows]
        with tab:
            st.dataframe(rows[order], hide_index=True, column_config=COLUMNS, height="content")
            table_file(rows[order], f"tracks_{columns[-1]}")
    with picture:
        draw(themed(charts.tracks_against_controls(rows)), "tracks", width="content")
    link(
        st.container(),
        links.Address("track", {}),
        "Every feature for a track, ranked",
        "format_list_numbered",
    )
    with st.expander("What the verdicts say of a track's best feature"):
        meanings = [(verdict.value, verdict.meaning, verdict.rule) for verdict in Verdict]
        said = pd.DataFrame(meanings, columns=["verdict", "meaning", "rule"])
        st.dataframe(said, hide_index=True)


def quality(opened: Opened) -> None:
    """Draw the quality of the autoencoder."""
    evidence = opened.evidence
    values = evidence.quality
    st.subheader("Quality of the autoencoder")
    table = pd.DataFrame(quality_lines(values))
    st.dataframe(table, hide_index=True, height="content")
    table_file(table, "quality")
    st.caption(f"Measured on {values['bases']:,} readings of the {values['split']} split.")
    left, right = st.columns(2)
    if values.get("density"):
        left.markdown("Distribution of feature densities. Right of the dashed line: over-dense.")
        with left:
            draw(themed(charts.density_histogram(values["density"])), "densities", width="stretch")
    if values.get("shift"):
        right.markdown("Change of activations when windows are shifted. Shaded: warm-up, discarded.")
        with right:
            draw(themed(charts.shift_curve(values["shift"])), "shift", width="stretch")


opened = current()
head(opened)
findings(opened)
tracks(opened)
quality(opened)
folder = opened.study.folder
commands.show(
    commands.run(folder),
    commands.export_table(folder, "tracks"),
    commands.export_table(folder, "associations", "parquet"),
)
