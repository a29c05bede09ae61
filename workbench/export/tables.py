"""Tables of a study as TSV, Parquet and JSON records.

None of the three has comments that every reader skips, so provenance goes into ``OUT.provenance.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.export.choice import check
from workbench.export.job import Job, prepare_file, write_sidecar

SLICE = 20_000
"""Rows turned into text at a time."""


def write_tsv(job: Job) -> list[Path]:
    """Tab-separated text with one header line; lists joined by commas, missing values empty."""
    return _write(job, _tsv)


def write_parquet(job: Job) -> list[Path]:
    """Parquet, types as in the study's own tables."""
    return _write(job, lambda table, path: table.to_parquet(path, index=False))


def write_json(job: Job) -> list[Path]:
    """A JSON array with one object a row; missing and infinite values are null."""
    return _write(job, _json)


def _write(job: Job, write: Callable[[pd.DataFrame, Path], None]) -> list[Path]:
    if job.strand != "both":
        raise InputError(
            f"--strand {job.strand}: the table {job.what} has no strand to choose; leave it out"
        )
    table = job.study.table(job.what)
    if job.features is not None:
        wanted = check(job.features, len(job.study.table("catalog")))
        table = table[table["feature"].isin(wanted)].reset_index(drop=True)
    prepare_file(job.out)
    with write_atomic(job.out) as temporary:
        write(table, temporary)
    job.progress.say(f"{len(table):,} rows of {job.what}")
    return [job.out, write_sidecar(job)]


def _tsv(table: pd.DataFrame, path: Path) -> None:
    lists = [name for name in table if _holds_lists(table[name])]
    flat = table.assign(
        **{name: [",".join(str(v) for v in cell) for cell in table[name]] for name in lists}
    )
    flat.to_csv(path, sep="\t", index=False, lineterminator="\n")


def _holds_lists(column: pd.Series) -> bool:
    return len(column) > 0 and isinstance(column.iloc[0], list | np.ndarray)


def _json(table: pd.DataFrame, path: Path) -> None:
    with path.open("w") as handle:
        handle.write("[")
        separator = "\n"
        for start in range(0, len(table), SLICE):
            for record in table.iloc[start : start + SLICE].to_dict("records"):
                plain = {str(key): _plain(value) for key, value in record.items()}
                handle.write(separator + json.dumps(plain, allow_nan=False))
                separator = ",\n"
        handle.write("\n]\n")


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
