"""Checking the cohort: samples, phenotypes, relatedness; before anything expensive runs."""

from __future__ import annotations

from workbench.analysis.burdens.plan import cell_runs, open_variants
from workbench.analysis.burdens.regions import cohort_regions
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.input_files import cohort_files
from workbench.study.inputs import read_study_cohort
from workbench.study.study import Study
from workbench.wording import listed

# Stretches of the genome from which on variants without an index are worth a word.
MANY = 50


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the tables ``samples`` and ``regions`` and the facts ``cohort``."""
    cohort, left_out = read_study_cohort(study.folder, study.config.cohort)
    study.write_table("samples", cohort.samples)
    study.write_table("regions", cohort_regions(study))
    simulated = ""
    if study.config.cohort.variants:
        # Contigs are compared with the genome here, before anything expensive runs.
        file = open_variants(study)
        simulated = file.simulated
        if file.note:
            progress.say(f"note: {file.note}")
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
            progress.say(f"note: {len(names):,} samples {what.replace('_', ' ')}, left out: {listed(names)}")
    progress.advance(1)
    return 0


STAGE = Stage(
    name="cohort",
    title="checking the cohort",
    needs=("plan",),
    sections=("cohort",),
    run=run,
    unit="cohort",
    wanted=lambda study: study.config.has_cohort,
    inputs=cohort_files,
)
