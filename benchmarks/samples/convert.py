"""GenBank or EMBL to FASTA and GFF3: how the sample genomes were made.

``python -m benchmarks.samples.convert RECORD.gb OUT`` writes ``OUT.fa`` and ``OUT.gff3``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from workbench.files.atomic import write_atomic
from workbench.genome.fasta import write_fasta
from workbench.genome.reference import annotated_records
from workbench.tracks.genbank import STRANDS, feature_name, feature_type, own_parts, parse_records, phases

_KEPT = ("gene", "locus_tag", "product", "protein_id", "transl_table", "exception", "note")
_TOKENS = ("partial", "pseudo")


def _attributes(feature: SeqFeature, identity: str, partial: bool, part: str) -> str:
    found = {k: feature.qualifiers[k][0] for k in _KEPT if k in feature.qualifiers}
    tokens = {k: "true" for k in _TOKENS if k in feature.qualifiers or (k == "partial" and partial)}
    pairs = {"ID": identity, "Name": feature_name(feature), **found, **tokens, "part": part}
    # GFF3 reserves these letters; a line break would end the row.
    safe = " !\"#$'()*+-./:<>?@[\\]^_`{|}~"
    shown = ((k if k != "note" else "Note", " ".join(v.split())) for k, v in pairs.items() if v)
    return ";".join(f"{key}={quote(value, safe=safe)}" for key, value in shown)


def _spans(record: SeqRecord, feature: SeqFeature) -> list[tuple[int, int, int]]:
    """(start, end, strand) in the order of reading; parts that meet at the origin become one, past it."""
    length = len(record.seq or "")
    spans: list[tuple[int, int, int]] = []
    for part in own_parts(record, feature)[0]:
        start, end, strand = int(part.start), int(part.end), part.strand or 0
        if spans and spans[-1][2] == strand:
            before, until, _ = spans[-1]
            if strand == 1 and until == length and start == 0:
                spans[-1] = (before, length + end, strand)
                continue
            if strand == -1 and before == 0 and end == length:
                spans[-1] = (start, length + until, strand)
                continue
        spans.append((start, end, strand))
    return spans


def _along_strand(spans: list[tuple[int, int, int]]) -> bool:
    """Whether the parts follow each other along one strand; trans-spliced ones need not."""
    pairs = list(pairwise(spans))
    return all(a[2] == b[2] for a, b in pairs) and all((b[0] > a[0]) == (b[2] >= 0) for a, b in pairs)


def gff3_lines(record: SeqRecord) -> Iterator[str]:
    """GFF3 lines of a record; parts of a compound location share an ID; phases follow the parts."""
    length = len(record.seq or "")
    yield f"##sequence-region {record.id} 1 {length}"
    circular = ";Is_circular=true" if record.annotations.get("topology") == "circular" else ""
    yield f"{record.id}\tGenBank\tregion\t1\t{length}\t.\t+\t.\tID=region-{record.id}{circular}"
    for i, feature in enumerate(record.features):
        if feature.type == "source":
            continue
        kind, spans = feature_type(feature), _spans(record, feature)
        partial = "<" in str(feature.location) or ">" in str(feature.location)
        numbered = not _along_strand(spans)
        found = phases(f"record {record.id}", feature, [end - start for start, end, _ in spans])
        for j, ((start, end, strand), phase) in enumerate(zip(spans, found, strict=True), 1):
            where = (record.id, "GenBank", kind, start + 1, end, ".", STRANDS.get(strand, "."))
            part = f"{j}/{len(spans)}" if numbered else ""
            attributes = _attributes(feature, f"{kind}-{record.id}-{i}", partial, part)
            yield "\t".join(map(str, (*where, "." if phase < 0 else phase, attributes)))


def convert(source: Path, out: Path) -> tuple[Path, Path]:
    """Write ``OUT.fa`` and ``OUT.gff3`` of a GenBank or EMBL file; returns both paths."""
    fasta, gff3 = Path(f"{out}.fa"), Path(f"{out}.gff3")
    write_fasta(annotated_records(source, set()), fasta)
    with write_atomic(gff3) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write("##gff-version 3\n")
        for record in parse_records(source):
            handle.writelines(f"{line}\n" for line in gff3_lines(record))
    return fasta, gff3


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.samples.convert RECORD.gb OUT")
    print(*convert(Path(sys.argv[1]), Path(sys.argv[2])))
