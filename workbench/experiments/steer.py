"""Does a feature steer what the model writes? Dose and response beside the arms that could do the same.

Each prompt of the report split is continued under every arm of `arms`, and a judge reads the result. What the
edit does to natural sequence, over all, track by track, and to other features, stands beside it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.experiments.arms import Steered, other_of_density, panel_of, refuse_unwritable, write_arms
from workbench.experiments.damage import KEYS, natural_cells, read_damage, side_effects
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.prompts import choose_prompts
from workbench.experiments.response import arms_of, summarise
from workbench.experiments.settings import SteerSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard

# Prompts a shard.
TOGETHER = 8


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    refuse_unwritable(study, given, given.features)
    panel_of(study, [given.readout])
    prompts, natural = choose_prompts(study, given, "report"), natural_cells(study)
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
    study, given = experiment.study, experiment.settings
    what, feature, prompts = shard.task
    if what == "write":
        steered = Steered(study.dictionary, feature, other_of_density(study, feature))
        table = write_arms(study, given, steered, given.strengths, prompts, [given.readout], progress)
        table = table.rename(columns={given.readout: "response"})
    else:
        table = read_damage(study, given, feature, progress)
    write_parquet(experiment.part(shard.index), table)
    return shard.size


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.steering_page import write_steering  # Altair, which no shard needs

    found: dict[str, list[pd.DataFrame]] = {"write": [], "damage": []}
    for shard in _shards(experiment):
        found[shard.task[0]].append(read_parquet(experiment.part(shard.index)))
    written, damage = (pd.concat(parts, ignore_index=True) for parts in found.values())
    given = experiment.settings
    sign = 1 if given.expect == "more" else -1
    whole = damage[damage["track"] == ""]
    summary = summarise(written, whole, sign, given.seed)
    moved = whole.groupby(KEYS)["moved"].mean()
    summary["others_moved"] = moved.reindex(pd.MultiIndex.from_frame(summary[KEYS])).to_numpy()
    effects = side_effects(damage)
    tables = {"written": written, "damage": damage, "responses": summary, "side_effects": effects}
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_steering(experiment, summary, effects)


KIND = Kind(
    name="steer",
    title="whether features steer what the model writes",
    settings=SteerSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
