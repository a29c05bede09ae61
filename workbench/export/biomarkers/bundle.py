"""What a genome browser opens, in one folder: reference, genes, candidates, driving variants, signals."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.export import signals
from workbench.export.biomarkers import bed, sequence, vcf
from workbench.export.biomarkers.rows import Row, leading, part, placed
from workbench.export.job import Job, prepare_folder
from workbench.files.atomic import write_atomic
from workbench.study.study import Study

# Bases shown on each side of the first candidate.
AROUND = 1000


class Item(NamedTuple):
    """A file of the folder: name relative to it, what a browser calls it, its format, its index or empty."""

    path: str
    title: str
    format: str
    index_path: str = ""


class Bundle(NamedTuple):
    """The folder's items in the order in which they are shown, the place opened first, all files written."""

    items: list[Item]
    locus: tuple[str, int, int]
    rows: list[Row]
    written: list[Path]


def write_bundle(job: Job, reference: bool = True) -> Bundle:
    """Write the files, the FASTA only if ``reference``. ``InputError`` where nothing is a candidate."""
    rows = placed(job)
    if not rows:
        raise InputError(f"{job.study.folder}: no candidate, so there is nothing to show")
    prepare_folder(job.out)
    written = sequence.write_fasta(job.study, job.out / "genome.fa") if reference else []
    written += bed.write(part(job, "bed", "candidates.bed"))
    items = [Item("candidates.bed", "candidate biomarkers", "bed")]
    if any(len(r["driving_variants"]) for r in rows):
        written += vcf.write(part(job, "vcf", "drivers.vcf.gz"))
        items.append(Item("drivers.vcf.gz", "driving variants", "vcf", index_path="drivers.vcf.gz.tbi"))
    if genes := write_genes(job):
        written.append(genes)
        items.append(Item(genes.name, "genes", "bed"))
    led = part(job, "bigwig", "signals")._replace(features=job.features or leading(rows))
    values, drawn = write_signals(led)
    written += values
    items += drawn
    top = max(rows, key=lambda r: r["minus_log10_p"])
    length = job.study.manifest.contigs[top["chrom"]]
    locus = (top["chrom"], max(0, top["start"] - AROUND), min(length, top["end"] + AROUND))
    return Bundle(items, locus, rows, written)


def write_signals(job: Job) -> tuple[list[Path], list[Item]]:
    """Values of features in the folder ``job.out``, as bigWig; the files, and the items that are shown."""
    written = signals.write_bigwig(job)
    items = []
    for path in written:
        if path.suffix == ".bw":
            feature, side = path.name.split(".")[:2]
            title = f"feature {feature.removeprefix('f')}, {side} strand's reading"
            items.append(Item(f"{job.out.name}/{path.name}", title, "bigwig"))
    return written, items


def gene_rows(study: Study) -> list[tuple[str, int, int, str]]:
    """Contig, start, end and further columns of BED6 of the track ``gene``, in the order of the genome."""
    tables = [t.intervals for t in study.tracks if t.name == "gene"]
    order = {chrom: i for i, chrom in enumerate(study.manifest.contigs)}
    return [
        (r.chrom, r.start, r.end, f"{'_'.join(str(r.name).split()) or '.'}\t0\t{r.strand}")
        for table in tables
        for r in table.iloc[table["chrom"].map(order).argsort(kind="stable")].itertuples()
    ]


def write_genes(job: Job) -> Path | None:
    """BED6 of the track ``gene``, if the study has it."""
    rows = gene_rows(job.study)
    if not rows:
        return None
    path = job.out / "genes.bed"
    with write_atomic(path) as temporary:
        temporary.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path
