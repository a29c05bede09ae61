"""Commands that make, run and watch a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.errors import InputError
from workbench.files.atomic import refuse_links
from workbench.files.numbers import parse_whole
from workbench.files.settings import sentence
from workbench.interruption import listening, stopped
from workbench.progress import showing
from workbench.stages import NAMES, OF_SAMPLES
from workbench.study.config import (
    DERIVED,
    CohortConfig,
    InputConfig,
    ModelConfig,
    RunConfig,
    SAEConfig,
    StudyConfig,
    TracksConfig,
)
from workbench.study.study import Study
from workbench.study.trust import accept, refuse_untrusted, risky_jobs, risky_model

if TYPE_CHECKING:
    from workbench.engines.shards import Outcome
    from workbench.stages.stage import Stage

Folder = Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")]


def new(
    folder: Folder,
    genome: Annotated[Path, typer.Option(help=sentence(InputConfig, "genome"))],
    tracks: Annotated[
        list[Path] | None,
        typer.Option(help="Annotation: GFF3, GTF, BED, GenBank, bigWig, bedGraph. Repeatable."),
    ] = None,
    derive: Annotated[
        list[str] | None,
        typer.Option(
            help="Track that follows from others; repeatable, in place of all that the annotation tells:"
            f" {', '.join(DERIVED)}."
        ),
    ] = None,
    regions: Annotated[Path | None, typer.Option(help=sentence(InputConfig, "regions"))] = None,
    circular: Annotated[list[str] | None, typer.Option(help="Name of a circular contig. Repeatable.")] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            help="OLD=NEW: a contig's name in a file of tracks or variants, and in the genome; or auto: as"
            " the files' lengths and chromosomes say. Repeatable."
        ),
    ] = None,
    variants: Annotated[Path | None, typer.Option(help=sentence(CohortConfig, "variants"))] = None,
    phenotypes: Annotated[Path | None, typer.Option(help=sentence(CohortConfig, "phenotypes"))] = None,
    model: Annotated[str, typer.Option(help=sentence(ModelConfig, "name"))] = "mini",
    layer: Annotated[str, typer.Option(help=sentence(ModelConfig, "layer"))] = "",
    device: Annotated[str, typer.Option(help=sentence(ModelConfig, "device"))] = "cpu",
    dtype: Annotated[str, typer.Option(help=sentence(ModelConfig, "dtype"))] = "float32",
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run code that comes with the model (hf:) or is it (file:): accepted here as it is now,"
            " asked about anew once it changed.",
        ),
    ] = False,
    width: Annotated[int, typer.Option(help=sentence(SAEConfig, "width"))] = 0,
    k: Annotated[int, typer.Option(help=sentence(SAEConfig, "k"))] = 16,
    architecture: Annotated[str, typer.Option(help=sentence(SAEConfig, "architecture"))] = "batch_topk",
    tied: Annotated[bool, typer.Option(help=sentence(SAEConfig, "tied"))] = False,
    seeds: Annotated[int, typer.Option(help=sentence(SAEConfig, "seeds"))] = 1,
    tokens: Annotated[int, typer.Option(help=sentence(SAEConfig, "tokens"))] = 4_000_000,
    seed: Annotated[int, typer.Option(help=sentence(RunConfig, "seed"))] = 0,
) -> None:
    """Make a study: a folder with study.toml, every setting written out. Nothing is computed yet.

    With --variants, each unique haplotype of the regions named under [cohort] (default: genes) is read, and
    features are compared between samples. Covariates, groups, tree, kinship: [cohort] in study.toml.
    """
    names: dict[str, str] = {}
    for pair in [pair for pair in rename or [] if pair != "auto"]:
        old, sign, fresh = pair.partition("=")
        if not sign or not old or not fresh:
            raise InputError(f"--rename {pair}: expected OLD=NEW or auto, as in --rename chr1=NC_000913.3")
        names[old] = fresh
    config = StudyConfig(
        input=InputConfig(
            genome=str(genome),
            tracks=[str(t) for t in tracks or []],
            regions=str(regions) if regions else "",
            circular=list(circular or []),
            rename=names,
        ),
        tracks=TracksConfig(list(DERIVED if derive is None else derive)),
        model=ModelConfig(
            name=model, layer=layer, device=device, dtype=dtype, trust_remote_code=trust_remote_code
        ),
        cohort=CohortConfig(
            variants=str(variants) if variants else "", phenotypes=str(phenotypes) if phenotypes else ""
        ),
        sae=replace(
            SAEConfig(), width=width, k=k, tokens=tokens, architecture=architecture, tied=tied, seeds=seeds
        ),
        run=RunConfig(seed=seed),
    )
    with showing():
        from workbench.setup.names import found_names, refuse_unknown  # PyTorch

    if "auto" in (rename or []):
        names |= found_names(config)
        config = replace(config, input=replace(config.input, rename=names))
        for old, fresh in names.items():
            print(f"renamed: {old} is {fresh} of the genome")
    refuse_unknown(config)
    made = Study.create(folder, config)
    if found := risky_model(made.config.model):
        accept(made.folder, found)
        for key, value in found.items():
            print(f"accepted: {key} = {value!r}")
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
    """Run a study to its end. Finished shards are kept: after a stop or a crash, run it again."""
    study = Study.open(folder)
    refuse_links(study.folder)
    with showing() as progress:
        if dask:
            from workbench.engines.cluster import connect, on  # PyTorch
            from workbench.engines.local import run as drive  # PyTorch

            settings = study.config.jobs
            refuse_untrusted(study.folder, risky_jobs(settings))
            with connect(dask, settings, study.folder / "logs" / "dask") as client:
                drive(study, on(client, settings.cpus), until, force, progress)
        else:
            study.run(workers, until, force, progress)
    if until is None:
        print(f"report: {study.folder / 'report.html'}")


run.__doc__ = f"""{run.__doc__}

