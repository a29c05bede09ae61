"""Sums of concepts against their terms written out."""

from __future__ import annotations

import pytest

from feature_mining.concepts.arithmetic import add, parse_sum
from feature_mining.concepts.concept import Concept


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("871", [(1, "871")]),
        ("3 - 17 + 0.5*204", [(1, "3"), (-1, "17"), (0.5, "204")]),
        ("-3-17", [(-1, "3"), (-1, "17")]),
        ("2*3", [(2, "3")]),
        ("2*0.5*stop - -1e1*factor:12", [(1, "stop"), (10, "factor:12")]),
        ("a_1+.5*factor:other:2", [(1, "a_1"), (0.5, "factor:other:2")]),
    ],
)
def test_sums_are_read(text: str, terms: list[tuple[float, str]]) -> None:
    assert [tuple(term) for term in parse_sum(text)] == terms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "character 1: found its end"),
        ("3 -", "character 4: found its end"),
        ("3 17", r"character 3: found '17'"),
        ("0.5", r"character 1: found '0.5'"),
        ("3 * stop * 2.5", r"character 10: found '\* 2.5'"),
        ("3 + (4)", r"character 4: found '\(4\)'"),
        ("3 * * 4", r"character 5: found '\* 4'"),
        ("a b", r"character 3: found 'b'"),
        ("3 + ٣", "character 4: found '٣'"),
    ],
)
def test_other_text_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"{told}; expected numbers of features"):
        parse_sum(text)


def test_concepts_are_added_as_they_are_painted() -> None:
    one = Concept("one", "l", {1: 1.0, 2: -1.0}, 2.0)
    other = Concept("other", "l", {2: 0.5}, 4.0)
    assert add([(1.0, one), (0.5, other)]) == {1: 2.0, 2: -1.0}
