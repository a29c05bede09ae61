"""GenBank and EMBL through Biopython: features as tracks, records as sequence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from Bio import BiopythonWarning, SeqIO
from Bio.SeqRecord import SeqRecord

from workbench.errors import InputError
from workbench.genome import open_text, suffix_of
from workbench.tracks.track import Contigs, Track, check_span, frame

_FORMATS = {".gb": "genbank", ".gbk": "genbank", ".gbff": "genbank", ".embl": "embl"}
_NAMES = ("gene", "locus_tag", "product", "note")
_STRANDS = {1: "+", -1: "-"}


def parse_records(path: Path) -> Iterator[SeqRecord]:
    """Records of a GenBank or EMBL file. Raises ``InputError`` for one that Biopython cannot read."""
    kind = _FORMATS.get(suffix_of(path), "genbank")
    with open_text(path) as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)
        try:
            yield from SeqIO.parse(handle, kind)
        except (ValueError, EOFError, OSError, AssertionError) as error:
            raise InputError(f"{path}: not readable as {kind} ({error})") from None


def circular_records(path: Path) -> set[str]:
    """Names of records whose topology is circular."""
    return {r.id for r in parse_records(path) if r.annotations.get("topology") == "circular"}


def read_genbank(path: Path, contigs: Contigs) -> list[Track]:
    """One track a feature type; compound locations become rows of one group, fuzzy ends their bounds."""
    rows: dict[str, list[tuple[str, int, int, str, float, str, int, str]]] = {}
    for record in parse_records(path):
        for i, feature in enumerate(record.features):
            if feature.location is None:
                continue
            name = next((feature.qualifiers[k][0] for k in _NAMES if k in feature.qualifiers), "")
            offset = int(feature.qualifiers.get("codon_start", ["1"])[0]) - 1
            for j, part in enumerate(feature.location.parts):
                start, end = int(part.start), int(part.end)
                where = f"{path}: record {record.id}, {feature.type} {name}"
                check_span(where, record.id, start, end, contigs)
                strand = _STRANDS.get(part.strand or 0, ".")
                phase = offset if feature.type == "CDS" and j == 0 else -1
                row = (record.id, start, end, name, float("nan"), strand, phase, f"{record.id}:{i}")
                rows.setdefault(feature.type, []).append(row)
    if not rows:
        raise InputError(f"{path}: no feature in it; expected GenBank or EMBL with a feature table")
    return [Track(kind, frame(found), str(path)) for kind, found in rows.items()]
