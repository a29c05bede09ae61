"""Testing features, and plain variants beside them, against every phenotype of the cohort."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.atomic import write_atomic
from workbench.phenotypes.associations import Tables, associate
from workbench.phenotypes.blocks import VARIANTS, burden_names
from workbench.phenotypes.prediction import predict
from workbench.progress import Progress
from workbench.stages.cohort import has_cohort
from workbench.stages.stage import Stage
from workbench.study import Study

NAMES = {
    "associations": "phenotype_associations",
    "regions": "phenotype_regions",
    "calibration": "phenotype_calibration",
    "quantiles": "phenotype_quantiles",
}
"""Part of `Tables` to table of the study."""


def has_phenotypes(study: Study) -> bool:
    """Whether the study has samples with phenotypes; a ready matrix brings its own."""
    return has_cohort(study) and bool(study.config.cohort.phenotypes)


def predicts(study: Study) -> bool:
    """Whether predictions are asked for."""
    return has_phenotypes(study) and study.config.phenotype.predict


def pairs(study: Study) -> list[tuple[str, str]]:
    """Phenotype and burden of each shard."""
    return [(p.name, b) for p in study.cohort.phenotypes for b in burden_names(study)]


def _path(study: Study, stage: str, shard: int, part: str) -> Path:
    return study.folder / "work" / stage / f"{shard:05d}.{part}.parquet"


def _write(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def run(study: Study, shard: int, progress: Progress) -> int:
    """Test one burden against one phenotype."""
    tables = associate(study, *pairs(study)[shard])
    for part, table in tables._asdict().items():
        _write(_path(study, "phenotype", shard, part), table)
    progress.advance(1)
    return 0


def finish(study: Study) -> None:
    """Write the tables; those of variants apart, each region's best variant beside its features."""
    shards = range(len(pairs(study)))
    read = {
        part: [pd.read_parquet(_path(study, "phenotype", i, part)) for i in shards]
        for part in Tables._fields
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


def run_prediction(study: Study, shard: int, progress: Progress) -> int:
    """Cross-validate one phenotype."""
    table = predict(study, study.cohort.phenotypes[shard].name)
    _write(_path(study, "predict", shard, "prediction"), table)
    progress.advance(1)
    return 0


def finish_prediction(study: Study) -> None:
    """Write the table ``prediction``."""
    tables = [
        pd.read_parquet(_path(study, "predict", i, "prediction"))
        for i in range(len(study.cohort.phenotypes))
    ]
    study.write_table("prediction", pd.concat(tables, ignore_index=True))


STAGE = Stage(
    name="phenotype",
    title="testing features against phenotypes",
    needs=("burdens",),
    sections=("phenotype",),
    run=run,
    count=lambda study: len(pairs(study)),
    size=lambda study, shard: 1,
    finish=finish,
    unit="scans",
    wanted=has_phenotypes,
)

PREDICTION = Stage(
    name="predict",
    title="predicting phenotypes in lineages held out",
    needs=("burdens",),
    sections=("phenotype",),
    run=run_prediction,
    count=lambda study: len(study.cohort.phenotypes),
    size=lambda study, shard: 1,
    finish=finish_prediction,
    unit="phenotypes",
    wanted=predicts,
)
