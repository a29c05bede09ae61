"""A smaller model of a study's model: parts ranked on train bases, cut, healed, and compared on report bases.

The parts go in the order of what they are worth a parameter, to the bases that are to be kept. Beside that
order stand three others, cut to the same sizes: by worth to the whole genome, by the size of the weights, and
at random.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from feature_mining.pruning.effect import Costs, Reading, costs, costs_without
from feature_mining.pruning.network import cut_network, parameter_norms
from feature_mining.pruning.order import Removal, without_blocks
from feature_mining.pruning.parts import KINDS, Parts
from feature_mining.pruning.worth import Task, Worth, passes, plan
from genomic_models.contract import DNAModel
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from workbench.analysis.pruning import KEPT, OTHER, compare, draw_readings, features_kept, regions_of, speeds
from workbench.errors import InputError
from workbench.experiments.healing import CONTROL, HEALING, heal, write_model
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.settings import PruneSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard

REGIONS, GENOME, MAGNITUDE, RANDOM = "the kept bases", "the whole genome", "size of weights", "random"
CLASSES = {"kept": KEPT, "other": OTHER}
WHOLE, CUT, HEALED = "whole", "cut", "healed"
# The whole model trained further on the same bases: what healing gains beyond what was lost.
TRAINED = "whole, trained as long"
# Correlation of a feature's maps from which it counts as kept.
SAME = 0.8
MODELS = ["model", "parameters", "bases_per_s", "bases", "bits", "more", "error"]
# Readings on which two models are timed.
_TIMED = 8


def _arms(given: PruneSettings) -> list[str]:
    return ([REGIONS] if given.track else []) + [GENOME, MAGNITUDE, RANDOM]


def _parts(experiment: Experiment) -> Parts:
    return Parts(own_network(experiment.study.model, "pruned").config)


def _shards(experiment: Experiment) -> list[Shard]:
    given, parts = experiment.settings, _parts(experiment)
    regions_of(experiment.study, given.track)
    if not given.sizes or not all(0 < share < 1 for share in [*given.sizes, given.size]):
        raise InputError(f"sizes {given.sizes}, size {given.size}: expected shares between 0 and 1")
    smallest = Removal(parts)
    smallest.take(np.zeros(parts.count), 0)
    least = smallest.parameters[-1] / smallest.parameters[0]
    if given.size < least:
        raise InputError(
            f"size {given.size}: with all out that can go {least:.2f} of the parameters are left: ask for"
            " more"
        )
    ranking = passes(parts, len(_shares(given)), given.exact)
    curve = len(_shares(given)) + 1
    shards = []
    for i, arm in enumerate(_arms(given)):
        planned = ranking if arm in (REGIONS, GENOME) else 0
        more = given.heal + 4 * given.bases if i == 0 else 0
        shards.append(Shard(i, given.bases * (planned + curve) + more, arm))
    if given.heal:
        shards.append(Shard(len(shards), given.heal + given.bases, TRAINED))
    return shards


def _shares(given: PruneSettings) -> list[float]:
    return sorted({*given.sizes, given.size}, reverse=True)


class _Order(NamedTuple):
    """Parts in the order in which they go, and what they are worth where that decides."""

    removal: Removal
    worth: Worth | None


def _plan(experiment: Experiment, arm: str, progress: Progress) -> _Order:
    study, given, parts = experiment.study, experiment.settings, _parts(experiment)
    if arm in (REGIONS, GENOME):
        regions = regions_of(study, given.track)
        classes = [KEPT] if arm == REGIONS else [KEPT, OTHER]
        task = Task(draw_readings(study, "train", given.bases, regions), classes, study.batch, given.exact)
        return _Order(*plan(study.model, parts, _shares(given), task, progress.advance))
    if arm == MAGNITUDE:
        rank = parameter_norms(own_network(study.model, "pruned"), parts)
    else:
        rank = np.random.default_rng([given.seed, 11]).random(parts.count)
    removal = Removal(parts)
    removal.take(without_blocks(parts, rank), int(min(_shares(given)) * removal.parameters[0]))
    return _Order(removal, None)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given, arm = experiment.study, experiment.settings, shard.task
    if arm == TRAINED:
        write_parquet(experiment.part(shard.index), _trained(experiment, progress))
        return shard.size
    removal = _planned(experiment, progress) if shard.index == 0 else _plan(experiment, arm, progress).removal
    readings = draw_readings(study, "report", given.bases, regions_of(study, given.track))
    whole = costs(study.model, readings, study.batch, told=progress.advance)
    rows = []
    for share in _shares(given):
        steps = removal.steps_to(int(share * removal.parameters[0]))
        model = _cut(experiment, removal, steps)
        found = costs(model, readings, study.batch, told=progress.advance)
        size = removal.parameters[steps]
        rows += [
            (arm, share, size, size / removal.parameters[0], name, *compare(whole, found, which))
            for name, which in CLASSES.items()
        ]
    names = ["order", "asked", "parameters", "share", "bases", "bits", "more", "error"]
    if shard.index == 0:
        _make(experiment, removal, readings, whole, progress)
    write_parquet(experiment.part(shard.index), pd.DataFrame(rows, columns=names))
    return shard.size


def _planned(experiment: Experiment, progress: Progress) -> Removal:
    """The order of the smaller model, written before it is healed: whoever goes on has the same one."""
    path, parts = _table(experiment, "components"), _parts(experiment)
    key = _key(experiment)
    if path.exists() and (read_parquet(path)["key"] == key).all():
        went = read_parquet(path)["went"].to_numpy()
        removal = Removal(parts)
        removal.take(np.where(went < 0, np.inf, went), 0)
        return removal
    shutil.rmtree(experiment.folder / HEALING, ignore_errors=True)
    removal, worth = _plan(experiment, _arms(experiment.settings)[0], progress)
    assert worth is not None
    _write_parts(path, removal, worth, key)
    return removal


def _key(experiment: Experiment) -> str:
    """Hash of what the order depends on."""
    text = json.dumps([experiment.study.manifest.hash, asdict(experiment.settings)])
    return hashlib.sha256(text.encode()).hexdigest()


def _cut(experiment: Experiment, removal: Removal, steps: int) -> StripedHyenaModel:
    network = cut_network(own_network(experiment.study.model, "pruned"), removal.parts, removal.after(steps))
    return StripedHyenaModel(network, experiment.name)


def _write_parts(path: Path, removal: Removal, worth: Worth, key: str) -> None:
    parts = removal.parts
    went = np.full(parts.count, -1)
    went[removal.order] = np.arange(len(removal.order))
    table = pd.DataFrame(
        {
            "kind": np.array(KINDS)[parts.kind],
            "block": parts.block,
            "index": parts.index,
            "parameters": parts.size,
            "guess": worth.guess,
            "exact": worth.exact,
            "went": went,
            "key": key,
        }
    )
    write_parquet(path, table)


def _table(experiment: Experiment, name: str) -> Path:
    """A table of the first shard, beside those that every shard leaves."""
    return experiment.folder / "parts" / f"{name}.parquet"


def _make(
    experiment: Experiment, removal: Removal, readings: list[Reading], whole: Costs, progress: Progress
) -> None:
    """Cut to the size or the loss that was asked for, heal, write the model and compare it with the whole."""
    study, given = experiment.study, experiment.settings
    steps = _steps(experiment, removal, progress)
    made = cut = _cut(experiment, removal, steps)
    models: dict[str, DNAModel] = {WHOLE: study.model, CUT: cut}
    if given.heal:
        made = models[HEALED] = heal(experiment, cut, HEALING, progress)
    write_model(experiment, made, removal, steps)
    rates = speeds(list(models.values()), readings[:_TIMED], study.batch)
    rows = []
    for (name, model), rate in zip(models.items(), rates, strict=True):
        found = whole if name == WHOLE else costs(model, readings, study.batch, told=progress.advance)
        size = removal.parameters[0 if name == WHOLE else steps]
        for bases, which in CLASSES.items():
            rows.append((name, size, rate, bases, *compare(whole, found, which)))
    write_parquet(_table(experiment, "models"), pd.DataFrame(rows, columns=MODELS))
    write_parquet(_table(experiment, "features"), _features(experiment, made, readings, progress))


def _trained(experiment: Experiment, progress: Progress) -> pd.DataFrame:
    """The whole model after as much training as the smaller one has; rows of the table of models."""
    study, given = experiment.study, experiment.settings
    readings = draw_readings(study, "report", given.bases, regions_of(study, given.track))
    before = StripedHyenaModel(own_network(study.model, "pruned"), study.model.name)
    made = heal(experiment, before, CONTROL, progress)
    whole, found = (costs(m, readings, study.batch, told=progress.advance) for m in (study.model, made))
    size = _parts(experiment).parameters(_parts(experiment).everything())
    rows = [(TRAINED, size, np.nan, bases, *compare(whole, found, which)) for bases, which in CLASSES.items()]
    return pd.DataFrame(rows, columns=MODELS)


def _steps(experiment: Experiment, removal: Removal, progress: Progress) -> int:
    """How many parts go: to the size, or as many as the loss on select allows, found by halving."""
    study, given = experiment.study, experiment.settings
    if not given.loss:
        return removal.steps_to(int(given.size * removal.parameters[0]))
    readings = draw_readings(study, "select", given.bases, regions_of(study, given.track))
    whole = costs(study.model, readings, study.batch)
    low, high = 0, len(removal.order)
    while low < high:
        middle = (low + high + 1) // 2
        found = costs_without(
            study.model, removal.parts, removal.after(middle), readings, study.batch, progress.advance
        )
        if compare(whole, found, KEPT).more <= given.loss:
            low = middle
        else:
            high = middle - 1
    if not low:
        raise InputError(f"loss {given.loss}: no part can go for so little; allow more")
    return low


def _features(
    experiment: Experiment, made: StripedHyenaModel, readings: list[Reading], progress: Progress
) -> pd.DataFrame:
    """Features of the study's autoencoder with the smaller model; none where the layer's block is gone."""
    study = experiment.study
    block = int(study.layer.split(".")[1]) if study.layer.startswith("blocks.") else None
    gone = block is not None and made.network.config.pattern[block] == "-"
    if gone or study.layer not in made.layers or made.d_model(study.layer) != study.manifest.model.d_model:
        return pd.DataFrame(columns=["feature", "active", "correlation", "track", "verdict", "kept"])
    found = features_kept(study, made, readings, progress)
    catalog = study.table("catalog").set_index("feature").reindex(found["feature"])
    return found.assign(
        track=catalog["best_track"].fillna("").to_numpy(),
        verdict=catalog["verdict"].fillna("").to_numpy(),
        kept=found["correlation"] >= SAME,
    )


def agreement(components: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of guessed and exact worth by kind: ``kind, tried, correlation, low, high``.

    The last two are the least and largest exact worth, bits a base. NaN correlation of fewer than three.
    """
    rows = []
    for kind, own in components.dropna(subset="exact").groupby("kind", sort=False):
        exact = own["exact"]
        rank = float(spearmanr(own["guess"], exact).statistic) if len(own) > 2 else np.nan
        rows.append((kind, len(own), rank, exact.min(), exact.max()))
    return pd.DataFrame(rows, columns=["kind", "tried", "correlation", "low", "high"])


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.prune_page import write_pruned  # Altair, which no shard needs

    shards = _shards(experiment)
    found = {shard.task: read_parquet(experiment.part(shard.index)) for shard in shards}
    trained = [found.pop(TRAINED)] if TRAINED in found else []
    curve = pd.concat(found.values(), ignore_index=True)
    tables = {name: read_parquet(_table(experiment, name)) for name in ("components", "models", "features")}
    tables["models"] = pd.concat([tables["models"], *trained], ignore_index=True)
    tables["components"] = tables["components"].drop(columns="key")
    tables |= {"curve": curve, "agreement": agreement(tables["components"])}
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_pruned(experiment, tables)
    for name in (HEALING, CONTROL):
        shutil.rmtree(experiment.folder / name, ignore_errors=True)


KIND = Kind(
    name="prune",
    title="a smaller model",
    settings=PruneSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
