"""Painting in Chromium, as a person does it, hands counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.chromium import Hand, faultless, serving
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.experiments.painted import PAINTED
from workbench.study.history import read_history

CONTIG = "NC_005816.1"
SHARP = ".browser[data-sharp='1'][data-pending='0'][data-mode='paint']"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("painted") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


@pytest.fixture(scope="module")
def page(folder: Path, chromium: Any) -> Iterator[Any]:
    with serving(folder, {"OMP_NUM_THREADS": "1"}) as (where, _):
        context = chromium.new_context(base_url=where, viewport={"width": 1440, "height": 900})
        with faultless(context, 90) as (found, _):
            yield found


def state(page: Any) -> dict[str, str]:
    return dict(page.locator(".browser").first.evaluate("e => ({...e.dataset})"))


def wait(page: Any, **expected: str) -> dict[str, str]:
    parts = "".join(f"[data-{name}='{value}']" for name, value in expected.items())
    page.wait_for_selector(f".browser{parts}")
    return state(page)


def said_at(page: Any, base: float, row: str, text: str) -> None:
    """The pointer is led to a base of a row, which moves while answers come, until its tip holds a text."""
    for _ in range(100):
        page.mouse.move(*point(page, base, row, 0.1))
        if text in state(page)["hover"]:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{text} is not in {state(page)['hover']}")


def point(page: Any, base: float, row: str, height: float) -> tuple[float, float]:
    """Where a base of a row is on the screen, at a share of the row's height."""
    found = state(page)
    box = page.locator(".browser canvas").first.bounding_box()
    left, _, width, _ = (float(n) for n in found["area"].split())
    start, end = int(found["start"]), int(found["end"])
    place = next(part for part in found["rows"].split(" ") if part.startswith(f"{row}@"))
    y, high = (float(n) for n in place.split("@")[1].split("+"))
    return box["x"] + left + (base - start) / (end - start) * width, box["y"] + y + height * high


def drag(hand: Hand, row: str, first: float, last: float, up: float) -> None:
    """One gesture: along the bases, to a height."""
    hand.drag(point(hand.page, first, row, up), point(hand.page, last, row, up))


def open_part(hand: Hand, name: str) -> None:
    part = hand.page.locator(".side details", has=hand.page.locator("summary", has_text=name)).last
    if part.get_attribute("open") is None:
        hand.click(part.locator("summary").first)


def test_paint_read_back_undo_branch_and_compare(page: Any, folder: Path) -> None:
    study = Study.open(folder)
    feature = int(study.dictionary.unit.argmax())
    row = f"feature/{feature}"
    page.goto(f"/browse?at={CONTIG}:3000-3200&features={feature}&mode=paint")
    page.wait_for_selector(SHARP)
    page.get_by_role("button", name=f"feature {feature} ·").wait_for()
    hand = Hand(page)
    # One gesture: a stroke is painted, written, and read back without edits.
    drag(hand, row, 3050.5, 3079.5, 0.1)
    found = wait(page, node="1", written="1", strokes="1")
    assert hand.count == 1
    assert "ask=1" in page.url
    node = read_history(study).node(1)
    assert len(node.written[PAINTED]) == 4
    (stroke,) = json.loads(node.painting)["sheets"][0]["strokes"]
    assert (node.start + stroke["start"], node.start + stroke["end"]) == (3050, 3080)
    assert stroke["strand"] == "+" and 1.5 < stroke["strength"] < 2
    side = page.locator(".side")
    assert "model output, not validated" in side.inner_text()
    rows = side.locator(".evidence tbody th").all_inner_texts()
    assert rows == ["as it was", "painted", "unpainted", "random direction", "wrong concept"]
    assert side.locator(".verdict").get_attribute("data-verdict")
    assert "lane/paint.reads" in found["rows"] and "lane/paint.letters" in found["rows"]
    said_at(page, 3060.5, row, "read back, painted (+)")
    # One click back, where nothing is painted; the reload of an address is the same node.
    hand.click(page.get_by_role("button", name="Undo the change"))
    page.wait_for_selector(".browser[data-strokes='0']")
    hand.click(page.get_by_role("button", name="Redo the change"))
    wait(page, node="1", written="1")
    assert hand.count == 3
    page.reload()
    wait(page, node="1", written="1")
    # A stroke on the minus strand of the same canvas is a child; another from its parent is a branch.
    page.locator(".browser canvas").first.focus()
    hand.press("2")
    drag(hand, row, 3065.5, 3075.5, 0.1)  # the tool Move: ten bases on
    wait(page, node="2", written="1")
    assert hand.count == 5
    moved = json.loads(read_history(study).node(2).painting)["sheets"][0]["strokes"][0]
    assert moved["start"] - stroke["start"] == 10 and moved["end"] - moved["start"] == 30
    hand.press("[")
    wait(page, node="1", written="1")
    hand.press("4")
    drag(hand, row, 3050.5, 3059.5, 0.1)
    wait(page, node="3", written="1")
    assert hand.count == 8
    tree = read_history(study)
    assert [n.parent for n in tree.nodes.values()] == [0, 1, 1]
    erased = json.loads(tree.node(3).painting)["sheets"][0]["strokes"][0]
    assert node.start + erased["start"] == 3060
    # Two nodes, one under the other, and their difference in letters.
    open_part(hand, "History")
    hand.choose(page.get_by_role("combobox", name="Compare with"), "2")
    page.locator(".compared").wait_for()
    assert hand.count == 9
    assert "ask=3" in page.url and "lane/paint.other" in state(page)["rows"]
    # A name and a note are text, whatever they hold.
    hostile = '<img src=x onerror="window.fired=1">'
    page.get_by_role("textbox", name="Name of the node").fill(hostile)
    page.get_by_role("textbox", name="Note of the node").fill("seen")
    # Another tool has the panel drawn anew: what is typed stays.
    page.get_by_role("group", name="Tool").get_by_role("button").first.click()
    page.get_by_role("button", name="Keep").click()
    page.locator(".tree").get_by_text(hostile).wait_for()
    assert (read_history(study).node(3).name, read_history(study).node(3).note) == (hostile, "seen")
    assert not page.evaluate("() => window.fired")
    # A file leaves with the word that it is not validated.
    before = hand.count
    open_part(hand, "Files")
    with page.expect_download() as waiting:
        hand.click(page.get_by_role("button", name="vcf", exact=True))
    assert hand.count == before + 2
    text = Path(waiting.value.path()).read_text()
    assert text.startswith("##fileformat=VCFv4.2") and "not validated" in text


