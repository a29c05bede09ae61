"""A sequence, or a place of the genome, as the model reads it now: features, likelihood, two alleles."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links
from app.canvas.browsing import find_place
from app.canvas.component import canvas
from app.data.study import Opened, current
from app.exports import commands
from app.exports.standalone import make_page
from app.navigation import KEPT, put
from app.stretch.reading import Source, around, changes, of_place, read, read_source
from app.stretch.sections import (
    CHANGED,
    CURRENT,
    RAREST,
    active_features,
    allele_section,
    changed_features,
    features_section,
    mutagenesis,
)
from app.stretch.strips import MOST_STRIPS, Reading, context_words, genes_words, strips_message
from app.verdict_text import plain
from workbench import InputError
from workbench.browse.pasted_sequence import LONGEST
from workbench.wording import bases, fixed

# A place up to this length is read without asking; bases of a file, at most, with its header and line ends.
AT_ONCE, MOST_FILE = 20_000, 2 * LONGEST
# Pixels of the canvas.
HEIGHT = 560
STYLE = f"""
[data-testid=stMainBlockContainer] {{padding: 1rem 0.75rem 2rem; max-width: none}}
[data-testid=stHeader] {{position: absolute; background: transparent; height: 2.8rem; min-height: 2.8rem}}
[data-testid=stHeader], [data-testid=stHeader] * {{pointer-events: none}}
[data-testid=stHeader] button, [data-testid=stHeader] button * {{pointer-events: auto}}
/* For those who hear the page: the boxes say to others what it is. */
.st-key-sequence_title {{position: absolute; height: 1px; overflow: hidden; clip-path: inset(50%)}}
.st-key-sequence_boxes {{padding-left: 2.6rem}}
.st-key-sequence_stage {{min-height: {HEIGHT}px}}
"""


def boxes(opened: Opened) -> tuple[str, str]:
    """Draw the boxes; what was typed for the sequence, or its file's text, and for the changes."""
    state, query = st.session_state, st.query_params
    left, right, more = st.container(key="sequence_boxes").columns([6, 5, 1.4], vertical_alignment="bottom")
    # What was pasted comes back with the page, unless another place has been looked at in between.
    text, at = state.get("sequence_kept", ("", ""))
    if "sequence_text" not in state and text and at == query.get("at", ""):
        state["sequence_text"] = text
    if "allele_text" not in state:
        state["allele_text"] = query.get("allele", "")
    text = left.text_area(
        f"Sequence or place (2 to {bases(LONGEST)})", key="sequence_text", height=68,
        placeholder="ACGT... or FASTA, chr:1,001-2,000, a gene",
        help="Bases, with a FASTA header or not, read by the study's windows; or a place of its genome, as on"
        " the browse page. Empty: the place that was looked at last.",
    )  # fmt: skip
    allele = right.text_area(
        "Changes of a second allele", key="allele_text", height=68,
        placeholder="120:A:G, g.131_132del, rpoB:p.Ser450Leu",
        help="position:REF:ALT (an empty REF inserts before the position, an empty ALT deletes), HGVS g. or"
        " p. (the codon that changes fewest bases is taken), or the whole other sequence. The first base is"
        " number 1; on the genome, positions are the contig's.",
        on_change=lambda: put(allele=state["allele_text"].strip()[:500]),
    )  # fmt: skip
    with more.popover("File", icon=":material/upload_file:", help="Read a FASTA file"):
        file = st.file_uploader("A FASTA file with one record", key="sequence_file", max_upload_size=1)
    if file is not None and not text.strip():
        data = file.read(MOST_FILE + 1)
        if len(data) > MOST_FILE:
            raise InputError(f"{file.name}: {len(data):,} bytes and more; at most {bases(LONGEST)} are read")
        text = data.decode("utf-8", "replace")
    state["sequence_kept"] = (text, query.get("at", ""))
    return text, allele


def source_of(opened: Opened, text: str, allele: str) -> Source | None:
    """What to read: what was typed, else the place of the address, else that of the changes."""
    if text.strip():
        source = read_source(opened, text, contig_in_view(opened))
        if not source.letters:
            put(at=str(source.locus))
        return source
    if at := st.query_params.get("at", ""):
        source = of_place(find_place(opened, at))
        if source.locus.size > AT_ONCE and not st.toggle(f"Read {source}", key="read_long"):
            return None
        return source
    if allele.strip():
        source = around(opened, allele)
        put(at=str(source.locus))
        return source
    st.info("Paste a sequence, or name a place, to see which features are active in it.")
    return None


def contig_in_view(opened: Opened) -> str:
    """The contig that a position without one is of: that of the address, else the only one, else none."""
    contigs = list(opened.evidence.manifest.contigs)
    here = st.query_params.get("at", "").rpartition(":")[0]
    if here in contigs:
        return here
    return contigs[0] if len(contigs) == 1 else ""


