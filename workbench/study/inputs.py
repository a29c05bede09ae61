"""What a study is made from, read: annotation, samples, replichores.

Functions of a study's folder and settings, so that `Study` can call them; relative paths are taken from the
folder.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workbench.cohort.relatedness import Relatedness, read_matrix, read_tree
from workbench.cohort.samples import Cohort, read_cohort, read_sample_table
from workbench.cohort.vcf import VariantFile
from workbench.errors import InputError
from workbench.files.text import read_lines, stem_of, suffix_of
from workbench.genome.reference import Genome
from workbench.genome.replichores import Replichores, Turn, from_skew
from workbench.study.config import CohortConfig, InputConfig, StudyConfig, resolve
from workbench.tracks import Contigs, Track, derive_tracks, read_tracks
from workbench.tracks.gff import circular_contigs
from workbench.wording import listed, repeated, visible_name

_NOTE = re.compile(r"(?:^|[=;,])(dif|oriC)(?:$|[;,])", re.IGNORECASE)


def read_study_genome(folder: Path, given: InputConfig, circular: Sequence[str] | None = None) -> Genome:
    """The reference sequence of a study.

    ``circular`` names its circular contigs; None where that is not locked yet: those that the user named, and
    those that the genome's file or a GFF3 track declares, by any spelling of their names.
    """
    named = given.circular if circular is None else circular
    genome = Genome(resolve(folder, given.genome), circular=named, cache=folder / "cache")
    if circular is None:
        contigs = Contigs(genome.lengths, genome.circular, given.rename)
        for path in (resolve(folder, track) for track in given.tracks):
            if suffix_of(path) in (".gff", ".gff3"):
                targets = {contigs.target(name) for name in circular_contigs(path)}
                genome.circular |= targets & set(genome.lengths)
    return genome


def _name_apart(name: str, path: Path, taken: Collection[str]) -> str:
    """A track's name, with its file's name and as many folders before it as it takes to be the only one."""
    if name not in taken:
        return name
    stem = visible_name(path.name.split(".")[0])
    longer = name if name == stem_of(path) else f"{stem}:{name}"
    for folder in path.resolve().parents:
        if longer != name and longer not in taken:
            break
        longer = f"{visible_name(folder.name)}:{longer}"
    return longer


class Annotation(NamedTuple):
    """Tracks that are tested, and notes on all that was left out, and why."""

    tracks: list[Track]
    notes: list[str]


def read_annotation(folder: Path, config: StudyConfig, genome: Genome) -> Annotation:
    """Tracks of a study: read, named apart, derived ones added, unwanted and small ones left out."""
    given = config.input
    tracks: list[Track] = []
    notes: dict[str, None] = {}
    paths = [resolve(folder, name) for name in given.tracks]
    if twice := repeated([str(path.resolve()) for path in paths]):
        raise InputError(f"{twice[0]}: given twice as a track; give it once")
    for path in paths:
        for track in read_tracks(path, genome, given.rename):
            notes |= dict.fromkeys(track.notes)
            if track.signal or len(track.intervals):
                apart = _name_apart(track.name, path, [t.name for t in tracks])
                tracks.append(replace(track, name=apart))
    # UTRs are spelt in lower case in GTF.
    taken = {t.name.casefold() for t in tracks}
    for track in derive_tracks(tracks, Contigs(genome.lengths, genome.circular), config.tracks.derive):
        if track.name.casefold() not in taken:
            notes |= dict.fromkeys(track.notes)
            tracks.append(track)
        elif len(track.intervals):
            notes[
                f"{track.name}: not derived from {track.source}, since a track that was given has that name;"
                " give that another name to have both"
            ] = None
    skipped, least = config.statistics.skip_tracks, max(1, config.statistics.min_intervals)
    tested = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for track in tracks:
        if track.name in skipped:
            left_out["as skip_tracks says"].append(_counted(track))
        elif track.signal or len(track.intervals) >= least:
            tested.append(track)
        elif len(track.intervals):
            left_out[f"fewer than {least} intervals"].append(_counted(track))
    said = [f"not tested, {why}: {', '.join(names)}" for why, names in left_out.items()]
    return Annotation(tested, [*notes, *said])


def _counted(track: Track) -> str:
    return track.name if track.signal else f"{track.name} ({len(track.intervals):,})"


class Mismatch(NamedTuple):
    """Samples that only one side has."""

    only_in_source: list[str]
    only_in_phenotypes: list[str]


def source_samples(folder: Path, given: CohortConfig) -> tuple[Path, list[str]]:
    """File (or folder) that samples come from, and their names in its order."""
    if given.variants:
        path = resolve(folder, given.variants)
        return path, VariantFile(path).samples
    if given.sequences:
        path = resolve(folder, given.sequences)
        from workbench.cohort.sequences import sequence_files  # PyTorch

        return path, list(sequence_files(path))
    path = resolve(folder, given.matrix)
    return path, list(read_sample_table(path)["sample"])


def _match(
    source: Path, names: list[str], table: Path, cohort: Cohort, mismatch: str
) -> tuple[list[str], Mismatch]:
    measured, there = set(cohort.names), set(names)
    found = Mismatch([n for n in names if n not in measured], [n for n in cohort.names if n not in there])
    both = [n for n in names if n in measured]
    if not both:
        raise InputError(
            f"{table}: none of its samples ({listed(cohort.names)}) is in {source} ({listed(names)}); give"
            " the same names on both sides"
        )
    for side, other, missing in (
        (table, source, found.only_in_source),
        (source, table, found.only_in_phenotypes),
    ):
        if missing and mismatch == "refuse":
            raise InputError(
                f"{side}: {len(missing):,} samples of {other.name} are not in it: {listed(missing)}; add"
                f' them, or set mismatch = "intersect" in [cohort] to go on with the {len(both):,} in both'
            )
    return both, found


def read_study_cohort(folder: Path, given: CohortConfig) -> tuple[Cohort, Mismatch]:
    """The cohort of a study, in the order of its variants, and the samples that were left out.

    Raises ``InputError`` for what `read_cohort` refuses and for samples that one side lacks.
    """
    source, names = source_samples(folder, given)
    if given.phenotypes:
        table = resolve(folder, given.phenotypes)
        cohort = read_cohort(table, given.phenotype, given.covariates, given.groups, given.missing)
        names, left_out = _match(source, names, table, cohort, given.mismatch)
        cohort = cohort.take(names)
    else:
        cohort, left_out = Cohort(pd.DataFrame({"sample": names}), ()), Mismatch([], [])
    return replace(cohort, relatedness=_relatedness(folder, given, names)), left_out


def _relatedness(folder: Path, given: CohortConfig, names: list[str]) -> Relatedness | None:
    parts: list[Relatedness] = []
    if given.tree:
        parts.append(read_tree(resolve(folder, given.tree), names))
    if given.distances:
        path = resolve(folder, given.distances)
        parts.append(Relatedness(None, read_matrix(path, names), str(path)))
    if given.kinship:
        path = resolve(folder, given.kinship)
        parts.append(Relatedness(read_matrix(path, names), None, str(path)))
    if not parts:
        return None
    # A matrix that the user gave goes before one that a tree implies.
    kinship = [p.kinship for p in parts if p.kinship is not None]
    distance = [p.distance for p in parts if p.distance is not None]
    return Relatedness(
        kinship[-1] if kinship else None,
        distance[-1] if distance else None,
        ", ".join(p.source for p in parts),
    )


def annotated(folder: Path, given: InputConfig, contigs: Contigs) -> dict[tuple[str, str], int]:
    """Middle of oriC and dif by (contig, ``oriC`` or ``dif``), from the GFF3 tracks."""
    found: dict[tuple[str, str], int] = {}
    for track in given.tracks:
        path = resolve(folder, track)
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
            if chrom := contigs.target(fields[0]):
                found.setdefault((chrom, name), (int(fields[3]) - 1 + int(fields[4])) // 2)
    return found


def find_replichores(
    folder: Path, given: InputConfig, genome: Genome, circular: Sequence[str]
) -> dict[str, Replichores]:
    """Origin and terminus of every circular contig that has them, annotated or else from GC skew."""
    known = annotated(folder, given, Contigs(genome.lengths, genome.circular, given.rename))
    out = {}
    for chrom in circular:
        if chrom not in genome.lengths:
            raise InputError(f"{folder}: circular contig {chrom} is not in the genome")
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
