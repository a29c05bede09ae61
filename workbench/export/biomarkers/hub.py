"""A UCSC assembly hub: ``hub.txt`` (``useOneFile on``), the reference as 2bit, tracks beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pybigtools

from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.export.biomarkers import bed
from workbench.export.biomarkers.bundle import GENES, Item, write_bundle
from workbench.export.biomarkers.igv import COLOURS
from workbench.export.biomarkers.rows import Row, notice
from workbench.export.biomarkers.sequence import write_twobit
from workbench.export.job import Job, write_sidecar

SHORT, LONG = 17, 76
"""Letters that the browser shows of labels."""


def write(job: Job) -> list[Path]:
    """Write the folder; put it on a web server, and give the browser the address of ``hub.txt``."""
    bundle = write_bundle(job, reference=False)
    order = {chrom: i for i, chrom in enumerate(job.study.manifest.contigs)}
    rows = sorted(bundle.rows, key=lambda r: (order[r["chrom"]], r["start"], r["end"]))
    written = [
        *bundle.written,
        write_twobit(job.study, job.out / "genome.2bit"),
        _bigbed(job, job.out / "candidates.bb", _candidates(rows), len(rows)),
    ]
    chrom, start, end = bundle.locus
    name = word(job.study.folder.name)
    assembly = next((r["assembly"] for r in rows if r["assembly"]), "") or name
    hub = {
        "hub": name,
        "shortLabel": name[:SHORT],
        "longLabel": f"{notice(rows)}: candidate biomarkers of {name}"[:LONG],
        "useOneFile": "on",
        "email": "not-given",
    }
    genome = {
        "genome": word(assembly),
        "twoBitPath": "genome.2bit",
        "organism": name,
        "scientificName": name,
        "description": f"{assembly}, the reference of {name}",
        "defaultPos": f"{chrom}:{start + 1}-{end}",
        "orderKey": "1",
    }
    tracks = [_candidate_track(rows), *(t for item in bundle.items for t in signal_track(item))]
    genes, gene_tracks = write_gene_track(job)
    path = write_stanzas(job.out, [hub, genome, *tracks, *gene_tracks])
    return [path, *written, *genes, write_sidecar(job)]


def write_gene_track(job: Job) -> tuple[list[Path], list[dict[str, str]]]:
    """The track ``gene`` as bigBed with its stanza; nothing where the study has none."""
    genes = next((t for t in job.study.tracks if t.name == GENES), None)
    if genes is None:
        return [], []
    order = {chrom: i for i, chrom in enumerate(job.study.manifest.contigs)}
    table = genes.intervals
    table = table.iloc[table["chrom"].map(order).argsort(kind="stable")]
    entries = (
        (r.chrom, r.start, r.end, f"{'_'.join(str(r.name).split()) or '.'}\t0\t{r.strand}")
        for r in table.itertuples()
    )
    path = _bigbed(job, job.out / "genes.bb", entries, len(table))
    stanza = {
        "track": "genes",
        "type": "bigBed 6",
        "bigDataUrl": "genes.bb",
        "shortLabel": "genes",
        "longLabel": "genes",
        "visibility": "pack",
    }
    return [path], [stanza]


def write_stanzas(folder: Path, stanzas: list[dict[str, str]]) -> Path:
    """Write ``hub.txt``."""
    path = folder / "hub.txt"
    texts = ("\n".join(f"{k} {v}" for k, v in stanza.items()) for stanza in stanzas)
    with write_atomic(path) as temporary:
        temporary.write_text("\n\n".join(texts) + "\n")
    return path


def word(text: str) -> str:
    """A text as one word of a hub."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def _candidates(rows: list[Row]) -> Iterator[tuple[str, int, int, str]]:
    for row in rows:
        yield row["chrom"], row["start"], row["end"], "\t".join(bed.fields(row))


def _bigbed(
    job: Job, path: Path, entries: Iterator[tuple[str, int, int, str]], expected: int
) -> Path:
    """A bigBed file of sorted entries, read back: the library does not raise what fails in writing."""
    with write_atomic(path) as temporary:
        draft = temporary.with_name(f"{temporary.name}.bb")
        try:
            pybigtools.open(str(draft), "w").write(dict(job.study.manifest.contigs), entries)
            with pybigtools.open(str(draft)) as file:
                found = sum(1 for c in job.study.manifest.contigs for _ in _entries(file, c))
            if found != expected:
                raise InputError(
                    f"{path}: {found} of {expected} entries were written; free disk space, then run again"
                )
            draft.replace(temporary)
        finally:
            draft.unlink(missing_ok=True)
    return path


def _entries(file: pybigtools.BBIRead, chrom: str) -> Iterator[object]:
    return iter(file.records(chrom)) if chrom in file.chroms() else iter(())


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
