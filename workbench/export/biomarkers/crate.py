"""Candidates as an RO-Crate: a folder of tables; ``ro-crate-metadata.json`` says how they came about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.export.biomarkers import bed, gff3, tables, vcf
from workbench.export.biomarkers.rows import chosen, notice, part
from workbench.export.job import Job, prepare_folder, provenance
from workbench.files.atomic import write_atomic
from workbench.study.manifest import hash_file

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
FORMATS = {
    ".tsv": ("text/tab-separated-values", "Candidate biomarkers, a row each"),
    ".parquet": ("application/vnd.apache.parquet", "The same table, typed"),
    ".bed": ("text/x-bed", "Regions of the candidates (BED9)"),
    ".gff3": ("text/x-gff3", "Regions of the candidates (GFF3)"),
    ".gz": ("application/gzip", "Driving variants (VCF, bgzipped)"),
    ".tbi": ("application/octet-stream", "Index of the driving variants"),
    ".json": ("application/json", "What the columns mean, or provenance"),
    ".toml": ("application/toml", "Settings of the study"),
}
PROGRAM = "#genomics-workbench"


def write(job: Job) -> list[Path]:
    """Write the folder; raises ``InputError`` where a file stands in its place."""
    table = chosen(job)
    prepare_folder(job.out)
    written = [
        *tables.write(part(job, "tsv", "candidates.tsv")),
        *tables.write(part(job, "parquet", "candidates.parquet")),
    ]
    if not job.study.config.cohort.matrix:
        written += bed.write(part(job, "bed", "candidates.bed"))
        written += gff3.write(part(job, "gff3", "candidates.gff3"))
        if any(len(v) for v in table["driving_variants"]):
            written += vcf.write(part(job, "vcf", "drivers.vcf.gz"))
    files = [_file(path, job.out) for path in dict.fromkeys(written)]
    rows = table.to_dict("records")
    inputs = _inputs(rows)
    date = rows[0]["date"] if rows else _today(job)
    words = provenance(job)
    read_by = _models(words)
    says = f"Candidate biomarkers of the study {job.study.folder.name}; {notice(rows)}."
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Candidate biomarkers: {job.study.folder.name}",
            "description": says,
            "datePublished": date,
            "license": "Not stated: whoever shares this folder says under which terms.",
            "usageInfo": "Not for clinical use.",
            "hasPart": [{"@id": f["@id"]} for f in files],
            "mentions": [{"@id": "#run"}],
        },
        *files,
        *inputs,
        {
            "@id": PROGRAM,
            "@type": "SoftwareApplication",
            "name": "genomics-workbench",
            "version": words["version"],
        },
        *read_by,
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": "Search for features associated with phenotypes",
            "endTime": date,
            "instrument": {"@id": PROGRAM},
            "object": [{"@id": i["@id"]} for i in (*inputs, *read_by)],
            "result": [{"@id": f["@id"]} for f in files],
        },
    ]
    path = job.out / "ro-crate-metadata.json"
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1) + "\n")
    return [path, *written]


def _file(path: Path, folder: Path) -> dict[str, Any]:
    found = hash_file(path)
    kind, meaning = FORMATS[path.suffix]
    return {
        "@id": path.relative_to(folder).as_posix(),
        "@type": "File",
        "name": path.name,
        "description": meaning,
        "encodingFormat": kind,
        "contentSize": str(found.bytes),
        "sha256": found.sha256,
    }


def _inputs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What went in, by name and hash: the files themselves stay where they are."""
    known: dict[str, str] = json.loads(rows[0]["data_sha256"]) if rows else {}
    return [
        {"@id": f"#input-{i}", "@type": "CreativeWork", "name": name, "sha256": value}
        for i, (name, value) in enumerate(sorted(known.items()))
    ]


def _models(words: dict[str, str]) -> list[dict[str, Any]]:
    """The model and the autoencoder; none for a ready matrix."""
    if "model" not in words:
        return []
    model = f"DNA model {words['model']}, layer {words['layer']}"
    given = (
        ("#model", model, words["weights"]),
        ("#autoencoder", "Sparse autoencoder of that layer", words["sae"]),
    )
    return [{"@id": i, "@type": "CreativeWork", "name": n, "sha256": h} for i, n, h in given]


def _today(job: Job) -> str:
    made = (job.study.folder / "tables" / "biomarkers.parquet").stat().st_mtime
    return datetime.fromtimestamp(made, UTC).date().isoformat()
