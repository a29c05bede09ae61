"""Candidates as GFF3: their regions."""

from __future__ import annotations

from pathlib import Path

from workbench.export.biomarkers.rows import as_text, is_known, notice, placed
from workbench.export.job import Job, comment, prepare_file
from workbench.files.atomic import write_atomic
from workbench.files.gff3 import gff3_header, gff3_line

ATTRIBUTES = (
    *("phenotype", "feature", "burden", "gene", "locus_tag", "label", "p", "q", "beta", "se"),
    *("evidence_tier", "lineage_effect", "replicated", "confound_flags", "simulated"),
    "not_for_clinical_use",
)  # fmt: skip


def write(job: Job) -> list[Path]:
    """A line a candidate, 1-based, closed; the score column is q, the type an SO term."""
    rows = placed(job)
    prepare_file(job.out)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write(gff3_header(job.study.manifest.contigs))
        handle.write(comment(job))
        handle.write(f"# {notice(rows)}\n")
        for r in rows:
            given = {name: r[name] for name in ATTRIBUTES if is_known(r[name])}
            given = {"ID": r["candidate_id"], "Name": r["region"], **given}
            attributes = {name: as_text(value) for name, value in given.items()}
            handle.write(
                gff3_line(r["chrom"], r["start"], r["end"], f"{r['q']:.6g}", r["strand"], attributes)
            )
    return [job.out]
