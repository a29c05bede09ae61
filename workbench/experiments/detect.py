"""A detector for the sites of a track: made on the select split, its promise tested once on report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from feature_mining.concepts.concept import Concept
from feature_mining.detection.detector import Detector
from workbench.errors import InputError
from workbench.experiments.attacked import read_attacked, transfer
from workbench.experiments.detector_settings import DetectSettings
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.question import folder_of
from workbench.files.atomic import write_atomic
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.scans.detectors import read_detector
from workbench.scans.making import Asked, bases_read, make_detector, mode_of, track_of
from workbench.stages.stage import Shard
from workbench.study.study import Study

DETECTOR = "detector.json"
_TABLES = ("calls", "reliability", "transfer")


def _asked(experiment: Experiment) -> Asked:
    study, given = experiment.study, experiment.settings
    if not 0 < given.precision < 1:
        raise InputError(f"precision {given.precision}: expected a share between 0 and 1")
    mode = mode_of(track_of(study, given.track), given.mode)
    concept = None
    if given.concept:
        try:
            concept = Concept.from_json(given.concept)
            concept.check(study.manifest.model.weights_hash, study.sae_hash)
        except ValueError as error:
            raise InputError(str(error)) from None
    features, density = given.features, given.sites_per_megabase
    return Asked(experiment.name, given.track, mode, concept, features, given.precision, density)


def _shards(experiment: Experiment) -> list[Shard]:
    _asked(experiment)
    given = experiment.settings
    if given.attacks and given.concept:
        raise InputError("a concept learns nothing from attacks: leave it out, so that a probe is fitted")
    return [Shard(0, bases_read(experiment.study))]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    attacked = read_attacked(study, given.attacks, "select") if given.attacks else None
    made = make_detector(study, _asked(experiment), progress, attacked)
    bins = [(b.said, *b.true, b.calls) for b in made.bins]
    tables = {
        "calls": made.calls,
        "reliability": pd.DataFrame(bins, columns=["said", "true", "low", "high", "calls"]),
        "transfer": transfer(study, made.detector, given.attacks) if given.attacks else pd.DataFrame(),
    }
    for name, table in tables.items():
        write_parquet(experiment.folder / "parts" / f"{name}.parquet", table)
    with write_atomic(experiment.folder / "parts" / DETECTOR) as temporary:
        temporary.write_text(made.detector.to_json() + "\n", encoding="utf-8")
    return shard.size


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.detector_page import write_detection  # Altair, which no shard needs

    tables = {name: read_parquet(experiment.folder / "parts" / f"{name}.parquet") for name in _TABLES}
    for name, table in tables.items():
        if len(table):
            write_parquet(experiment.folder / f"{name}.parquet", table)
    detector = read_detector(experiment.folder / "parts" / DETECTOR)
    with write_atomic(experiment.folder / DETECTOR) as temporary:
        temporary.write_text(detector.to_json() + "\n", encoding="utf-8")
    write_detection(experiment, detector, tables["reliability"], tables["transfer"])


def find_detector(study: Study, text: str) -> Detector:
    """A detector by its file, or by the name of the experiment that made it; ``InputError`` otherwise."""
    path = Path(text)
    return read_detector(path if path.suffix == ".json" else folder_of(study, text) / DETECTOR)


def precision_error(detector: Detector) -> float:
    """How far the precision on the report split is from what was promised."""
    return abs(detector.measured["report_precision"] - detector.precision)


KIND = Kind(
    name="detect",
    title="a detector for the sites of a track",
    settings=DetectSettings,
    needs=("encode",),
    shards=_shards,
    run=_run,
    finish=_finish,
    command="detect make",
)
