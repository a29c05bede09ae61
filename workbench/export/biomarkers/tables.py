"""The table of candidates for table readers, with a schema of its columns beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from workbench.analysis.biomarkers.columns import schema
from workbench.export import tables
from workbench.export.job import Job
from workbench.files.atomic import write_atomic


def _with_schema(write: Callable[[Job], list[Path]]) -> Callable[[Job], list[Path]]:
    def both(job: Job) -> list[Path]:
        return [*write(job), write_schema(job.out.with_name(f"{job.out.name}.schema.json"))]

    return both


def write_schema(path: Path) -> Path:
    """Write what the columns mean, as a Frictionless table schema."""
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(schema(), indent=1) + "\n")
    return path


write_tsv = _with_schema(tables.write_tsv)
write_parquet = _with_schema(tables.write_parquet)
write_json = _with_schema(tables.write_json)
