"""GFF3 and GTF: one track a feature type."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from workbench.errors import InputError
from workbench.genome import read_lines
from workbench.tracks.track import Contigs, Track, check_span, frame

Row = tuple[str, int, int, str, float, str, int, str]


def circular_contigs(path: Path) -> set[str]:
    """Contigs that a GFF3 file declares circular (``Is_circular=true``)."""
    return {
        line.split("\t", 1)[0]
        for _, line in read_lines(path)
        if "Is_circular=true" in line and not line.startswith("#")
    }


def _gff3_attributes(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}


def _gtf_attributes(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(";"):
        key, _, value = part.strip().partition(" ")
        if key:
            found.setdefault(key, value.strip().strip('"'))
    return found


def _number(where: str, name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {name} is {text!r}; expected a whole number") from None


def _parse(where: str, line: str, gtf: bool, contigs: Contigs) -> tuple[str, Row]:
    fields = line.split("\t")
    if len(fields) != 9:
        raise InputError(
            f"{where}: {len(fields)} columns; expected 9, separated by tabs (is this GFF3 or GTF?)"
        )
    chrom, _, kind, first, last, score, strand, phase, text = fields
    chrom = chrom if gtf else unquote(chrom)
    start, end = _number(where, "start", first) - 1, _number(where, "end", last)
    check_span(where, chrom, start, end, contigs)
    if strand not in ("+", "-", ".", "?"):
        raise InputError(f"{where}: strand is {strand!r}; expected +, -, . or ?")
    try:
        value = float("nan") if score == "." else float(score)
    except ValueError:
        raise InputError(f"{where}: score is {score!r}; expected a number or .") from None
    if phase not in (".", "0", "1", "2"):
        raise InputError(f"{where}: phase is {phase!r}; expected 0, 1, 2 or .")
    attributes = _gtf_attributes(text) if gtf else _gff3_attributes(text)
    keys = ("gene_name", "gene_id") if gtf else ("gene", "Name", "locus_tag", "ID")
    name = next((attributes[k] for k in keys if attributes.get(k)), "")
    if gtf:
        group = attributes.get("transcript_id", "")
    else:
        group = attributes.get("ID") or attributes.get("Parent", "")
    strand = "." if strand == "?" else strand
    return kind, (chrom, start, end, name, value, strand, -1 if phase == "." else int(phase), group)


def read_gff(path: Path, contigs: Contigs) -> list[Track]:
    """Read GFF3 or GTF (by suffix); stops at ``##FASTA``. Raises ``InputError`` naming file and line."""
    gtf = any(s.lower() in (".gtf", ".gff2") for s in path.suffixes)
    rows: dict[str, list[Row]] = {}
    for number, line in read_lines(path):
        if line.startswith(("##FASTA", ">")):
            break
        if not line.strip() or line.startswith("#"):
            continue
        kind, row = _parse(f"{path}: line {number:,}", line, gtf, contigs)
        rows.setdefault(kind, []).append(row)
    if not rows:
        raise InputError(f"{path}: no annotation in it; expected GFF3 or GTF lines")
    return [Track(kind, frame(found), str(path)) for kind, found in rows.items()]
