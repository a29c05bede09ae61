"""Locus tags, and the assembly that an annotation file says it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from workbench.text import read_lines, suffix_of
from workbench.tracks.genbank import parse_records, real_parts
from workbench.tracks.track import Contigs

ASSEMBLY = re.compile(r"\bGC[AF]_\d{9}\.\d+\b")
SEQUENCE = re.compile(r"(?:[A-Z]{2}_\d{6,9}|[A-Z]{1,2}\d{5,6}|[A-Z]{2}\d{8})\.\d+")
"""Accession and version of a sequence in RefSeq or in GenBank, EMBL and DDBJ."""
_TAG = re.compile(r"(?:^|;)\s*locus_tag=([^;]+)")
_GFF, _GENBANK = (".gff", ".gff3"), (".gb", ".gbk", ".gbff", ".embl")
_HEADER = 100
"""Lines at the beginning of a GFF3 file in which its assembly is looked for."""


def read_locus_tags(path: Path, contigs: Contigs) -> pd.DataFrame:
    """Genes with a locus tag: ``chrom, start, end`` (0-based half-open), ``locus_tag``.

    Only GFF3 and GenBank or EMBL files have them; of others none are found. The file has been read as a
    track before, so that mistakes in it are not looked for again.
    """
    suffix = suffix_of(path)
    rows = _gff_tags(path) if suffix in _GFF else ()
    rows = _genbank_tags(path) if suffix in _GENBANK else rows
    placed = ((contigs.target(chrom), start, end, tag) for chrom, start, end, tag in rows)
    found = [row for row in placed if row[0] is not None]
    return pd.DataFrame(found, columns=["chrom", "start", "end", "locus_tag"]).drop_duplicates()


def _gff_tags(path: Path) -> Iterator[tuple[str, int, int, str]]:
    for _, line in read_lines(path):
        if line.startswith(("##FASTA", ">")):
            return
        fields = line.split("\t")
        if len(fields) == 9 and fields[2].endswith("gene") and (tag := _TAG.search(fields[8])):
            yield unquote(fields[0]), int(fields[3]) - 1, int(fields[4]), unquote(tag[1])


def _genbank_tags(path: Path) -> Iterator[tuple[str, int, int, str]]:
    for record in parse_records(path):
        for feature in record.features:
            if feature.type == "gene" and "locus_tag" in feature.qualifiers:
                for part in real_parts(feature):
                    tag = feature.qualifiers["locus_tag"][0]
                    yield str(record.id), int(part.start), int(part.end), tag


def find_assembly(path: Path) -> str:
    """Accession and version of the assembly that a GFF3 header or a GenBank record names, or empty."""
    suffix = suffix_of(path)
    if suffix in _GFF:
        for number, line in read_lines(path):
            if number > _HEADER or not line.startswith("#"):
                return ""
            if found := ASSEMBLY.search(line):
                return found[0]
    if suffix in _GENBANK:
        for record in parse_records(path):
            for text in record.dbxrefs:
                if found := ASSEMBLY.search(text):
                    return found[0]
            return ""
    return ""
