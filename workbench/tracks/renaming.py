"""Which contig of a file is which of the genome, where their names do not say: by lengths, by chromosome."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.text import read_lines, suffix_of
from workbench.tracks.genbank import parse_records
from workbench.tracks.names import Names, unquoted
from workbench.tracks.signal import BIGWIG, BigWig
from workbench.tracks.track import CONTIG_TYPES, Contigs
from workbench.wording import listed

_GENBANK = (".gb", ".gbk", ".gbff", ".embl")
_CHROMOSOME = re.compile(r"(?:^|;)\s*chromosome=([^;]+)")
_VCF_CONTIG = re.compile(r"##contig=<(?=.*\bID=([^,>]+))(?:.*\blength=(\d+))?")
# Pairs that a message shows.
SHOWN = 24


class Told(NamedTuple):
    """What a file says of one of its contigs: its length (0: nothing) and which chromosome it is."""

    length: int = 0
    chromosome: str = ""


class Proposal(NamedTuple):
    """Contigs of a file whose names are none of the genome's.

    Attributes
    ----------
    found : mapping
        Name in the file to name in the genome, where length or chromosome say so.
    why : mapping
        Of each of these, by what.
    unclear : mapping
        Name in the file to the contigs of the genome that it may be.
    guess : mapping
        Those of which the file says nothing, in the order of both files, if as many are left on both sides.
    """

    found: dict[str, str]
    why: dict[str, str]
    unclear: dict[str, list[str]]
    guess: dict[str, str]


def told_contigs(path: Path) -> dict[str, Told]:
    """What an annotation file says of its contigs, in their order; nothing of those that only have rows.

    Lengths are those of ``##sequence-region``, of rows over a whole contig, of GenBank records and of bigWig
    files; chromosomes those of the attribute ``chromosome`` and GenBank's qualifier.
    """
    suffix = suffix_of(path)
    if suffix in _GENBANK:
        return dict(_of_genbank(path))
    if suffix in BIGWIG:
        return {name: Told(length) for name, length in BigWig(path, Contigs({}, frozenset())).lengths.items()}
    return _of_lines(read_lines(path))


def told_by_vcf(header: Iterable[str], names: Iterable[str]) -> dict[str, Told]:
    """What the header of a VCF says of the contigs that its records name."""
    found = (_VCF_CONTIG.match(line) for line in header)
    lengths = {m[1]: int(m[2] or 0) for m in found if m}
    return {name: Told(lengths.get(name, 0)) for name in names}


def _of_genbank(path: Path) -> Iterator[tuple[str, Told]]:
    for record in parse_records(path):
        sources = [f.qualifiers for f in record.features if f.type == "source"]
        chromosome = next((q["chromosome"][0] for q in sources if "chromosome" in q), "")
        yield str(record.id), Told(len(record), chromosome)


def _of_lines(lines: Iterable[tuple[int, str]]) -> dict[str, Told]:
    """Of GFF3, GTF, BED and bedGraph; lines that are malformed are left to their reader."""
    found: dict[str, Told] = {}
    for _, line in lines:
        if line.startswith(("##FASTA", ">")):
            break
        if line.startswith("##sequence-region"):
            name, first, last = [*line.split(), "", "", ""][1:4]
            if first == "1" and last.isdigit():
                name = unquoted(name)
                found[name] = Told(int(last), found.get(name, Told()).chromosome)
        elif line.strip() and not line.startswith(("#", "track", "browser")):
            fields = line.rstrip("\r\n").split("\t")
            name = unquoted(fields[0])
            known = found.setdefault(name, Told())
            if len(fields) == 9 and fields[2] in CONTIG_TYPES and fields[3] == "1" and fields[4].isdigit():
                said = _CHROMOSOME.search(fields[8])
                chromosome = unquoted(said[1].strip()) if said else known.chromosome
                found[name] = Told(known.length or int(fields[4]), chromosome)
    return found


def propose(told: Mapping[str, Told], genome: Mapping[str, int], rename: Mapping[str, str]) -> Proposal:
    """Which of the genome's contigs (name to bases) those of a file are whose names do not meet.

    A contig is the free one of its length; of several of that length, or where the file tells no length, the
    one that its chromosome names. One whose length no contig of the genome has is not of this genome.
    """
    names = Names(genome, rename)
    met = {name: names.target(name) for name in told}
    free = [name for name in genome if name not in met.values()]
    by_length: dict[int, list[str]] = defaultdict(list)
    for name in free:
        by_length[genome[name]].append(name)
    here = Names(free, {})
    found: dict[str, str] = {}
    why: dict[str, str] = {}
    unclear: dict[str, list[str]] = {}
    silent = []
    for name in (n for n in told if met[n] is None):
        length, chromosome = told[name]
        fits = by_length[length] if length else free
        called = here.target(chromosome) if chromosome else None
        if length and len(fits) == 1:
            found[name], why[name] = fits[0], f"by its length, {length:,}"
        elif called in fits:
            found[name], why[name] = str(called), f"by chromosome={chromosome}"
        elif length:
            unclear |= {name: fits} if fits else {}
        else:
            silent.append(name)
    # Two that are one contig by their lengths are both unclear.
    for target in {t for t in found.values() if list(found.values()).count(t) > 1}:
        for name in [n for n, t in found.items() if t == target]:
            unclear[name] = [found.pop(name)]
    left = [name for name in free if name not in found.values()]
    guess = dict(zip(silent, left, strict=True)) if left and not unclear and len(silent) == len(left) else {}
    unclear |= {name: left for name in silent} if left else {}
    return Proposal(found, why, unclear, guess)


def advice(proposal: Proposal) -> str:
    """The proposal as the end of a sentence on names that do not meet; empty where there is none."""
    if proposal.found:
        pairs = [f"{old}={new} ({proposal.why[old]})" for old, new in proposal.found.items()]
        text = f"it seems that {listed(pairs, SHOWN)}: take this map with --rename auto"
        return text + (f"; not clear: {_doubts(proposal.unclear)}" if proposal.unclear else "")
    if proposal.guess:
        pairs = [f"--rename {old}={new}" for old, new in proposal.guess.items()]
        return f"the file tells no lengths; in the order of both files it would be {listed(pairs, SHOWN)}"
    return f"not clear: {_doubts(proposal.unclear)}" if proposal.unclear else ""


def _doubts(unclear: Mapping[str, Collection[str]]) -> str:
    return listed([f"{name} may be {listed(list(fits), 4)}" for name, fits in unclear.items()], 8)


def found_map(source: str, proposal: Proposal) -> dict[str, str]:
    """The proposal's map. Raises ``InputError`` where a contig may be several, or only the order tells."""
    if proposal.unclear:
        said = f" ({advice(proposal)})" if proposal.guess else f": {_doubts(proposal.unclear)}"
        raise InputError(
            f"{source}: --rename auto cannot tell which contig is which{said}; say it with --rename OLD=NEW"
        )
    return proposal.found
