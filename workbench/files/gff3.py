"""Lines of GFF3: 1-based closed intervals, what the format reserves escaped."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

_RESERVED = {ord(c): f"%{ord(c):02X}" for c in "%;=&,\x7f" + "".join(map(chr, range(32)))}
SOURCE, TYPE = "workbench", "sequence_feature"


def escape_attribute(text: str) -> str:
    """Percent-escape what GFF3 reserves in column 9: ``% ; = & ,`` and control characters."""
    return text.translate(_RESERVED)


def escape_seqid(text: str) -> str:
    """Percent-escape what GFF3 does not allow in column 1."""
    return quote(text, safe=".:^*$@!+_?-|")


def gff3_header(lengths: Mapping[str, int]) -> str:
    """The version, and every sequence with its length."""
    regions = [f"##sequence-region {escape_seqid(name)} 1 {length}\n" for name, length in lengths.items()]
    return "".join(["##gff-version 3\n", *regions])


def gff3_line(
    chrom: str, start: int, end: int, score: str, strand: str, attributes: Mapping[str, str], kind: str = TYPE
) -> str:
    """An interval, 0-based half-open as given; attributes without text are left out."""
    ninth = ";".join(f"{key}={escape_attribute(value)}" for key, value in attributes.items() if value)
    return f"{escape_seqid(chrom)}\t{SOURCE}\t{kind}\t{start + 1}\t{end}\t{score}\t{strand}\t.\t{ninth}\n"
