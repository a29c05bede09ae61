"""The canvas of the browser as one works on it: toolbar, rows, menu, panel, lanes, files, two views.

Driven in Chromium on small studies; clicks are counted by writing each of them down.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pybigtools
import pytest
from Bio.Seq import Seq

from tests.app.chromium import faultless, serving
from tests.workbench.study_factory import GENES, Synthetic, make_study
from workbench import Study
from workbench.experiments.targets import parse_target
from workbench.files.bigwig import write_bigwig
from workbench.study.bookmarks import Bookmark, read_bookmarks
from workbench.wording import percent

SHARP = ".browser[data-sharp='1'][data-pending='0']"
HTML = '<img src=x onerror="window.fired=1">'
CODONS = re.compile(r'<text [^>]*y="([\d.]+)"[^>]*>([A-Z*])</text>')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    """The study that is open, ``one``; beside it lies ``two``."""
    home = tmp_path_factory.mktemp("canvas")
    studies = home / "studies"
    for seed, name in ((1, "two"), (0, "one")):
        made = make_study(home / name, seed=seed)
        (studies / name).parent.mkdir(exist_ok=True)
        shutil.move(made.study.folder, studies / name)
    return made._replace(study=Study.open(studies / "one"))


@pytest.fixture(scope="module")
def page(made: Synthetic, chromium: Any) -> Iterator[Any]:
    with serving(made.study.folder) as (where, _):
        context = chromium.new_context(base_url=where, viewport={"width": 1440, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        with faultless(context, 30) as (found, _):
            yield found


def visit(page: Any, query: str) -> None:
    page.goto(f"/browse?{query}")
    page.wait_for_selector(SHARP)


def root(page: Any) -> Any:
    return page.locator(".browser").first


def state(page: Any) -> dict[str, str]:
    page.wait_for_selector(SHARP)
    return dict(root(page).evaluate("e => ({...e.dataset})"))


def span(page: Any) -> tuple[int, int]:
    found = state(page)
    return int(found["start"]), int(found["end"])


def rows(page: Any) -> dict[str, tuple[float, float]]:
    """Top and height of every row on the screen, by name, from the top."""
    top = page.locator(".browser canvas").first.bounding_box()["y"]
    found = re.findall(r"((?:lane|feature)/.+?)@(-?\d+)\+(\d+)", root(page).get_attribute("data-rows"))
    return {name: (top + int(y), int(height)) for name, y, height in found}


def at(page: Any, base: float, row: str = "") -> tuple[float, float]:
    """The place on the screen of a base, in a row or on the ruler."""
    box = page.locator(".browser canvas").first.bounding_box()
    start, end = span(page)
    left, _, width, _ = (float(n) for n in root(page).get_attribute("data-area").split())
    y = sum(np.array(rows(page)[row]) * (1, 0.4)) if row else box["y"] + 10
    return box["x"] + left + (base + 0.5 - start) / (end - start) * width, y


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True).first


def sheet(page: Any, title: str) -> Any:
    """The side panel once it shows what has this title."""
    found = page.get_by_role("complementary", name="Details").filter(
        has=page.get_by_role("heading", name=title)
    )
    found.wait_for()
    return found


def test_data_takes_the_screen_and_the_toolbar_one_line(page: Any) -> None:
    for width, height, least in ((1024, 700, 0.45), (1440, 900, 0.60)):
        page.set_viewport_size({"width": width, "height": height})
        visit(page, "features=3,7,5,11")
        canvas = page.locator(".browser canvas").bounding_box()
        left, top, wide, high = (float(n) for n in root(page).get_attribute("data-area").split())
        across = min(width, canvas["x"] + left + wide) - canvas["x"] - left
        down = min(height, canvas["y"] + top + high) - canvas["y"] - top
        assert across * down / (width * height) >= least
        assert page.get_by_role("toolbar").bounding_box()["height"] < 36
        folded = page.get_by_test_id("stSidebar").bounding_box()
        assert folded["x"] + folded["width"] <= 1


def test_names_are_offered_while_one_types(page: Any) -> None:
    visit(page, "at=chrA:0-900&features=3")
    box = page.get_by_role("combobox", name="Locus")
    box.fill("")
    box.press_sequentially("gene")
    page.get_by_role("option").first.wait_for()
    offered = page.get_by_role("option").all_inner_texts()
    assert [words.split("\n")[0] for words in offered][:4] == ["gene0", "gene1", "gene2", "gene3"]
    assert "chrA:1,501-2,100" in offered[2]
    for _ in range(3):
        box.press("ArrowDown")
    box.press("Enter")
    page.wait_for_selector(f"{SHARP}[data-start='1000'][data-end='2600']")
    assert box.input_value() == "chrA:1,001-2,600"


def test_a_word_that_finds_no_feature_is_answered(page: Any) -> None:
    visit(page, "at=chrA:0-900&features=3")
    button(page, "Features").click()
    page.get_by_role("combobox", name="Find features").fill("no such thing")
    page.get_by_text("No feature is found by this").wait_for()


def test_a_view_without_features_is_a_view(page: Any) -> None:
    visit(page, "at=chrA:0-900&features=3")
    page.mouse.click(*at(page, 500, "feature/3"), button="right")
    page.get_by_role("menuitem", name="Take out feature 3").click()
    page.wait_for_url(re.compile("features=none"))
    page.goto(page.url)
    page.wait_for_selector(f"{SHARP}[data-features=''][data-end='900']")
    assert page.get_by_test_id("stException").count() == 0


def test_the_ruler_zooms_the_bar_above_moves_and_both_are_undone(page: Any) -> None:
    visit(page, "at=chrA:500-2500&features=3")
    drag(page, at(page, 1000), at(page, 1500))
    page.wait_for_selector(f"{SHARP}:not([data-start='500'])")
    zoomed = span(page)
    assert abs(zoomed[0] - 1000) <= 3 and abs(zoomed[1] - 1500) <= 3
    page.wait_for_url(lambda url: f"{zoomed[0]}-{zoomed[1]}" in url)
    window, bar = (page.locator(f".browser {name}").bounding_box() for name in (".window", ".contig"))
    middle = window["x"] + window["width"] / 2, window["y"] + window["height"] / 2
    assert middle[0] == pytest.approx(bar["x"] + bar["width"] * sum(zoomed) / 2 / 3000, abs=3)
    entries = page.evaluate("history.length")
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - bar["width"] / 5, middle[1])
    # On the way it is drawn, and only where the hand lets go it is an entry of the history.
    page.wait_for_selector(f"{SHARP}:not([data-start='{zoomed[0]}'])")
    passed = span(page)[0]
    page.mouse.move(middle[0] - bar["width"] / 3, middle[1])
    page.wait_for_selector(f"{SHARP}:not([data-start='{passed}'])")
    assert page.evaluate("history.length") == entries
    page.mouse.up()
    moved = span(page)
    assert abs(moved[0] - (zoomed[0] - 1000)) <= 6 and abs(moved[1] - moved[0] - (zoomed[1] - zoomed[0])) <= 1
    page.wait_for_url(lambda url: f"{moved[0]}-{moved[1]}" in url)
    assert page.evaluate("history.length") == entries + 1
    button(page, "Undo").click()
    page.wait_for_selector(f"{SHARP}[data-start='{zoomed[0]}'][data-end='{zoomed[1]}']")
    button(page, "Undo").click()
    page.wait_for_selector(f"{SHARP}[data-start='500'][data-end='2500']")
    button(page, "Redo").click()
    page.wait_for_selector(f"{SHARP}[data-start='{zoomed[0]}'][data-end='{zoomed[1]}']")


def test_rows_change_place_height_and_colour_and_the_address_holds_it(page: Any) -> None:
    visit(page, "at=chrA:500-2500&features=3,7,5&tracks=CDS,promoter")
    before, x = rows(page), page.locator(".browser canvas").bounding_box()["x"] + 40
    middle = {name: y + height / 2 for name, (y, height) in before.items()}
    drag(page, (x, middle["feature/5"]), (x, before["feature/3"][0] + 4))
    page.wait_for_url(re.compile(r"features=5(,|%2C)3(,|%2C)7"))
    drag(page, (x, middle["lane/promoter"]), (x, before["lane/CDS"][0] + 2))
    page.wait_for_url(re.compile(r"tracks=promoter(,|%2C)CDS"))
    page.wait_for_selector(f"{SHARP}[data-lanes='promoter | CDS'][data-features='5,3,7']")
    y, height = rows(page)["feature/3"]
    drag(page, (x, y + height), (x, y + 60))
    page.wait_for_url(re.compile(r"rows=feature(/|%2F)3(:|%3A)60"))
    page.mouse.click(*at(page, 1000, "feature/7"), button="right")
    page.get_by_role("menuitemradio", name="Colour 009e73").click()
    page.wait_for_url(re.compile("009e73"))
    page.goto(page.url)
    page.wait_for_selector(f"{SHARP}[data-lanes='promoter | CDS'][data-features='5,3,7']")
    names = list(rows(page))
    assert names[:2] == ["lane/promoter", "lane/CDS"] and names[-3:] == [
        "feature/5",
        "feature/3",
        "feature/7",
    ]
    assert rows(page)["feature/3"][1] == 60
    button(page, "Save").click()
    with page.expect_download() as waiting:
        button(page, "SVG").click()
    svg = Path(waiting.value.path()).read_text()
    assert svg.count("#009e73") > 20 and "#009e73" not in svg.split("feature 7")[0]


def test_annotation_stays_while_features_scroll_and_a_picture_holds_all_of_them(page: Any) -> None:
    page.set_viewport_size({"width": 1024, "height": 500})
    visit(page, "at=chrA:500-2500&tracks=CDS,promoter&features=" + ",".join(map(str, range(12))))
    before = rows(page)
    button(page, "Save").click()
    with page.expect_download() as waiting:
        button(page, "SVG").click()
    svg = Path(waiting.value.path()).read_text()
    assert re.findall(r">(feature \d+)</text>", svg) == [f"feature {i}" for i in range(12)]
    page.locator(".browser .scroller").evaluate("e => e.scrollTop = 200")
    page.wait_for_selector(f".browser[data-rows*='feature/0@']:not([data-rows*='{_of(before)}'])")
    after = rows(page)
    assert after["lane/CDS"] == before["lane/CDS"] and after["lane/promoter"] == before["lane/promoter"]
    assert after["feature/11"][0] < before["feature/11"][0]
    page.set_viewport_size({"width": 1440, "height": 900})


def _of(before: dict[str, tuple[float, float]]) -> str:
    y, height = before["feature/0"]
    top = min(y for y, _ in before.values()) - 24
    return f"feature/0@{round(y - top)}+{round(height)}"


def test_a_click_gives_details_with_links(page: Any, made: Synthetic) -> None:
    visit(page, "at=chrA:500-2500&features=3,7&tracks=CDS")
    page.mouse.click(*at(page, 1800, "lane/CDS"))
    gene = sheet(page, "gene2")
    assert "chrA:1,501-2,100" in gene.inner_text() and "600" in gene.inner_text()
    assert gene.get_by_role("link", name="Every feature for CDS").get_attribute("href") == "track?track=CDS"
    gene.get_by_role("button", name="What fires here").click()
    fires = sheet(page, "What fires in chrA:1,501-2,100")
    page.wait_for_url(lambda url: "brush=1500-2100" in url)
    assert fires.get_by_role("listitem").count() > 0
    page.mouse.click(*at(page, 1800, "feature/7"))
    feature = sheet(page, "Feature 7: ")
    assert "readings" in feature.inner_text()
    page.mouse.click(*at(page, 2000, "lane/letters"))
    base = sheet(page, "chrA:2,0")
    position = int(base.get_by_role("heading").inner_text().split(":")[1].split(" ")[0].replace(",", "")) - 1
    said = base.get_by_role("listitem").all_inner_texts()
    top = made.study.table("catalog").set_index("feature")["max"]
    for words in said:
        feature, share, strand = re.fullmatch(
            r"(\d+) · .*?\n(.+?), (plus|minus) strand read.*", words, re.S
        ).groups()  # type: ignore[union-attr]
        value = made.dense["chrA", "+" if strand == "plus" else "-"][0][position, int(feature)]
        assert value > 0 and share == percent(min(1.0, value / top[int(feature)]))
    active = sum((made.dense["chrA", s][0][position, :19] > 0).sum() for s in "+-")
    assert len(said) == min(12, active)
    page.mouse.click(*at(page, 1800, "feature/7"))
    sheet(page, "Feature 7: ").get_by_role("link", name="Open its page").click()
    page.get_by_role("heading", name="Feature 7: ").wait_for()


def test_the_menu_copies_attributes_marks_and_hands_over_files(page: Any, made: Synthetic) -> None:
    visit(page, "at=chrA:1400-2400&features=3,7&tracks=CDS")
    page.mouse.click(*at(page, 1800, "lane/CDS"), button="right")
    page.get_by_role("menuitem", name="Copy the sequence of gene2").click()
    code = sheet(page, "Sequence").locator("pre").inner_text()
    letters = made.study.genome.fetch("chrA", 1500, 2100)
    assert code.startswith(">chrA:1501-2100\n") and "".join(code.split("\n")[1:]) == letters
    page.wait_for_function("navigator.clipboard.readText().then((t) => t.startsWith('>chrA:1501-2100'))")
    page.mouse.click(*at(page, 1800, "lane/CDS"), button="right")
    page.get_by_role("menuitem", name="Attribute gene2").click()
    code = sheet(page, "Attribute chrA:1,501-2,100").locator("pre").inner_text()
    assert parse_target(made.study, code.split("--target ")[1]).place == ("chrA", 1500, 2100)
    # A base opens the mode that takes its probability apart, on the strand that is pointed at.
    page.mouse.click(*at(page, 1700, "feature/3"), button="right")
    page.get_by_role("menuitem", name="Attribute the base").click()
    page.wait_for_url(lambda url: "mode=attribute" in url)
    (asked,) = re.findall(r"ask=chrA:(17\d\d):[+]", unquote(page.url))
    assert abs(int(asked) - 1701) <= 2
    visit(page, "at=chrA:1400-2400&features=3,7&tracks=CDS")
    page.mouse.click(*at(page, 1700, "feature/3"), button="right")
    assert page.get_by_role("menuitem", name="Open feature 3").get_attribute("href") == "feature?feature=3"
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name="Save feature 3 in view as bigWig").click()
    folder = Path(waiting.value.path()).parent / "signals"
    shutil.unpack_archive(waiting.value.path(), folder, "zip")
    (plus,) = (path for path in folder.rglob("*.bw") if "plus" in path.name or "+" in path.name)
    values = pybigtools.open(str(plus)).values("chrA", 1400, 2400, fillna=0.0)
    wanted = made.dense["chrA", "+"][0][1400:2400, 3]
    np.testing.assert_allclose(np.nan_to_num(values), wanted, rtol=1e-5)
    page.keyboard.press("Escape")
    page.locator(".browser canvas").focus()
    page.keyboard.press("Shift+F10")
    page.get_by_role("menu").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("menu").wait_for(state="hidden")


def test_lanes_of_the_sequence_are_its_letters(page: Any, made: Synthetic) -> None:
    visit(page, "at=chrA:300-360&features=3&tracks=none&lanes=letters,complement,frames,gc")
    button(page, "Save").click()
    with page.expect_download() as waiting:
        button(page, "SVG").click()
    svg = Path(waiting.value.path()).read_text()
    lines: dict[float, str] = {}
    for y, letter in CODONS.findall(svg):
        lines[float(y)] = lines.get(float(y), "") + letter
    plus = made.study.genome.fetch("chrA", 300, 360)
    written = [lines[y] for y in sorted(lines)]
    assert written[:2] == [plus, str(Seq(plus).complement())]
    around = made.study.genome.fetch("chrA", 297, 363)
    for frame in range(3):
        # Codons that meet the view, in the frame that begins at bases 300 + frame, 3 bases on each side.
        first = frame if (297 + frame) % 3 == frame else -1
        assert first >= 0
        acids = str(Seq(around[first : first + (66 - first) // 3 * 3]).translate())
        assert written[2 + frame] in acids and len(written[2 + frame]) >= 19
        back = [str(Seq(around[i : i + 3]).reverse_complement().translate()) for i in range(first, 64, 3)]
        assert written[5 + frame] in "".join(back) and len(written[5 + frame]) >= 19
    page.mouse.move(*at(page, 330, "lane/GC"))
    page.wait_for_selector(".browser[data-hover*='GC: ']")
    said = root(page).get_attribute("data-hover")
    share, first = float(re.search(r"GC: ([\d.]+), mean of 32", said)[1]), 330 // 32 * 32  # type: ignore[index]
    part = made.study.genome.fetch("chrA", first, first + 32)
    assert share == pytest.approx((part.count("G") + part.count("C")) / 32, abs=0.003)
    # Chosen by hand: two clicks.
    button(page, "Tracks").click()
    page.get_by_label("GC skew").check()
    page.wait_for_selector(f"{SHARP}[data-lanes='GC | GC skew']")
    page.wait_for_url(re.compile("lanes=letters(,|%2C)complement(,|%2C)frames(,|%2C)gc(,|%2C)skew"))


DROP = """(files) => {
  const carried = new DataTransfer();
  for (const [name, bytes] of files) carried.items.add(new File([new Uint8Array(bytes)], name));
  const hosts = [...document.querySelectorAll("*")].filter((e) => e.shadowRoot);
  const canvas = hosts.map((e) => e.shadowRoot.querySelector(".browser canvas")).find(Boolean);
  const how = { dataTransfer: carried, bubbles: true, composed: true, cancelable: true };
  for (const kind of ["dragover", "drop"]) canvas.dispatchEvent(new DragEvent(kind, how));
}"""


def test_dropped_files_are_drawn_beside_a_feature(page: Any, made: Synthetic, tmp_path: Path) -> None:
    entries = [("chrA", i, i + 10, float(i % 70)) for i in range(0, 2990, 10)]
    write_bigwig(tmp_path / "mine.bw", {"chrA": 3000, "chrB": 1500}, entries)
    vcf = (
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchrA\t601\trs9\tA\tG\t.\t.\t.\n"
    )
    files = [
        ["mine.bw", list((tmp_path / "mine.bw").read_bytes())],
        ["peaks.bed", list(f"chrA\t550\t700\t{HTML}\t0\t+\n".encode())],
        ["calls.vcf", list(vcf.encode())],
        ["broken.bw", list(b"\x26\xfc\x8f\x88" + b"\xff" * 400)],
        ["../../evil.gff3", list(b"not a gff\n")],
    ]
    visit(page, "at=chrA:500-1000&features=3&tracks=none")
    stored = sorted(str(p) for p in made.study.folder.rglob("*"))
    page.evaluate(DROP, files)
    page.wait_for_selector(f"{SHARP}[data-lanes='mine.bw | peaks.bed | calls.vcf']")
    for said in ("broken.bw: ", "evil.gff3: "):
        page.get_by_test_id("stAlert").get_by_text(said).wait_for()
    page.mouse.move(*at(page, 654, "lane/mine.bw"))
    page.wait_for_selector(".browser[data-hover*='mine.bw: ']")
    value = re.search(r"mine.bw: ([\d.]+)", root(page).get_attribute("data-hover"))
    assert float(value[1]) == pytest.approx(650 % 70, rel=0.02)  # type: ignore[index]
    page.mouse.click(*at(page, 600, "lane/peaks.bed"))
    assert HTML in sheet(page, HTML).inner_text()
    assert page.evaluate("window.fired") is None and page.locator("img[src=x]").count() == 0
    page.mouse.move(*at(page, 600, "lane/calls.vcf"))
    page.wait_for_selector(".browser[data-hover*='A601G, rs9']")
    assert sorted(str(p) for p in made.study.folder.rglob("*")) == stored


def test_bookmarks_carry_notes(page: Any, made: Synthetic) -> None:
    visit(page, "at=chrA:500-900&features=3")
    button(page, "Bookmarks").click()
    page.get_by_role("textbox", name="Note of the bookmark").fill(HTML)
    button(page, "Bookmark this place").click()
    page.get_by_role("group", name="Bookmarks").get_by_text(HTML).wait_for()
    assert read_bookmarks(made.study.folder) == [Bookmark("chrA", 500, 900, HTML)]
    visit(page, "at=chrA:1500-2500&features=3")
    assert page.locator(".browser .contig .mark").count() == 1
    button(page, "Bookmarks").click()
    page.get_by_role("group", name="Bookmarks").get_by_text(HTML).click()
    page.wait_for_selector(f"{SHARP}[data-start='500'][data-end='900']")
    button(page, f"Remove the bookmark {HTML}").click()
    page.get_by_role("group", name="Bookmarks").get_by_text(HTML).wait_for(state="detached")
    assert read_bookmarks(made.study.folder) == []
    assert page.evaluate("window.fired") is None


def test_two_views_side_by_side_each_with_its_own_place_features_and_study(page: Any, chromium: Any) -> None:
    visit(page, "at=chrA:500-900&features=3")
    button(page, "Two views side by side").click()
    button(page, "Another view of this study").click()
    right = page.locator(".browser").nth(1)
    right.wait_for()
    box = page.get_by_role("combobox", name="Locus").nth(1)
    box.fill("chrB:101-600")
    box.press("Enter")
    page.wait_for_selector(f"{SHARP}[data-chrom='chrB'][data-start='100'][data-end='600']")
    assert span(page) == (500, 900)
    boxes = [page.locator(".browser canvas").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["y"] == boxes[1]["y"]
    page.wait_for_url(re.compile(r"pane=.*chrB"))
    fresh = chromium.new_page()
    fresh.goto(page.url)
    fresh.wait_for_selector(f"{SHARP}[data-chrom='chrB'][data-start='100'][data-end='600']")
    fresh.wait_for_selector(f"{SHARP}[data-chrom='chrA'][data-start='500'][data-end='900']")
    fresh.close()
    button(page, "Two views side by side").click()
    button(page, "Study two").click()
    page.wait_for_url(re.compile("study%3Dtwo"))
    page.wait_for_function("""() => {
        const hosts = [...document.querySelectorAll("*")].map((e) => e.shadowRoot);
        const shown = hosts.filter((e) => e?.querySelector(".browser"));
        return shown[1]?.querySelector(".overview .name")?.textContent === "two";
    }""")
    button(page, "Two views side by side").click()
    button(page, "Close the second view").click()
    right.wait_for(state="detached")
    assert "pane=" not in page.url and len(GENES) == 6
