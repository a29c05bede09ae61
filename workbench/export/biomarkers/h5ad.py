"""Samples x candidates as AnnData (``.h5ad``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workbench.export.biomarkers.rows import chosen, notice
from workbench.export.job import Job, prepare_file, provenance
from workbench.export.tables import flat
from workbench.files.anndata import write_anndata


def write(job: Job) -> list[Path]:
    """``X`` float32 (samples, candidates): burdens; ``obs`` samples, ``var`` candidates."""
    table = chosen(job)
    samples = job.study.cohort.samples
    strand = job.study.config.phenotype.strand
    values = np.empty((len(samples), len(table)), np.float32)
    for region, own in table.groupby("region"):
        store = job.study.burdens.open(str(region))
        place = {int(f): i for i, f in enumerate(store.features)}
        for column, feature, burden in zip(own.index, own["feature"], own["burden"], strict=True):
            at = place[int(feature)]
            values[:, column] = store.per_sample(str(burden), strand, slice(at, at + 1))[0]
    prepare_file(job.out)
    words = {**provenance(job), "notice": notice(table.to_dict("records"))}
    candidates = flat(table).set_index("candidate_id")
    write_anndata(job.out, [values], samples.set_index("sample"), candidates, words)
    return [job.out]
