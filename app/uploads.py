"""Files for a new study: boxes to drop them in, and what the checks say of them at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app.words import plain
from workbench import InputError
from workbench.config import CohortConfig, StudyConfig
from workbench.intake import KINDS, MOST_BYTES, MOST_UNPACKED, Checked, Handed, columns_of, inspect

MOST_TRACKS = 20
AT_ONCE = 64 << 20
"""Bytes in all that are checked as soon as they are there; larger uploads when the run is asked for."""
_MIB = 1 << 20


class Given(NamedTuple):
    """What was dropped: the files, a mark that changes with them, and their bytes in all."""

    files: list[Handed]
    mark: tuple[str, ...]
    size: int


def boxes() -> Given:
    """The boxes, with the limits in words."""
    limit = MOST_BYTES // _MIB
    left, right = st.columns(2)
    # Endings are checked by the intake, with the sentence of the command line.
    genome: Any = left.file_uploader(
        f"Genome: {KINDS['genome'].words}", key="genome", max_upload_size=limit
    )
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
            "Variants of samples: VCF, called against this genome",
            key="variants",
            max_upload_size=limit,
        )
        phenotypes: Any = right.file_uploader(
            "Phenotypes: a table with a column `sample`", key="phenotypes", max_upload_size=limit
        )
    handed = [("genome", genome), *(("track", file) for file in tracks[:MOST_TRACKS])]
    handed += [("variants", variants), ("phenotypes", phenotypes)]
    there = [(kind, file) for kind, file in handed if file is not None]
    return Given(
        [Handed(kind, file.name, file) for kind, file in there],
        tuple(str(file.file_id) for _, file in there),
        sum(file.size for _, file in there),
    )


def samples_columns(given: Given) -> CohortConfig:
    """Which columns of the table of phenotypes are what."""
    table = next((f for f in given.files if f.kind == "phenotypes"), None)
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


def verdict(given: Given, config: StudyConfig) -> str:
    """Say what is in the files, or what is wrong with them; gives the error, empty where all is well."""
    if not any(file.kind == "genome" for file in given.files) or given.size > AT_ONCE:
        return ""
    key = (given.mark, config)
    kept = st.session_state.get("checked")
    if kept is None or kept[0] != key:
        try:
            with st.spinner("Checking the files"):
                kept = key, inspect(given.files, config)
        except InputError as error:
            kept = key, str(error)
        st.session_state["checked"] = kept
    found = kept[1]
    if isinstance(found, str):
        st.error(plain(found), icon=":material/error:")
        return found
    st.success(plain(said(found)), icon=":material/check_circle:")
    return ""


def said(found: Checked) -> str:
    """What was found in the files, in a sentence or two."""
    bases = sum(found.contigs.values())
    listed = ", ".join(f"{track} ({count:,})" for track, count in found.tracks.items())
    many = "contigs" if len(found.contigs) > 1 else "contig"
    text = f"{len(found.contigs):,} {many}, {bases:,} bases. Tracks to test: {listed}."
    return (
        f"{text} {found.samples:,} samples with variants and phenotypes." if found.samples else text
    )


def suggested_name(given: Given) -> str:
    """A name for the study, after the genome's file."""
    name = next((Path(f.name).name for f in given.files if f.kind == "genome"), "")
    return re.sub(r"[^A-Za-z0-9]+", "-", name.split(".")[0]).strip("-")[:40]
