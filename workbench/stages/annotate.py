"""Counting features against label states, shard by shard: the sums that all base-level scores come from."""

from __future__ import annotations

from functools import partial

import numpy as np

from feature_mining.association.conditional import joint_bases
from feature_mining.association.device import add_sparse_on
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.sparse import bin_values, by_feature
from workbench.analysis.counts import STRONGEST, Summary, add_packed, pack, strongest, summary_path
from workbench.analysis.labels import labels_of, study_columns
from workbench.files.arrays import write_arrays
from workbench.genome.splits import REPORT, SELECT
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, Sums, map_shards
from workbench.stages.tree import add_up
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Count one shard."""
    columns = study_columns(study)
    edges = study.calibration.bin_edges
    chrom, start, end = shard.task
    contig = list(study.manifest.contigs).index(chrom)
    split = study.split.codes(chrom, start, end)
    n_features, n_bins = len(edges), edges.shape[1] + 2
    # Both readings of all contigs: what the sum over shards may come to.
    most = 2 * sum(study.manifest.contigs.values())
    select, report = (Histogram.empty(n_features, n_bins, len(columns), most) for _ in range(2))
    active, usable = np.zeros((2, n_features), np.int64), np.zeros(2, np.int64)
    total = np.zeros(n_features)
    joint = np.zeros((len(columns), len(columns)), np.int64)
    tops = []
    device = study.config.model.device
    count = partial(add_sparse_on, device) if device.startswith("cuda") else add_sparse
    for s, strand in enumerate("+-"):
        reading = study.features.rows(chrom, start, end, strand)
        features = by_feature(*reading.features)
        bins = bin_values(features, edges)
        labels = labels_of(study, columns, chrom, start, end, strand)
        count(select, features, bins, labels, reading.callable & (split == SELECT))
        joint += joint_bases(labels, reading.callable & (split == SELECT))
        count(report, features, bins, labels, reading.callable & (split == REPORT))
        active[s] = np.diff(features.indptr)
        usable[s] = reading.callable.sum()
        total += np.bincount(reading.features.indices, reading.features.values, minlength=n_features)
        rows, values = strongest(features, STRONGEST)
        tops.append((values, rows + start, np.full(rows.shape, s == 1)))
    order = np.argsort(-np.concatenate([t[0] for t in tops], axis=1), axis=1, kind="stable")
    order = order[:, :STRONGEST]
    value, position, minus = (
        np.take_along_axis(np.concatenate([t[i] for t in tops], axis=1), order, axis=1) for i in range(3)
    )
    where = np.full(position.shape, contig, np.int32)
    summary = Summary(select, report, joint, active, usable, total, value, position, where, minus)
    write_arrays(summary_path(study, shard.index), pack(summary))
    progress.advance(shard.size)
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
    shards=map_shards,
    finish=finish,
    sums=Sums(summary_path, add_packed),
)