def test_a_sum_is_painted_by_numbers_and_its_features_turned(page: Any, folder: Path) -> None:
    study = Study.open(folder)
    units = study.dictionary.unit
    first, second = (int(f) for f in units.argsort(descending=True)[:2])
    page.goto(f"/browse?at={CONTIG}:5000-5200&features={first},{second}&mode=paint")
    page.wait_for_selector(SHARP)
    page.get_by_role("button", name=f"feature {first} ·").wait_for()
    hand = Hand(page)
    open_part(hand, "Between two concepts")
    page.get_by_role("slider", name="Share of the second concept").fill("25")
    page.get_by_role("button", name="Take what lies between").click()
    name = f"0.75*{first} + 0.25*{second}"
    page.locator("summary", has_text=name).wait_for()
    open_part(hand, "Paint by numbers")
    for label, value in (("From base", "5,101"), ("to", "5,112"), ("Strength", "40")):
        page.get_by_role("textbox", name=label, exact=True).fill(value)
    page.get_by_role("button", name="Paint", exact=True).click()
    wait(page, strokes="1", written="1")
    assert "the genome never shows more than" in page.locator(".warned").inner_text()
    kept = read_history(study)
    made = kept.node(max(kept.nodes))
    assert made.did.startswith(name) and f"lane/paint {name}" in state(page)["rows"].replace("%20", " ")
    page.get_by_role("slider", name=f"Feature {second} of {name}, times").fill("0")
    page.wait_for_selector(f".browser[data-node='{made.number + 1}'][data-written='1']")
    child = json.loads(read_history(study).node(made.number + 1).painting)
    assert list(child["palette"][0]["weights"]) == [str(first)]


def test_its_experiment_goes_on_with_the_browser_closed_and_is_drawn(
    page: Any, folder: Path, chromium: Any
) -> None:
    study = Study.open(folder)
    node = 1
    page.goto(f"/browse?at={CONTIG}:3000-3200&mode=paint&ask={node}")
    wait(page, node=str(node), written="1")
    hand = Hand(page)
    open_part(hand, "The experiment")
    page.get_by_role("textbox", name="Name of the experiment").fill("from_canvas")
    hand.click(page.get_by_role("button", name="Run", exact=True))
    page.locator(".standing").wait_for()
    page.goto("about:blank")
    done = study.folder / "experiments" / "from_canvas" / "page.html"
    for _ in range(600):
        if done.exists():
            break
        page.wait_for_timeout(200)
    assert done.exists() and read_history(study).node(node).experiment == "from_canvas"
    # Its page leads back to the canvas.
    page.goto("/experiments?experiment=from_canvas")
    hand.click(page.get_by_role("link", name=f"Node {node} on the canvas"))
    page.locator(".side").get_by_text("The experiment from_canvas: all arms").wait_for()
    arms = page.locator(".side .evidence tbody th").all_inner_texts()
    assert {"shifted place", "same GC"} < set(arms) and hand.count == 3
