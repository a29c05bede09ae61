"""Origin and terminus of circular contigs: where gene strand and base skew turn over.

Shifts of the null must not carry a strand track past either, so stretches are cut there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.errors import InputError
from workbench.genome import Genome
from workbench.text import read_lines, suffix_of

if TYPE_CHECKING:
    from workbench.study import Study

SKEW_STEP = 1_000
"""Bases a step of the cumulative GC skew."""
FEWEST_STEPS = 100
"""Contigs of fewer steps (plasmids, small phages) have no skew to be read and stay whole."""
_NOTE = re.compile(r"(?:^|[=;,])(dif|oriC)(?:$|[;,])", re.IGNORECASE)


class Turn(NamedTuple):
    """A place where replication turns over: base (0-based), and where it is known from."""

    position: int
    source: str


class Replichores(NamedTuple):
    """Origin and terminus of a contig."""

    origin: Turn
    terminus: Turn


def from_skew(sequence: str) -> tuple[int, int] | None:
    """Lowest and highest point of the cumulative G - C skew, or None where the contig is too short."""
    codes = np.frombuffer(sequence.upper().encode(), np.uint8)
    steps = codes.size // SKEW_STEP
    if steps < FEWEST_STEPS:
        return None
    excess = (codes == ord("G")).astype(np.int64) - (codes == ord("C"))
    skew = np.cumsum(excess[: steps * SKEW_STEP].reshape(steps, SKEW_STEP).sum(axis=1))
    return int(np.argmin(skew) + 1) * SKEW_STEP, int(np.argmax(skew) + 1) * SKEW_STEP


def annotated(study: Study) -> dict[tuple[str, str], int]:
    """Middle of oriC and dif by (contig, ``oriC`` or ``dif``), from the GFF3 tracks."""
    found: dict[tuple[str, str], int] = {}
    for track in study.config.input.tracks:
        path = study.resolve(track)
        if suffix_of(path) not in (".gff", ".gff3"):
            continue
        for _, line in read_lines(path):
            if line.startswith("##FASTA"):
                break
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#") or len(fields) != 9:
                continue
            named = _NOTE.search(fields[8])
            if named is None or not fields[2].startswith(("origin_of", "recomb", "oriC", "misc")):
                continue
            name = "dif" if named[1].lower() == "dif" else "oriC"
            chrom = study.config.input.rename.get(fields[0], fields[0])
            found.setdefault((chrom, name), (int(fields[3]) - 1 + int(fields[4])) // 2)
    return found


def find_replichores(study: Study) -> dict[str, Replichores]:
    """Origin and terminus of every circular contig that has them, annotated or else from GC skew."""
    genome: Genome = study.genome
    known = annotated(study)
    out = {}
    for chrom in study.manifest.circular:
        if chrom not in genome.lengths:
            raise InputError(f"{study.folder}: circular contig {chrom} is not in the genome")
        skew = from_skew(genome.fetch(chrom, 0, genome.lengths[chrom]))
        if skew is None:
            continue
        turns = [
            Turn(known[chrom, name], f"annotated {name}")
            if (chrom, name) in known
            else Turn(at, "cumulative GC skew")
            for name, at in zip(("oriC", "dif"), skew, strict=True)
        ]
        out[chrom] = Replichores(*turns)
    return out
