"""Active bases of features as a table, a row a base, strand and feature."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.export.choice import choose, describe
from workbench.export.job import Job, prepare_file, write_sidecar
from workbench.export.stream import pieces
from workbench.files.atomic import write_atomic

COLUMNS = ("chrom", "start", "end", "strand", "feature", "value")


def write_parquet(job: Job) -> list[Path]:
    """The same rows as `write_tsv` as one Parquet file, ``value`` float32; provenance beside it."""
    chosen = choose(job.study, job.features)
    job.progress.say(describe(chosen))
    prepare_file(job.out)
    parts = []
    for piece in pieces(job, chosen):
        for strand, reading in piece.readings.items():
            for i, choice in enumerate(chosen):
                at, values = reading.values(choice.feature)
                start = at.astype("int64") + piece.start
                rows = {"start": start, "end": start + 1, "strand": strand, "_order": i}
                part = pd.DataFrame(rows | {"feature": choice.feature, "value": values})
                parts.append(part.assign(chrom=piece.chrom))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*COLUMNS, "_order"])
    contigs = {chrom: i for i, chrom in enumerate(job.contigs)}
    order = table.assign(_contig=table["chrom"].map(contigs))
    order = order.sort_values(["_contig", "start", "strand", "_order"], kind="stable")
    with write_atomic(job.out) as temporary:
        order[list(COLUMNS)].to_parquet(temporary, index=False)
    return [job.out, write_sidecar(job)]


def write_tsv(job: Job) -> list[Path]:
    """Tab-separated text, 0-based half-open, by base, then strand, then feature as chosen.

    Every value above 0 is written, whatever the feature's threshold; provenance goes into
    ``OUT.provenance.json``.
    """
    chosen = choose(job.study, job.features)
    job.progress.say(describe(chosen))
    prepare_file(job.out)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write("\t".join(COLUMNS) + "\n")
        for piece in pieces(job, chosen):
            chrom, rows = job.cell(piece.chrom), []
            for strand, reading in piece.readings.items():
                for i, choice in enumerate(chosen):
                    at, values = reading.values(choice.feature)
                    # As text in float32, so that 0.1 is not written as 0.10000000149.
                    texts = values.astype(str).tolist()
                    starts = (at + piece.start).tolist()
                    rows += [(p, strand, i, t) for p, t in zip(starts, texts, strict=True)]
            for position, strand, i, text in sorted(rows):
                place = f"{chrom}\t{position}\t{position + 1}\t{job.cell(strand)}"
                handle.write(f"{place}\t{chosen[i].feature}\t{text}\n")
    return [job.out, write_sidecar(job)]
