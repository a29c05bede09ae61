"""A feature's passport: one hypothesis of what it does, frozen on *select*, tested once on *report*.

On prompts of the select split every readout, direction and strength is tried; what takes the feature furthest
beyond its best control is its hypothesis. That alone is tested on prompts of the report split: with the
feature, and with the feature that matches it in every autoencoder of another seed. It has passed where it
steers in all of them. Beside it stands whether a sequence model of 31 bases marks its track as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from feature_mining.edits.apply import Dictionary
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.measures.dictionary import match, unit
from feature_mining.sae.model import SparseAutoencoder
from workbench.analysis.rival import BASES, face_rival
from workbench.analysis.training_setup import seed_folders
from workbench.errors import InputError
from workbench.experiments.arms import Steered, other_of_density, panel_of, refuse_unwritable, write_arms
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.prompts import choose_prompts
from workbench.experiments.response import FEATURE, Hypothesis, arms_of, freeze, summarise
from workbench.experiments.settings import PassportSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.passports import TABLE, Causal
from workbench.study.study import Study

SEEDS = 3
# Cosine of decoder rows from which a feature of another seed is taken for the same one.
MATCHES = 0.7
# In place of a feature, of an autoencoder that has no such one.
NONE = -1


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    found = len(seed_folders(study))
    if found < SEEDS:
        raise InputError(
            f"the study has autoencoders of {found} seed{'s' if found > 1 else ''}; a passport takes {SEEDS}:"
            f" make one with seeds = {SEEDS} under [sae]"
        )
    refuse_unwritable(study, given, given.features)
    panel_of(study, given.readouts)
    for split in ("select", "report"):
        choose_prompts(study, given, split)
    written = arms_of(given.strengths) + found * arms_of(given.strengths[:1])
    size = given.prompts * given.copies * given.length * written
    tasks = [("steer", [feature]) for feature in given.features] + [("rival", given.features)]
    return [Shard(i, size if task[0] == "steer" else 4 * BASES, task) for i, task in enumerate(tasks)]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    what, features = shard.task
    if what == "steer":
        table = _steer(experiment, features[0], progress)
    else:
        columns = _columns(experiment.study)
        marked = {f: columns[f] for f in features if f in columns}
        table = face_rival(experiment.study, marked, progress) if marked else pd.DataFrame({"feature": []})
    write_parquet(experiment.part(shard.index), table)
    return shard.size


def _columns(study: Study) -> dict[int, tuple[str, str]]:
    """(track, mode) that each feature goes with best, as the catalog has it."""
    catalog = study.table("catalog")
    rows = catalog[catalog["best_track"].fillna("") != ""]
    return {int(r.feature): (str(r.best_track), str(r.best_mode)) for r in rows.itertuples()}


def _steer(experiment: Experiment, feature: int, progress: Progress) -> pd.DataFrame:
    """What was written: on select under every strength, on report under the hypothesis, seed by seed."""
    study, given = experiment.study, experiment.settings
    own = Steered(study.dictionary, feature, other_of_density(study, feature))
    prompts = choose_prompts(study, given, "select")
    table = write_arms(study, given, own, given.strengths, prompts, given.readouts, progress)
    strength = freeze(table, given.readouts).strength
    parts = [table.assign(split="select", seed=0, of=feature, cosine=1.0)]
    prompts = choose_prompts(study, given, "report")
    for seed, folder in enumerate(seed_folders(study)):
        steered, cosine = (own, 1.0) if not seed else _counterpart(study, folder, own)
        if steered is None:
            parts.append(pd.DataFrame([{"split": "report", "seed": seed, "of": feature, "cosine": cosine}]))
            continue
        table = write_arms(study, given, steered, [strength], prompts, given.readouts, progress)
        parts.append(table.assign(split="report", seed=seed, of=feature, cosine=cosine))
    return pd.concat(parts, ignore_index=True)


def _counterpart(study: Study, folder: Path, own: Steered) -> tuple[Steered | None, float]:
    """The same feature, and another one, in the autoencoder of another seed; None where it has no such one.

    Features are paired one to one by the cosines of their decoder rows. The other feature is the active one
    nearest to the other feature of the study's own.
    """
    sae = SparseAutoencoder.load(folder)
    dictionary = Dictionary.at(study.layer, sae, Calibration.load(folder))
    here, there = (each.W_dec.cpu().numpy() for each in (study.sae, sae))
    pairs = match(here, there)
    partner, cosine = int(pairs.partner[own.feature]), float(pairs.cosine[own.feature])
    if partner < 0 or cosine < MATCHES or not float(dictionary.unit[partner]):
        return None, cosine
    similar = unit(there) @ unit(here[own.other : own.other + 1])[0]
    similar[(dictionary.unit.numpy() == 0) | (np.arange(len(similar)) == partner)] = -np.inf
    return Steered(dictionary, partner, int(similar.argmax())), cosine


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.passport_page import write_passports  # Altair, which no shard needs

    given = experiment.settings
    parts: dict[str, list[pd.DataFrame]] = {"steer": [], "rival": []}
    for shard in _shards(experiment):
        parts[shard.task[0]].append(read_parquet(experiment.part(shard.index)))
    written, rival = (pd.concat(part, ignore_index=True) for part in parts.values())
    rows: list[dict[str, object]] = []
    for feature, mine in written.groupby("of", sort=False):
        frozen = freeze(mine[mine["split"] == "select"], given.readouts)
        tested = [
            _tested(part, frozen, given.seed, len(given.features))
            for _, part in mine[mine["split"] == "report"].groupby("seed")
        ]
        causal = _verdict(tested)
        rows += [{"feature": feature, "causal": causal} | frozen._asdict() | row for row in tested]
    passports = pd.DataFrame(rows).assign(autoencoder=experiment.study.sae_hash)
    if "track" in rival:
        passports = passports.merge(rival, on="feature", how="left")
    for name, table in {"written": written, TABLE: passports}.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_passports(experiment, passports)


# What a test of one seed says, of the summary of its feature's arm.
_SAID = (
    "response", "effect", "effect_low", "effect_high", "best_control", "win_rate", "win_low", "win_high",
    "prompts", "steers",
)  # fmt: skip


def _tested(part: pd.DataFrame, frozen: Hypothesis, seed: int, tests: int) -> dict[str, object]:
    """A row of the table of passports: the hypothesis tested with the autoencoder of one seed."""
    first = part.iloc[0]
    row: dict[str, object] = {"sae_seed": int(first["seed"]), "cosine": float(first["cosine"])}
    if pd.isna(first["arm"]):
        return row | {"sae_feature": NONE, "prompts": 0, "steers": False}
    responses = part.assign(response=part[frozen.readout])
    found = summarise(responses, None, frozen.sign, seed, tests)
    own = found[found["arm"] == FEATURE].iloc[0]
    return row | {"sae_feature": int(first["feature"])} | {name: own[name] for name in _SAID}


def _verdict(tested: list[dict[str, object]]) -> Causal:
    """Passed where every seed's steers; what no judge could read counts neither way."""
    known = [row for row in tested if row["prompts"] or row["sae_feature"] == NONE]
    if tested[0]["prompts"] and not all(row["steers"] for row in known):
        return Causal.FAILED
    return Causal.PASSED if len(known) == len(tested) else Causal.NOT_TESTED


KIND = Kind(
    name="passport",
    title="one hypothesis a feature, tested once on untouched loci and over seeds",
    settings=PassportSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
