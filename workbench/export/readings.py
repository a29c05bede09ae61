"""Active bases of features as a table, a row a base, strand and feature."""

from __future__ import annotations

from pathlib import Path

from workbench.atomic import write_atomic
from workbench.export.choice import choose, describe
from workbench.export.job import Job, prepare_file, write_sidecar
from workbench.export.stream import pieces

COLUMNS = ("chrom", "start", "end", "strand", "feature", "value")


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
            rows = []
            for strand, reading in piece.readings.items():
                for i, choice in enumerate(chosen):
                    at, values = reading.values(choice.feature)
                    # As text in float32, so that 0.1 is not written as 0.10000000149.
                    texts = values.astype(str).tolist()
                    starts = (at + piece.start).tolist()
                    rows += [(p, strand, i, t) for p, t in zip(starts, texts, strict=True)]
            for position, strand, i, text in sorted(rows):
                place = f"{piece.chrom}\t{position}\t{position + 1}\t{strand}"
                handle.write(f"{place}\t{chosen[i].feature}\t{text}\n")
    return [job.out, write_sidecar(job)]
