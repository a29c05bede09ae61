"""GenBank and EMBL through Biopython: features as tracks, records as sequence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from Bio import BiopythonWarning, SeqIO
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from workbench.errors import InputError
from workbench.text import open_text, suffix_of
from workbench.tracks.track import Contigs, Row, Track, check_span, frame

STRANDS = {1: "+", -1: "-"}
_FORMATS = {".gb": "genbank", ".gbk": "genbank", ".gbff": "genbank", ".embl": "embl"}
_NAMES = ("gene", "locus_tag", "standard_name", "product", "note")
# Keys of the INSDC feature table that the Sequence Ontology, and so GFF3, calls otherwise.
_TERMS = {
    "5'UTR": "five_prime_UTR",
    "3'UTR": "three_prime_UTR",
    "misc_feature": "sequence_feature",
    "mobile_element": "mobile_genetic_element",
    "protein_bind": "protein_binding_site",
    "RBS": "ribosome_entry_site",
    "rep_origin": "origin_of_replication",
    "source": "region",
    "variation": "sequence_variant",
}


def parse_records(path: Path) -> Iterator[SeqRecord]:
    """Records of a GenBank or EMBL file. Raises ``InputError`` for one that Biopython cannot read."""
    kind = _FORMATS.get(suffix_of(path), "genbank")
    with open_text(path) as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)
        try:
            yield from SeqIO.parse(handle, kind)
        except (ValueError, EOFError, OSError, AssertionError) as error:
            raise InputError(f"{path}: not readable as {kind} ({error})") from None


def feature_type(feature: SeqFeature) -> str:
    """Type as GFF3 has it."""
    return _TERMS.get(feature.type, feature.type)


def feature_name(feature: SeqFeature) -> str:
    """Gene, locus tag, standard name, product or note, whichever comes first; else empty."""
    return next((feature.qualifiers[k][0] for k in _NAMES if k in feature.qualifiers), "")


def real_parts(feature: SeqFeature) -> list[SimpleLocation]:
    """Parts of a feature's location in reading order; places between two bases have no length and go."""
    location = feature.location
    return [p for p in location.parts if int(p.end) > int(p.start)] if location is not None else []


def phases(feature: SeqFeature, sizes: list[int]) -> list[int]:
    """Phase of each part of a CDS, bases to skip to the next codon; -1 for other features."""
    if feature.type != "CDS":
        return [-1] * len(sizes)
    phase = int(feature.qualifiers.get("codon_start", ["1"])[0]) - 1
    found = []
    for size in sizes:
        found.append(phase)
        phase = (phase - size) % 3
    return found


def read_genbank(path: Path, contigs: Contigs) -> list[Track]:
    """One track a feature type; compound locations become rows of one group, fuzzy ends their bounds."""
    rows: dict[str, list[Row]] = {}
    for record in parse_records(path):
        chrom = str(record.id)
        for i, feature in enumerate(record.features):
            kind, name = feature_type(feature), feature_name(feature)
            parts = real_parts(feature)
            spans = [(int(p.start), int(p.end)) for p in parts]
            text = str(feature.location)
            complete = not ("<" in text or ">" in text or "pseudo" in feature.qualifiers)
            found = phases(feature, [end - start for start, end in spans])
            for j, (part, (start, end), phase) in enumerate(zip(parts, spans, found, strict=True)):
                check_span(f"{path}: record {chrom}, {kind} {name}", chrom, start, end, contigs)
                strand = STRANDS.get(part.strand or 0, ".")
                group = f"{chrom}:{i}"
                row = Row(chrom, start, end, name, float("nan"), strand, phase, group, j, complete)
                rows.setdefault(kind, []).append(row)
    if not rows:
        raise InputError(f"{path}: no feature in it; expected GenBank or EMBL with a feature table")
    return [Track(kind, frame(found), str(path), type=kind) for kind, found in rows.items()]
