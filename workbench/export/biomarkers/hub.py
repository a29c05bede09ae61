"""A UCSC assembly hub: ``hub.txt`` (``useOneFile on``), the reference as 2bit, tracks beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from workbench.export.biomarkers import bed
from workbench.export.biomarkers.bigbed import Entry, write_bigbed
from workbench.export.biomarkers.bundle import Item, gene_rows, write_bundle
from workbench.export.biomarkers.igv import COLOURS
from workbench.export.biomarkers.rows import Row, notice
from workbench.export.biomarkers.sequence import write_twobit
from workbench.export.job import Job, write_sidecar
from workbench.files.atomic import write_atomic

# Letters that the browser shows of labels.
SHORT, LONG = 17, 76


def write(job: Job) -> list[Path]:
    """Write the folder; put it on a web server, and give the browser the address of ``hub.txt``."""
    bundle = write_bundle(job, reference=False)
    rows, contigs = bundle.rows, job.study.manifest.contigs
    written = [
        *bundle.written,
        write_twobit(job.study, job.out / "genome.2bit"),
        write_bigbed(contigs, job.out / "candidates.bb", _candidates(rows), 9),
    ]
    assembly = next((r["assembly"] for r in rows if r["assembly"]), "")
    says = f"{notice(rows)}: candidate biomarkers"
    tracks = [_candidate_track(rows), *(t for item in bundle.items for t in signal_track(item))]
    genes, gene_tracks = write_gene_track(job)
    path = write_hub_file(job, says, bundle.locus, [*tracks, *gene_tracks], assembly)
    return [path, *written, *genes, write_sidecar(job)]


def write_gene_track(job: Job) -> tuple[list[Path], list[dict[str, str]]]:
    """The track ``gene`` as bigBed with its stanza; nothing where the study has none."""
    rows = gene_rows(job.study)
    if not rows:
        return [], []
    path = write_bigbed(job.study.manifest.contigs, job.out / "genes.bb", rows, 6)
    stanza = {
        "track": "genes",
        "type": "bigBed 6",
        "bigDataUrl": "genes.bb",
        "shortLabel": "genes",
        "longLabel": "genes",
        "visibility": "pack",
    }
    return [path], [stanza]


def write_hub_file(
    job: Job, says: str, locus: tuple[str, int, int], tracks: list[dict[str, str]], assembly: str = ""
) -> Path:
    """Write ``hub.txt``: what the hub is of, its genome, opened at ``locus`` (0-based), and its tracks."""
    chrom, start, end = locus
    name = word(job.study.folder.name)
    hub = {
        "hub": name,
        "shortLabel": name[:SHORT],
        "longLabel": f"{says} of {name}"[:LONG],
        "useOneFile": "on",
        "email": "not-given",
    }
    genome = {
        "genome": word(assembly or name),
        "twoBitPath": "genome.2bit",
        "organism": name,
        "scientificName": name,
        "description": f"{assembly or name}, the reference of {name}",
        "defaultPos": f"{chrom}:{start + 1}-{end}",
        "orderKey": "1",
    }
    path = job.out / "hub.txt"
    texts = ("\n".join(f"{k} {v}" for k, v in part.items()) for part in (hub, genome, *tracks))
    with write_atomic(path) as temporary:
        temporary.write_text("\n\n".join(texts) + "\n")
    return path


def word(text: str) -> str:
    """A text as one word of a hub."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def _candidates(rows: list[Row]) -> Iterator[Entry]:
    for row in rows:
        yield row["chrom"], row["start"], row["end"], "\t".join(bed.fields(row))


def _candidate_track(rows: list[Row]) -> dict[str, str]:
    return {
        "track": "candidates",
        "type": "bigBed 9",
        "bigDataUrl": "candidates.bb",
        "shortLabel": "candidates",
        "longLabel": f"Candidate biomarkers by tier; {notice(rows)}"[:LONG],
        "itemRgb": "on",
        "visibility": "pack",
    }


def signal_track(item: Item) -> Iterator[dict[str, str]]:
    """Stanza of an item that the browser can read as it is; BED goes in as bigBed."""
    kinds = {"vcf": "vcfTabix", "bigwig": "bigWig"}
    if item.format not in kinds:
        return
    stanza = {
        "track": word(item.path.split("/")[-1].split(".vcf")[0]).replace(".", "_"),
        "type": kinds[item.format],
        "bigDataUrl": item.path,
        "shortLabel": item.title.replace("feature ", "f").split("'")[0][:SHORT],
        "longLabel": item.title[:LONG],
        "visibility": "full" if item.format == "bigwig" else "pack",
    }
    if item.format == "bigwig":
        side = "plus" if ".plus." in item.path else "minus"
        stanza |= {"autoScale": "on", "color": COLOURS[side]}
    yield stanza
