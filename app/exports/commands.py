"""Commands of ``workbench`` that produce what a page shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import streamlit as st

Command = list[str]


def run(folder: Path) -> Command:
    """The command that runs or resumes a study."""
    return ["workbench", "run", str(folder)]


def status(folder: Path) -> Command:
    """The command that prints stages, shards and times."""
    return ["workbench", "status", str(folder)]


def export_table(folder: Path, what: str, format: str = "tsv", features: Iterable[int] = ()) -> Command:
    """The command that writes a table of the study, of all or some features."""
    words = ["workbench", "export", str(folder), "--what", what, "--format", format]
    numbers = ",".join(map(str, features))
    if numbers:
        words += ["--features", numbers]
    return [*words, "--out", f"{what}.{format}"]


def export_activations(
    folder: Path, features: Iterable[int], format: str = "bigwig", at: str = "", strand: str = "both"
) -> Command:
    """The command that writes activations of features along the genome or a region."""
    words = ["workbench", "export", str(folder), "--what", "activations", "--format", format]
    words += ["--features", ",".join(map(str, features))]
    if at:
        words += ["--at", at]
    if strand != "both":
        words += ["--strand", strand]
    out = "activations" if format in ("bigwig", "bedgraph") else f"activations.{format}"
    return [*words, "--out", out]


def score(model: str) -> Command:
    """The command that scores sequences."""
    return ["workbench", "score", "sequence.fa", "--model", model]


def variants(folder: Path, alleles: str = "chrom:position:REF:ALT") -> Command:
    """The command that scores alleles of the study's genome, with features gained and lost."""
    return ["workbench", "variants", str(folder), "--variants", alleles]


def session(folder: Path) -> Command:
    """The command that saves what readers wrote in the study."""
    return ["workbench", "session", str(folder), "--out", "session.json"]


def show(*commands: Command, note: str = "") -> None:
    """Draw commands to be copied."""
    with st.expander("Equivalent command"):
        st.code("\n".join(shlex.join(words) for words in commands), language="bash")
        if note:
            st.caption(note)
