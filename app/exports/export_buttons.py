"""Buttons for files that ``workbench.export`` writes, made when they are pressed."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.data.study import Opened
from workbench import InputError


class FileFormat(NamedTuple):
    """A file to download: its label, the format of ``workbench export``, suffix and media type.

    Without a suffix a folder is written, which is sent as a zip.
    """

    label: str
    format: str
    suffix: str = ""
    mime: str = "application/zip"

    def named(self, stem: str) -> str:
        """The name of what is written."""
        return f"{stem}.{self.suffix}" if self.suffix else stem


CANDIDATES = (
    FileFormat("TSV", "tsv", "tsv"),
    FileFormat("Parquet", "parquet", "parquet"),
    FileFormat("BED", "bed", "bed"),
    FileFormat("GFF3", "gff3", "gff3"),
    FileFormat("VCF", "vcf", "vcf.gz"),
    FileFormat("IGV session", "igv"),
    FileFormat("Track hub", "hub"),
    FileFormat("Cards", "html"),
)
FAILED = "not-made.txt"


def zipped(folder: Path) -> bytes:
    """Bytes of a zip with all files of a folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, str(path.relative_to(folder)))
    return packed.getvalue()


def pack(
    opened: Opened, what: str, form: FileFormat, features: Sequence[int] | None, at: str | None
) -> bytes:
    """Bytes of a zip with the files of ``workbench export``, or with the reason why there are none."""
    from workbench.export import export  # takes seconds to import, which a page need not wait for

    with tempfile.TemporaryDirectory() as name:
        chosen = None if features is None else list(features)
        try:
            export(opened.study, what, form.format, Path(name) / form.named(what), chosen, at=at)
        except InputError as error:
            (Path(name) / FAILED).write_text(f"{error}\n", encoding="utf-8")
        return zipped(Path(name))


def export_buttons(
    opened: Opened,
    what: str,
    forms: Sequence[FileFormat],
    name: str,
    features: Sequence[int] | None = None,
    at: str | None = None,
) -> None:
    """Draw a row of buttons; each gives a zip with the files and their provenance."""
    line = st.container(horizontal=True)
    for form in forms:
        line.download_button(
            form.label, partial(pack, opened, what, form, features, at),
            file_name=f"{name}.{form.format}.zip", mime="application/zip",
            key=f"export_{name}_{form.format}", on_click="ignore", type="tertiary",
            icon=":material/folder_zip:",
        )  # fmt: skip
