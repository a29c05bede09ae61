"""Runs of features as BED9 and GFF3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from workbench.export.choice import Choice, choose, describe
from workbench.export.job import Job, comment, prepare_file
from workbench.export.runs import genome_runs
from workbench.export.stream import pieces
from workbench.files.atomic import write_atomic
from workbench.files.gff3 import gff3_header, gff3_line

# Blue and vermillion: told apart with any colour vision.
COLOURS = {"+": "0,114,178", "-": "213,94,0"}


def write_bed(job: Job) -> list[Path]:
    """BED9: 0-based half-open runs, score 1000 at the feature's largest value, colour by strand."""
    chosen = _chosen(job)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write(comment(job))
        for chrom, run, strand, choice in _runs(job, chosen):
            _, start, end, peak, _, _ = run
            score = min(1000, round(1000 * peak / choice.max)) if choice.max > 0 else 0
            name = "_".join(choice.name.split())
            place = f"{chrom}\t{start}\t{end}\t{name}\t{score}\t{strand}"
            handle.write(f"{place}\t{start}\t{end}\t{COLOURS[strand]}\n")
    return [job.out]


def write_gff3(job: Job) -> list[Path]:
    """GFF3: 1-based closed runs, SO term ``sequence_feature``, the score column the run's largest value."""
    chosen = _chosen(job)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write(gff3_header(job.contigs))
        handle.write(comment(job))
        for chrom, run, strand, choice in _runs(job, chosen):
            number, start, end, peak, mean, active = run
            side = "plus" if strand == "+" else "minus"
            attributes = {
                "ID": f"f{choice.feature}.{side}.{number}",
                "Name": choice.name,
                "feature": str(choice.feature),
                "track": choice.track,
                "mode": choice.mode,
                "threshold": f"{choice.threshold:.6g}",
                "mean": f"{mean:.6g}",
                "active_bases": str(active),
            }
            handle.write(gff3_line(chrom, start, end, f"{peak:.6g}", strand, attributes))
    return [job.out]


def _chosen(job: Job) -> list[Choice]:
    chosen = choose(job.study, job.features)
    job.progress.say(describe(chosen))
    prepare_file(job.out)
    return chosen


def _runs(
    job: Job, chosen: list[Choice]
) -> Iterator[tuple[str, tuple[int, int, int, float, float, int], str, Choice]]:
    """Contig, (number, start, end, max, mean, active bases), strand and feature of every run."""
    gap = job.study.config.statistics.merge_gap
    numbers: Counter[tuple[int, bool]] = Counter()
    for chrom, batch in genome_runs(pieces(job, chosen), chosen, gap):
        for start, end, peak, total, active, index, minus in batch.tolist():
            numbers[index, minus] += 1
            run = (numbers[index, minus], start, end, peak, total / active, active)
            yield chrom, run, "-" if minus else "+", chosen[index]
