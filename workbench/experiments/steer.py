"""Does a feature steer what the model writes? Dose and response beside the arms that could do the same.

Each prompt of the report split is continued under every arm of `arms`, and a judge reads the result. What the
edit does to natural sequence stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feature_mining.edits.passes import forward
from feature_mining.edits.plan import EditPlan
from genomic_models.dna import UNKNOWN, base_codes
from workbench.errors import InputError
from workbench.experiments.arms import (
    Steered,
    edit_of,
    other_of_density,
    panel_of,
    refuse_unwritable,
    write_arms,
)
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.page import write_steering
from workbench.experiments.prompts import Prompt, choose_prompts
from workbench.experiments.response import CONTROLS, FEATURE, UNEDITED, arms_of, summarise
from workbench.experiments.settings import SteerSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.interval import Interval
from workbench.genome.windows import Cell, read_sequence
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study

# Prompts a shard.
TOGETHER = 8
# Windows of natural sequence on which damage is measured.
NATURAL = 12


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    refuse_unwritable(study, given, given.features)
    panel_of(study, [given.readout])
    prompts, natural = choose_prompts(study, given, "report"), _natural(study)
    if not natural:
        raise InputError("the report split holds no whole cell; make a study with a smaller window")
    numbers = np.array_split(np.arange(len(prompts)), max(1, round(len(prompts) / TOGETHER)))
    arms = arms_of(given.strengths)
    shards: list[Shard] = []
    for feature in given.features:
        for chosen in numbers:
            task = ("write", feature, [prompts[i] for i in chosen])
            shards.append(Shard(len(shards), len(chosen) * given.copies * given.length * arms, task))
        damage = 2 * len(natural) * study.grid.window * (1 + 2 * len(given.strengths))
        shards.append(Shard(len(shards), damage, ("damage", feature, [])))
    return shards


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    what, feature, prompts = shard.task
    run = _write if what == "write" else _damage
    table, bases = run(experiment, feature, prompts, progress)
    write_parquet(experiment.part(shard.index), table)
    return bases


def _write(
    experiment: Experiment, feature: int, prompts: Sequence[Prompt], progress: Progress
) -> tuple[pd.DataFrame, int]:
    study, given = experiment.study, experiment.settings
    steered = Steered(study.dictionary, feature, other_of_density(study, feature))
    table = write_arms(study, given, steered, given.strengths, prompts, [given.readout], progress)
    return table.rename(columns={given.readout: "response"}), len(table) * given.length


def _natural(study: Study) -> list[Cell]:
    """Cells of the report split, spread over it, on which damage is measured."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    return cells[:: max(1, len(cells) // NATURAL)][:NATURAL]


def _damage(
    experiment: Experiment, feature: int, prompts: Sequence[Prompt], progress: Progress
) -> tuple[pd.DataFrame, int]:
    """Bits a base of natural sequence with the edit everywhere: of the feature and of a random direction."""
    study, given = experiment.study, experiment.settings
    steered = Steered(study.dictionary, feature, 0)
    arms, plans = [(UNEDITED, 0.0)], [EditPlan()]
    for strength in given.strengths:
        for arm in (FEATURE, CONTROLS[0]):
            arms.append((arm, strength))
            plans.append(EditPlan((edit_of(arm, study, steered, strength, given.seed),)))
    rows, read = [], 0
    for cell in _natural(study):
        for strand in "+-":
            letters, skip, _ = read_sequence(study.genome, study.grid, cell, strand)
            sequences = [letters] * len(plans)
            logits = forward(study.model, sequences, plans, {study.layer: study.dictionary}).logits
            assert logits is not None
            ids = study.model.tokenize(sequences).ids[:, 1:, None].to(logits.device)
            nats = logits[:, :-1].float().log_softmax(-1).gather(-1, ids)[..., 0]
            known = base_codes(letters) != UNKNOWN
            known[: max(1, skip)] = False
            bits = -nats[:, known[1:]].mean(dim=1) / np.log(2)
            place = str(Interval(cell.chrom, cell.start, cell.end))
            rows += [(feature, *arm, place, strand, float(own)) for arm, own in zip(arms, bits, strict=True)]
            read += len(letters) * len(plans)
            progress.advance(len(letters) * len(plans))
    return pd.DataFrame(rows, columns=["feature", "arm", "strength", "place", "strand", "response"]), read


def _finish(experiment: Experiment) -> None:
    found: dict[str, list[pd.DataFrame]] = {"write": [], "damage": []}
    for shard in _shards(experiment):
        found[shard.task[0]].append(read_parquet(experiment.part(shard.index)))
    written, damage = (pd.concat(parts, ignore_index=True) for parts in found.values())
    given = experiment.settings
    sign = 1 if given.expect == "more" else -1
    summary = summarise(written, damage, sign, given.seed)
    for name, table in {"written": written, "damage": damage, "responses": summary}.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_steering(experiment, summary)


KIND = Kind(
    name="steer",
    title="whether features steer what the model writes",
    settings=SteerSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
