"""The commands that make what a page shows; each is one that ``workbench`` takes as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import streamlit as st

Words = list[str]


def run(folder: Path) -> Words:
    """Make the study, or go on with it."""
    return ["workbench", "run", str(folder)]


def status(folder: Path) -> Words:
    """Stages, shards and times."""
    return ["workbench", "status", str(folder)]


def export_table(
    folder: Path, what: str, format: str = "tsv", features: Iterable[int] = ()
) -> Words:
    """A table of the study, whole or of some features."""
    words = ["workbench", "export", str(folder), "--what", what, "--format", format]
    numbers = ",".join(map(str, features))
    if numbers:
        words += ["--features", numbers]
    return [*words, "--out", f"{what}.{format}"]


def export_activations(
    folder: Path, features: Iterable[int], format: str = "bigwig", at: str = ""
) -> Words:
    """Features along the genome or a stretch of it."""
    words = ["workbench", "export", str(folder), "--what", "activations", "--format", format]
    words += ["--features", ",".join(map(str, features))]
    if at:
        words += ["--at", at]
    out = "activations" if format in ("bigwig", "bedgraph") else f"activations.{format}"
    return [*words, "--out", out]


def score(model: str) -> Words:
    """Likelihood of sequences of one's own."""
    return ["workbench", "score", "sequence.fa", "--model", model]


def explain(folder: Path, variants: str = "chrom:position:REF:ALT") -> Words:
    """Alleles of the study's genome: likelihood, features gained and lost."""
    return ["workbench", "variants", str(folder), "--variants", variants]


def show(*commands: Words, note: str = "") -> None:
    """The commands under a view, to be copied."""
    with st.expander("The command that makes this"):
        st.code("\n".join(shlex.join(words) for words in commands), language="bash")
        if note:
            st.caption(note)
