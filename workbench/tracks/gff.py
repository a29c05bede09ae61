"""GFF3 and GTF: one track a feature type."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from workbench.errors import InputError
from workbench.text import read_lines, suffix_of
from workbench.tracks.track import Contigs, Row, Track, check_span, frame

_GTF = re.compile(r'^\s*\w+ +"')
_DIGITS = re.compile(r"\d+")
_GTF_NAMES = ("gene_name", "gene_id")
_GFF3_NAMES = ("gene", "Name", "locus_tag", "product", "Note", "ID")
_STRANDS = {"+": "+", "-": "-", ".": ".", "?": "."}


class _Feature(NamedTuple):
    kind: str
    row: Row
    parent: str


def circular_contigs(path: Path) -> set[str]:
    """Contigs that a GFF3 file declares circular (``Is_circular=true``)."""
    return {
        unquote(line.split("\t", 1)[0])
        for _, line in read_lines(path)
        if "Is_circular=true" in line and not line.startswith("#")
    }


def _gff3_attributes(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}


def _gtf_attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.findall(r'\s*(\w+)\s+("[^"]*"|[^;]*)\s*(?:;|$)', text):
        found.setdefault(part[0], part[1].strip().strip('"'))
    return found


def _number(where: str, name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {name} is {text!r}; expected a whole number") from None


def _parse(where: str, line: str, gtf: bool | None, contigs: Contigs) -> _Feature:
    """One line; ``gtf`` None: GTF if its attributes look like it."""
    fields = line.split("\t")
    if len(fields) != 9:
        raise InputError(
            f"{where}: {len(fields)} columns; expected 9, separated by tabs (is this GFF3 or GTF?)"
        )
    chrom, _, kind, first, last, score, strand, phase, text = fields
    gtf = bool(_GTF.match(text)) if gtf is None else gtf
    chrom = chrom if gtf else unquote(chrom)
    start, end = _number(where, "start", first) - 1, _number(where, "end", last)
    check_span(where, chrom, start, end, contigs, first=1)
    if strand not in _STRANDS:
        raise InputError(f"{where}: strand is {strand!r}; expected +, -, . or ?")
    try:
        value = float("nan") if score == "." else float(score)
    except ValueError:
        raise InputError(f"{where}: score is {score!r}; expected a number or .") from None
    if phase not in (".", "0", "1", "2"):
        raise InputError(f"{where}: phase is {phase!r}; expected 0, 1, 2 or .")
    found = _gtf_attributes(text) if gtf else _gff3_attributes(text)
    name = next((found[k] for k in (_GTF_NAMES if gtf else _GFF3_NAMES) if found.get(k)), "")
    parent = found.get("transcript_id" if gtf else "Parent", "")
    group = parent if gtf else found.get("ID") or parent
    # The CDS of a GTF stops before its stop codon: it is never whole.
    complete = not (gtf or found.get("partial") == "true" or found.get("pseudo") == "true")
    row = Row(
        chrom, start, end, name, value, _STRANDS[strand], -1 if phase == "." else int(phase), group,
        int(digits.group()) if (digits := _DIGITS.match(found.get("part", ""))) else 0, complete,
    )  # fmt: skip
    return _Feature(kind, row, parent)


def _join_parts(features: list[_Feature]) -> list[Row]:
    """Rows of one type; parts of a CDS that each have an ID of their own are put in their parent's group.

    They are parts of one CDS, not neighbours in an operon, if one ends inside a codon.
    """
    children: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i, feature in enumerate(features):
        if feature.kind == "CDS" and feature.parent and feature.row.group != feature.parent:
            children[feature.row.chrom, feature.parent, feature.row.strand].append(i)
    rows = [f.row for f in features]
    for (_, parent, _), members in children.items():
        distinct = len({rows[i].group for i in members}) == len(members) > 1
        if distinct and any((rows[i].end - rows[i].start - rows[i].phase) % 3 for i in members):
            for i in members:
                rows[i] = rows[i]._replace(group=parent)
    strands: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        strands[row.chrom, row.group].add(row.strand)
    # A feature on both strands is trans-spliced; if its parts have no number, they stand in order.
    return [
        row._replace(part=i) if not row.part and len(strands[row.chrom, row.group]) > 1 else row
        for i, row in enumerate(rows)
    ]


def read_gff(path: Path, contigs: Contigs) -> list[Track]:
    """Read GFF3 or GTF, by suffix or else by the look of the attributes; stops at ``##FASTA``.

    Rows that share an ID are one group, as are those that have a Parent and no ID. Raises ``InputError``
    naming file and line.
    """
    gtf = {".gtf": True, ".gff3": False}.get(suffix_of(path))
    features: dict[str, list[_Feature]] = {}
    for number, line in read_lines(path):
        if line.startswith(("##FASTA", ">")):
            break
        if line.startswith("##gff-version 3"):
            gtf = False
        if not line.strip() or line.startswith("#"):
            continue
        feature = _parse(f"{path}: line {number:,}", line, gtf, contigs)
        features.setdefault(feature.kind, []).append(feature)
    if not features:
        raise InputError(f"{path}: no annotation in it; expected GFF3 or GTF lines")
    return [
        Track(kind, frame(_join_parts(found)), str(path), type=kind)
        for kind, found in features.items()
    ]
