"""Files for a new study: upload boxes, and what the checks find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.verdict_text import plain
from workbench import InputError
from workbench.setup.uploads import (
    KINDS,
    MOST_BYTES,
    MOST_UNPACKED,
    Checked,
    Handed,
    columns_of,
    inspect,
    proposed_names,
)
from workbench.study.config import CohortConfig, StudyConfig
from workbench.wording import listed

MOST_TRACKS = 20
# Bytes in all that are checked at once; larger uploads when the run is started.
AT_ONCE = 64 << 20
# Times that training may read its split over before a warning, and what is proposed then.
MOST_PASSES, FEW_PASSES = 10, 4
_MIB = 1 << 20


class Uploads(NamedTuple):
    """Uploaded files, a key that changes with them, and their bytes in all."""

    files: list[Handed]
    key: tuple[str, ...]
    size: int


def upload_boxes() -> Uploads:
    """Draw the upload boxes with their limits; returns what they hold."""
    limit = MOST_BYTES // _MIB
    left, right = st.columns(2)
    # Endings are checked by the intake, with the sentence of the command line.
    genome: Any = left.file_uploader(f"Genome: {KINDS['genome'].words}", key="genome", max_upload_size=limit)
    tracks: Any = right.file_uploader(
        f"Annotation: {KINDS['track'].words}",
        accept_multiple_files=True,
        key="tracks",
        max_upload_size=limit,
        help="What features are tested against. A GenBank or EMBL genome brings its own.",
    )
    st.caption(
        f"Plain or gzipped; at most {limit:,} MiB a file as sent, {MOST_UNPACKED // _MIB:,} MiB unpacked,"
        f" {MOST_TRACKS} annotation files. Larger genomes: `workbench new` with their paths."
    )
    with st.expander("Samples: variants and phenotypes (optional)"):
        left, right = st.columns(2)
        variants: Any = left.file_uploader(
            "Variants of samples: VCF, called against this genome", key="variants", max_upload_size=limit
        )
        phenotypes: Any = right.file_uploader(
            "Phenotypes: a table with a column `sample`", key="phenotypes", max_upload_size=limit
        )
    handed = [("genome", genome), *(("track", file) for file in tracks[:MOST_TRACKS])]
    handed += [("variants", variants), ("phenotypes", phenotypes)]
    there = [(kind, file) for kind, file in handed if file is not None]
    return Uploads(
        [Handed(kind, file.name, file) for kind, file in there],
        tuple(str(file.file_id) for _, file in there),
        sum(file.size for _, file in there),
    )


def samples_columns(uploads: Uploads) -> CohortConfig:
    """Draw the roles of the phenotype table's columns; returns the cohort's configuration."""
    table = next((f for f in uploads.files if f.kind == "phenotypes"), None)
    if table is None:
        return CohortConfig()
    names = columns_of(table)
    left, middle, right = st.columns(3)
    covariates = left.multiselect(
        "Covariates", names, help="Columns that are adjusted for, as sequencing depth."
    )
    groups = middle.multiselect(
        "Groups",
        [n for n in names if n not in covariates],
        help="Columns of lineage, site or family; the first is held fixed in every test.",
    )
    rest = [n for n in names if n not in covariates and n not in groups]
    phenotypes = right.multiselect(
        "Phenotypes", rest, help="What is to be explained; none chosen: all other columns."
    )
    return CohortConfig(phenotype=phenotypes, covariates=covariates, groups=groups)


def taken_names(uploads: Uploads) -> dict[str, str]:
    """Contig names of these files with the genome's for each, as far as the reader took a proposal."""
    key, names = st.session_state.get("renamed", ((), {}))
    return names if key == uploads.key else {}


def check_uploads(uploads: Uploads, config: StudyConfig) -> str:
    """Show what the files hold, what is wrong with them, and what is too little for the settings.

    Where names of contigs differ and the files tell which is which, a button takes the genome's. Returns the
    error, empty where there is none.
    """
    if not any(file.kind == "genome" for file in uploads.files) or uploads.size > AT_ONCE:
        return ""
    key = (uploads.key, config)
    kept = st.session_state.get("checked")
    if kept is None or kept[0] != key:
        try:
            with st.spinner("Checking the files"):
                kept = key, inspect(uploads.files, config), {}
        except InputError as error:
            kept = key, str(error), proposed_names(uploads.files, config)
        st.session_state["checked"] = kept
    _, found, proposed = kept
    if isinstance(found, str):
        st.error(plain(found), icon=":material/error:")
        if proposed and st.button("Take the genome's names", key="rename", help=plain(_pairs(proposed))):
            st.session_state["renamed"] = uploads.key, proposed
            st.rerun()
        return found
    st.success(plain(describe(found)), icon=":material/check_circle:")
    if config.input.rename:
        st.caption(plain(f"Names taken: {_pairs(config.input.rename)}."))
    passes = config.sae.tokens / found.readings
    if passes > MOST_PASSES and not config.sae.source:
        few = found.readings * FEW_PASSES
        enough = round(few, 2 - len(str(few)))  # two digits
        st.warning(
            plain(
                f"Short for this training: {config.sae.tokens:,} training bases read the {found.readings:,}"
                f" readings of the train split {passes:.0f} times over, so that the autoencoder may learn"
                f" this sequence by heart. Set Training bases to {enough:,} or so, or give more sequence."
            ),
            icon=":material/warning:",
        )
    return ""


def _pairs(names: dict[str, str]) -> str:
    return listed([f"{old} is {new}" for old, new in names.items()])


def estimate_button(uploads: Uploads, config: StudyConfig, place: DeltaGenerator) -> None:
    """Draw the button that measures the model here, and what it said of these files and settings."""
    key = (uploads.key, config)
    ready = any(file.kind == "genome" for file in uploads.files)
    if place.button("Estimate time and memory", key="estimate", disabled=not ready):
        from workbench.setup.forecast import forecast  # PyTorch

        with st.spinner("Measuring how fast this machine reads"):
            st.session_state["estimated"] = key, forecast(uploads.files, config)
    kept = st.session_state.get("estimated")
    if kept is not None and kept[0] == key:
        found = kept[1]
        st.info(
            plain(
                f"About {minutes(found.least)} to {minutes(found.most)}, and {found.memory / 1e9:.1f} GB"
                f" of memory."
                f" Measured here: the model reads {found.rate:,.0f} bases a second, both strands; the rest"
                f" is scaled"
                " from that, roughly, with the machine to itself."
            ),
            icon=":material/timer:",
        )


def minutes(seconds: float) -> str:
    """A time in words: minutes, hours from two on."""
    return f"{max(1, round(seconds / 60))} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def describe(found: Checked) -> str:
    """Contents of checked files, in a sentence or two."""
    bases = sum(found.contigs.values())
    listed = ", ".join(f"{track} ({count:,})" for track, count in found.tracks.items())
    many = "contigs" if len(found.contigs) > 1 else "contig"
    tested = f"Tracks to test: {listed}." if listed else "No annotation: features are described, not tested."
    text = f"{len(found.contigs):,} {many}, {bases:,} bases. {tested}"
    return f"{text} {found.samples:,} samples with variants and phenotypes." if found.samples else text


def suggested_name(uploads: Uploads) -> str:
    """Default name of the study, after the genome's file."""
    name = next((Path(f.name).name for f in uploads.files if f.kind == "genome"), "")
    return re.sub(r"[^A-Za-z0-9]+", "-", name.split(".")[0]).strip("-")[:40]
