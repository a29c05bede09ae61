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
from pandas.api.types import is_numeric_dtype

from workbench.errors import InputError
from workbench.export.choice import check
from workbench.export.job import Job, prepare_file, write_sidecar
from workbench.files.atomic import write_atomic
from workbench.study.passports import with_causal

# Rows turned into text at a time.
SLICE = 20_000


def write(job: Job) -> list[Path]:
    """A table of the study; see `save`."""
    if job.strand != "both":
        raise InputError(f"--strand {job.strand}: the table {job.what} has no strand to choose; leave it out")
    table = job.study.table(job.what)
    if job.what == "catalog":
        labels = job.study.feature_labels()
        table.insert(1, "label", [labels[int(f)].text for f in table["feature"]])
        table = with_causal(table, job.study.folder, job.study.sae_hash)
    if job.features is not None:
        wanted = check(job.features, len(job.study.table("catalog")))
        table = table[table["feature"].isin(wanted)].reset_index(drop=True)
    return save(job, table)


def save(job: Job, table: pd.DataFrame) -> list[Path]:
    """Write a table in the job's format, with its provenance beside it.

    TSV has one header line, lists joined by commas and missing values empty; Parquet the types of the study's
    own tables; JSON is an array with one object a row, missing and infinite values null.
    """
    prepare_file(job.out)
    with write_atomic(job.out) as temporary:
        if job.format == "tsv":
            _tsv(table, temporary, job.cell)
        elif job.format == "json":
            _json(table, temporary)
        else:
            table.to_parquet(temporary, index=False)
    job.progress.say(f"{len(table):,} rows of {job.what}")
    return [job.out, write_sidecar(job)]


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table with lists joined by commas."""
    lists = [n for n in table if len(table) and isinstance(table[n].iloc[0], list | np.ndarray)]
    return table.assign(**{n: [",".join(map(str, cell)) for cell in table[n]] for n in lists})


def _tsv(table: pd.DataFrame, path: Path, cell: Callable[[str], str]) -> None:
    joined = flat(table)
    for name in joined.columns[[not is_numeric_dtype(kind) for kind in joined.dtypes]]:
        joined[name] = [cell(value) if isinstance(value, str) else value for value in joined[name]]
    joined.to_csv(path, sep="\t", index=False, lineterminator="\n")


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
