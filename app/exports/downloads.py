"""What is on the screen as files of values and runs, and the commands that make them."""

from __future__ import annotations

import io
import shlex
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app import links
from app.canvas.message import View
from app.data.study import Opened
from app.exports import commands
from app.exports.standalone import view_command, view_page

# Longer stretches are exported by the command, not through the browser.
MOST_BASES = 1_000_000


class FileFormat(NamedTuple):
    """A file to download: its label, the format of ``workbench export``, suffix and media type."""

    label: str
    format: str
    suffix: str
    mime: str


DATA = (
    FileFormat("TSV", "tsv", "tsv", "text/tab-separated-values"),
    FileFormat("Parquet", "parquet", "parquet", "application/vnd.apache.parquet"),
    FileFormat("BED", "bed", "bed", "text/plain"),
    FileFormat("GFF3", "gff3", "gff3", "text/plain"),
    FileFormat("bedGraph", "bedgraph", "bedgraph.zip", "application/zip"),
    FileFormat("bigWig", "bigwig", "bigwig.zip", "application/zip"),
    FileFormat("IGV session", "igv", "igv.zip", "application/zip"),
    FileFormat("Track hub", "hub", "hub.zip", "application/zip"),
)


def activations_file(opened: Opened, view: View, format: str) -> bytes:
    """Bytes of the features in view in a format of ``workbench export``; several files as one zip."""
    from workbench.export import export  # takes seconds to import, which a page need not wait for

    with tempfile.TemporaryDirectory() as name:
        form = next(f for f in DATA if f.format == format)
        zipped = form.suffix.endswith(".zip")
        out = Path(name) / ("view" if zipped else f"view.{form.suffix}")
        paths = export(
            opened.study, "activations", format, out, view.features, view.request.strands,
            at=str(view.locus),
        )  # fmt: skip
        if not zipped:
            return out.read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                inside = path.relative_to(out) if path.is_relative_to(out) else Path(path.name)
                archive.write(path, f"view/{inside}")
        return packed.getvalue()


def too_long(view: View) -> bool:
    """Whether a view is exported by the command alone."""
    return view.locus.end - view.locus.start > MOST_BASES


def downloads(opened: Opened, view: View, key: str) -> None:
    """Draw buttons that make the files when they are pressed; pictures are made by the canvas itself.

    ``key`` begins the keys of the buttons.
    """
    st.subheader("Export", divider=False)
    name = f"{view.locus.chrom}_{view.locus.start}_{view.locus.end}"
    long = too_long(view)
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Standalone page",
            partial(view_page, opened, view),
            file_name=f"{name}.html",
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
                partial(activations_file, opened, view, form.format),
                file_name=f"{name}.{form.suffix}",
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
