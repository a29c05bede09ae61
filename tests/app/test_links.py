"""Addresses are built and read back."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from app import links


def back(address: links.Address) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(address)).query))


def test_an_address_of_the_browser_in_full() -> None:
    address = links.browse("st", "chrA:5-90", [3, 7], ["CDS", "a,b c"], 0.25, "-", "heat", "7-9", "cb_1")
    assert str(address) == (
        "browse?study=st&at=chrA:5-90&features=3,7&tracks=CDS,a%252Cb%2520c&threshold=0.25&strands=-"
        "&draw=heat&brush=7-9&variants=cb_1"
    )
    assert address.file == "screens/browse.py"
    view = links.BrowseView("st", "chrA:5-90", (3, 7), ("CDS", "a,b c"), 0.25, "-", "heat", "7-9", "cb_1")
    assert links.parse_browse(back(address)) == view


def test_what_is_not_said_is_left_to_the_page() -> None:
    assert str(links.browse()) == "browse"
    assert links.parse_browse({}) == links.BrowseView()
    none = links.parse_browse(back(links.browse(features=[], tracks=[])))
    assert none.features == () and none.tracks == ()


def test_rows_lanes_and_a_second_pane_come_back() -> None:
    rows = [links.Row("feature", "12", 60, "d55e00"), links.Row("lane", "a:b,c/d", 0, "009e73")]
    address = links.browse(at="chrA:0-9", lanes=["frames", "gc"], rows=rows)
    view = links.parse_browse(back(address))
    assert view.lanes == ("frames", "gc") and view.rows == tuple(rows)
    assert links.parse_browse(back(links.browse(lanes=[]))).lanes == ()
    whole = {"study": "x y", "pane": links.join_query(address.query)}
    read = dict(parse_qsl(links.join_query(whole)))
    assert links.split_query(read["pane"]) == address.query


def test_other_pages() -> None:
    assert str(links.feature("st", 4)) == "feature?study=st&feature=4"
    assert links.parse_feature({"feature": "4"}) == 4
    assert links.parse_feature({}) is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"features": "3,x"}, "feature 'x': expected a number"),
        ({"features": "-1"}, "feature '-1': expected a number"),
        ({"features": "9" * 30}, "expected a number"),
        ({"threshold": "2"}, "expected a share from 0 to 1"),
        ({"threshold": "nan"}, "expected a share from 0 to 1"),
        ({"strands": "x"}, "expected both"),
        ({"mode": "<b>"}, "mode '<b>': expected one of read"),
        ({"mode": "read", "ask": "x" * 2001}, "ask: 2,001 characters; expected 2,000 at most"),
        ({"lanes": "gc,<b>"}, "lane '<b>': expected some of letters"),
        ({"rows": "feature/12:9:"}, "expected feature/NUMBER:HEIGHT:COLOUR"),
        ({"rows": "feature/12:60:red"}, "six digits of a colour"),
    ],
)
def test_wrong_parts_get_a_sentence(query: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("+", r"\+")):
        links.parse_browse(query)
