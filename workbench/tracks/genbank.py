"""GenBank and EMBL through Biopython: features as tracks, records as sequence."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from Bio import BiopythonWarning, SeqIO
from Bio.SeqFeature import ExactPosition, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from workbench.errors import InputError
from workbench.files.text import open_text, suffix_of
from workbench.tracks.track import (
    PSEUDOGENE,
    Contigs,
    Row,
    Track,
    check_span,
    is_broken,
    joined_by,
    note_left_out,
    typed_tracks,
)
from workbench.wording import visible_name

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
        # A file that ends early, or is put together from parts: its LOCUS line promises other letters.
        warnings.filterwarnings("error", "Expected sequence length")
        which, read = "the first record", 0
        try:
            for record in SeqIO.parse(handle, kind):
                yield record
                which, read = f"the record after {record.id}", read + 1
        except InputError:
            raise
        except BiopythonWarning as warning:
            raise InputError(
                f"{path}: {str(warning).rstrip('.')}, in {which}, which ends at line"
                f" {handle.read_to:,}; the file ends early or is put together from parts: fetch it again"
            ) from None
        except Exception as error:  # damage ends Biopython in errors of many classes
            what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"{path}: not readable as {kind} ({what}), in {which}, at or before line {handle.read_to:,}"
            ) from None
    # Biopython goes past a record whose first line it does not know.
    with open_text(path) as handle:
        ended = sum(line.rstrip() == "//" for line in handle)
    if ended > read:
        first = "ID" if kind == "embl" else "LOCUS"
        raise InputError(
            f"{path}: {ended} records end with //, {read} can be read; expected a line {first} at the head of"
            " each: mend it or fetch the file again"
        )


def feature_type(feature: SeqFeature) -> str:
    """Type as GFF3 has it."""
    return _TERMS.get(feature.type, feature.type)


def feature_name(feature: SeqFeature) -> str:
    """Gene, locus tag, standard name, product or note, whichever comes first; else empty."""
    name = next((feature.qualifiers[k][0] for k in _NAMES if k in feature.qualifiers), "")
    return visible_name(name)


def own_parts(record: SeqRecord, feature: SeqFeature) -> tuple[list[SimpleLocation], str]:
    """Parts of a feature on its record, in reading order; and why some are left out, empty for none.

    Parts on another sequence have coordinates of that one. Places between two bases have no length. A
    location that Biopython cannot parse has no parts.
    """
    if feature.location is None:
        return [], "whose location cannot be read"
    here = {None, str(record.id), str(record.id).rsplit(".", 1)[0], record.name}
    own = [p for p in feature.location.parts if p.ref in here]
    parts = [p for p in own if int(p.end) > int(p.start)]
    if len(own) < len(feature.location.parts):
        return parts, "on another sequence" if not parts else "with parts on another sequence"
    return parts, "between two bases" if not parts else ""


def _complete(feature: SeqFeature) -> bool:
    """Whether both ends of a feature are known, and its parts belong together."""
    location = feature.location
    assert location is not None  # else it has no parts
    exact = all(isinstance(at, ExactPosition) for p in location.parts for at in (p.start, p.end))
    joined = getattr(location, "operator", "join") == "join"
    return exact and joined and not is_broken({k: v[0] for k, v in feature.qualifiers.items()})


def phases(where: str, feature: SeqFeature, sizes: list[int]) -> list[int]:
    """Phase of each part of a CDS, bases to skip to the next codon; -1 for other features.

    Raises ``InputError`` for a CDS that begins at no place in a codon.
    """
    if feature.type != "CDS":
        return [-1] * len(sizes)
    start = feature.qualifiers.get("codon_start", ["1"])[0]
    if start not in ("1", "2", "3"):
        raise InputError(f"{where}: codon_start is {start[:20]!r}; expected 1, 2 or 3")
    phase = int(start) - 1
    found = []
    for size in sizes:
        found.append(phase)
        phase = (phase - size) % 3
    return found


def read_genbank(path: Path, contigs: Contigs) -> list[Track]:
    """One track a feature type; compound locations become rows of one group, fuzzy ends their bounds.

    A note on each says how many features were left out, and why. Raises ``InputError`` naming file, record
    and feature.
    """
    rows: dict[str, list[Row]] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    for record in parse_records(path):
        chrom = str(record.id)
        broken = {tag for f in record.features for tag in _pseudo_tags(f)}
        for i, feature in enumerate(record.features):
            kind, name = feature_type(feature), feature_name(feature)
            where = f"{path}: record {chrom}, {kind} {name}"
            parts, why = own_parts(record, feature)
            if why:
                left_out[kind, why] += 1
            spans = [(int(p.start), int(p.end)) for p in parts]
            complete = not why and _complete(feature) and broken.isdisjoint(_tags(feature))
            found = phases(where, feature, [end - start for start, end in spans])
            qualifiers = {k: v[0] for k, v in feature.qualifiers.items()}
            joined = joined_by(kind, qualifiers)
            if "pseudo" in qualifiers or not broken.isdisjoint(_tags(feature)):
                joined = PSEUDOGENE
            parent, operon = (_tags(feature) or [""])[0], qualifiers.get("operon", "")
            for j, (part, (start, end), phase) in enumerate(zip(parts, spans, found, strict=True)):
                check_span(where, chrom, start, end, contigs)
                strand = STRANDS.get(part.strand or 0, ".")
                group = f"{chrom}:{i}"
                row = Row(
                    chrom, start, end, name, float("nan"), strand, phase, group, j, complete,
                    parent, joined, operon,
                )  # fmt: skip
                rows.setdefault(kind, []).append(row)
    notes = note_left_out(path, left_out)
    if not rows:
        why = f" ({notes[0]})" if notes else ""
        raise InputError(f"{path}: no feature in it{why}; expected GenBank or EMBL with a feature table")
    return typed_tracks(path, rows, notes)


def _tags(feature: SeqFeature) -> list[str]:
    """Locus tags of a feature, or its genes where it has none."""
    return list(feature.qualifiers.get("locus_tag", feature.qualifiers.get("gene", [])))


def _pseudo_tags(feature: SeqFeature) -> list[str]:
    """Locus tags of a pseudogene, whose CDS need not say it again."""
    return _tags(feature) if {"pseudo", "pseudogene"} & set(feature.qualifiers) else []