Stages: {", ".join(NAMES)} ({", ".join(OF_SAMPLES)} where the study has samples).
"""


def shard(
    folder: Folder,
    stage: Annotated[str, typer.Option(help="Stage, as in `workbench run --help`.")],
    shard: Annotated[
        str, typer.Option(help="I/N: every N-th shard from I (0-based); one task of a job array.")
    ],
) -> None:
    """Run one task's shards of one stage, by hand or from any scheduler. Done shards are skipped."""
    from workbench.engines.shards import pending, plan_work, run_shards  # PyTorch
    from workbench.engines.survey import refuse_unready  # PyTorch
    from workbench.experiments.registry import find_step  # PyTorch

    try:
        task, tasks = (parse_whole(part) for part in shard.split("/"))
    except ValueError:
        raise InputError(f"--shard {shard}: expected I/N, as in --shard 0/8") from None
    if not 0 <= task < tasks:
        raise InputError(f"--shard {shard}: I must be at least 0 and less than N")
    study = Study.open(folder)
    refuse_links(study.folder)
    refuse_unready(study, stage)
    study.verify(model=False)
    step = find_step(study, stage)
    work = plan_work(study, step)
    mine = [s for s in pending(study, work).shards if s.index % tasks == task]
    with showing() as progress, listening():
        progress.begin(f"{step.title}, task {task} of {tasks}", sum(s.size for s in mine), step.unit)
        outcome = run_shards(study, work._replace(shards=mine), progress)
        _stop_if_unfinished(study, step, outcome)
        progress.end()


