"""Taking results out of a study, in the formats that genome browsers and tables readers open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.errors import InputError
from workbench.export import intervals, readings, signals, strongest, tables, viewed
from workbench.export.biomarkers import bed, cards, crate, gff3, h5ad, hub, igv, igvjs, vcf
from workbench.export.biomarkers import signals as candidate_signals
from workbench.export.biomarkers import tables as candidate_tables
from workbench.export.job import Job, check_strands, provenance
from workbench.progress import Progress, Silent
from workbench.scans.source import FileSource
from workbench.study.locus import find_locus
from workbench.study.study import Study

Writer = Callable[[Job], list[Path]]

TABLES = ("associations", "catalog", "tracks", "examples")
TABLE_FORMS = ("tsv", "parquet", "json")
# What can be exported: (what, format) to the function that writes it.
WRITERS: dict[tuple[str, str], Writer] = {
    **{(what, form): tables.write for what in TABLES for form in TABLE_FORMS},
    **{("biomarkers", form): candidate_tables.write for form in TABLE_FORMS},
    ("biomarkers", "bed"): bed.write,
    ("biomarkers", "gff3"): gff3.write,
    ("biomarkers", "vcf"): vcf.write,
    ("biomarkers", "bedgraph"): candidate_signals.write_bedgraph,
    ("biomarkers", "bigwig"): candidate_signals.write_bigwig,
    ("biomarkers", "igv"): igv.write,
    ("biomarkers", "igvjs"): igvjs.write,
    ("biomarkers", "hub"): hub.write,
    ("biomarkers", "h5ad"): h5ad.write,
    ("biomarkers", "rocrate"): crate.write,
    ("biomarkers", "html"): cards.write,
    ("activations", "tsv"): readings.write_tsv,
    ("activations", "parquet"): readings.write_parquet,
    ("activations", "bed"): intervals.write_bed,
    ("activations", "gff3"): intervals.write_gff3,
    ("activations", "bedgraph"): signals.write_bedgraph,
    ("activations", "bigwig"): signals.write_bigwig,
    ("activations", "igv"): viewed.write_igv,
    ("activations", "hub"): viewed.write_hub,
}
# Of sequence that is read anew.
SEQUENCE_WRITERS: dict[tuple[str, str], Writer] = {
    **{("strongest", form): strongest.write for form in TABLE_FORMS},
    **{
        ("activations", form): WRITERS["activations", form]
        for form in ("tsv", "parquet", "bed", "gff3", "bedgraph", "bigwig")
    },
}
HOLD_TSV = ("tsv", "rocrate")
ALIASES = {"features": "catalog"}


def export(
    study: Study,
    what: str,
    format: str,
    out: str | Path,
    features: list[int] | None = None,
    strand: str = "both",
    progress: Progress | None = None,
    at: str | None = None,
    spreadsheet_safe: bool = False,
) -> list[Path]:
    """Write results of a study to files, each atomically.

    Parameters
    ----------
    study : Study
    what : {"associations", "catalog", "features", "tracks", "examples", "biomarkers", "activations"}
        A table (``features`` is the catalog; ``biomarkers`` are a cohort's candidates), or the features'
        values along the genome.
    format : str
        ``tsv``, ``parquet``, ``json`` for tables. Biomarkers besides: ``bed``, ``gff3``, ``vcf`` (driving
        variants, bgzipped and indexed), ``bedgraph``, ``bigwig`` (values of the leading features), ``igv``,
        ``igvjs``, ``hub`` (folders for genome browsers), ``h5ad``, ``rocrate``, ``html`` (a card each).
        Activations: ``bed``, ``gff3`` (runs of active bases), ``bedgraph``, ``bigwig`` (values at single
        bases), ``tsv``, ``parquet`` (a row an active base), ``igv``, ``hub`` (the bigWig files with genes and
        the reference).
    out : Path
        File to write; a folder for bedgraph and bigwig (one file a feature and strand), igv, igvjs, hub,
        rocrate and html.
    features : list of int, optional
        Feature numbers. Default: tables whole; activations of the tracks' best features.
    strand : {"both", "+", "-"}
        Strand of the model's reading (activations only).
    progress : Progress, optional
    at : str, optional
        ``contig:start-end`` (0-based half-open), a contig or the name of an interval: activations of that
        stretch alone, runs of active bases cut at its ends. Default: the whole genome.
    spreadsheet_safe : bool
        In TSV, put an apostrophe before text that begins with = + - or @ and is no number: a spreadsheet
        would take it for a formula.

    Returns
    -------
    list of Path
        Files written, provenance files included.

    Raises
    ------
    InputError
        For an unknown combination, feature or strand, an unfinished study, and where nothing can be written.
    """
    what = ALIASES.get(what, what)
    writer = WRITERS.get((what, format))
    if writer is None:
        raise InputError(f"cannot export {what} as {format}; expected one of: {combinations()}")
    check_strands(strand)
    if at is not None and what != "activations":
        raise InputError(f"--at {at}: the table {what} has no place to choose; leave it out")
    if spreadsheet_safe and format not in HOLD_TSV:
        raise InputError(f"--spreadsheet-safe: {what} as {format} holds no TSV; leave it out, or choose tsv")
    region = None if at is None else find_locus(study, at)
    job = Job(
        study, what, format, Path(out), features, strand, progress or Silent(), region, spreadsheet_safe
    )
    provenance(job)  # refuses a study whose origin cannot be told before anything is written
    return writer(job)


def export_sequence(
    study: Study,
    sequence: str | Path,
    what: str,
    format: str,
    out: str | Path,
    features: list[int] | None = None,
    strand: str = "both",
    progress: Progress | None = None,
    spreadsheet_safe: bool = False,
) -> list[Path]:
    """Write what a study's features see in a sequence file, which its model reads; the rest as `export`.

    Parameters
    ----------
    study : Study
        Finished; its genome is not read.
    sequence : Path
        FASTA, GenBank or EMBL.
    what : {"strongest", "activations"}
        A row a record and feature (``tsv``, ``parquet``, ``json``), or values along the records (``tsv``,
        ``parquet``, ``bed``, ``gff3``, ``bedgraph``, ``bigwig``).
    """
    writer = SEQUENCE_WRITERS.get((what, format))
    if writer is None:
        known = combinations(SEQUENCE_WRITERS)
        raise InputError(f"cannot write {what} of a sequence as {format}; expected one of: {known}")
    check_strands(strand)
    source = FileSource(study, Path(sequence), whole=True)
    job = Job(
        study, what, format, Path(out), features, strand, progress or Silent(), None, spreadsheet_safe, source
    )
    provenance(job)
    return writer(job)


def combinations(writers: Mapping[tuple[str, str], Writer] = WRITERS) -> str:
    """What can be exported as what, in one line."""
    by_what: dict[str, list[str]] = {}
    for what, form in writers:
        by_what.setdefault(what, []).append(form)
    return "; ".join(f"{what} as {', '.join(forms)}" for what, forms in by_what.items())


__all__ = ["SEQUENCE_WRITERS", "WRITERS", "combinations", "export", "export_sequence"]
