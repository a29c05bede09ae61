"""What is on the screen as files of values and runs, and the commands that make them."""

from __future__ import annotations

import shlex
import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from app import links
from app.canvas.message import View
from app.data.study import Opened
from app.exports import commands
from app.exports.export_buttons import FileFormat, zipped
from app.exports.standalone import view_command, view_page

# Longer stretches are exported by the command, not through the browser.
MOST_BASES = 1_000_000

DATA = (
    FileFormat("TSV", "tsv", "tsv", "text/tab-separated-values"),
    FileFormat("Parquet", "parquet", "parquet", "application/vnd.apache.parquet"),
    FileFormat("BED", "bed", "bed", "text/plain"),
    FileFormat("GFF3", "gff3", "gff3", "text/plain"),
    FileFormat("bedGraph", "bedgraph"),
    FileFormat("bigWig", "bigwig"),
    FileFormat("IGV session", "igv"),
    FileFormat("Track hub", "hub"),
)


def activations_file(opened: Opened, view: View, form: FileFormat) -> bytes:
    """Bytes of the features in view in a format of ``workbench export``; of a folder as a zip."""
    from workbench.export import export  # takes seconds to import, which a page need not wait for

    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / form.named("view")
        where, strands = str(view.locus), view.request.strands
        export(opened.study, "activations", form.format, out, view.features, strands, at=where)
        return out.read_bytes() if form.suffix else zipped(Path(name))


def file_name(view: View, form: FileFormat) -> str:
    """The name of the file of a view."""
    return f"{stem(view)}.{form.suffix or f'{form.format}.zip'}"


def stem(view: View) -> str:
    """The name of files of a view, without their suffix."""
    return "_".join(map(str, view.locus))


def too_long(view: View) -> bool:
    """Whether a view is exported by the command alone."""
    return view.locus.end - view.locus.start > MOST_BASES


def downloads(opened: Opened, view: View, key: str) -> None:
    """Draw buttons that make the files when they are pressed; pictures are made by the canvas itself.

    ``key`` begins the keys of the buttons.
    """
    st.subheader("Export", divider=False)
    long = too_long(view)
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Standalone page",
            partial(view_page, opened, view),
            file_name=f"{stem(view)}.html",
            mime="text/html",
            key=f"{key}_download_page",
            icon=":material/captive_portal:",
            help="This view for somebody without the study: one file that moves and zooms, offline.",
            on_click="ignore",
            width="content",
        )
        for form in DATA:
            st.download_button(
                form.label,
                partial(activations_file, opened, view, form),
                file_name=file_name(view, form),
                mime=form.mime,
                key=f"{key}_download_{form.format}",
                icon=":material/download:",
                disabled=not view.features or long,
                on_click="ignore",
                width="content",
            )
    if long:
        st.caption(
            f"Values of more than {MOST_BASES:,} bases are exported by the command below, which streams them."
        )
    st.caption(
        "TSV and Parquet: every active base. BED and GFF3: runs of bases at the frozen threshold of the"
        " feature's best track. bedGraph and bigWig: a value a base. IGV session and hub: the bigWig files"
        " with the genes and the reference. TSV, Parquet, BED, bedGraph and bigWig count from 0, the end not"
        " included; GFF3 and this page count from 1."
    )


def equivalent_command(opened: Opened, view: View) -> None:
    """Draw the command and the address of this view."""
    folder = str(opened.study.folder)
    address = links.Address("browse", view.query)
    with st.expander("Equivalent command"):
        st.code(f"workbench app {shlex.quote(folder)}\n# then open /{address}", language="bash")
        if view.features:
            values = commands.export_activations(
                opened.study.folder, view.features, "tsv", str(view.locus), view.request.strands
            )
            st.code(shlex.join(values), language="bash")
        st.code(view_command(folder, view), language="bash")
