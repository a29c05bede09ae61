"""Strokes on a study's genome, as nodes of its history: each act gives a new node, not kept yet.

Places are those of the genome, 0-based half-open; a node's painting counts from its canvas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from feature_mining.concepts.concept import Concept
from feature_mining.edits.places import Strength
from feature_mining.feature_map import Csr
from feature_mining.painting import operations
from feature_mining.painting.painting import Painting, Sheet, Stroke
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.canvases import read_canvas
from workbench.experiments.paint import read_painting
from workbench.experiments.settings import PaintSettings
from workbench.experiments.strokes import on_one_line
from workbench.files.settings import check_section, read_section
from workbench.genome.interval import Interval
from workbench.study.concepts import TOP_BASES
from workbench.study.history import Node
from workbench.study.sampled_codes import sample_codes
from workbench.study.study import Study
from workbench.wording import spoken

# Bases of a canvas, at most, and samples of an arm where nothing else is said.
CANVAS, COPIES = 1000, 4
# Bases that are read before and after it, at most.
CONTEXT = 1024
# Settings that a node keeps of `PaintSettings`.
ASKED = ("fill", "copies", "steps", "readouts", "expect", "temperature", "seed")


def painting_of(study: Study, node: Node) -> Painting:
    """A node's painting, checked to be of the study and of the letters that stand there."""
    painting = read_painting(study, node.painting)
    if painting.sequence != study.genome.fetch(*node.place).upper():
        raise InputError(f"node {node.number}: its canvas is not what stands at {spoken(*node.place)}")
    return painting


def settings_of(study: Study, node: Node) -> PaintSettings:
    """What the experiment of a node is asked; ``InputError`` for a setting that is none."""
    where = f"node {node.number}"
    if unknown := sorted(set(node.asked) - set(ASKED)):
        raise InputError(f"{where}: unknown setting {unknown[0]!r}; expected one of {', '.join(ASKED)}")
    given = read_section(PaintSettings, {"copies": COPIES, **node.asked}, where)
    check_section(given, where)
    if not given.readouts:
        raise InputError(f"{where}: no readout; name a JUDGE.COLUMN")
    made: PaintSettings = replace(given, painting=on_one_line(read_painting(study, node.painting)))
    return made


def asked_of(given: PaintSettings) -> dict[str, Any]:
    """The settings that a node keeps."""
    values = asdict(given)
    return {key: values[key] for key in ASKED}


