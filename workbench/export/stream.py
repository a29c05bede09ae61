"""Feature values along the genome, a shard at a time, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from feature_mining.association.sparse import Csc, by_feature
from workbench.errors import InputError
from workbench.export.choice import Choice
from workbench.export.job import STRANDS, Job
from workbench.scans.source import FileSource


class Reading(NamedTuple):
    """One strand's reading of a piece: features by number, rows from its start; callable bool (n)."""

    features: Csc
    callable: np.ndarray

    def values(self, feature: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows int64 and values float32 of one feature at callable bases, ascending."""
        at = slice(self.features.indptr[feature], self.features.indptr[feature + 1])
        rows, values = self.features.rows[at].astype(np.int64), self.features.values[at]
        keep = self.callable[rows]
        return rows[keep], values[keep]


class Piece(NamedTuple):
    """A stretch ``[start, end)`` of a contig with its readings by strand (``+``, ``-``)."""

    chrom: str
    start: int
    end: int
    readings: dict[str, Reading]


def pieces(job: Job, chosen: list[Choice]) -> Iterator[Piece]:
    """Shards in genome order, contigs as in the manifest, with the strands asked for; or cells of a sequence
    that is read anew.

    Where the job has a region, only what lies in it: runs of active bases are cut at its ends.

    Raises ``InputError`` for a shard beyond its contig and for files of another origin.
    """
    if job.source is not None:
        yield from _read_anew(job, job.source)
        return
    study, store = job.study, job.study.features
    contigs = study.manifest.contigs
    order = {chrom: i for i, chrom in enumerate(contigs)}
    shards = sorted(study.manifest.shards, key=lambda s: (order[s.chrom], s.start))
    if job.region is not None:
        shards = [s.within(job.region) for s in shards if s.meets(job.region)]
    job.progress.begin(f"exporting {len(chosen)} features", sum(s.size for s in shards), "bases")
    for chrom, start, end in shards:
        if not 0 <= start < end <= contigs[chrom]:
            raise InputError(
                f"{study.folder}: shard {chrom}:{start}-{end} is not within the contig's"
                f" {contigs[chrom]} bases; run again with --force plan"
            )
        readings = {}
        for strand in STRANDS[job.strand]:
            features, usable = store.rows(chrom, start, end, strand)
            readings[strand] = Reading(by_feature(*features), usable)
        yield Piece(chrom, start, end, readings)
        job.progress.advance(end - start)
    job.progress.end()


def _read_anew(job: Job, source: FileSource) -> Iterator[Piece]:
    strands = STRANDS[job.strand]
    job.progress.begin("reading", sum(source.genome.lengths.values()), "bases")
    for chrom in source.genome.lengths:
        readings: dict[str, Reading] = {}
        for piece in source.read(source.cells(chrom), strands):
            readings[piece.strand] = Reading(by_feature(*piece.features), piece.valued)
            if len(readings) == len(strands):
                yield Piece(chrom, piece.cell.start, piece.cell.end, readings)
                readings = {}
                job.progress.advance(piece.cell.end - piece.cell.start)
    job.progress.end()
