"""Checking the cohort: samples, phenotypes, relatedness; before anything expensive runs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from workbench.cohort.cohort import listed
from workbench.cohort.sequences import sequence_files
from workbench.config import COHORT_FILES
from workbench.manifest import hash_file
from workbench.progress import Progress
from workbench.stages.stage import Stage
from workbench.study import Study

MANY = 50
"""Stretches of the genome from which on variants without an index are worth a word."""


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed: int) -> str:
    return hash_file(path).sha256


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of the FASTA files of a folder or list; read once while it does not change."""
    if path.is_dir():
        return " ".join(file_hash(p) for p in sequence_files(path).values())
    stat = path.stat() if path.exists() else None
    return _hash(path, stat.st_size if stat else 0, stat.st_mtime_ns if stat else 0)


def cohort_files(study: Study) -> dict[str, str]:
    """Key of ``[cohort]`` to hash, for the files that are given."""
    given = study.config.cohort
    return {
        key: file_hash(study.resolve(getattr(given, key)))
        for key in COHORT_FILES
        if getattr(given, key)
    }


def run(study: Study, shard: int, progress: Progress) -> int:
    """Write the tables ``samples`` and ``regions`` and the facts ``cohort``."""
    from workbench.cohort.plan import cell_runs, open_variants
    from workbench.cohort.regions import cohort_regions
    from workbench.cohort.source import read_study_cohort

    cohort, left_out = read_study_cohort(study)
    study.write_table("samples", cohort.samples)
    study.write_table("regions", cohort_regions(study))
    simulated = ""
    if study.config.cohort.variants:
        # Contigs are compared with the genome here, before anything expensive runs.
        file = open_variants(study)
        simulated = file.simulated
        runs = len(cell_runs(study))
        if not file.indexed and runs > MANY:
            progress.say(
                f"note: {file.path} has no index, so it is read whole {runs:,} times; compress it with bgzip"
                " and index it with tabix -p vcf"
            )
    related = cohort.relatedness
    facts = {
        "samples": len(cohort.samples),
        "phenotypes": {
            p.name: {
                "kind": p.kind,
                "measured": int(cohort.samples[p.name].notna().sum()),
                "mean": float(cohort.samples[p.name].mean()),
            }
            for p in cohort.phenotypes
        },
        "covariates": list(cohort.covariates),
        "groups": {g: int(cohort.samples[g].nunique()) for g in cohort.groups},
        "relatedness": related.source.replace(f"{study.folder}/", "") if related else "",
        "files": cohort_files(study),
        "simulated": simulated,
        **left_out._asdict(),
    }
    study.write_facts("cohort", facts)
    if simulated:
        progress.say(f"note: {simulated}")
    for what, names in left_out._asdict().items():
        if names:
            progress.say(
                f"note: {len(names):,} samples {what.replace('_', ' ')}, left out: {listed(names)}"
            )
    progress.advance(1)
    return 0


def has_cohort(study: Study) -> bool:
    """Whether the study has samples."""
    given = study.config.cohort
    return bool(given.variants or given.sequences or given.matrix)


STAGE = Stage(
    name="cohort",
    title="checking the cohort",
    needs=("plan",),
    sections=("cohort",),
    run=run,
    size=lambda study, shard: 1,
    unit="cohort",
    wanted=has_cohort,
    inputs=cohort_files,
)
