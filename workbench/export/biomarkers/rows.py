"""Candidates as every format needs them: checked, in genome order, with the words that go beside them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import InputError
from workbench.export.choice import check
from workbench.export.job import Job

NOTICE = "not for clinical use"
# Features whose values at single bases go into a genome browser's folder.
MOST_SIGNALS = 12

Row = dict[str, Any]


def chosen(job: Job) -> pd.DataFrame:
    """The table of candidates, of the features asked for; ``InputError`` for a strand."""
    if job.strand != "both":
        raise InputError(f"--strand {job.strand}: biomarkers have no strand to choose; leave it out")
    table = job.study.table("biomarkers")
    if job.features is not None:
        wanted = check(job.features, len(job.study.table("catalog")))
        table = table[table["feature"].isin(wanted)].reset_index(drop=True)
    job.progress.say(f"{len(table):,} candidates; {NOTICE}")
    return table


def placed(job: Job) -> list[Row]:
    """Candidates in genome order; ``InputError`` where they have no place on the genome."""
    if job.study.config.cohort.matrix:
        raise InputError(
            f"{job.study.folder}: candidates of a ready matrix have no place on the genome; write tsv,"
            " parquet, json, h5ad or html"
        )
    table = chosen(job)
    order = {chrom: i for i, chrom in enumerate(job.study.manifest.contigs)}
    table = table.assign(_order=table["chrom"].map(order))
    table = table.sort_values(["_order", "start", "end", "candidate_id"], kind="stable")
    return list(table.drop(columns="_order").to_dict("records"))


def leading(rows: list[Row]) -> list[int]:
    """Features of the strongest candidate of each phenotype and region, strongest first."""
    order = sorted(rows, key=lambda r: (-r["minus_log10_p"], r["candidate_id"]))
    first: dict[tuple[str, str], int] = {}
    for row in order:
        first.setdefault((row["phenotype"], row["region"]), int(row["feature"]))
    return list(dict.fromkeys(first.values()))[:MOST_SIGNALS]


def simulated(rows: list[Row]) -> str:
    """What the cohort says of itself where it is simulated, on one line; else empty."""
    return next((" ".join(str(r["simulated"]).split()) for r in rows if r["simulated"]), "")


def notice(rows: list[Row]) -> str:
    """The sentence that every file carries."""
    text = simulated(rows)
    return f"{NOTICE}; SIMULATED: {text}" if text else NOTICE


def display_name(row: Row) -> str:
    """A candidate's name in a browser, without spaces."""
    return "_".join(f"f{row['feature']}|{row['phenotype']}|{row['region']}".split())


def score(q: float) -> int:
    """``-10 log10 q``, rounded, from 0 to 1000."""
    return 1000 if q <= 1e-100 else max(0, round(-10 * math.log10(q)))


def is_known(value: object) -> bool:
    """Whether a cell of the table says anything."""
    return not (value is None or value == "" or (isinstance(value, float) and math.isnan(value)))


def as_text(value: object) -> str:
    """A cell in words."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def part(job: Job, format: str, name: str) -> Job:
    """The same export as another format, to a file in this one's folder."""
    return job._replace(format=format, out=Path(job.out) / name)
