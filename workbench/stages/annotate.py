"""Counting features against label states, shard by shard: the sums that all base-level scores come from."""

from __future__ import annotations

from functools import partial

import numpy as np

from feature_mining.association.conditional import joint_bases
from feature_mining.association.device import add_sparse_on
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.sparse import bin_values, by_feature
from workbench.analysis.counts import (
    KEPT,
    STRONGEST,
    Summary,
    Tops,
    add_packed,
    merge_tops,
    pack,
    strongest,
    summary_path,
)
from workbench.analysis.labels import labels_of, study_columns
from workbench.files.arrays import write_arrays
from workbench.genome.splits import REPORT, SELECT
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, Sums, map_runs, run_inputs
from workbench.stages.tree import add_up
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Count the pieces of one shard."""
    columns = study_columns(study)
    edges = study.calibration.bin_edges
    n_features, n_bins = len(edges), edges.shape[1] + 2
    contigs = list(study.manifest.contigs)
    select, report = (Histogram.empty(n_features, n_bins, len(columns)) for _ in range(2))
    active, usable = np.zeros((2, n_features), np.int64), np.zeros(2, np.int64)
    total = np.zeros(n_features)
    joint = np.zeros((len(columns), len(columns)), np.int64)
    device = study.config.model.device
    count = partial(add_sparse_on, device) if device.startswith("cuda") else add_sparse
    best: Tops | None = None
    maps = study.features
    for chrom, start, end in shard.task:
        split = study.split.codes(chrom, start, end)
        tops = []
        for s, (strand, reading) in enumerate(maps.strands(chrom, start, end).items()):
            features = by_feature(*reading.features)
            bins = bin_values(features, edges)
            labels = labels_of(study, columns, chrom, start, end, strand)
            count(select, features, bins, labels, reading.callable & (split == SELECT))
            joint += joint_bases(labels, reading.callable & (split == SELECT))
            count(report, features, bins, labels, reading.callable & (split == REPORT))
            active[s] += np.diff(features.indptr)
            usable[s] += reading.callable.sum()
            total += np.bincount(reading.features.indices, reading.features.values, minlength=n_features)
            rows, values = strongest(features, STRONGEST)
            where = np.full(rows.shape, contigs.index(chrom), np.int32)
            tops.append(Tops(values, rows + start, where, np.full(rows.shape, s == 1)))
        own = merge_tops(tops[0], tops[1], STRONGEST)
        best = own if best is None else merge_tops(best, own, KEPT)
        progress.advance(end - start)
    assert best is not None
    summary = Summary(select, report, joint, active, usable, total, *best)
    write_arrays(summary_path(study, shard.index), pack(summary))
    return shard.size


def finish(study: Study) -> None:
    """Add up all shards."""
    write_arrays(summary_path(study, None), add_up(study, STAGE))


STAGE = Stage(
    name="annotate",
    title="counting features against tracks",
    needs=("encode",),
    sections=("statistics", "tracks", "split"),
    run=run,
    shards=map_runs,
    finish=finish,
    inputs=run_inputs,
    sums=Sums(summary_path, add_packed),
)
