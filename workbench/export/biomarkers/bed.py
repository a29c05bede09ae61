"""Candidates as BED9: their regions."""

from __future__ import annotations

from pathlib import Path

from workbench.analysis.biomarkers.tiers import TIER_COLOURS
from workbench.export.biomarkers.rows import Row, display_name, notice, placed, score
from workbench.export.job import Job, comment, prepare_file
from workbench.files.atomic import write_atomic


def fields(row: Row) -> list[str]:
    """Columns 4 to 9: name, score -10 log10 q (at most 1000), strand, thick ends, colour of the tier."""
    ends = (str(row["start"]), str(row["end"]))
    colour = ",".join(map(str, bytes.fromhex(TIER_COLOURS[row["evidence_tier"]][1:])))
    return [display_name(row), str(score(row["q"])), row["strand"], *ends, colour]


def write(job: Job) -> list[Path]:
    """A line a candidate, 0-based half-open."""
    rows = placed(job)
    prepare_file(job.out)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write(comment(job))
        handle.write(f"# {notice(rows)}\n")
        for row in rows:
            place = [row["chrom"], str(row["start"]), str(row["end"])]
            handle.write("\t".join([*place, *fields(row)]) + "\n")
    return [job.out]
