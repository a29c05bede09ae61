"""A red team against a detector: sites hidden and faked by few base changes, beside as many random ones."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from scipy.stats import beta

from feature_mining.detection.attack import (
    DRAWS,
    FAKE,
    GREEDY,
    GUIDED,
    HIDE,
    RANDOM,
    Target,
    attack,
    reached,
    success_by_changes,
)
from feature_mining.detection.detector import Detector
from genomic_models.contract import ModelError
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.attacked import ATTACKS, choose_spots, make_place
from workbench.experiments.detector_settings import AttackSettings
from workbench.experiments.kind import Experiment, Kind
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.scans.coding import Coding
from workbench.scans.detectors import check_detector
from workbench.stages.stage import Shard

SPLITS = ("select", "report")
_TAIL = 0.025


def detector_of(experiment: Experiment) -> Detector:
    """The detector of a question; ``InputError`` where it is none, or of another study."""
    try:
        found = Detector.from_json(experiment.settings.detector)
    except ValueError as error:
        raise InputError(str(error)) from None
    check_detector(experiment.study, found)
    return found


def as_setting(detector: Detector) -> str:
    """A detector as one line."""
    return json.dumps(json.loads(detector.to_json()))


def _shards(experiment: Experiment) -> list[Shard]:
    given, detector = experiment.settings, detector_of(experiment)
    tasks = [(split, goal) for split in SPLITS for goal in (HIDE, FAKE)]
    for split, goal in tasks:
        spots = choose_spots(experiment.study, detector, goal, split, given.sites, given.reach, given.seed)
        if len(spots) < given.sites:
            raise InputError(
                f"{len(spots)} places to {goal} in the {split} split, {given.sites} are asked for: ask for"
                " fewer"
            )
    size = given.sites * (3 * given.changes + DRAWS)
    return [Shard(i, size, task) for i, task in enumerate(tasks)]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given, detector = experiment.study, experiment.settings, detector_of(experiment)
    split, goal = shard.task
    coding, rows, done = Coding(study), [], 0
    for spot in choose_spots(study, detector, goal, split, given.sites, given.reach, given.seed):
        if done == given.sites:
            break
        place = make_place(study, detector, coding, spot, goal, given.reach, given.synonymous)
        if set(place.letters) - set(BASES) or not place.allowed.any():
            continue
        try:
            target = Target(study.model, study.dictionary, detector, place)
        except ModelError as error:
            raise InputError(str(error)) from error
        # Only what is called can be hidden, and only what is not faked.
        if reached(target.score([()]), goal, detector.threshold)[0]:
            continue
        seeds = [given.seed + 1_000 * done + draw for draw in range(DRAWS)]
        for way, seed in [(GREEDY, 0), (GUIDED, 0), *((RANDOM, seed) for seed in seeds)]:
            found = attack(target, goal, detector.threshold, given.changes, way, seed)
            needed = found.needed(goal, detector.threshold)
            rows.append(
                (
                    split, goal, way, done, str(spot[0]), spot[1], np.nan if needed is None else needed,
                    found.scores[0], found.scores[-1],
                    " ".join(f"{at}{place.letters[at]}>{BASES[code]}" for at, code in found.changes),
                    place.changed(found.changes), place.start, place.end, place.both,
                )
            )  # fmt: skip
            progress.advance(given.changes if way != RANDOM else 1)
        done += 1
    names = ["split", "goal", "way", "spot", "place", "strand", "needed", "before", "after", "changes",
             "letters", "first", "last", "both"]  # fmt: skip
    write_parquet(experiment.part(shard.index), pd.DataFrame(rows, columns=names))
    return shard.size


def curves(attacks: pd.DataFrame, most: int) -> pd.DataFrame:
    """Share of places won by number of changes, with 95 % intervals over places (Jeffreys).

    Returns
    -------
    DataFrame
        ``split, goal, way, changes, share, low, high, places``; of random changes the mean over draws.
    """
    rows = []
    for (split, goal, way), own in attacks.groupby(["split", "goal", "way"], sort=False):
        won = np.stack([success_by_changes(one["needed"].to_list(), most) for _, one in own.groupby("spot")])
        share, places = won.mean(axis=0), len(won)
        hits = places * share
        low, high = beta.ppf([[_TAIL], [1 - _TAIL]], hits + 0.5, places - hits + 0.5)
        low, high = np.where(hits > 0, low, 0), np.where(hits < places, high, 1)
        for k in range(most + 1):
            rows.append((split, goal, way, k, share[k], low[k], high[k], places))
    names = ["split", "goal", "way", "changes", "share", "low", "high", "places"]
    return pd.DataFrame(rows, columns=names)


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.detector_page import write_attack  # Altair, which no shard needs

    parts = [read_parquet(experiment.part(shard.index)) for shard in _shards(experiment)]
    attacks = pd.concat(parts, ignore_index=True)
    found = curves(attacks, experiment.settings.changes)
    write_parquet(experiment.folder / ATTACKS, attacks)
    write_parquet(experiment.folder / "curves.parquet", found)
    write_attack(experiment, detector_of(experiment), attacks, found)


KIND = Kind(
    name="attack",
    title="base changes that mislead a detector",
    settings=AttackSettings,
    needs=("encode",),
    shards=_shards,
    run=_run,
    finish=_finish,
    command="detect attack --no-retrain",
)
