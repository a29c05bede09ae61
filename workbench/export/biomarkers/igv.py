"""A folder that IGV (desktop) opens: ``session.xml``, every file beside it by a relative path."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from workbench.export.biomarkers.bundle import Item, write_bundle
from workbench.export.biomarkers.rows import notice
from workbench.export.job import Job, write_sidecar
from workbench.files.atomic import write_atomic

COLOURS = {"plus": "0,114,178", "minus": "213,94,0"}


def write(job: Job) -> list[Path]:
    """Write the folder; open ``session.xml`` with File > Open Session."""
    bundle = write_bundle(job)
    path = write_session(job.out, bundle.items, bundle.locus, notice(bundle.rows))
    return [path, *bundle.written, write_sidecar(job)]


def write_session(folder: Path, items: list[Item], locus: tuple[str, int, int], note: str = "") -> Path:
    """Write ``session.xml`` for a folder that holds ``genome.fa``; ``locus`` is 0-based half-open."""
    chrom, start, end = locus
    session = ElementTree.Element(
        "Session", genome="genome.fa", locus=f"{chrom}:{start + 1}-{end}", version="8"
    )
    resources = ElementTree.SubElement(session, "Resources")
    panel = ElementTree.SubElement(session, "Panel", name="DataPanel")
    for item in items:
        given = {"path": item.path, "name": item.title, "type": item.format}
        if item.index_path:
            given["index"] = item.index_path
        ElementTree.SubElement(resources, "Resource", given)
        shown = {"id": item.path, "name": item.title}
        if item.format == "bigwig":
            side = "plus" if ".plus." in item.path else "minus"
            shown |= {"color": COLOURS[side], "autoScale": "true", "renderer": "BAR_CHART"}
        ElementTree.SubElement(panel, "Track", shown)
    if note:
        session.append(ElementTree.Comment(f" {note.replace('--', '- -')} "))
    ElementTree.indent(session)
    path = folder / "session.xml"
    text = ElementTree.tostring(session, encoding="unicode", xml_declaration=True)
    with write_atomic(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return path
