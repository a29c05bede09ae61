"""Commands that make, run and watch a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.engines.shards import Outcome
    from workbench.stages.stage import Stage
    from workbench.study import Study

Folder = Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")]


def new(
    folder: Folder,
    genome: Annotated[
        Path, typer.Option(help="FASTA (plain, gzip, bgzip) or GenBank/EMBL of the genome.")
    ],
    tracks: Annotated[
        list[Path] | None,
        typer.Option(help="Annotation: GFF3, GTF, BED, GenBank, bigWig, bedGraph. Repeatable."),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="BED of regions, to read and judge nothing else; default: the whole genome."
        ),
    ] = None,
    circular: Annotated[
        list[str] | None, typer.Option(help="Name of a circular contig. Repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="OLD=NEW: a track's contig name. Repeatable.")
    ] = None,
    variants: Annotated[
        Path | None, typer.Option(help="VCF or BCF of many samples, called against the genome.")
    ] = None,
    phenotypes: Annotated[
        Path | None, typer.Option(help="Table with a column sample and a column a phenotype.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model; see `workbench models`.")] = "mini",
    layer: Annotated[str, typer.Option(help="Tap to read; empty for the model's default.")] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    width: Annotated[int, typer.Option(help="Features; 0 for 8 times the layer.")] = 0,
    k: Annotated[int, typer.Option(help="Mean active features a base.")] = 16,
    architecture: Annotated[
        str, typer.Option(help="batch_topk, topk, matryoshka, jump_relu, gated, relu_l1.")
    ] = "batch_topk",
    tied: Annotated[bool, typer.Option(help="Encoder is the decoder turned round.")] = False,
    seeds: Annotated[
        int, typer.Option(help="Autoencoders trained together, to see which features recur.")
    ] = 1,
    tokens: Annotated[int, typer.Option(help="Bases the autoencoder is trained on.")] = 4_000_000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Make a study: a folder with study.toml, every setting written out. Nothing is computed yet.

    With --variants, each unique haplotype of the regions named under [cohort] (default: genes) is read, and
    features are compared between samples. Covariates, groups, tree, kinship: [cohort] in study.toml.
    """
    from dataclasses import replace

    from workbench.config import (
        CohortConfig,
        InputConfig,
        ModelConfig,
        RunConfig,
        SAEConfig,
        StudyConfig,
    )
    from workbench.errors import InputError
    from workbench.study import Study

    names: dict[str, str] = {}
    for pair in rename or []:
        old, sign, fresh = pair.partition("=")
        if not sign or not old or not fresh:
            raise InputError(f"--rename {pair}: expected OLD=NEW, as in --rename chr1=NC_000913.3")
        names[old] = fresh
    config = StudyConfig(
        input=InputConfig(
            genome=str(genome),
            tracks=[str(t) for t in tracks or []],
            regions=str(regions) if regions else "",
            circular=list(circular or []),
            rename=names,
        ),
        model=ModelConfig(name=model, layer=layer, device=device, dtype=dtype),
        cohort=CohortConfig(
            variants=str(variants) if variants else "",
            phenotypes=str(phenotypes) if phenotypes else "",
        ),
        sae=replace(
            SAEConfig(),
            width=width,
            k=k,
            tokens=tokens,
            architecture=architecture,
            tied=tied,
            seeds=seeds,
        ),
        run=RunConfig(seed=seed),
    )
    made = Study.create(folder, config)
    print(f"made {made.folder}/study.toml; edit it, then: workbench run {folder}")


def run(
    folder: Folder,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
    force: Annotated[str | None, typer.Option(help="Run this stage and all after it anew.")] = None,
    dask: Annotated[
        str,
        typer.Option(
            help="Run shards on a Dask cluster: its address, tcp://host:8786, or slurm, pbs, lsf, sge to"
            " have one brought up with the settings of [jobs]."
        ),
    ] = "",
) -> None:
    """Run a study to its end. Finished shards are kept: after a stop or a crash, run it again.

    Stages: plan, cohort, haplotypes, sae, quality, encode, annotate, associate, baselines, pick, controls,
    concepts, audit, catalog, unexplained, burdens, phenotype, predict, biomarkers, report (cohort,
    haplotypes, burdens, phenotype, predict and biomarkers where the study has samples).
    """
    from workbench.progress import showing
    from workbench.study import Study

    study = Study.open(folder)
    with showing() as progress:
        if dask:
            from workbench.engines.cluster import connect, on
            from workbench.engines.local import run as drive

            settings = study.config.jobs
            with connect(dask, settings, study.folder / "logs" / "dask") as client:
                drive(study, on(client, settings.cpus), until, force, progress)
        else:
            study.run(workers, until, force, progress)
    if until is None:
        print(f"report: {study.folder / 'report.html'}")


def shard(
    folder: Folder,
    stage: Annotated[str, typer.Option(help="Stage, as in `workbench run --help`.")],
    shard: Annotated[
        str, typer.Option(help="I/N: every N-th shard from I (0-based); one task of a job array.")
    ],
) -> None:
    """Run one task's shards of one stage, by hand or from any scheduler. Done shards are skipped."""
    from workbench.engines.shards import pending, run_shards
    from workbench.engines.survey import refuse_unready
    from workbench.errors import InputError
    from workbench.progress import showing
    from workbench.stages.registry import find_stage
    from workbench.stop import listening
    from workbench.study import Study

    try:
        task, tasks = (int(part) for part in shard.split("/"))
    except ValueError:
        raise InputError(f"--shard {shard}: expected I/N, as in --shard 0/8") from None
    if not 0 <= task < tasks:
        raise InputError(f"--shard {shard}: I must be at least 0 and less than N")
    study = Study.open(folder)
    refuse_unready(study, stage)
    study.verify()
    step = find_stage(stage)
    mine = [i for i in pending(study, step) if i % tasks == task]
    with showing() as progress, listening():
        progress.begin(
            f"{step.title}, task {task} of {tasks}",
            sum(step.size(study, i) for i in mine),
            step.unit,
        )
        outcome = run_shards(study, step, mine, progress)
        _stop_if_unfinished(study, step, outcome)
        progress.end()


def reduce(
    folder: Folder,
    stage: Annotated[str, typer.Option(help="Stage, as in `workbench run --help`.")],
) -> None:
    """Finish a stage: check its shards' files, make what is missing, and merge. The last job of a stage."""
    from workbench.engines.shards import reduce as reduce_stage
    from workbench.engines.survey import refuse_unready
    from workbench.progress import showing
    from workbench.stages.registry import STAGES
    from workbench.stop import listening
    from workbench.study import Study

    study = Study.open(folder)
    refuse_unready(study, stage)
    study.verify()
    with showing() as progress, listening():
        progress.begin(STAGES[stage].title, 1, "stage")
        _stop_if_unfinished(study, STAGES[stage], reduce_stage(study, STAGES[stage], progress))
        progress.end()


def _stop_if_unfinished(study: Study, stage: Stage, outcome: Outcome) -> None:
    """End the process where shards are missing: status 85 after a warning signal, 2 where some failed."""
    from workbench.engines.shards import describe_failure
    from workbench.errors import InputError
    from workbench.stop import EXIT

    if outcome.stopped:
        raise typer.Exit(EXIT)
    if outcome.failed:
        raise InputError(describe_failure(study, stage, outcome.failed))
