"""GFF3 and GTF: one track a feature type."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.numbers import parse_number, parse_whole
from workbench.files.text import read_lines, suffix_of
from workbench.tracks.names import unquoted
from workbench.tracks.track import (
    CONTIG_TYPES,
    PSEUDOGENE,
    Contigs,
    Row,
    Track,
    check_span,
    is_broken,
    joined_by,
    typed_tracks,
)

_GTF = re.compile(r'^\s*\w+ +"')
_GFF3 = re.compile(r"^\s*[\w.-]+=")
# Attributes that name a kind of gene (Ensembl, GENCODE, NCBI), and types whose CDS are none that is read.
_BIOTYPES = ("biotype", "gene_biotype", "gene_type", "transcript_biotype", "transcript_type")
_NO_GENE = ("pseudogen", "transposable_element_gene")
_DIGITS = re.compile(r"[0-9]{1,9}")
_GTF_NAMES = ("gene_name", "gene_id")
_GFF3_NAMES = ("gene", "Name", "locus_tag", "product", "Note", "ID")
_PSEUDO = ("pseudo", "pseudogene", "is_pseudo", "is_pseudogene")
_STRANDS = {"+": "+", "-": "-", ".": ".", "?": "."}


class _Feature(NamedTuple):
    """A line: ``identity`` and ``parent`` are its ID and those of its parents, empty where it has none."""

    kind: str
    row: Row
    identity: str
    parent: str
    pseudo: bool


def circular_contigs(path: Path) -> set[str]:
    """Contigs that a GFF3 file declares circular: ``Is_circular=true`` of a line that is a whole contig."""
    found = set()
    for _, line in read_lines(path):
        fields = line.split("\t") if "Is_circular=" in line else []
        if len(fields) == 9 and fields[2] in CONTIG_TYPES:
            declared = _gff3_attributes(fields[8]).get("Is_circular", "")
            found |= {unquoted(fields[0])} if declared.lower() == "true" else set()
    return found


def _gff3_attributes(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): unquoted(value.strip()) for key, _, value in pairs}


def _gtf_attributes(text: str) -> dict[str, str]:
    """Attributes of a GTF line, ``key "value"; key value;``, in one pass: the first of each key, all tags."""
    found: dict[str, str] = {}
    tags: list[str] = []
    # Every other piece is quoted; a quote without its end is taken for a letter.
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        pieces = [text.replace('"', "")]
    for i in range(0, len(pieces), 2):
        *whole, last = pieces[i].split(";")
        if i + 1 < len(pieces):
            key, value = last.strip(), pieces[i + 1].strip()
            found.setdefault(key, value)
            tags += [value] * (key == "tag")
        else:
            whole.append(last)
        for part in whole:
            key, _, value = part.strip().partition(" ")
            if value:
                found.setdefault(key, value.strip())
    return found | {"tag": ",".join(tags)} if tags else found


def _number(where: str, name: str, text: str) -> int:
    try:
        return parse_whole(text)
    except ValueError:
        raise InputError(f"{where}: {name} is {text[:40]!r}; expected a whole number") from None


def _parse(where: str, line: str, gtf: bool | None, contigs: Contigs) -> _Feature:
    """One line; ``gtf`` None: GTF if its attributes look like it."""
    fields = line.split("\t")
    if len(fields) != 9:
        raise InputError(
            f"{where}: {len(fields)} columns; expected 9, separated by tabs (is this GFF3 or GTF?)"
        )
    chrom, _, kind, first, last, score, strand, phase, text = fields
    # What a file is called is believed where its attributes look like neither.
    gtf = bool(_GTF.match(text)) or (bool(gtf) and not _GFF3.match(text))
    chrom = chrom if gtf else unquoted(chrom)
    start, end = _number(where, "start", first) - 1, _number(where, "end", last)
    check_span(where, chrom, start, end, contigs, first=1)
    if strand not in _STRANDS:
        raise InputError(f"{where}: strand is {strand!r}; expected +, -, . or ?")
    try:
        value = math.nan if score == "." else parse_number(score)
    except ValueError:
        raise InputError(f"{where}: score is {score!r}; expected a number or .") from None
    if phase not in (".", "0", "1", "2"):
        raise InputError(f"{where}: phase is {phase!r}; expected 0, 1, 2 or .")
    found = _gtf_attributes(text) if gtf else _gff3_attributes(text)
    name = next((found[k] for k in (_GTF_NAMES if gtf else _GFF3_NAMES) if found.get(k)), "")
    parent = found.get("transcript_id" if gtf else "Parent", "")
    group = parent if gtf else found.get("ID") or parent
    # The CDS of a GTF stops before its stop codon: it is never whole.
    complete = not (gtf and kind == "CDS") and not is_broken(found)
    kinds = [kind, *(found[k] for k in _BIOTYPES if k in found)]
    joined = next((how for each in kinds if (how := joined_by(each, found))), "")
    row = Row(
        chrom, start, end, name, value, _STRANDS[strand], -1 if phase == "." else int(phase), group,
        int(digits.group()) if (digits := _DIGITS.match(found.get("part", ""))) else 0, complete,
        parent, joined, found.get("operon", ""),
    )  # fmt: skip
    pseudo = any(word in each.lower() for each in kinds for word in _NO_GENE)
    pseudo = pseudo or is_broken({k: found[k] for k in _PSEUDO if k in found})
    row = row._replace(joined=PSEUDOGENE) if pseudo else row
    return _Feature(kind, row, found.get("ID", ""), parent, pseudo)


def _below_pseudogenes(features: Iterable[_Feature]) -> set[str]:
    """IDs of pseudogenes and of all that is below them."""
    below: dict[str, list[str]] = defaultdict(list)
    waiting = []
    for feature in features:
        if feature.identity:
            waiting += [feature.identity] * feature.pseudo
            for parent in feature.parent.split(","):
                below[parent].append(feature.identity)
    found: set[str] = set()
    while waiting:
        identity = waiting.pop()
        if identity not in found:
            found.add(identity)
            waiting += below[identity]
    return found


def _like_parents(feature: _Feature, joined: Mapping[str, str]) -> _Feature:
    """A part of a transcript, joined to others as its line says, or else the one of its first parent."""
    how = feature.row.joined or joined.get(feature.parent.partition(",")[0], "")
    return feature._replace(row=feature.row._replace(joined=how))


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
    pseudo = _below_pseudogenes(f for found in features.values() for f in found)
    joined = {f.identity: f.row.joined for found in features.values() for f in found if f.row.joined}
    joined |= dict.fromkeys(pseudo, PSEUDOGENE)
    for kind in {"exon", "CDS"} & set(features) if joined else ():
        features[kind] = [_like_parents(f, joined) for f in features[kind]]
    coding = features.get("CDS", [])
    # Rows without an ID that belong to several transcripts: what any of these reads is not known by rows.
    nameless = [f.parent.split(",") for f in coding if not f.identity]
    pseudo |= {parent for parents in nameless if len(parents) > 1 for parent in parents}
    if coding and pseudo:
        features["CDS"] = [
            f._replace(row=f.row._replace(complete=f.row.complete and pseudo.isdisjoint(f.parent.split(","))))
            for f in coding
        ]
    return typed_tracks(path, {kind: _join_parts(found) for kind, found in features.items()})