def reduce(
    folder: Folder, stage: Annotated[str, typer.Option(help="Stage, as in `workbench run --help`.")]
) -> None:
    """Finish a stage: check its shards' files, make what is missing, and merge. The last job of a stage."""
    from workbench.engines.shards import reduce as reduce_stage  # PyTorch
    from workbench.engines.survey import refuse_unready  # PyTorch
    from workbench.experiments.registry import find_step  # PyTorch

    study = Study.open(folder)
    refuse_links(study.folder)
    refuse_unready(study, stage)
    study.verify(model=False)
    step = find_step(study, stage)
    with showing() as progress, listening():
        progress.begin(step.title, 1, "stage")
        _stop_if_unfinished(study, step, reduce_stage(study, step, progress))
        progress.end()


def trust(
    folder: Folder,
    yes: Annotated[
        bool, typer.Option("--accept", help="Let these settings take effect on this machine.")
    ] = False,
) -> None:
    """Show settings of a study that would run something on this machine, and accept them.

    A study is a folder that one may have received. Shell lines, programs and options of [jobs], and code that
    comes with a model, do nothing until they were accepted here; changed ones are asked about anew.
    """
    study = Study.open(folder)
    parts = [risky_jobs(study.config.jobs), risky_model(study.config.model)]
    for found in parts:
        for key, value in found.items():
            print(f"{key} = {value!r}")
        if yes and found:
            accept(study.folder, found)
    if not any(parts):
        print("nothing in its settings runs on this machine but the workbench itself")
    elif yes:
        print(f"accepted for {study.folder}")


def verify(folder: Folder) -> None:
    """Read every file of finished stages and experiments, and the checked genome, and compare their hashes.

    `run` and `export` compare sizes and times, and read only what differs; this reads everything. What is
    damaged is forgotten, so that the next run makes it again. Exit status 2 if anything was.
    """
    from workbench.engines.shards import check_outputs, fingerprint  # PyTorch
    from workbench.experiments.registry import as_stage, experiments  # PyTorch
    from workbench.genome.reference import forget_damaged  # pyfaidx
    from workbench.stages.registry import STAGES  # PyTorch

    study = Study.open(folder)
    refuse_links(study.folder)
    study.verify()
    wanted = [stage for stage in STAGES.values() if stage.wanted(study)]
    wanted += [as_stage(study, name) for name in experiments(study)]
    damaged = []
    with showing() as progress, listening():
        progress.begin("comparing files with their hashes", len(wanted), "stages")
        for stage in wanted:
            damaged += check_outputs(study, stage, fingerprint(study, stage), thorough=True)
            progress.advance(1)
        progress.end()
    causes = forget_damaged(study.folder / "cache") + [f"{found.stage}: {found.cause}" for found in damaged]
    for cause in causes:
        print(cause)
    if causes:
        raise InputError(
            f"{study.folder}: {len(causes):,} damaged; make it again with `workbench run {study.folder}`, an"
            f" experiment with `workbench experiments {study.folder} --run NAME`"
        )
    print("every file of the finished stages and experiments is the one that was written")


def upgrade(folder: Folder) -> None:
    """Rewrite feature files of an older version in the layout of this one, which takes less space.

    One file at a time: after a stop, run it again. Values are kept in 16 bits; by how much they may differ is
    said. Nothing else of the study changes, and no stage runs again.
    """
    from workbench.engines.upgrade import upgrade as rewrite  # PyTorch

    study = Study.open(folder)
    with showing() as progress:
        done = rewrite(study, progress)
    if not done.files:
        print("every feature file has the newest layout")
        return
    print(
        f"{done.files:,} feature files rewritten: {done.before / 1e6:,.1f} MB before,"
        f" {done.after / 1e6:,.1f} MB now; no value differs by more than {done.relative_error:.1e} of itself"
    )


def _stop_if_unfinished(study: Study, stage: Stage, outcome: Outcome) -> None:
    """Raise where shards are missing: ``Stopped`` after a request to stop, ``InputError`` for failures."""
    from workbench.engines.shards import describe_failure  # PyTorch

    if outcome.stopped:
        raise stopped()
    if outcome.failed:
        raise InputError(describe_failure(study, stage, len(stage.shards(study)), outcome.failed))
