"""The report in a window and on paper: nothing is cut off, and nothing scrolls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.conftest import chromium as chromium
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.report.render import write_report

# What reaches past the page, and what would have to be scrolled to.
CUT = """() => [...document.querySelectorAll('table, figure, pre, p, h2, h3, li, dd, td, .scroll, .card')]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        || (e.scrollWidth > e.clientWidth + 1 && e.matches('.scroll, pre, .card')))
    .map(e => e.tagName + ' ' + e.innerText.slice(0, 60))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("paper") / "report.html"
    write_report(Study.open(finished_study(tmp_path_factory)), path)
    return path.as_uri()


@pytest.mark.parametrize(("medium", "width"), [("screen", 1200), ("print", 718)])
def test_nothing_is_cut_off(chromium: Any, address: str, medium: str, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.emulate_media(media=medium, color_scheme="dark")
    page.goto(address)
    assert page.evaluate(CUT) == []
    # Paper is white, whatever the screen of who prints.
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if medium == "print" else "rgb(20, 24, 29)")
    page.close()
