"""The modes of the canvas in Chromium: attributed, switched off, ruled; clicks counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.chromium import Hand, faultless, serving
from tests.workbench.small_study import finished_study
from workbench import Study

CONTIG = "NC_005816.1"
SHARP = ".browser[data-sharp='1'][data-pending='0']"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_study(tmp_path_factory)


@pytest.fixture(scope="module")
def page(folder: Path, chromium: Any) -> Iterator[Any]:
    with serving(folder, {"OMP_NUM_THREADS": "1"}) as (where, _):
        context = chromium.new_context(base_url=where, viewport={"width": 1440, "height": 900})
        with faultless(context, 60) as (found, _):
            yield found


def visit(page: Any, query: str) -> None:
    page.goto(f"/browse?{query}")
    page.wait_for_selector(SHARP)


def state(page: Any) -> dict[str, str]:
    return dict(page.locator(".browser").first.evaluate("e => ({...e.dataset})"))


def place(page: Any, base: int, row: str) -> tuple[float, float]:
    """Where a base of a row is on the screen."""
    found = state(page)
    box = page.locator(".browser canvas").first.bounding_box()
    left, _, width, _ = (float(n) for n in found["area"].split())
    start, end = int(found["start"]), int(found["end"])
    ((top, height),) = re.findall(rf"{re.escape(row)}@(-?\d+)\+(\d+)", found["rows"])
    x = box["x"] + left + (base + 0.5 - start) / (end - start) * width
    return x, box["y"] + int(top) + 0.4 * int(height)


def stop_base(folder: Path) -> int:
    """The last base of a coding sequence of the plus strand."""
    track = next(track for track in Study.open(folder).tracks if track.name == "CDS")
    rows = track.intervals[(track.intervals["strand"] == "+") & (track.intervals["end"] > 1500)]
    return int(rows["end"].iloc[0]) - 1


def side(page: Any, name: str) -> Any:
    return page.get_by_role("complementary", name=name)


def test_what_raised_a_stop_codons_base_and_what_is_left_without_it(page: Any, folder: Path) -> None:
    base = stop_base(folder)
    visit(page, f"at={CONTIG}:{base - 60}-{base + 40}&features=3&tracks=CDS")
    hand = Hand(page)
    page.locator(".browser canvas").first.focus()
    hand.press("a")
    side(page, "Attribute").get_by_text("Click a base").wait_for()
    hand.point(*place(page, base, "lane/letters"))
    page.wait_for_selector(".browser[data-arcs='12']")
    assert hand.count == 2
    panel, letter = side(page, "Attribute"), Study.open(folder).genome.fetch(CONTIG, base, base + 1).upper()
    assert panel.get_by_text(f"p({letter})").is_visible()
    listed = panel.locator(".attributed li")
    assert listed.count() > 3 and panel.get_by_text("model output, not validated").is_visible()
    assert panel.get_by_text(f"--target {CONTIG}:{base + 1} --strand + --steps 5").is_visible()
    # Off: the lane of predictions without it stands beside the first, and the address holds it.
    assert "mode.without" not in state(page)["rows"]
    hand.click(listed.nth(0).get_by_role("checkbox"))
    panel.get_by_text(re.compile(r"Without \d+: [+−]")).wait_for()
    assert hand.count == 3
    page.wait_for_selector(".browser[data-rows*='lane/mode.without']")
    assert {"lane/mode.prediction", "lane/mode.without"} <= set(
        re.findall(r"lane/[\w.]+", state(page)["rows"])
    )
    page.wait_for_url(re.compile(r"mode=attribute.*ask="))
    page.get_by_role("button", name="Save", exact=True).first.click()
    with page.expect_download() as picture:
        page.get_by_role("button", name="SVG", exact=True).first.click()
    drawn = Path(picture.value.path()).read_text()
    assert "without " in drawn and ">model output, not validated</text>" in drawn
    hand.click(panel.get_by_role("button", name="Test against controls"))
    panel.get_by_role("region", name="Evidence").wait_for()
    assert panel.locator(".evidence tbody tr").count() == 4
    assert panel.locator(".verdict").get_attribute("data-verdict") in (
        *("steers", "as random", "breaks the model", "not tested"),
    )
    # A row is added by its name; the other strand is read by a button.
    features = state(page)["features"]
    hand.click(listed.nth(1).get_by_role("button"))
    page.wait_for_selector(f".browser:not([data-features='{features}'])")
    hand.click(panel.get_by_role("button", name="Read the other strand"))
    panel.get_by_text(f"--target {CONTIG}:{base + 1} --strand - --steps 5").wait_for()
    # The link opens the same in a fresh page; undo goes back.
    address = page.url
    page.goto(address)
    side(page, "Attribute").get_by_text(f"--target {CONTIG}:{base + 1} --strand - --steps 5").wait_for()
    page.locator(".browser canvas").first.focus()
    page.keyboard.press("r")
    page.wait_for_selector(".browser[data-mode='read'] [data-do=undo]:enabled")
    page.keyboard.press("z")
    page.wait_for_selector(".browser[data-mode='attribute']")


def test_a_rule_is_set_counted_and_run_dry(page: Any, folder: Path) -> None:
    study = Study.open(folder)
    catalog = study.table("catalog").sort_values("density", ascending=False)
    first, second = catalog["feature"].head(2).astype(int).tolist()
    visit(page, f"at={CONTIG}:2000-2250&features={first},{second}&tracks=CDS")
    hand = Hand(page)
    page.locator(".browser canvas").first.focus()
    hand.press("u")
    panel = side(page, "Rules")
    hand.click(panel.get_by_role("button", name="Set the rule"))
    panel.locator(".counts").wait_for()
    assert (
        hand.count == 2
        and panel.get_by_role("textbox", name="Rule").input_value() == f"when {first} > 0.2: record"
    )
    panel.get_by_role("combobox", name="Action").select_option("clamp")
    panel.get_by_role("button", name="Dry run on the view").wait_for()
    panel.get_by_role("combobox", name="Feature that is edited").select_option(str(second))
    sentence = f"when {first} > 0.2: apply clamp_{second}_0.5 for 30 bases"
    page.wait_for_url(re.compile(rf"clamp_{second}_0.5"))
    assert panel.get_by_role("textbox", name="Rule").input_value() == sentence
    hand.click(panel.get_by_role("button", name="Dry run on the view"))
    panel.get_by_text("under the rule").wait_for()
    assert hand.count == 3
    assert {"lane/mode.fired", "lane/mode.under"} <= set(re.findall(r"lane/[\w.]+", state(page)["rows"]))
    assert panel.get_by_text("model output, not validated").is_visible()
    with page.expect_download() as saved:
        panel.get_by_role("button", name="TSV").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0] == f"# model output, not validated; {sentence}"
    table = pd.read_csv(Path(saved.value.path()), sep="\t", comment="#")
    assert table["position"].tolist() == list(range(2000, 2250))
    assert "".join(table["base"]) == study.genome.fetch(CONTIG, 2000, 2250).upper()
    unedited = 2.0 ** table[[f"log2_p_{letter}" for letter in "ACGT"]]
    assert (unedited.sum(axis=1) < 1.01).all() and not table["log2_p_A"].equals(table["log2_p_A_under_rule"])
    inside = int(panel.locator(".counts").get_attribute("data-view"))
    assert f"{inside} in view" in panel.locator(".counts").inner_text()
    # What is typed is the rule, too; what is none is said.
    typed = panel.get_by_role("textbox", name="Rule")
    typed.fill(f"when {first} > 0.9: insert TAATAA; wait 9 bases")
    typed.press("Enter")
    panel.get_by_text("It says more than the form can.").wait_for()
    # The panel is drawn anew by every answer: what is being typed stays, with the focus and the cursor.
    typed.fill("when pigs fly")
    typed.press("ArrowLeft")
    typed.evaluate("box => { window.box = box; }")
    page.mouse.move(*place(page, 2200, "lane/letters"))
    page.mouse.wheel(0, 200)
    page.wait_for_function("() => !window.box.isConnected")
    assert typed.input_value() == "when pigs fly"
    assert typed.evaluate("box => box.getRootNode().activeElement === box && box.selectionStart === 12")
    typed.press("Enter")
    page.get_by_text("is no rule; expected").first.wait_for()
    # What cannot be counted is said once, and not asked again and again; places of the last rule go.
    typed.fill("when nowhere > 0.2: record")
    typed.press("Enter")
    panel.locator(".working", has_text="nowhere").wait_for()
    page.wait_for_selector(".side[data-working='0']")
    for _ in range(5):
        page.wait_for_timeout(100)
        assert page.locator(".side").get_attribute("data-working") == "0"
    assert panel.locator(".counts").count() == 0
    with page.expect_download() as saved:
        typed.fill(sentence)
        typed.press("Enter")
        panel.get_by_role("button", name="Save rules.json").click()
    assert sentence in Path(saved.value.path()).read_text()


def test_the_toolbar_stays_one_line_with_its_modes(page: Any) -> None:
    for width, height in ((1024, 700), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        visit(page, f"at={CONTIG}:1000-1400&mode=rules")
        assert page.get_by_role("toolbar").bounding_box()["height"] < 36
        assert page.get_by_role("combobox", name="Mode").input_value() == "rules"
        words = page.get_by_role("combobox", name="Mode").locator("option").all_inner_texts()
        assert words == ["Read", "Attribute", "Paint", "Rules"]
