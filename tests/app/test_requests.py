"""What a canvas asks is checked: whatever a browser sends is answered, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from app import links
from app.canvas import requests
from app.canvas.browsing import requested_view
from app.canvas.pane import FIRST, SECOND
from app.canvas.requests import REQUESTS, Asking, on_asked
from app.data.study import Opened, open_study
from tests.workbench.study_factory import make_study
from workbench import InputError
from workbench.experiments.targets import parse_target
from workbench.study.bookmarks import FILE, LONGEST

HTML = '<img src=x onerror="window.fired=1">'
STRANGE: list[Any] = [None, "", "x", HTML, -1, 10**30, 1.5, float("nan"), float("inf"), True, [], {}, [1, 2]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return open_study(str(make_study(tmp_path_factory.mktemp("requests")).study.folder))


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The address and the session, which are the browser's otherwise."""

    class Query(dict[str, str]):
        def to_dict(self) -> dict[str, str]:
            return dict(self)

        def from_dict(self, new: Mapping[str, str]) -> None:
            self.clear()
            self.update(new)

    query = Query(at="chrA:100-900", features="3,7")
    monkeypatch.setattr(st, "query_params", query)
    monkeypatch.setattr(st, "session_state", {})
    return query


def ask(opened: Opened, **event: Any) -> dict[str, Any]:
    view = requested_view(opened, links.parse_browse(FIRST.query()))
    return REQUESTS[event["kind"]](Asking(opened, FIRST, view, event)) or {}


def test_of_a_base_the_odds_of_every_other_letter_can_be_asked(opened: Opened) -> None:
    code = ask(opened, kind="attribute", start=700, end=701)["sheet"]["code"]
    read = [parse_target(opened.study, line.split("--target ")[1]) for line in code.splitlines()]
    assert {one.place for one in read} == {("chrA", 700, 701)}
    assert [one.alternative for one in read] == ["", *(b for b in "ACGT" if b != read[-1].reference)]


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_strange_values_are_refused_in_a_sentence_or_mean_nothing(
    opened: Opened, kind: str, address: dict[str, str]
) -> None:
    names = ("text", "start", "end", "position", "feature", "of", "note", "study", "query", "changes")
    for value in STRANGE:
        for of in ("feature", "interval", "base", value):
            event = dict.fromkeys(names, value) | {"kind": kind, "of": of}
            try:
                ask(opened, **event)
            except (InputError, ValueError) as error:
                assert str(error) and "\n" not in str(error)
            # Whatever the address holds now can be drawn.
            requested_view(opened, links.parse_browse(FIRST.query()))
            SECOND.opened(opened)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": "3,99"}, "expected a number from 0 to 19"),
        ({"features": HTML}, "expected a number"),
        ({"tracks": "nowhere"}, "no track"),
        ({"lanes": "gc,x"}, "expected some of letters"),
        ({"rows": "feature/3:9999:"}, "expected feature/NUMBER:HEIGHT:COLOUR"),
        ({"strands": "x"}, "expected both"),
        ({"variants": "cb_none"}, "."),
        ({"brush": "5"}, "expected start-end"),
    ],
)
def test_settings_that_cannot_be_drawn_leave_the_address_as_it_is(
    opened: Opened, changes: dict[str, str], said: str, address: dict[str, str]
) -> None:
    before = dict(address)
    with pytest.raises((InputError, ValueError), match=said):
        ask(opened, kind="set", changes=changes)
    assert address == before
    ask(opened, kind="set", changes={"draw": "heat", "at": "chrB:0-5", "study": "/etc"})
    assert address == before | {"draw": "heat"}


def test_places_of_two_contigs_and_long_notes(opened: Opened, address: dict[str, str]) -> None:
    with pytest.raises(InputError, match="expected 0 <= start < end <= 3000"):
        ask(opened, kind="fires", start=2900, end=3001)
    with pytest.raises(InputError, match=f"at most {LONGEST}"):
        ask(opened, kind="mark", start=0, end=5, note="x" * (LONGEST + 1))
    assert not (opened.study.folder / FILE).exists()
    with pytest.raises(InputError, match="no study of this name"):
        ask(opened, kind="beside", study="../../etc")
    assert "pane" not in address


def test_an_answer_carries_the_number_and_an_error_is_one(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def event(value: dict[str, Any]) -> None:
        monkeypatch.setattr(requests, "last_event", lambda key, kind: value)
        on_asked(opened, FIRST, {}.get)

    event({"kind": "go", "text": "nowhere", "number": 4})
    assert FIRST.take("answer")["error"].startswith("'nowhere' is neither")
    event({"kind": "suggest", "text": "gene", "number": 5})
    answer = FIRST.take("answer")
    assert answer["number"] == 5 and answer["offers"][0]["text"] == "gene0"
    event({"kind": "__class__"})
    event({})
    assert FIRST.take("answer") is None


def test_a_damaged_file_of_bookmarks_hides_no_view(opened: Opened) -> None:
    from app.canvas.browsing import client
    from app.canvas.message import message

    path: Path = opened.study.folder / FILE
    path.write_text("{")
    view = requested_view(opened, links.parse_browse(FIRST.query()))
    try:
        assert message(opened, view, client(view, FIRST))
        with pytest.raises(InputError, match=FILE):
            ask(opened, kind="mark", start=0, end=5)
    finally:
        path.unlink()
