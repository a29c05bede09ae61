"""Searches of the atlas beyond its filters: by motif, matrix, sequence or locus."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pandas as pd
import streamlit as st

from app.data.annotation import names
from app.data.study import Opened, key_of, scale
from app.verdict_text import plain
from feature_mining.association.verdict import MAX_Q
from genomic_models.dna import IUPAC
from workbench import InputError
from workbench.browse.atlas import find_motif, find_words
from workbench.browse.enrichment import Counts, contig_counts, enrichment
from workbench.browse.motif_search import find_matrix, parse_matrix
from workbench.browse.pasted_sequence import Pasted, clean, firing, read_pasted
from workbench.browse.places import read_place
from workbench.genome.interval import Interval
from workbench.study.notes import read_notes
from workbench.wording import percent, plural, spoken

MOST_ENRICHED = 200
# Bases of a sequence that is searched by: the page Sequence reads longer ones.
LONGEST_SEARCHED = 4000
SHORTEST_MOTIF = 4
NONE = "none"


@st.cache_data(max_entries=16, show_spinner="The model reads the sequence on both strands")
def read_cached(_opened: Opened, key: tuple[str, ...], sequence: str) -> Pasted:
    """The model's reading of a sequence, cached for all pages."""
    return read_pasted(_opened.study, sequence)


@st.cache_resource(max_entries=32, show_spinner="Counting every feature on this contig, once")
def _counts(_opened: Opened, key: tuple[str, ...], chrom: str) -> Counts:
    return contig_counts(_opened.study, chrom)


@st.cache_data(max_entries=64, show_spinner="Counting active features in this region")
def _enriched(_opened: Opened, key: tuple[str, ...], at: Interval, most: int) -> pd.DataFrame:
    return enrichment(_opened.study, at, _counts(_opened, key, at.chrom), most)


def enriched(opened: Opened, at: Interval, most: int) -> pd.DataFrame:
    """Features more active in a region than on its contig, as `workbench.browse.enrichment` finds them."""
    return _enriched(opened, key_of(opened), at, most)


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
    """Features active in a sequence, the rarest value first: ``in_sequence, rarity``."""
    read = read_cached(opened, key_of(opened), clean(text, LONGEST_SEARCHED))
    found = firing(read, opened.evidence.catalog, scale(opened), opened.study.grid.warmup)
    found = found[found["aside"] == ""]
    return found.rename(columns={"of_top": "in_sequence"})[["feature", "in_sequence", "rarity"]]


def by_place(opened: Opened, text: str) -> pd.DataFrame:
    """Features more active in a region than on its contig: ``in_region``."""
    found = enriched(opened, read_place(opened.study, text, names(opened)), MOST_ENRICHED)
    found = found[~found["dead"]]
    return found.rename(columns={"odds_low": "in_region"})[["feature", "in_region"]]


def find_features(opened: Opened, text: str) -> pd.DataFrame:
    """Features by number, label, note, any track that they go with, motif, or what is active at a gene.

    Returns ``feature`` and ``found_by``, the best first, dead features last. Letters of DNA are a motif,
    other IUPAC letters where no word matches; a gene, locus tag or product where nothing else does.
    """
    evidence = opened.evidence
    notes = {f: f"{note.name} {note.text}" for f, note in read_notes(opened.study.folder).items()}
    found = find_words(evidence.catalog, evidence.associations, text, notes)
    letters = set(text.strip().upper())
    if (
        len(text.strip()) >= SHORTEST_MOTIF
        and letters <= set(IUPAC)
        and (found.empty or letters <= set("ACGTUN"))
    ):
        hits = by_motif(opened, text)
        hits = hits[hits["motif_p"] <= MAX_Q]
        said = [f"motif in {percent(share)} of its strongest bases" for share in hits["motif_share"]]
        found = pd.concat([hits[["feature"]].assign(found_by=said), found]).drop_duplicates("feature")
    if found.empty and not text.strip().isdecimal():
        with suppress(InputError):  # no such name: nothing is found
            at = read_place(opened.study, text, names(opened))
            here = by_place(opened, text)[["feature"]]
            found = here.assign(found_by=f"active at {text.strip()}, {spoken(*at)}")
    dead = evidence.catalog["dead"].reindex(found["feature"]).to_numpy(bool)
    return found.iloc[np.argsort(dead, kind="stable")].reset_index(drop=True)


# Key in the address to label, what to type, and the search, which gives features in order.
SEARCHES: dict[str, tuple[str, str, Callable[[Opened, str], pd.DataFrame]]] = {
    "motif": ("Motif", "IUPAC letters, as in TATAAT or GGNCC", by_motif),
    "matrix": ("Matrix", "JASPAR, or four lines of numbers: A, C, G, T", by_matrix),
    "sequence": ("Sequence", "bases, which the model reads", by_sequence),
    "place": (
        "Locus",
        "contig:first-last (the first base is number 1), a gene, locus tag or product",
        by_place,
    ),
}


def box(opened: Opened, write: Callable[[], None]) -> tuple[str, str]:
    """Draw the boxes; returns the search's key and its text, both of them in the address."""
    requested = next((key for key in SEARCHES if st.query_params.get(key)), NONE)
    st.session_state.setdefault("atlas_by", requested)
    if requested != NONE:
        st.session_state["atlas_by"] = requested
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    kind = left.selectbox(
        "Search by", [NONE, *SEARCHES], key="atlas_by", on_change=write,
        format_func=lambda k: "words only" if k == NONE else SEARCHES[k][0],
    )  # fmt: skip
    if kind == NONE:
        right.caption("Or by where features are active: a motif, a matrix, a sequence, a locus.")
        return NONE, ""
    st.session_state["atlas_text"] = st.query_params.get(kind, "")
    label, hint, _ = SEARCHES[kind]
    if kind in ("matrix", "sequence"):
        text = right.text_area(label, key="atlas_text", on_change=write, placeholder=hint, height=100)
    else:
        text = right.text_input(label, key="atlas_text", on_change=write, placeholder=hint)
    return str(kind), str(text or "")


def search(opened: Opened, rows: pd.DataFrame, kind: str, text: str) -> pd.DataFrame:
    """The rows that a search finds, in its order, with its columns; ``InputError`` for unreadable text."""
    if kind == NONE or not text.strip():
        return rows
    found = SEARCHES[kind][2](opened, text).astype({"feature": int})
    st.caption(plain(f"{plural(len(found), 'feature')} found by {SEARCHES[kind][0].lower()}, best first."))
    found = found.merge(rows.reset_index(drop=True), on="feature", how="inner")
    return found.sort_values("dead", kind="stable")
