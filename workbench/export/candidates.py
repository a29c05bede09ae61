"""Candidate biomarkers as BED9 and GFF3 (their regions) and VCF (their driving variants)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pysam

from workbench.atomic import write_atomic
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.export.choice import check
from workbench.export.intervals import escape_attribute, escape_seqid
from workbench.export.job import Job, comment, prepare_file, provenance

TIER_COLOURS = {"A": "0,158,115", "B": "0,114,178", "C": "230,159,0", "D": "153,153,153"}
ATTRIBUTES = (
    *("phenotype", "feature", "burden", "gene", "label", "p", "q", "beta", "se", "evidence_tier"),
    *("lineage_effect", "replicated", "confound_flags", "simulated", "not_for_clinical_use"),
)  # fmt: skip
NOTICE = "not for clinical use"
_UNSAFE = {ord(c): f"%{ord(c):02X}" for c in "%;=|, \x7f" + "".join(map(chr, range(32)))}


def write_bed(job: Job) -> list[Path]:
    """BED9: a candidate's region, score -10 log10 q (at most 1000), coloured by tier."""
    rows = _placed(job)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write(comment(job))
        handle.write(f"# {_notice(rows)}\n")
        for r in rows:
            name = "_".join(f"f{r['feature']}|{r['phenotype']}|{r['region']}".split())
            place = (
                f"{r['chrom']}\t{r['start']}\t{r['end']}\t{name}\t{score(r['q'])}\t{r['strand']}"
            )
            colour = TIER_COLOURS[r["evidence_tier"]]
            handle.write(f"{place}\t{r['start']}\t{r['end']}\t{colour}\n")
    return [job.out]


def score(q: float) -> int:
    """``-10 log10 q``, rounded, from 0 to 1000."""
    return 1000 if q <= 1e-100 else max(0, round(-10 * math.log10(q)))


def write_gff3(job: Job) -> list[Path]:
    """GFF3: a candidate's region, 1-based, closed; the score column is q."""
    rows = _placed(job)
    with write_atomic(job.out) as temporary, temporary.open("w") as handle:
        handle.write("##gff-version 3\n")
        for chrom, length in job.study.manifest.contigs.items():
            handle.write(f"##sequence-region {escape_seqid(chrom)} 1 {length}\n")
        handle.write(comment(job))
        handle.write(f"# {_notice(rows)}\n")
        for r in rows:
            place = f"{escape_seqid(r['chrom'])}\tworkbench\tsequence_feature\t{r['start'] + 1}\t{r['end']}"
            given = {name: r[name] for name in ATTRIBUTES if _known(r[name])}
            given = {"ID": r["candidate_id"], "Name": r["region"], **given}
            ninth = ";".join(f"{k}={escape_attribute(_text(v))}" for k, v in given.items())
            handle.write(f"{place}\t{r['q']:.6g}\t{r['strand']}\t.\t{ninth}\n")
    return [job.out]


def write_vcf(job: Job) -> list[Path]:
    """VCF, bgzipped and indexed: a record a driving variant, what it drives in INFO.

    Raises ``InputError`` where the file's name does not end in ``.vcf.gz`` or no candidate has a driver.
    """
    if not job.out.name.endswith(".vcf.gz"):
        raise InputError(f"{job.out}: the file is bgzipped; expected a name that ends in .vcf.gz")
    rows = _placed(job)
    records: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for r in rows:
        for name, delta in zip(r["driving_variants"], r["driving_delta"], strict=True):
            records.setdefault(name, []).append((r, delta))
    if not records:
        raise InputError(
            f"{job.study.folder}: no candidate has a driving variant, so none is written"
        )
    header = _header(job, rows)
    contigs = list(job.study.manifest.contigs)
    variants = sorted(
        ((parse_variant(name), name) for name in records),
        key=lambda v: (contigs.index(v[0].chrom), v[0].start, v[1]),
    )
    with (
        write_atomic(job.out) as temporary,
        pysam.VariantFile(str(temporary), "wz", header=header) as out,
    ):
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


def _header(job: Job, rows: list[dict[str, Any]]) -> pysam.VariantHeader:
    header = pysam.VariantHeader()
    for chrom, length in job.study.manifest.contigs.items():
        header.contigs.add(chrom, length=length)
    for key, value in provenance(job).items():
        header.add_line(f"##workbench_{key}={value}")
    header.add_line(f"##notice={_notice(rows)}")
    says = {
        "SAEF": "feature|change of its burden with the variant, mean over carriers|layer",
        "CAND": "candidate biomarkers that the variant drives",
        "PHENO": "their phenotypes",
        "TIER": "their evidence tiers",
    }
    for name, text in says.items():
        header.info.add(name, ".", "String", text)
    return header


def _placed(job: Job) -> list[dict[str, Any]]:
    """Candidates in genome order; ``InputError`` where they have no place on the genome."""
    if job.strand != "both":
        raise InputError(
            f"--strand {job.strand}: biomarkers have no strand to choose; leave it out"
        )
    table: pd.DataFrame = job.study.table("biomarkers")
    if job.study.config.cohort.matrix:
        raise InputError(
            f"{job.study.folder}: candidates of a ready matrix have no place on the genome; write tsv,"
            " parquet or json"
        )
    if job.features is not None:
        wanted = check(job.features, len(job.study.table("catalog")))
        table = table[table["feature"].isin(wanted)]
    order = {chrom: i for i, chrom in enumerate(job.study.manifest.contigs)}
    table = table.assign(_order=table["chrom"].map(order))
    table = table.sort_values(["_order", "start", "end", "candidate_id"], kind="stable")
    prepare_file(job.out)
    job.progress.say(f"{len(table):,} candidates; {NOTICE}")
    return list(table.drop(columns="_order").to_dict("records"))


def _notice(rows: list[dict[str, Any]]) -> str:
    simulated = next((str(r["simulated"]) for r in rows if r["simulated"]), "")
    return f"SIMULATED: {' '.join(simulated.split())}; {NOTICE}" if simulated else NOTICE


def _safe(text: str) -> str:
    """Percent-escape what INFO values may not hold."""
    return text.translate(_UNSAFE)


def _known(value: object) -> bool:
    return not (value is None or value == "" or (isinstance(value, float) and math.isnan(value)))


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
