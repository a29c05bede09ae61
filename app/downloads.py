"""What is on the screen as files: values, runs and figures."""

from __future__ import annotations

import io
import shlex
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.charts import FeatureStrip, bins_for, browser
from app.data import Opened
from app.scene import SIDES, Shown
from app.words import plain, short_label
from workbench.views import annotation, strips

MOST_BASES = 1_000_000
"""Longer stretches are exported by the command, not through the browser."""
MOST_INTERVALS = 60
"""Boxes of one track in a figure."""


class Form(NamedTuple):
    """A file that can be had: its name, the format of ``workbench export``, suffix and media type."""

    label: str
    format: str
    suffix: str
    mime: str


DATA = (
    Form("TSV", "tsv", "tsv", "text/tab-separated-values"),
    Form("Parquet", "parquet", "parquet", "application/vnd.apache.parquet"),
    Form("BED", "bed", "bed", "text/plain"),
    Form("GFF3", "gff3", "gff3", "text/plain"),
    Form("bedGraph", "bedgraph", "bedgraph.zip", "application/zip"),
    Form("bigWig", "bigwig", "bigwig.zip", "application/zip"),
    Form("IGV session", "igv", "igv.zip", "application/zip"),
    Form("Track hub", "hub", "hub.zip", "application/zip"),
)
FIGURES = (Form("SVG", "svg", "svg", "image/svg+xml"), Form("PNG", "png", "png", "image/png"))


def data(opened: Opened, shown: Shown, format: str) -> bytes:
    """The features in view, in a format of ``workbench export``; a folder, or several files, as one zip."""
    from workbench.export import export  # takes seconds to import, which a page need not wait for

    with tempfile.TemporaryDirectory() as name:
        form = next(f for f in DATA if f.format == format)
        zipped = form.suffix.endswith(".zip")
        out = Path(name) / ("view" if zipped else f"view.{form.suffix}")
        paths = export(
            opened.study, "activations", format, out, shown.features, shown.view.strands,
            at=str(shown.locus),
        )  # fmt: skip
        if not zipped:
            return out.read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                inside = path.relative_to(out) if path.is_relative_to(out) else Path(path.name)
                archive.write(path, f"view/{inside}")
        return packed.getvalue()


def figure(opened: Opened, shown: Shown, format: str) -> bytes:
    """The view as a picture of fewer than 5,000 marks, SVG or PNG at twice the size."""
    import vl_convert

    catalog = opened.evidence.catalog
    sides = SIDES[shown.view.strands]
    bins = bins_for(len(shown.features))
    read = {s: strips(opened.study, shown.features, *shown.locus, s, bins) for s in sides}
    drawn = [
        FeatureStrip(
            feature,
            short_label(opened.evidence, feature),
            {strand: tables[feature] for strand, tables in read.items()},
            float(catalog.loc[feature, "max"]) or 1.0,
        )
        for feature in shown.features
    ]
    if shown.view.threshold:
        for tables in read.values():
            for feature, table in tables.items():
                least = shown.view.threshold * float(catalog.loc[feature, "max"])
                table["value"] = table["value"].mask(table["value"] < least, 0)
    lanes = [
        (t.name, annotation(t, shown.locus, MOST_INTERVALS))
        for t in (*shown.tracks, *shown.variants)
    ]
    spec = browser(shown.locus, drawn, lanes).to_dict() | {"background": "white"}
    if format == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))


def downloads(opened: Opened, shown: Shown) -> None:
    """Buttons that make the files when they are pressed."""
    st.subheader("Take it out", divider=False)
    name = f"{shown.locus.chrom}_{shown.locus.start}_{shown.locus.end}"
    long = shown.locus.end - shown.locus.start > MOST_BASES
    makers = [(form, figure) for form in FIGURES] + [(form, data) for form in DATA]
    with st.container(horizontal=True, gap="small"):
        for form, make in makers:
            st.download_button(
                form.label,
                partial(make, opened, shown, form.format),
                file_name=f"{name}.{form.suffix}",
                mime=form.mime,
                key=f"download_{form.format}",
                icon=":material/download:",
                disabled=not shown.features or (long and make is data),
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
        " with the genes and the reference. "
        + plain("0-based, end not included, in TSV, Parquet and BED.")
    )


def export_command(opened: Opened, shown: Shown) -> str:
    """The command that writes what the TSV button gives."""
    words = ["workbench", "export", str(opened.study.folder), "--what", "activations"]
    words += ["--format", "tsv", "--features", ",".join(map(str, shown.features))]
    words += ["--strand", shown.view.strands, "--at", str(shown.locus), "--out", "view.tsv"]
    return shlex.join(words)
