"""The table of candidate biomarkers, with the variants that drive each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.analysis.biomarkers.ablations import ABLATION_COLUMNS, ablate_region
from workbench.analysis.biomarkers.candidates import DRIVER_COLUMNS, KEY, drive, driven_regions
from workbench.analysis.biomarkers.table import make_tables
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import Study


def _path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "biomarkers" / f"{shard:05d}.parquet"


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Find the driving variants of one region's candidates, and switch their features off."""
    region = shard.task
    table = drive(study, region)
    off = ablate_region(study, region, sorted(set(table["feature"])))
    table = table.merge(off, on="feature", how="left")
    write_parquet(_path(study, shard.index), table)
    progress.advance(1)
    return 0


def finish(study: Study) -> None:
    """Write the tables ``biomarkers`` and, a row a candidate and lineage, ``biomarker_lineages``."""
    parts = [read_parquet(_path(study, i)) for i in range(len(driven_regions(study)))]
    empty = pd.DataFrame(columns=[*KEY, *DRIVER_COLUMNS, *ABLATION_COLUMNS]).astype({"feature": "int64"})
    drivers = pd.concat(parts, ignore_index=True) if parts else empty
    table, effects = make_tables(study, drivers)
    study.write_table("biomarkers", table)
    study.write_table("biomarker_lineages", effects)


STAGE = Stage(
    name="biomarkers",
    title="gathering candidate biomarkers",
    needs=("phenotype", "predict", "catalog"),
    sections=("phenotype",),
    run=run,
    shards=lambda study: shards_of(driven_regions(study)),
    finish=finish,
    unit="regions",
    wanted=lambda study: study.config.has_phenotypes,
    model=True,
)
