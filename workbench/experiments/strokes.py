"""Paintings made of words: strokes as people write them, on a stretch of a study's genome or on nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from feature_mining.concepts.concept import Concept
from feature_mining.edits.places import Strength, Where, check_strength
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.painting import Painting, Sheet, Stroke
from workbench.errors import InputError
from workbench.experiments.canvases import Canvas, read_canvas
from workbench.files.text import read_text
from workbench.genome.interval import Interval, parse_place
from workbench.study.concepts import resolve
from workbench.study.study import Study

FORM = (
    "CONCEPT@START-END=STRENGTH, as in 385@30-60=1.5; @START-END:- for the minus strand; FROM..TO in place of"
    " STRENGTH for a ramp"
)
_STROKE = re.compile(
    r"(?P<concept>.+)@(?P<start>\d{1,9})-(?P<end>\d{1,9})(?::(?P<strand>[+-]))?"
    r"=(?P<strength>[^=]*?)(?:\.\.(?P<until>.+))?"
)


def parse_canvas(study: Study, text: str, number: int, context: int) -> Canvas:
    """``CONTIG:START-END``, 0-based half-open, and ``:-`` after it for the minus strand.

    Raises ``InputError`` for any other text, and for letters that are not A, C, G and T.
    """
    given, strand = (text[:-2], text[-1]) if text.endswith((":+", ":-")) else (text, "+")
    found = parse_place(given)
    if found is None:
        raise InputError(
            f"--at {text}: expected CONTIG:START-END, 0-based, end not included; :- for the minus strand"
        )
    place = Interval(*study.contigs.stretch(*found))
    canvas = read_canvas(study, number, place, strand, context)
    if strange := set(canvas.before + canvas.sequence + canvas.after) - set("ACGT"):
        raise InputError(
            f"--at {text}: holds {', '.join(sorted(strange))} there or around; expected A, C, G, T"
        )
    return canvas


def read_painting_file(path: Path) -> Painting:
    """A painting's file; ``InputError`` with line and field where it is none."""
    try:
        return Painting.from_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def on_one_line(painting: Painting | EditPlan) -> str:
    """Its JSON as a setting holds it."""
    return json.dumps(json.loads(painting.to_json()))


def make_plan(study: Study, concept: str, strength: float, bases: int) -> EditPlan:
    """A concept added along so many bases; ``InputError`` for what is none."""
    found = resolve(study, concept)
    try:
        edits = found.edits(check_strength(strength, "strength"), Where(((0, bases),)))
    except ValueError as error:
        raise InputError(f"--strength: {error}") from None
    return EditPlan(edits, study.manifest.model.weights_hash, {study.layer: study.sae_hash})


def make_painting(
    study: Study, strokes: Sequence[str], length: int, canvas: Canvas | None = None
) -> Painting:
    """A painting of one sheet, whose concepts are resolved in a study; ``InputError`` with the words wrong.

    ``canvas`` gives sequence and surroundings, and the length with them.
    """
    palette: dict[str, Concept] = {}
    made: list[Stroke] = []
    for text in strokes:
        found = _STROKE.fullmatch(text.strip())
        if found is None:
            raise InputError(f"--stroke {text}: expected {FORM}")
        concept = resolve(study, found["concept"])
        palette.setdefault(concept.name, concept)
        start, end = int(found["start"]), int(found["end"])
        try:
            made.append(
                Stroke(concept.name, start, end, found["strand"] or "+", _strength(found, start, end))
            )
        except ValueError as error:
            raise InputError(f"--stroke {text}: {error}") from None
    letters = {} if canvas is None else canvas._asdict()
    try:
        return Painting(
            length if canvas is None else len(canvas.sequence),
            tuple(palette.values()),
            (Sheet("sheet 1", tuple(made)),),
            **{key: letters[key] for key in ("sequence", "before", "after") if letters},
            model=study.manifest.model.weights_hash,
            autoencoders={study.layer: study.sae_hash},
        )
    except ValueError as error:
        raise InputError(f"--stroke: {error}") from None


def _strength(found: re.Match[str], start: int, end: int) -> Strength:
    first = _number(found["strength"])
    if found["until"] is None or end - start < 2:
        return first
    return ((start, first), (end - 1, _number(found["until"])))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"strength {text!r} is not a number") from None
