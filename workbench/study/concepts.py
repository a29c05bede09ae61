"""Concepts of a study: kept as files, and made of what people write.

A concept is kept as ``concepts/NAME.json``; factors lie in the folder of the experiment that found them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from feature_mining.concepts.arithmetic import add, parse_sum
from feature_mining.concepts.concept import Concept
from feature_mining.feature_map import Csr
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import read_text
from workbench.study.feature_lists import read_lists
from workbench.study.sampled_codes import sample_codes
from workbench.study.study import Study
from workbench.wording import listed

FOLDER = "concepts"
# The experiment whose factors are meant where none is named.
FACTORS = "factors"
# Bases of the select split on which the top of a concept is measured.
TOP_BASES = 400_000
TOP = 0.999
FORMS = (
    "a feature (871), a sum (3 - 17 + 0.5*204), a factor (factor:12, or factor:EXPERIMENT:12), a list of"
    " pinned features (list:NAME), the name of a kept concept or the path of its JSON"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_FACTOR = re.compile(r"factor(?::([A-Za-z0-9][A-Za-z0-9_-]{0,79}))?:(\d{1,6})")


def resolve(study: Study, text: str) -> Concept:
    """The concept that a text means, checked to be of the study's model and autoencoder.

    Parameters
    ----------
    study : Study
        With feature maps, where the concept is a sum.
    text : str
        One of `FORMS`.

    Raises
    ------
    InputError
        For any other text, a feature that the autoencoder lacks or that was never active, a file that is
        damaged or of another model or autoencoder, and a sum that is nothing.
    """
    text = " ".join(text.split())
    if text.startswith("list:"):
        return _of_list(study, text.removeprefix("list:"))
    if text.endswith(".json") or "/" in text:
        return read_concept(study, Path(text))
    try:
        terms = parse_sum(text)
        parts = [(term.factor, _atom(study, term.atom)) for term in terms]
        if len(parts) == 1 and parts[0][0] == 1:
            return parts[0][1]
        return sum_of(study, text, parts, f"sum {text}")
    except ValueError as error:
        raise InputError(f"concept {text!r}: {error}; a concept is {FORMS}") from None


def sum_of(study: Study, name: str, parts: Sequence[tuple[float, Concept]], how: str) -> Concept:
    """A sum of concepts, each so often and as it is painted at full strength; ``InputError`` for nothing."""
    try:
        return measured(study, name, add(parts), how)
    except ValueError as error:
        raise InputError(f"{how}: {error}") from None


def _atom(study: Study, atom: str) -> Concept:
    if atom.isdigit():
        # Longer numbers are no feature, and may be too long for Python.
        return _of_feature(study, int(atom[:10]))
    if found := _FACTOR.fullmatch(atom):
        return read_concept(study, factor_path(study, found[1] or FACTORS, int(found[2])))
    return read_concept(study, concept_path(study, atom))


def _of_list(study: Study, name: str) -> Concept:
    """All features of a pinned list, alike."""
    lists = read_lists(study.folder)
    if name not in lists:
        raise InputError(
            f"list {name!r}: no such list of features; there are {listed(list(lists)) or 'none'}"
        )
    try:
        return measured(study, name, dict.fromkeys(lists[name], 1.0), f"the features of the list {name}")
    except ValueError as error:
        raise InputError(f"list {name!r}: {error}") from None


def _of_feature(study: Study, feature: int) -> Concept:
    model, autoencoder = study.manifest.model.weights_hash, study.sae_hash
    concept = Concept.of_feature(feature, study.layer, model, autoencoder)
    _refuse_absent(study, concept)
    return concept


def _refuse_absent(study: Study, concept: Concept) -> None:
    """Raise ``ValueError`` for features that the autoencoder lacks or that were never active."""
    units = study.dictionary.unit.numpy()
    for feature in concept.features:
        if feature >= len(units):
            raise ValueError(f"{study.layer} has features 0 to {len(units) - 1}, no {feature}")
        if not units[feature]:
            raise ValueError(f"feature {feature} was never active, so that it has no strength")


def measured(
    study: Study, name: str, weights: Mapping[int, float], how: str, codes: Csr | None = None
) -> Concept:
    """A concept of the study with these weights, its top measured on the select split.

    Where nothing raises its level (``- 17``), the top is that of how far it falls. ``codes`` are features of
    bases of that split; where none are given a sample is read. Raises ``ValueError`` as `resolve` does.
    """
    model, autoencoder = study.manifest.model.weights_hash, study.sae_hash
    concept = Concept(name, study.layer, weights, 1.0, model, autoencoder, how)
    _refuse_absent(study, concept)
    if len(concept.weights) == 1:
        # By the unit of its feature, of which 99.9 % of active values lie below 1.
        top = 1 / abs(next(iter(concept.weights.values())))
    else:
        codes = sample_codes(study, "select", TOP_BASES) if codes is None else codes
        levels = concept.level(codes, study.dictionary.unit.numpy())
        active = levels[levels > 0] if (levels > 0).any() else -levels[levels < 0]
        if not active.size:
            raise ValueError("none of its features is active on the select split")
        top = float(np.quantile(active, TOP))
    return Concept(name, study.layer, concept.weights, top, model, autoencoder, how)


# -- files -----------------------------------------------------------------------------------------


def concept_path(study: Study, name: str) -> Path:
    """File of a kept concept. Raises ``InputError`` for a name that is no plain word."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"concept {name!r}: expected a name of letters, digits and _ that begins with a letter"
        )
    return study.folder / FOLDER / f"{name}.json"


