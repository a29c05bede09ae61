"""Testing features, and plain variants beside them, against every phenotype of the cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.analysis.phenotypes.associations import Tables, associate
from workbench.analysis.phenotypes.blocks import VARIANTS, burden_names
from workbench.analysis.phenotypes.prediction import predict
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import Study

# Part of `Tables` to table of the study.
NAMES = {
    "associations": "phenotype_associations",
    "regions": "phenotype_regions",
    "calibration": "phenotype_calibration",
    "quantiles": "phenotype_quantiles",
}


def predicts(study: Study) -> bool:
    """Whether predictions are asked for."""
    return study.config.has_phenotypes and study.config.phenotype.predict


def pairs(study: Study) -> list[tuple[str, str]]:
    """Phenotype and burden of each shard."""
    return [(p.name, b) for p in study.cohort.phenotypes for b in burden_names(study)]


def _path(study: Study, stage: str, shard: int, part: str) -> Path:
    return study.folder / "work" / stage / f"{shard:05d}.{part}.parquet"


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Test one burden against one phenotype."""
    tables = associate(study, *shard.task)
    for part, table in tables._asdict().items():
        write_parquet(_path(study, "phenotype", shard.index, part), table)
    progress.advance(1)
    return 0


def finish(study: Study) -> None:
    """Write the tables; those of variants apart, each region's best variant beside its features."""
    shards = range(len(pairs(study)))
    read = {
        part: [read_parquet(_path(study, "phenotype", i, part)) for i in shards] for part in Tables._fields
    }
    tested = read.pop("associations")
    read["regions"] = [_strongest(t) for t in read["regions"]]
    for part, tables in read.items():
        study.write_table(NAMES[part], pd.concat(tables, ignore_index=True))
    variants = [t for t in tested if (t["burden"] == VARIANTS).all() and len(t)]
    features = [t for t in tested if (t["burden"] != VARIANTS).all()]
    table = pd.concat(features, ignore_index=True)
    if variants:
        plain = pd.concat(variants, ignore_index=True)
        plain = plain.drop(columns=["feature_name"]).rename(columns={"feature": "variant"})
        study.write_table("phenotype_variants", plain)
        known = plain[plain["minus_log10_p"].notna()]
        best = known.loc[known.groupby(["phenotype", "region"])["minus_log10_p"].idxmax()]
        best = best[["phenotype", "region", "variant", "minus_log10_p"]].rename(
            columns={"variant": "best_variant", "minus_log10_p": "best_variant_minus_log10_p"}
        )
        table = table.merge(best, on=["phenotype", "region"], how="left")
    study.write_table(NAMES["associations"], table)


def _strongest(regions: pd.DataFrame) -> pd.DataFrame:
    """The strongest of each region as ``feature`` or, of plain variants, as ``variant``; else -1 and ""."""
    plain = regions["burden"] == VARIANTS
    return regions.assign(
        feature=regions["feature"].mask(plain, -1).astype("int64"),
        variant=regions["feature"].astype(str).where(plain, ""),
    )


def run_prediction(study: Study, shard: Shard, progress: Progress) -> int:
    """Cross-validate one phenotype."""
    table = predict(study, shard.task)
    write_parquet(_path(study, "predict", shard.index, "prediction"), table)
    progress.advance(1)
    return 0


def finish_prediction(study: Study) -> None:
    """Write the table ``prediction``."""
    tables = [
        read_parquet(_path(study, "predict", i, "prediction")) for i in range(len(study.cohort.phenotypes))
    ]
    study.write_table("prediction", pd.concat(tables, ignore_index=True))


STAGE = Stage(
    name="phenotype",
    title="testing features against phenotypes",
    needs=("burdens",),
    sections=("phenotype",),
    run=run,
    shards=lambda study: shards_of(pairs(study)),
    finish=finish,
    unit="scans",
    wanted=lambda study: study.config.has_phenotypes,
)

PREDICTION = Stage(
    name="predict",
    title="predicting phenotypes in lineages held out",
    needs=("burdens",),
    sections=("phenotype",),
    run=run_prediction,
    shards=lambda study: shards_of([p.name for p in study.cohort.phenotypes]),
    finish=finish_prediction,
    unit="phenotypes",
    wanted=predicts,
)