def canvas_around(study: Study, place: Interval) -> Interval:
    """The canvas that a first stroke opens; ``InputError`` for one that it has no room for."""
    size = min(CANVAS, study.model.context // 2)
    if place.size > size:
        raise InputError(f"a stroke of {place.size:,} bases: a canvas has {size:,} at most")
    length = study.manifest.contigs[place.chrom]
    start = max(0, min(place.start - (size - place.size) // 2, length - size))
    return Interval(place.chrom, start, min(length, start + size))


def empty_painting(study: Study, place: Interval) -> Painting:
    """A canvas on the genome without a stroke; ``InputError`` for letters that are not A, C, G and T."""
    canvas = read_canvas(study, 0, place, "+", min(CONTEXT, study.model.context - place.size))
    if strange := set(canvas.before + canvas.sequence + canvas.after) - set(BASES):
        raise InputError(
            f"{spoken(*place)} or what is around it holds {', '.join(sorted(strange))}: a canvas has A, C,"
            " G and T alone"
        )
    return Painting(
        place.size, (), (Sheet("sheet 1"),), canvas.sequence, canvas.before, canvas.after,
        model=study.manifest.model.weights_hash, autoencoders={study.layer: study.sae_hash},
    )  # fmt: skip


def put_stroke(
    study: Study,
    node: Node | None,
    concept: Concept,
    place: Interval,
    strand: str,
    strength: Strength,
    sheet: int | None = None,
) -> Node:
    """A stroke on a node's canvas, on its uppermost sheet where none is named, or on a new one beside it.

    A stroke that leaves the canvas of ``node`` begins a tree of its own. A ramp's positions are those of the
    genome.
    """
    canvas = node.place if node is not None else place
    inside = node is not None and canvas.meets(place) and place.within(canvas) == place
    if node is None or not inside:
        canvas = canvas_around(study, place)
        node = Node(
            0, 0, *canvas, on_one_line(empty_painting(study, canvas)), asked=node.asked if node else {}
        )
    painting = painting_of(study, node)
    known = {each.name: each for each in painting.palette}
    if concept.name not in known:
        painting = replace(painting, palette=(*painting.palette, concept))
    if not isinstance(strength, int | float):
        strength = tuple((at - canvas.start, value) for at, value in strength)
    stroke = Stroke(concept.name, place.start - canvas.start, place.end - canvas.start, strand, strength)
    at = max(0, len(painting.sheets) - 1) if sheet is None else sheet
    return _child(node, operations.add(painting, at, stroke), f"{concept.name} on {_words(place, strand)}")


def act(study: Study, node: Node, name: str, given: Mapping[str, Any]) -> Node:
    """Another change of a node's painting, one of `ACTS`; ``InputError`` for what cannot be done."""
    if name not in ACTS:
        raise InputError(f"{name!r}: expected one of {', '.join(ACTS)}")
    painting, did = ACTS[name](painting_of(study, node), node.start, given)
    return _child(node, painting, did)


def ask_anew(study: Study, node: Node, /, **changes: Any) -> Node:
    """The same painting, filled in by other settings."""
    made = replace(node, asked={**node.asked, **changes})
    said = ", ".join(f"{key} {value}" for key, value in changes.items())
    return _child(made, painting_of(study, node), f"filled in by {said}", settings_of(study, made))


def _child(node: Node, painting: Painting, did: str, given: PaintSettings | None = None) -> Node:
    spans = sorted((stroke.start, stroke.end) for stroke in painting.strokes)
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    painting = replace(painting, free=tuple(merged))
    asked = node.asked if given is None else asked_of(given)
    return Node(0, node.number, *node.place, on_one_line(painting), did, asked)


def _words(place: Interval, strand: str) -> str:
    return f"{spoken(*place)}, {'plus' if strand == '+' else 'minus'} strand"


# -- acts ------------------------------------------------------------------------------------------

_Act = Callable[[Painting, int, Mapping[str, Any]], tuple[Painting, str]]


def _of(painting: Painting, given: Mapping[str, Any]) -> str:
    sheet, number = given["sheet"], given["stroke"]
    if not 0 <= sheet < len(painting.sheets) or not 0 <= number < len(painting.sheets[sheet].strokes):
        raise InputError(f"there is no stroke {number} on sheet {sheet}")
    return painting.sheets[sheet].strokes[number].concept


def _move(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    said = f"{_of(painting, given)} moved by {given['by']:,}"
    return operations.move(painting, given["sheet"], given["stroke"], given["by"]), said


def _copy(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    said = f"{_of(painting, given)} copied to {given['start'] + 1:,}"
    return operations.copy(painting, given["sheet"], given["stroke"], given["start"] - at), said


def _stretch(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    said = f"{_of(painting, given)} drawn out to {given['start'] + 1:,}-{given['end']:,}"
    start, end = given["start"] - at, given["end"] - at
    return operations.stretch(painting, given["sheet"], given["stroke"], start, end), said


def _strengthen(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    said = f"{_of(painting, given)} by {given['strength']:g}"
    return operations.strengthen(painting, given["sheet"], given["stroke"], given["strength"]), said


def _remove(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    said = f"{_of(painting, given)} taken away"
    return operations.remove(painting, given["sheet"], given["stroke"]), said


def _erase(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    start, end = given["start"], given["end"]
    return operations.erase(painting, start - at, end - at, given["strand"]), f"erased {start + 1:,}-{end:,}"


def _sheet(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    name = f"sheet {len(painting.sheets) + 1}"
    return replace(painting, sheets=(*painting.sheets, Sheet(name))), f"{name} above the others"


def _raise(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    """A sheet above all others."""
    if not 0 <= given["sheet"] < len(painting.sheets):
        raise InputError(f"there is no sheet {given['sheet']}")
    order = [i for i in range(len(painting.sheets)) if i != given["sheet"]] + [given["sheet"]]
    return operations.reorder(painting, order), f"{painting.sheets[given['sheet']].name} uppermost"


def _turn(painting: Painting, at: int, given: Mapping[str, Any]) -> tuple[Painting, str]:
    """A feature of a concept turned up or down."""
    name, feature, factor = given["concept"], given["feature"], given["factor"]
    if name not in {concept.name for concept in painting.palette}:
        raise InputError(f"there is no concept {name!r} in the painting")
    palette = [
        concept.scaled({feature: factor}) if concept.name == name else concept for concept in painting.palette
    ]
    return replace(painting, palette=tuple(palette)), f"feature {feature} of {name} times {factor:g}"


ACTS: dict[str, _Act] = {
    "move": _move,
    "copy": _copy,
    "stretch": _stretch,
    "strengthen": _strengthen,
    "remove": _remove,
    "erase": _erase,
    "sheet": _sheet,
    "raise": _raise,
    "turn": _turn,
}


# -- how strong a concept gets by itself ------------------------------------------------------------


def strongest(study: Study, concept: Concept, codes: Callable[[], Csr] | None = None) -> float:
    """The largest level of a concept that the genome shows, in units of its ``top``.

    Of a feature, on the whole genome; of a sum on the sample of the select split that its top was measured
    on, which ``codes`` gives where it is at hand.
    """
    units = study.dictionary.unit.numpy()
    if len(concept.weights) == 1:
        ((feature, weight),) = concept.weights.items()
        catalog = study.table("catalog").set_index("feature")
        return float(catalog.loc[feature, "max"]) / float(units[feature]) if weight > 0 else 0.0
    read = codes() if codes is not None else sample_codes(study, "select", TOP_BASES)
    return float(np.max(concept.level(read, units), initial=0.0)) / concept.top
