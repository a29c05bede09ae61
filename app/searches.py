"""Searches of the atlas beyond its filters: by motif, by matrix, by a sequence, by a place."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app.data import Opened, key_of
from app.words import plain
from workbench.atlas import find_motif
from workbench.enrichment import Counts, contig_counts, enrichment
from workbench.matrix_search import find_matrix, parse_matrix
from workbench.pasted import Pasted, clean, firing, read_pasted
from workbench.views import Locus, find_locus

MOST_ENRICHED = 200
NONE = "none"


@st.cache_data(max_entries=16, show_spinner="The model reads the sequence on both strands")
def read_cached(_opened: Opened, key: tuple[str, ...], sequence: str) -> Pasted:
    """What the model says of a sequence, kept for all pages."""
    return read_pasted(_opened.study, sequence)


@st.cache_resource(max_entries=16, show_spinner="Counting every feature on this contig, once")
def _counts(_opened: Opened, key: tuple[str, ...], chrom: str) -> Counts:
    return contig_counts(_opened.study, chrom)


@st.cache_data(max_entries=32, show_spinner="Counting what fires in this place")
def _enriched(_opened: Opened, key: tuple[str, ...], at: Locus) -> pd.DataFrame:
    return enrichment(_opened.study, at, _counts(_opened, key, at.chrom), MOST_ENRICHED)


@st.cache_data(max_entries=32, show_spinner="Comparing the matrix with every logo")
def _matched(_opened: Opened, key: tuple[str, ...], matrix: str) -> pd.DataFrame:
    return find_matrix(_opened.evidence.logos, parse_matrix(matrix))


def by_motif(opened: Opened, text: str) -> pd.DataFrame:
    """Features whose strongest bases hold an IUPAC motif: ``motif_share, motif_expected, motif_p``."""
    found = find_motif(opened.evidence.examples, text)
    names = {"share": "motif_share", "expected": "motif_expected", "p": "motif_p"}
    return found.rename(columns=names)[["feature", *names.values()]]


def by_matrix(opened: Opened, text: str) -> pd.DataFrame:
    """Features whose logo fits a position frequency matrix: ``fit, matrix_p``."""
    found = _matched(opened, key_of(opened), text)
    return found.rename(columns={"p": "matrix_p"})[["feature", "fit", "matrix_p"]]


def by_sequence(opened: Opened, text: str) -> pd.DataFrame:
    """Features that fire in a sequence: ``in_sequence``."""
    read = read_cached(opened, key_of(opened), clean(text))
    found = firing(read, opened.evidence.catalog)
    return found.rename(columns={"of_genome": "in_sequence"})[["feature", "in_sequence"]]


def by_place(opened: Opened, text: str) -> pd.DataFrame:
    """Features that fire in a stretch more than on its contig: ``in_region``."""
    found = _enriched(opened, key_of(opened), find_locus(opened.study, text))
    return found.rename(columns={"odds_low": "in_region"})[["feature", "in_region"]]


SEARCHES: dict[str, tuple[str, str, Callable[[Opened, str], pd.DataFrame]]] = {
    "motif": ("Motif", "IUPAC letters, as in TATAAT or GGNCC", by_motif),
    "matrix": ("Matrix", "JASPAR, or four lines of numbers: A, C, G, T", by_matrix),
    "sequence": ("Sequence", "letters of DNA; the model reads them", by_sequence),
    "place": ("Place", "contig:start-end (0-based), or the name of a gene", by_place),
}
"""Key in the address to label, what to type, and the search, which gives features in order."""


def box(opened: Opened, write: Callable[[], None]) -> tuple[str, str]:
    """Which search, and its text; both are in the address."""
    asked = next((key for key in SEARCHES if st.query_params.get(key)), NONE)
    st.session_state.setdefault("atlas_by", asked)
    if asked != NONE:
        st.session_state["atlas_by"] = asked
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    kind = left.selectbox(
        "Search by", [NONE, *SEARCHES], key="atlas_by", on_change=write,
        format_func=lambda k: "words only" if k == NONE else SEARCHES[k][0],
    )  # fmt: skip
    if kind == NONE:
        right.caption("Or by what features fire on: a motif, a matrix, a sequence, a place.")
        return NONE, ""
    st.session_state["atlas_text"] = st.query_params.get(kind, "")
    label, hint, _ = SEARCHES[kind]
    if kind in ("matrix", "sequence"):
        text = right.text_area(
            label, key="atlas_text", on_change=write, placeholder=hint, height=100
        )
    else:
        text = right.text_input(label, key="atlas_text", on_change=write, placeholder=hint)
    return str(kind), str(text or "")


def search(opened: Opened, rows: pd.DataFrame, kind: str, text: str) -> pd.DataFrame:
    """Rows that a search finds, in its order, with its columns. ``InputError`` for what it cannot read."""
    if kind == NONE or not text.strip():
        return rows
    found = SEARCHES[kind][2](opened, text).astype({"feature": int})
    st.caption(plain(f"{len(found):,} features found by {SEARCHES[kind][0].lower()}, best first."))
    return found.merge(rows.reset_index(drop=True), on="feature", how="inner")
