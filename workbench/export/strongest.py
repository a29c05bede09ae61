"""Features of sequence that no study was made of: which are strongest, where, and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.browse.strongest import Strongest
from workbench.browse.value_scale import read_scale
from workbench.export import tables
from workbench.export.choice import check
from workbench.export.job import STRANDS, Job
from workbench.progress import Progress
from workbench.scans.source import FileSource

COLUMNS = ("chrom", "start", "end", "strand", "feature", "label", "track", "mode", "verdict",
           "largest", "of_top", "rarity", "bases", "aside")  # fmt: skip


class Found(NamedTuple):
    """Features of some records.

    table : a row a record and feature that is active, `COLUMNS`: its strongest base (0-based half-open), the
        study's label, best track and verdict, and what `workbench.browse.strongest.Strongest` has; the rarest
        value of a record first
    read : by record, readings of bases that have a value, of ``strands * length``
    """

    table: pd.DataFrame
    read: dict[str, int]


def strongest(source: FileSource, features: list[int] | None, strand: str, progress: Progress) -> Found:
    """Read records with a study's model; memory is that of a few windows, whatever their length.

    Raises ``InputError`` for an unfinished study and a feature that it does not have.
    """
    study, strands = source.study, STRANDS[strand]
    catalog = study.table("catalog").set_index("feature", drop=False)
    scale = read_scale(study, catalog)
    wanted = None if features is None else check(features, len(catalog))
    lengths = source.genome.lengths
    parts, read = [], {}
    progress.begin("reading", sum(lengths.values()) * len(strands), "bases")
    for chrom, length in lengths.items():
        warmup = study.grid.warmup
        found = Strongest(len(catalog), warmup if length > warmup else 0)
        read[chrom] = 0
        for piece in source.read(source.cells(chrom), strands):
            csr, minus = piece.features, piece.strand == "-"
            rows = np.repeat(np.arange(csr.n_rows), np.diff(csr.indptr))
            use = piece.valued[rows]
            place = rows[use] + piece.cell.start
            before = length - 1 - place if minus else place
            if chrom in source.genome.circular:
                before = np.maximum(before, warmup)
            found.add(csr.indices[use], csr.values[use], place, np.full(len(place), minus), before)
            read[chrom] += int(piece.valued.sum())
            progress.advance(len(piece.valued))
        own = found.table(catalog, scale)
        parts.append(own.assign(chrom=chrom, start=own["position"], end=own["position"] + 1))
    progress.end()
    table = pd.concat(parts, ignore_index=True)
    if wanted is not None:
        table = table[table["feature"].isin(wanted)].reset_index(drop=True)
    labels, known = study.feature_labels(), catalog.loc[table["feature"]]
    table["label"] = [labels[int(feature)].text for feature in table["feature"]]
    for column, origin in (("track", "best_track"), ("mode", "best_mode"), ("verdict", "verdict")):
        table[column] = known[origin].astype(str).to_numpy() if origin in known else ""
    return Found(table[list(COLUMNS)], read)


def write(job: Job) -> list[Path]:
    """The table of `strongest` in the job's format."""
    assert job.source is not None
    return tables.save(job, strongest(job.source, job.features, job.strand, job.progress).table)
