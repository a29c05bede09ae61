"""The genome browser driven in Chromium: load, zoom, pan, search, brush, deep link, export."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.chromium import faultless, serving
from tests.workbench.study_factory import Synthetic, make_study

SHARP = ".browser[data-sharp='1'][data-pending='0']"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def address(made: Synthetic) -> Iterator[str]:
    with serving(made.study.folder) as (where, _):
        yield where


@pytest.fixture(scope="module")
def page(chromium: Any, address: str) -> Iterator[Any]:
    with faultless(chromium.new_context(viewport={"width": 1300, "height": 1100}), 30) as (found, _):
        yield found


def state(page: Any) -> dict[str, str]:
    page.wait_for_selector(SHARP)
    return dict(page.locator(".browser").evaluate("e => ({...e.dataset})"))


def wait(page: Any, condition: str) -> dict[str, str]:
    """Wait until a condition on the canvas's state ``d`` holds; the state then."""
    # the component lies in a shadow root, which the page's own selectors do not enter
    script = f"""() => {{
        const hosts = [...document.querySelectorAll("*")].filter((e) => e.shadowRoot);
        const place = hosts.map((e) => e.shadowRoot.querySelector(".browser")).find(Boolean);
        const d = (place ?? document.querySelector(".browser"))?.dataset ?? {{}};
        return {condition};
    }}"""
    page.wait_for_function(script)
    return state(page)


def middle(page: Any) -> tuple[float, float]:
    box = page.locator(".browser canvas").bounding_box()
    return box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"]


def test_zoom_pan_and_hover(page: Any, address: str) -> None:
    page.goto(f"{address}/browse?at=chrA:500-2500&features=3,7")
    first = state(page)
    assert (first["chrom"], first["start"], first["end"]) == ("chrA", "500", "2500")
    assert first["features"] == "3,7"
    # two features on two strands, and few boxes: never more marks than pixels
    assert 0 < int(first["marks"]) < int(first["width"]) * 4
    x, y = middle(page)
    page.mouse.move(x, y)
    hover = wait(page, "d.hover !== ''")["hover"]
    assert "chrA:" in hover and "feature" in hover and "strand" in hover
    page.locator(".browser canvas").focus()
    page.mouse.wheel(0, -150)
    zoomed = wait(page, "+d.end - +d.start < 1500")
    assert 500 < int(zoomed["start"]) < int(zoomed["end"]) < 2500
    page.mouse.down()
    page.mouse.move(x - 150, y, steps=5)
    page.mouse.up()
    moved = wait(page, f"+d.start > {zoomed['start']} && d.pending === '0'")
    assert int(moved["end"]) - int(moved["start"]) == pytest.approx(
        int(zoomed["end"]) - int(zoomed["start"]), abs=2
    )
    page.wait_for_url(lambda url: f"{moved['start']}-{moved['end']}" in url)


def test_keys_reach_the_whole_contig_and_single_bases(page: Any, address: str) -> None:
    page.goto(f"{address}/browse?at=chrA:250-750&features=3")
    state(page)
    page.locator(".browser canvas").focus()
    page.keyboard.press("Home")
    assert wait(page, "d.end === '3000' && d.pending === '0'")["start"] == "0"
    page.get_by_role("combobox", name="Locus", exact=True).fill("chrA:301-360")
    page.keyboard.press("Enter")
    bases = wait(page, "d.start === '300' && d.letters === '1'")
    assert bases["end"] == "360"
    page.locator(".browser canvas").focus()
    page.keyboard.press("ArrowRight")
    assert wait(page, "d.start === '315'")["end"] == "375"


def test_a_gene_by_its_name(page: Any, address: str) -> None:
    page.goto(f"{address}/browse?features=3")
    state(page)
    page.get_by_role("combobox", name="Locus", exact=True).fill("gene2")
    page.keyboard.press("Enter")
    found = wait(page, "d.start === '1000' && d.pending === '0'")
    assert (found["chrom"], found["end"]) == ("chrA", "2600")
    page.get_by_role("combobox", name="Locus", exact=True).fill("no such gene")
    page.keyboard.press("Enter")
    page.get_by_text("neither a place nor").wait_for()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("at=chrQ:1-5", "no contig chrQ"),
        ("at=nowhere", "neither a place nor"),
        ("at=chrA:100-900&features=3,99", "expected a number from 0 to 19"),
        ("at=chrA:100-900&rows=feature/3:9:", "expected feature/NUMBER:HEIGHT:COLOUR"),
    ],
)
def test_wrong_addresses_get_a_sentence_beside_the_view_before(
    page: Any, address: str, query: str, said: str
) -> None:
    page.goto(f"{address}/browse?at=chrA:100-900&features=7")
    state(page)
    page.evaluate(
        "q => { history.pushState({}, '', '?' + q); dispatchEvent(new PopStateEvent('popstate')); }", query
    )
    page.locator(".browser .said").get_by_text(said).wait_for()
    shown = state(page)
    assert (shown["chrom"], shown["start"], shown["end"], shown["features"]) == ("chrA", "100", "900", "7")


def test_a_feature_that_is_typed_as_a_place_is_drawn_at_its_strongest_base(page: Any, address: str) -> None:
    page.goto(f"{address}/browse?at=chrA:100-900&features=3")
    state(page)
    page.get_by_role("combobox", name="Locus", exact=True).fill("feature 7")
    page.keyboard.press("Enter")
    found = wait(page, "d.chrom === 'chrB' && d.pending === '0'")
    assert (found["start"], found["end"], found["features"]) == ("0", "1500", "3,7")


def test_brush_finds_the_planted_feature_and_draws_it(page: Any, address: str) -> None:
    page.goto(f"{address}/browse?at=chrA:0-1500&features=5&strands=both")
    state(page)
    box = page.locator(".browser canvas").bounding_box()
    left, width = box["x"] + 168, box["width"] - 168
    y = box["y"] + 0.8 * box["height"]
    page.keyboard.down("Shift")
    page.mouse.move(left + width * 200 / 1500, y)
    page.mouse.down()
    page.mouse.move(left + width * 800 / 1500, y, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    brush = wait(page, "d.brush !== ''")["brush"]
    start, end = (int(part) for part in brush.split("-"))
    assert abs(start - 200) < 6 and abs(end - 800) < 6
    page.get_by_text("Features active here").wait_for()
    page.wait_for_url(lambda url: f"brush={brush}" in url)


def test_a_deep_link_in_a_fresh_browser(chromium: Any, address: str) -> None:
    link = f"{address}/browse?at=chrB:100-700&features=7,11&tracks=promoter&strands=-&draw=heat&brush=150-600"
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(link)
    shown = state(page)
    assert (shown["chrom"], shown["start"], shown["end"]) == ("chrB", "100", "700")
    assert (shown["features"], shown["brush"], shown["theme"]) == ("7,11", "150-600", "dark")
    page.get_by_text("Features active here").wait_for()
    context.close()


def test_an_export_is_what_is_on_the_screen(page: Any, address: str, made: Synthetic, tmp_path: Path) -> None:
    page.goto(f"{address}/browse?at=chrA:300-420&features=3&strands=%2B")
    state(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="TSV").click()
    path = tmp_path / "view.tsv"
    waiting.value.save_as(path)
    with path.open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    values = made.dense["chrA", "+"][0][300:420, 3]
    assert len(rows) == int((values > 0).sum())
    for row in rows:
        assert float(row["value"]) == pytest.approx(values[int(row["start"]) - 300], rel=1e-6)