def factor_path(study: Study, experiment: str, number: int) -> Path:
    """File of a factor in the folder of its experiment."""
    return study.folder / "experiments" / experiment / FACTORS / f"{number:05d}.json"


def read_concept(study: Study, path: Path) -> Concept:
    """A concept from its file; ``InputError`` where it is missing, damaged or of another model."""
    if not path.is_file():
        kept = [concept.stem for concept in concept_paths(study)]
        known = f"kept are {listed(kept)}" if kept else f"none is kept in {study.folder / FOLDER}"
        raise InputError(f"{path}: no such concept; {known}; a concept is {FORMS}")
    concept = load_concept(path)
    try:
        concept.check(study.manifest.model.weights_hash, study.sae_hash)
        if concept.layer != study.layer:
            raise ValueError(f"the concept is of {concept.layer}, the study's autoencoder of {study.layer}")
        _refuse_absent(study, concept)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    return concept


def load_concept(path: Path) -> Concept:
    """A concept from its file, of whatever study; ``InputError`` for what is none, with line and field."""
    try:
        return Concept.from_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def keep_concept(study: Study, concept: Concept) -> Path:
    """Keep a concept under its name, atomically; ``InputError`` where another one has it."""
    path = concept_path(study, concept.name)
    if path.exists() and read_text(path) != concept.to_json():
        raise InputError(f"{path}: another concept has the name; give another one, or remove the file")
    write_concept(path, concept)
    return path


def write_concept(path: Path, concept: Concept) -> None:
    """Write a concept's file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        temporary.write_text(concept.to_json(), encoding="utf-8")


def concept_paths(study: Study) -> list[Path]:
    """Files of the kept concepts, by name."""
    return sorted((study.folder / FOLDER).glob("*.json"))


def concept_files(study: Study) -> dict[str, Path]:
    """Files of kept concepts and of factors, by what people write for them."""
    found = {path.stem: path for path in concept_paths(study)}
    for path in sorted(study.folder.glob(f"experiments/*/{FACTORS}/*.json")):
        experiment = path.parents[1].name
        within = "" if experiment == FACTORS else f"{experiment}:"
        found[f"factor:{within}{path.stem.lstrip('0') or '0'}"] = path
    return found
