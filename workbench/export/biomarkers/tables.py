"""The table of candidates for table readers, with a schema of its columns beside it."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.analysis.biomarkers.columns import schema
from workbench.export import tables
from workbench.export.job import Job
from workbench.files.atomic import write_atomic


def write(job: Job) -> list[Path]:
    """The table in the job's format, its schema and its provenance beside it."""
    return [*tables.write(job), write_schema(job.out.with_name(f"{job.out.name}.schema.json"))]


def write_schema(path: Path) -> Path:
    """Write what the columns mean, as a Frictionless table schema."""
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(schema(), indent=1) + "\n")
    return path
