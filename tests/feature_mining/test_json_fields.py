"""Sentences for damaged JSON, against places counted by hand."""

from __future__ import annotations

import json

import pytest

from feature_mining.json_fields import JsonFields

TEXT = """{
  "name": "a",
  "parts": [
    {"size": 1},
    {"size": "two, {3}",
     "note": "\\"quoted\\""}
  ],
  "by": {"12": 0.5, "13": true}
}"""


def test_every_kind_of_field_is_named_with_its_line() -> None:
    read = JsonFields(TEXT, "the file")
    assert read.number("parts", 0, "size") == 1
    assert read.string("parts", 1, "note") == '"quoted"'
    for path, told in (
        (("parts", 1, "size"), 'the file, line 5, field parts[1].size: found "two, {3}"'),
        (("by", "13"), "the file, line 8, field by.13: found true"),
        (("parts",), "the file, line 3, field parts: found ["),
    ):
        with pytest.raises(ValueError) as error:
            read.number(*path)
        assert str(error.value).startswith(told)
        assert str(error.value).endswith("; expected a finite number")


def test_unknown_and_missing_fields_are_named() -> None:
    read = JsonFields(TEXT, "the file")
    with pytest.raises(ValueError, match=r"line 6, field parts\[1\]\.note: no such field; expected size$"):
        read.check_keys(("parts", 1), ["size"])
    with pytest.raises(ValueError, match=r"line 4, field parts\[0\]: no field note; expected size, note$"):
        read.check_keys(("parts", 0), ["size", "note"])
    assert read.check_keys(("parts", 0), ["size"], ["note"]) == {"size": 1}


def test_a_part_keeps_its_lines() -> None:
    read = JsonFields(TEXT, "the file")
    inner = JsonFields(read.part("parts", 1), "the part")
    assert inner.values == json.loads(TEXT)["parts"][1]
    with pytest.raises(ValueError, match=r"the part, line 6, field note: "):
        inner.number("note")
    assert JsonFields(read.part("by"), "it").values == {"12": 0.5, "13": True}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,\n "b" 2}', "line 2: Expecting"),
        ("[1]", "is a list"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1, "a": 2}', "field 'a' stands twice"),
        ("[" * 100_000, "not JSON"),
        ("", "line 1"),
    ],
)
def test_what_is_no_object_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        JsonFields(text, "the file")


@pytest.mark.parametrize("number", [10**400, 1e999, True, "1", None])
def test_only_finite_numbers_are_numbers(number: object) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        JsonFields(json.dumps({"a": number}).replace("Infinity", "1e999"), "it").number("a")


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202e", 3])
def test_texts_hold_no_control_characters(text: object) -> None:
    with pytest.raises(ValueError, match="expected a text of one line"):
        JsonFields(json.dumps({"a": text}), "it").string("a")
