"""Paintings: what shows where strokes overlap, operations, the file and its mistakes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from feature_mining.edits.edit import Steer
from feature_mining.edits.places import Where
from feature_mining.painting import operations
from feature_mining.painting.painting import Painting, Sheet, Stroke, plan_of, strengths
from tests.feature_mining.painting.constructed import LAYER, concept

A, G = concept("A"), concept("G")
LOW = Sheet("low", (Stroke("base A", 2, 8, strength=1.0), Stroke("base G", 6, 10, "-", 0.5)))
HIGH = Sheet("high", (Stroke("base G", 4, 6, strength=2.0), Stroke("base A", 5, 7, strength=1.5)))
PAINTING = Painting(12, (A, G), (LOW, HIGH), before="CCCC", after="GGG", model="m", autoencoders={LAYER: "a"})


def test_the_upper_sheet_shows_and_strokes_of_one_sheet_add_up() -> None:
    plus, minus = strengths(PAINTING, "+"), strengths(PAINTING, "-")
    assert plus["base A"].tolist() == [0, 0, 1, 1, 0, 1.5, 1.5, 1, 0, 0, 0, 0]
    assert plus["base G"].tolist() == [0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0]
    assert minus["base G"].tolist() == [0] * 6 + [0.5] * 4 + [0] * 2 and list(minus) == ["base G"]
    turned = operations.reorder(PAINTING, [1, 0])
    assert strengths(turned, "+")["base A"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert "base G" not in strengths(turned, "+")


def test_the_plan_acts_where_the_bases_are_predicted() -> None:
    edits = plan_of(PAINTING, "+").edits
    # Four bases before the canvas: base 2 of the canvas is predicted at 5.
    assert edits == (
        Steer(LAYER, 0, 1.0, where=Where(((5, 7),))),
        Steer(LAYER, 0, ((8, 1.5), (9, 1.5), (10, 1.0)), where=Where(((8, 11),))),
        Steer(LAYER, 2, 2.0, where=Where(((7, 9),))),
    )
    # The minus strand is read from the other end, after the three bases that stand there.
    (edit,) = plan_of(PAINTING, "-").edits
    assert edit == Steer(LAYER, 2, 0.5, where=Where(((3 + 2 - 1, 3 + 6 - 1),)))
    alone = Painting(4, (A,), (Sheet("one", (Stroke("base A", 0, 2),)),))
    assert [edit.where.intervals for edit in plan_of(alone, "+").edits] == [((0, 1),)]


def test_operations_give_new_paintings() -> None:
    before = PAINTING.to_json()
    ramp = Stroke("base A", 2, 6, strength=((2, 0.0), (5, 3.0)))
    one = Painting(12, (A, G), (Sheet("one", (ramp,)),))
    moved = operations.move(one, 0, 0, 4)
    assert moved.strokes == (Stroke("base A", 6, 10, strength=((6, 0.0), (9, 3.0))),)
    assert operations.move(moved, 0, 0, -4) == one
    longer = operations.stretch(one, 0, 0, 1, 11).strokes[0]
    assert longer.values() == pytest.approx(np.linspace(0, 3, 10), abs=0.02)
    assert operations.strengthen(one, 0, 0, 2.0).strokes[0].strength == 2.0
    twice = operations.copy(one, 0, 0, 7)
    assert [s.start for s in twice.strokes] == [2, 7]
    assert np.array_equal(twice.strokes[1].values(), ramp.values())
    assert operations.remove(twice, 0, 1) == one
    # What is erased no longer shows, and the rest shows as before.
    erased = operations.erase(PAINTING, 3, 6)
    for strand in "+-":
        for name, values in strengths(PAINTING, strand).items():
            left = strengths(erased, strand).get(name, np.zeros(12))
            assert left.tolist() == [0 if 3 <= i < 6 else value for i, value in enumerate(values)]
    assert operations.erase(PAINTING, 0, 12, "+").strokes == (LOW.strokes[1],)
    assert operations.erase(PAINTING, 0, 12, sheets=[1]).sheets == (LOW, Sheet("high"))
    assert operations.add(one, 1, ramp).sheets[1].strokes == (ramp,)
    assert PAINTING.to_json() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: operations.move(p, 0, 0, 5), "stroke 7-13 leaves the canvas of 12 bases"),
        (lambda p: operations.move(p, 0, 0, -3), "would leave the canvas"),
        (lambda p: operations.remove(p, 2, 0), "sheet 2: expected 0 to 1"),
        (lambda p: operations.copy(p, 0, 5, 0), "stroke 5 of sheet 0: expected 0 to 1"),
        (lambda p: operations.reorder(p, [0, 0]), "expected each of the 2 sheets once"),
        (lambda p: operations.add(p, 0, Stroke("blue", 0, 1)), "no concept 'blue' in the palette"),
        (lambda p: operations.strengthen(p, 0, 0, float("nan")), "expected a finite number"),
        (lambda p: replace(p, sequence="ACGT"), "4 bases, and its length is 12"),
        (lambda p: replace(p, before="ACNT"), "before holds N"),
        (lambda p: replace(p, free=((3, 13),)), "free bases 3-13"),
        (lambda p: replace(p, palette=(A, A, G)), "two concepts of the palette are called base A"),
    ],
)
def test_what_cannot_be_painted_is_refused(change, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        change(PAINTING)


def test_the_file_gives_the_painting_back_and_belongs_to_one_model() -> None:
    ramp = operations.strengthen(PAINTING, 0, 0, ((2, 0.0), (7, 1.0)))
    full = replace(ramp, sequence="ACGTACGTACGT", free=((2, 8),))
    assert Painting.from_json(full.to_json()) == full
    full.check("m", {LAYER: "a"})
    with pytest.raises(ValueError, match="model with hash m; this one has other"):
        full.check("other", {LAYER: "a"})
    with pytest.raises(ValueError, match=r"autoencoder of blocks.0 with hash a; this one has b"):
        full.check("m", {LAYER: "b"})
    with pytest.raises(ValueError, match=r"on blocks.0; there is an autoencoder for blocks.9"):
        full.check("m", {"blocks.9": "a"})
    owned = replace(full, model="", autoencoders={}, palette=(replace(A, model="x"), G))
    with pytest.raises(ValueError, match="concept base A is of a model with hash x; this one has m"):
        owned.check("m", {LAYER: "a"})


def broken(path: tuple, value: object) -> tuple[str, int]:
    """The file with one field changed, and the line of that field."""
    values = json.loads(PAINTING.to_json())
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "HERE"
    text = json.dumps(values, indent=1)
    line = text[: text.index('"HERE"')].count("\n") + 1
    return text.replace('"HERE"', json.dumps(value)), line


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("sheets", 1, "strokes", 0, "end"), 13, r"field sheets\[1\].strokes\[0\].end: found 13"),
        (("sheets", 1, "strokes", 0, "end"), 3, "expected an end after the start, 4"),
        (("sheets", 0, "strokes", 1, "strand"), "?", r"strokes\[1\].strand: .* expected '\+' or '-'"),
        (("sheets", 0, "strokes", 1, "strength"), [[3, 1], [2, 1]], "expected a number, or ascending pairs"),
        (("sheets", 0, "strokes", 1, "strength"), 1e300, "1e.06 at most"),
        (("length",), 10**9, "a whole number of bases, 1 to 1,000,000"),
        (("sheets", 0, "strokes", 1, "concept"), "blue", "expected one of the palette, base A, base G"),
        (("sheets", 0, "strokes"), 5, r"field sheets\[0\].strokes: found 5; expected a list"),
        (("palette", 1, "top"), 0, "the concept, .*field top: found 0; expected a number above 0"),
        (("palette", 1), 5, r"field palette\[1\]: found 5; expected an object"),
        (("palette", 1, "name"), "base A", "a name that no other concept"),
        (("length",), 1.5, "field length: found 1.5; expected a whole number"),
        (("before",), "ACX", "field before: found .*letters A, C, G and T"),
        (("version",), 9, "field version: found 9; expected 1"),
        (("free",), [[0, 99]], r"field free\[0\]"),
    ],
)  # fmt: skip
def test_broken_files_name_line_and_field(path: tuple, value: object, said: str) -> None:
    text, line = broken(path, value)
    with pytest.raises(ValueError, match=said) as error:
        Painting.from_json(text)
    assert f"line {line}," in str(error.value)


def test_what_is_no_painting() -> None:
    with pytest.raises(ValueError, match="the painting is not JSON: line 2"):
        Painting.from_json('{"version": 1,\n oops}')
    with pytest.raises(ValueError, match="line 1, field colour: no such field"):
        Painting.from_json('{"version": 1, "length": 3, "colour": 1}')
    with pytest.raises(ValueError, match="no field length"):
        Painting.from_json('{"version": 1}')
    assert Painting.from_json('{"version": 1, "length": 3}') == Painting(3)
