"""What settings are chosen from: tracks, features, concepts and the like, by their names in the study.

A setting says with ``of`` what it names (`workbench.files.settings.setting`). What is offered for it is in
`OFFERED`; where the setting holds a file and not a name, `READ` makes the one of the other. Texts come from a
browser: none of them is ever a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.data.annotation import tracks
from app.data.study import Opened
from app.verdict_text import short_label
from workbench import InputError, Study
from workbench.experiments.question import FOLDER

# Features that are offered; any other is typed.
MOST_FEATURES = 2000


class Choices(NamedTuple):
    """What is offered, each with what it is called; ``more``: what else may be typed, empty for nothing."""

    offered: dict[str, str]
    more: str = ""


def _tracks(opened: Opened) -> Choices:
    found = [track.name for track in tracks(opened).result() if len(track.intervals)]
    return Choices(dict(zip(found, found, strict=True)))


def _strands(_: Opened) -> Choices:
    return Choices({"+": "+ plus", "-": "- minus"})


def _features(opened: Opened) -> Choices:
    evidence = opened.evidence
    best = [int(feature) for feature in evidence.shown["feature"] if feature >= 0]
    alive = evidence.catalog.loc[~evidence.catalog["dead"], "feature"]
    every = list(dict.fromkeys([*best, *map(int, alive)]))[:MOST_FEATURES]
    return Choices({str(f): f"{f} · {short_label(evidence, f)}" for f in every}, "a number")


def _readouts(_: Opened) -> Choices:
    from workbench.judges.registry import JUDGES  # PyTorch

    cards = [judge.card for judge in JUDGES.values()]
    numbers = [(card, column) for card in cards for column in card.columns if column.dtype != "string"]
    return Choices({f"{card.name}.{column.name}": f"{card.name}.{column.name}" for card, column in numbers})


def _layers(opened: Opened) -> Choices:
    from genomic_models.registry import SHIPPED  # PyTorch
    from genomic_models.released import RELEASED  # PyTorch
    from workbench.models.listing import layers  # PyTorch

    name, own = opened.study.config.model.name, opened.study.layer
    # A model of another family is not loaded to be asked: it may be larger than this machine.
    known = layers(name) if name in SHIPPED or name in RELEASED else []
    return Choices({layer: layer for layer in dict.fromkeys([*known, own])}, "a tap of the model")


def _concepts(opened: Opened) -> Choices:
    from workbench.study.concepts import concept_files  # PyTorch

    kept = {text: text for text in concept_files(opened.study)}
    return Choices(kept | _features(opened).offered, "a sum of features, 3 - 17 + 0.5*204")


def _holding(study: Study, name: str) -> dict[str, str]:
    """Experiments that left a file of this name."""
    found = sorted(
        path.relative_to(study.folder).parts[1] for path in study.folder.glob(f"{FOLDER}/*/{name}")
    )
    return dict(zip(found, found, strict=True))


def _detectors(opened: Opened) -> Choices:
    return Choices(_holding(opened.study, "detector.json"))


def _attacks(opened: Opened) -> Choices:
    return Choices(_holding(opened.study, "attacks.parquet"))


def _paintings(opened: Opened) -> Choices:
    more = "JSON, or strokes CONCEPT@START-END=STRENGTH with spaces between"
    return Choices(_holding(opened.study, "painting.json"), more)


def _models(opened: Opened) -> Choices:
    from genomic_models.registry import SHIPPED  # PyTorch

    own = {name: f"{name}, a model of this study" for name in _holding(opened.study, "model/config.json")}
    return Choices({name: name for name in SHIPPED} | own)


def _autoencoders(opened: Opened) -> Choices:
    from workbench.analysis.training_setup import seed_folders  # PyTorch

    names = [folder.name for folder in seed_folders(opened.study)[1:]]
    return Choices(dict(zip(names, names, strict=True)))


def _transcoders(opened: Opened) -> Choices:
    return Choices(_holding(opened.study, "transcoders"))


def _symptoms(opened: Opened) -> Choices:
    from workbench.experiments.follow_up import COUNTED  # PyTorch

    flags = [f"flag:{name}" for name in COUNTED]
    detectors = [f"detector:{name}" for name in _holding(opened.study, "detector.json")]
    every = [*flags, *detectors, *(f"loci:{name}" for name in _tracks(opened).offered)]
    return Choices(dict(zip(every, every, strict=True)))


def _phenotypes(opened: Opened) -> Choices:
    study = opened.study
    found = [p.name for p in study.cohort.phenotypes] if study.config.has_phenotypes else []
    return Choices(dict(zip(found, found, strict=True)))


def _samples(opened: Opened) -> Choices:
    study = opened.study
    found = study.cohort.samples["sample"].tolist() if study.config.has_phenotypes else []
    return Choices(dict(zip(found, found, strict=True)))


def _plans(_: Opened) -> Choices:
    return Choices({}, "JSON, or CONCEPT=STRENGTH")


OFFERED: Mapping[str, Callable[[Opened], Choices]] = {
    "track": _tracks,
    "strand": _strands,
    "feature": _features,
    "readout": _readouts,
    "layer": _layers,
    "model": _models,
    "autoencoder": _autoencoders,
    "symptom": _symptoms,
    "phenotype": _phenotypes,
    "sample": _samples,
    "concept": _concepts,
    "detector": _detectors,
    "attack": _attacks,
    "painting": _paintings,
    "transcoders": _transcoders,
    "plan": _plans,
}


def _no_path(text: str) -> str:
    if "/" in text or text.endswith(".json"):
        raise InputError(f"{text!r}: a file is given to the command; here a name of the study is expected")
    return text


def _concept(study: Study, text: str, _: Mapping[str, Any]) -> str:
    from workbench.study.concepts import resolve  # PyTorch

    return " ".join(resolve(study, _no_path(text)).to_json().split())


def _detector(study: Study, text: str, _: Mapping[str, Any]) -> str:
    from workbench.experiments.attack import as_setting  # PyTorch
    from workbench.experiments.detect import find_detector  # PyTorch

    return as_setting(find_detector(study, _no_path(text)))


def _painting(study: Study, text: str, _: Mapping[str, Any]) -> str:
    from feature_mining.painting.painting import Painting  # PyTorch
    from workbench.experiments.question import folder_of
    from workbench.experiments.strokes import make_painting, on_one_line, read_painting_file  # PyTorch

    if text.startswith("{"):
        try:
            return on_one_line(Painting.from_json(text))
        except ValueError as error:
            raise InputError(f"painting: {error}") from None
    if "@" in text:
        # As long as the command's canvas where none is given.
        return on_one_line(make_painting(study, _no_path(text).split(), 90))
    return on_one_line(read_painting_file(folder_of(study, text) / "painting.json"))


def _plan(study: Study, text: str, values: Mapping[str, Any]) -> str:
    from feature_mining.edits.plan import EditPlan  # PyTorch
    from workbench.experiments.strokes import make_plan, on_one_line  # PyTorch

    if text.startswith("{"):
        try:
            return on_one_line(EditPlan.from_json(text))
        except ValueError as error:
            raise InputError(f"plan: {error}") from None
    concept, _, strength = _no_path(text).rpartition("=")
    try:
        return on_one_line(make_plan(study, concept, float(strength), int(values["bases"])))
    except ValueError:
        raise InputError(f"plan {text!r}: expected CONCEPT=STRENGTH, as in 385=2, or JSON") from None


# Settings that hold a file on one line: made from what was chosen or typed, beside the other settings.
READ: Mapping[str, Callable[[Study, str, Mapping[str, Any]], str]] = {
    "concept": _concept,
    "detector": _detector,
    "painting": _painting,
    "plan": _plan,
}