def drawn_features(line: DeltaGenerator, opened: Opened, ranked: list[int], changed: list[int]) -> list[int]:
    """Draw the choice of features; those that are drawn."""
    known = links.parse_numbers(st.query_params.get("features")) or ()
    now = [f for f in known if f < len(opened.evidence.catalog)]
    offered = {CHANGED: changed, CURRENT: now, RAREST: ranked}
    offered = {name: features[:MOST_STRIPS] for name, features in offered.items() if features}
    if not offered:
        return []
    state = st.session_state
    # What changes most, once there is a second allele; else what the reader chose before.
    fresh = CHANGED in offered and not state.get("sequence_compared")
    state["sequence_compared"] = CHANGED in offered
    if fresh or state.get("sequence_drawn") not in offered:
        state["sequence_drawn"] = next(iter(offered))
    chosen = line.segmented_control(
        "Draw", list(offered), key="sequence_drawn", label_visibility="collapsed", width="content"
    )
    return offered.get(chosen or "", [])


def draw(opened: Opened) -> Reading | None:
    """Draw the page; what was read."""
    text, allele = boxes(opened)
    source = source_of(opened, text, allele)
    if source is None:
        return None
    change = None
    try:
        change = changes(opened, source, allele) if allele.strip() else None
    except InputError as error:  # the sequence stays
        st.error(plain(str(error)))
    pasted = read(opened, source)
    other = read(opened, source, change.edits) if change else None
    reading = Reading(source, pasted, change, other)
    table, differing = active_features(opened, reading), changed_features(opened, reading)
    ranked = table.loc[table["aside"] == "", "feature"].astype(int).tolist()
    changed = differing.loc[~differing["dead"].astype(bool), "feature"].astype(int).tolist()
    mean = [f"{s} {fixed(bits_a_base(n))}" for s, n in pasted.nats.items()]
    line = st.container(horizontal=True, vertical_alignment="center")
    features = drawn_features(line, opened, ranked, changed)
    said = f"{source}. Bits a base: {', '.join(mean)}; 2 is chance, lower is more likely."
    line.caption(plain(f"{said} {genes_words(source)}"), width="content")
    with st.container(key="sequence_stage"):
        token, linked = _token(source, allele), _linked()
        data = strips_message(opened, reading, features, token, linked)
        canvas(data, "sequence_canvas", _nothing, _nothing, _nothing, _nothing)
    page_button(opened, reading, data, features)
    allele_section(opened, reading, differing)
    features_section(opened, reading, table)
    mutagenesis(opened, reading, ranked)
    return reading


def bits_a_base(nats: np.ndarray) -> float | None:
    """Mean over the letters that have a likelihood; None where none has one."""
    known = nats[np.isfinite(nats)]
    return float(-known.mean() / np.log(2)) if known.size else None


def equivalent(opened: Opened, reading: Reading | None) -> None:
    """Draw the commands; they name what was changed where that is of the study's genome."""
    changes = ["contig:position:REF:ALT"]
    if reading is not None and reading.allele is not None and not reading.source.letters:
        changes = [variant.name for variant in reading.allele.variants]
    model = opened.study.config.model.name
    commands.show(
        commands.score(model),
        commands.variants(opened.study.folder, ",".join(changes)),
        note="The second explains alleles of the study's own genome: contig:position:REF:ALT, HGVS g. or p.",
    )


def page_button(opened: Opened, reading: Reading, data: bytes, features: list[int]) -> None:
    """Draw the button for the canvas as a page by itself."""
    lines = [f"{reading.source}. {context_words(opened, reading)} {genes_words(reading.source)}"]
    if reading.allele is not None:
        names = ", ".join(variant.name for variant in reading.allele.variants)
        lines += [f"With the changes: {names}.", *reading.allele.said]
    name = str(reading.source.locus.chrom)
    st.download_button(
        "Standalone page", partial(make_page, opened, str(reading.source), data, features, lines),
        file_name=f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.html", mime="text/html", key="sequence_page",
        icon=":material/captive_portal:", on_click="ignore", type="tertiary",
        help="The canvas for somebody without the study: one file that moves and zooms, offline.",
    )  # fmt: skip


def _token(source: Source, allele: str) -> int:
    """Counts what was read, so that the canvas shows all of it when that is another."""
    state = st.session_state
    if state.get("sequence_read") != (source, allele):
        state["sequence_read"] = source, allele
        state["sequence_token"] = state.get("sequence_token", 0) + 1
    return int(state["sequence_token"])


def _linked() -> str:
    now = st.query_params.to_dict()
    return links.join_query({key: now[key] for key in KEPT if key in now and key != "feature"}) + "&"


def _nothing() -> None:
    """The canvas holds all of it and asks for nothing."""


opened = current()
st.set_page_config(initial_sidebar_state="collapsed")
st.html(f"<style>{STYLE}</style>")
st.container(key="sequence_title").title("Sequence")
reading = None
try:
    reading = draw(opened)
except (InputError, ValueError) as error:
    st.error(plain(str(error)))
equivalent(opened, reading)
