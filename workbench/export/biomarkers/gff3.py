"""Candidates as GFF3: their regions."""

from __future__ import annotations

from pathlib import Path

from workbench.export.biomarkers.rows import as_text, is_known, notice, placed
from workbench.export.intervals import escape_attribute, escape_seqid
from workbench.export.job import Job, comment, prepare_file
from workbench.files.atomic import write_atomic

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
        handle.write("##gff-version 3\n")
        for chrom, length in job.study.manifest.contigs.items():
            handle.write(f"##sequence-region {escape_seqid(chrom)} 1 {length}\n")
        handle.write(comment(job))
        handle.write(f"# {notice(rows)}\n")
        for r in rows:
            place = f"{escape_seqid(r['chrom'])}\tworkbench\tsequence_feature\t{r['start'] + 1}\t{r['end']}"
            given = {name: r[name] for name in ATTRIBUTES if is_known(r[name])}
            given = {"ID": r["candidate_id"], "Name": r["region"], **given}
            ninth = ";".join(f"{k}={escape_attribute(as_text(v))}" for k, v in given.items())
            handle.write(f"{place}\t{r['q']:.6g}\t{r['strand']}\t.\t{ninth}\n")
    return [job.out]
