"""What the browser shows, as a folder for another browser: features as bigWig, genes, the reference."""

from __future__ import annotations

from pathlib import Path

from workbench.export.biomarkers import hub, sequence
from workbench.export.biomarkers.bundle import Item, write_genes, write_signals
from workbench.export.biomarkers.igv import write_session
from workbench.export.job import Job, prepare_folder, write_sidecar
from workbench.genome.interval import Interval


def write_igv(job: Job) -> list[Path]:
    """A folder for IGV: open ``session.xml`` with File > Open Session. ``job.out`` is the folder."""
    written, items = _signals(job)
    written += sequence.write_fasta(job.study, job.out / "genome.fa")
    if genes := write_genes(job):
        written.append(genes)
        items.insert(0, Item(genes.name, "genes", "bed"))
    return [write_session(job.out, items, _locus(job)), *written, write_sidecar(job)]


def write_hub(job: Job) -> list[Path]:
    """A UCSC assembly hub: put the folder on a web server, give the browser the address of ``hub.txt``."""
    written, items = _signals(job)
    written.append(sequence.write_twobit(job.study, job.out / "genome.2bit"))
    genes, gene_tracks = hub.write_gene_track(job)
    tracks = [stanza for item in items for stanza in hub.signal_track(item)]
    path = hub.write_hub_file(job, "features along the genome", _locus(job), [*gene_tracks, *tracks])
    return [path, *written, *genes, write_sidecar(job)]


def _signals(job: Job) -> tuple[list[Path], list[Item]]:
    prepare_folder(job.out)
    return write_signals(job._replace(out=job.out / "signals"))


def _locus(job: Job) -> Interval:
    if job.region is not None:
        return job.region
    chrom, length = next(iter(job.study.manifest.contigs.items()))
    return Interval(chrom, 0, length)
