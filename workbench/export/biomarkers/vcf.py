"""Driving variants of the candidates as VCF: what each drives in INFO."""

from __future__ import annotations

from pathlib import Path

import pysam

from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.export.biomarkers.rows import Row, notice, placed
from workbench.export.job import Job, prepare_file, provenance
from workbench.files.atomic import write_atomic

_UNSAFE = {ord(c): f"%{ord(c):02X}" for c in "%;=|, \x7f" + "".join(map(chr, range(32)))}


def write(job: Job) -> list[Path]:
    """VCF, bgzipped and indexed: a record a driving variant, what it drives in INFO.

    Raises ``InputError`` where the file's name does not end in ``.vcf.gz`` or no candidate has a driver.
    """
    if not job.out.name.endswith(".vcf.gz"):
        raise InputError(f"{job.out}: the file is bgzipped; expected a name that ends in .vcf.gz")
    rows = placed(job)
    prepare_file(job.out)
    records: dict[str, list[tuple[Row, float]]] = {}
    for r in rows:
        for name, delta in zip(r["driving_variants"], r["driving_delta"], strict=True):
            records.setdefault(name, []).append((r, delta))
    if not records:
        raise InputError(f"{job.study.folder}: no candidate has a driving variant, so none is written")
    header = _header(job, rows)
    contigs = list(job.study.manifest.contigs)
    variants = sorted(
        ((parse_variant(name), name) for name in records),
        key=lambda v: (contigs.index(v[0].chrom), v[0].start, v[1]),
    )
    with write_atomic(job.out) as temporary, pysam.VariantFile(str(temporary), "wz", header=header) as out:
        for variant, name in variants:
            alleles = (variant.reference, variant.alternative)
            record = out.new_record(variant.chrom, variant.start, alleles=alleles)
            driven = records[name]
            layer = _safe(job.study.layer)
            record.info["SAEF"] = [f"{r['feature']}|{d:.6g}|{layer}" for r, d in driven]
            record.info["CAND"] = [r["candidate_id"] for r, _ in driven]
            record.info["PHENO"] = [_safe(r["phenotype"]) for r, _ in driven]
            record.info["TIER"] = [r["evidence_tier"] for r, _ in driven]
            out.write(record)
    # The library compresses again whatever does not end in .gz, so the temporary name would not do.
    pysam.tabix_index(str(job.out), preset="vcf", force=True)
    return [job.out, job.out.with_name(f"{job.out.name}.tbi")]


def _header(job: Job, rows: list[Row]) -> pysam.VariantHeader:
    header = pysam.VariantHeader()
    for chrom, length in job.study.manifest.contigs.items():
        header.contigs.add(chrom, length=length)
    for key, value in provenance(job).items():
        header.add_line(f"##workbench_{key}={value}")
    header.add_line(f"##notice={notice(rows)}")
    says = {
        "SAEF": "feature|change of its burden with the variant, mean over carriers|layer",
        "CAND": "candidate biomarkers that the variant drives",
        "PHENO": "their phenotypes",
        "TIER": "their evidence tiers",
    }
    for name, text in says.items():
        header.info.add(name, ".", "String", text)
    return header


def _safe(text: str) -> str:
    """Percent-escape what INFO values may not hold."""
    return text.translate(_UNSAFE)
