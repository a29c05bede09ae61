"""Commands that make, run and watch a study."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

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
        Path | None, typer.Option(help="BED of regions to read; default: the whole genome.")
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
        sae=replace(SAEConfig(), width=width, k=k, tokens=tokens),
        run=RunConfig(seed=seed),
    )
    made = Study.create(folder, config)
    print(f"made {made.folder}/study.toml; edit it, then: workbench run {folder}")


def run(
    folder: Folder,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
    force: Annotated[str | None, typer.Option(help="Run this stage and all after it anew.")] = None,
) -> None:
    """Run a study to its end. Finished shards are kept: after a stop or a crash, run it again.

    Stages: plan, cohort, sae, quality, encode, annotate, associate, controls, catalog, haplotypes, burdens,
    report (cohort, haplotypes and burdens where the study has samples).
    """
    from workbench.progress import showing
    from workbench.study import Study

    study = Study.open(folder)
    with showing() as progress:
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
    from workbench.engine import pending, run_shard
    from workbench.errors import InputError
    from workbench.progress import showing
    from workbench.stages.registry import STAGES
    from workbench.study import Study

    if stage not in STAGES:
        raise InputError(f"unknown stage {stage!r}; expected one of {', '.join(STAGES)}")
    try:
        task, tasks = (int(part) for part in shard.split("/"))
    except ValueError:
        raise InputError(f"--shard {shard}: expected I/N, as in --shard 0/8") from None
    if not 0 <= task < tasks:
        raise InputError(f"--shard {shard}: I must be at least 0 and less than N")
    study = Study.open(folder)
    if not study.planned and stage != "plan":
        raise InputError(
            f"{folder}: not planned yet; run `workbench run {folder} --until plan` first"
        )
    if study.planned:
        study.verify()
    step = STAGES[stage]
    mine = [i for i in pending(study, step) if i % tasks == task]
    with showing() as progress:
        progress.begin(
            f"{step.title}, task {task} of {tasks}",
            sum(step.size(study, i) for i in mine),
            step.unit,
        )
        for i in mine:
            run_shard(study, step, i, progress)
        progress.end()


def status(
    folder: Folder,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 5 s until done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show stages, shards done, throughput, time left, failures by cause."""
    from rich.console import Console
    from rich.table import Table

    from workbench.engine import survey
    from workbench.study import Study

    while True:
        stages = survey(Study.open(folder))
        if as_json:
            print(json.dumps({"study": str(folder), "stages": [s._asdict() for s in stages]}))
        else:
            table = Table("stage", "state", "shards", "seconds", "per s", "left", "failures")
            for s in stages:
                table.add_row(
                    s.stage,
                    s.state,
                    f"{s.done}/{s.shards}" if s.shards else "",
                    f"{s.seconds:,.1f}" if s.done else "",
                    f"{s.rate:,.0f}" if s.rate else "",
                    f"{s.seconds_left:,.0f} s" if s.seconds_left else "",
                    "; ".join(f"{n} × {cause}" for cause, n in s.failures.items()),
                )
            Console().print(table)
        if not watch or all(s.state == "done" for s in stages):
            return
        time.sleep(5)
