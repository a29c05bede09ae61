"""Locus tags and other names of genes, and the assembly that an annotation file says it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from workbench.files.text import read_lines, suffix_of
from workbench.tracks.genbank import own_parts, parse_records
from workbench.tracks.names import unquoted
from workbench.tracks.track import Contigs

ASSEMBLY = re.compile(r"\bGC[AF]_\d{9}\.\d+\b")
# Accession and version of a sequence in RefSeq or in GenBank, EMBL and DDBJ.
SEQUENCE = re.compile(r"(?:[A-Z]{2}_\d{6,9}|[A-Z]{1,2}\d{5,6}|[A-Z]{2}\d{8})\.\d+")
# What else a gene is found by.
WORDS = ("locus_tag", "old_locus_tag", "gene", "gene_synonym", "Name", "protein_id", "product")
_GFF, _GENBANK = (".gff", ".gff3"), (".gb", ".gbk", ".gbff", ".embl")
# Lines at the beginning of a GFF3 file in which its assembly is looked for.
_HEADER = 100


def read_locus_tags(path: Path, contigs: Contigs) -> pd.DataFrame:
    """Genes with a locus tag: ``chrom, start, end`` (0-based half-open), ``locus_tag``.

    Only GFF3 and GenBank or EMBL files have them; of others none are found. The file has been read as a
    track before, so that mistakes in it are not looked for again.
    """
    rows = read_gene_words(path, contigs, ("locus_tag",), "gene")
    return rows.rename(columns={"word": "locus_tag"})


def read_gene_words(
    path: Path, contigs: Contigs, keys: Sequence[str] = WORDS, kind: str = ""
) -> pd.DataFrame:
    """What features are called besides the names of their tracks: ``chrom, start, end, word``, each once.

    ``keys`` are attributes of GFF3 and qualifiers of GenBank and EMBL; of features whose type ends in
    ``kind``. Other files have none.
    """
    suffix = suffix_of(path)
    rows = _gff_words(path, keys, kind) if suffix in _GFF else ()
    rows = _genbank_words(path, keys, kind) if suffix in _GENBANK else rows
    placed = ((contigs.target(chrom), start, end, word) for chrom, start, end, word in rows)
    found = [row for row in placed if row[0] is not None]
    return pd.DataFrame(found, columns=["chrom", "start", "end", "word"]).drop_duplicates()


def _gff_words(path: Path, keys: Sequence[str], kind: str) -> Iterator[tuple[str, int, int, str]]:
    wanted = re.compile(rf"(?:^|;)\s*(?:{'|'.join(keys)})=([^;]+)")
    for _, line in read_lines(path):
        if line.startswith(("##FASTA", ">")):
            return
        fields = line.split("\t")
        if len(fields) == 9 and fields[2].endswith(kind):
            place = unquoted(fields[0]), int(fields[3]) - 1, int(fields[4])
            for text in wanted.findall(fields[8]):
                yield from ((*place, unquoted(word)) for word in text.split(","))


def _genbank_words(path: Path, keys: Sequence[str], kind: str) -> Iterator[tuple[str, int, int, str]]:
    for record in parse_records(path):
        for feature in record.features:
            words = [word for key in keys for word in feature.qualifiers.get(key, ())]
            if words and feature.type.endswith(kind):
                for part in own_parts(record, feature)[0]:
                    place = str(record.id), int(part.start), int(part.end)
                    yield from ((*place, word) for word in words)


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
