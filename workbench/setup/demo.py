"""The embedded sample as a study."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.progress import Progress
from workbench.study.config import CohortConfig, InputConfig, RunConfig, SAEConfig, StudyConfig, WindowConfig
from workbench.study.study import CONFIG, Study

GENOME = "ecoli_k12_250kb"
COHORT = "simulated_cohort"


def samples_folder() -> Path:
    """Where the sample genomes are: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "samples", package.parent / "data_samples"):
        if folder.is_dir():
            return folder
    raise InputError(f"{package}: the sample genomes are missing; install the package again")


def demo_config(samples: Path, seed: int) -> StudyConfig:
    """Settings of the demo, its files in the folder ``samples``."""
    return StudyConfig(
        input=InputConfig(genome=str(samples / f"{GENOME}.fa"), tracks=[str(samples / f"{GENOME}.gff3")]),
        sae=SAEConfig(tokens=600_000, seeds=2),
        windows=WindowConfig(),
        cohort=CohortConfig(
            variants=str(samples / COHORT / "variants.vcf"),
            phenotypes=str(samples / COHORT / "phenotypes.tsv"),
            phenotype=["resistance", "growth"],
            covariates=["depth"],
            groups=["lineage", "site"],
            tree=str(samples / COHORT / "tree.nwk"),
            regions=str(samples / COHORT / "regions.bed"),
        ),
        run=RunConfig(seed=seed, shard_bases=32_768),
    )


def run_demo(out: Path, seed: int, progress: Progress) -> Study:
    """Make (or go on with) the demo study and run it to its report."""
    if (out / CONFIG).exists():
        study = Study.open(out)
    else:
        study = Study.create(out, demo_config(samples_folder(), seed))
    study.run(progress=progress)
    return study
