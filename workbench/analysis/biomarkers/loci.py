"""Where a region lies: contig, assembly, genes and locus tags."""

from __future__ import annotations

import pandas as pd

from workbench.study.study import Study
from workbench.tracks import Contigs
from workbench.tracks.loci import SEQUENCE, find_assembly, read_locus_tags

COLUMNS = ["region", "chrom", "start", "end", "strand", "assembly", "gene", "locus_tag"]


def find_places(study: Study) -> pd.DataFrame:
    """Region to `COLUMNS`; genes are the intervals of a track ``gene`` that it meets.

    The regions of a ready matrix have no place: their columns are missing.
    """
    places = study.table("burdens")[["region", "chrom", "start", "end", "strand"]].copy()
    if study.config.cohort.matrix:
        return places.assign(assembly="", gene="", locus_tag="").reindex(columns=COLUMNS)
    files = [study.resolve(path) for path in study.config.input.tracks]
    genome = study.resolve(study.config.input.genome)
    assembly = next((a for a in map(find_assembly, [genome, *files]) if a), "")
    sequence = study.genome
    contigs = Contigs(sequence.lengths, sequence.circular, study.config.input.rename)
    none = pd.DataFrame(columns=["chrom", "start", "end", "locus_tag"])
    tags = pd.concat([none, *(read_locus_tags(path, contigs) for path in files)], ignore_index=True)
    genes = next((t.intervals for t in study.tracks if t.name == "gene"), None)
    rows = list(places.itertuples())
    return places.assign(
        assembly=[assembly or _accession(r.chrom) for r in rows],
        gene=["" if genes is None else _met(genes, "name", r) for r in rows],
        locus_tag=[_met(tags, "locus_tag", r) for r in rows],
    )[COLUMNS]


def _accession(chrom: str) -> str:
    return chrom if SEQUENCE.fullmatch(chrom) else ""


def _met(table: pd.DataFrame, column: str, row: object) -> str:
    """Names of intervals that meet a region, each once, apart by semicolons."""
    inside = (table["start"] < row.end) & (table["end"] > row.start)  # type: ignore[attr-defined]
    names = table.loc[(table["chrom"] == row.chrom) & inside, column].tolist()  # type: ignore[attr-defined]
    return ";".join(dict.fromkeys(n for n in names if n))
