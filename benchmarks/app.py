"""How fast the app is: first paint, redraw of the genome browser, feature page, memory with five sessions.

``python benchmarks/app.py [--quick] [--json] [--study DIR]`` drives a finished study in Debian's Chromium;
without ``--study`` it is the demo study, made anew, or with ``--quick`` the one that ships. Needs a
``chromium`` and the ``test`` extra.

first_paint_s              address opened in a fresh browser, server warm -> canvas drawn (median of 3)
first_paint_cold_s         the same for the very first visit after the server's start
repaint_ms_median          wheel, button or key -> everything in the new view drawn at the resolution of the
                           pixels: strips, genes, letters. All moves, ten features, whole contig to bases
repaint_waited_ms_median   the same over the moves that had to wait for the server
data_area_share            share of a screen of 1440 x 900 that the data of the genome browser takes, without
                           the names of its rows and its ruler; the view that a study opens with
data_area_share_small      the same of 1024 x 700
feature_page_s             feature page opened in a fresh browser -> its heading (median of 3)
blank_page_s               the same of a Streamlit page with nothing but a heading: the least that is possible
feature_page_tab_s         the same in a new tab of a browser that has been on the app before
feature_page_next_s        another feature's number typed on the page -> its heading
attribute_click_s          a base clicked in the mode Attribute -> features that raised it, listed (median of
                           3 bases, after a first one that loads the model)
paint_preview_s            a stroke of 60 bases on a view of 2 kb in the mode Paint -> what is written under
                           it with controls (median of 3 strokes, after a first one that loads the model); not
                           with --study, whose history it would change
server_mb_5_sessions       resident memory of the server with five sessions open, each moved once
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser, skip  # noqa: E402
from tests.app.chromium import CHROMIUM, FLAGS, serving, wait_for_server  # noqa: E402
from workbench import Study  # noqa: E402
from workbench.setup.demo_archive import shipped, unpack  # noqa: E402

SHARP = ".browser[data-sharp='1'][data-pending='0']"
FEATURES = 10
SESSIONS = 5
# Bases in view, and of a stroke, in the mode Paint.
VIEW, STROKE = 2000, 60


def demo(folder: Path) -> Path:
    """The demo study, made."""
    words = [sys.executable, "-m", "workbench", "demo", "--out", str(folder)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


def ready(folder: Path) -> Path:
    """The demo study that ships, unpacked."""
    return unpack(folder).folder


def features(study: Study) -> list[int]:
    """The features that fire most often without being over-dense, then any alive."""
    catalog = study.table("catalog").query("not dead").sort_values("over_dense", kind="stable")
    return [int(f) for f in catalog.sort_values("n_active", ascending=False)["feature"][:FEATURES]]


def first_paint(browser: Any, address: str) -> float:
    """Seconds from the address to a sharp canvas, in a fresh browser context."""
    context = browser.new_context(viewport={"width": 1400, "height": 1200})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(SHARP, timeout=120_000)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


def data_area_share(browser: Any, address: str, width: int, height: int) -> float:
    """Share of a screen that the data of the genome browser takes, of what is in sight."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.goto(address)
    page.wait_for_selector(SHARP, timeout=120_000)
    canvas = page.locator(".browser canvas").bounding_box()
    area = page.locator(".browser").get_attribute("data-area")
    page.context.close()
    left, top, wide, high = (float(number) for number in area.split())
    across = min(width, canvas["x"] + left + wide) - max(0.0, canvas["x"] + left)
    down = min(height, canvas["y"] + top + high) - max(0.0, canvas["y"] + top)
    return float(across * down / (width * height))


class Repaint(NamedTuple):
    """Bases in view, ms from the last input event to a drawn view, whether the server had to be asked."""

    bases: int
    ms: float
    waited: bool


def repaints(page: Any, spans: list[tuple[int, int]]) -> list[Repaint]:
    """Moves by wheel, keys and buttons, at every span."""
    measured = []
    canvas = page.locator(".browser canvas")
    root = page.locator(".browser")
    for start, end in spans:
        place = page.get_by_role("combobox", name="Locus", exact=True)
        place.fill(f"{root.get_attribute('data-chrom')}:{start + 1}-{end}")
        place.press("Enter")
        page.wait_for_selector(f".browser[data-start='{start}'][data-sharp='1']", timeout=120_000)
        page.wait_for_timeout(600)
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 200)
        for act in (
            lambda: page.mouse.wheel(0, -200),
            lambda: page.mouse.wheel(0, 250),
            lambda: page.keyboard.press("Shift+ArrowRight"),
            lambda: page.keyboard.press("ArrowLeft"),
            lambda: page.keyboard.press("ArrowUp"),
            lambda: page.keyboard.press("Shift+ArrowRight"),
        ):
            canvas.focus()
            before = root.get_attribute("data-paints")
            act()
            page.wait_for_selector(f".browser:not([data-paints='{before}'])")
            page.wait_for_selector(".browser[data-sharp='1']:not([data-repaint-ms=''])")
            state = root.evaluate("e => ({...e.dataset})")
            bases = int(state["end"]) - int(state["start"])
            waited = state["repaintWaited"] == "1"
            measured.append(Repaint(bases, float(state["repaintMs"]), waited))
            page.wait_for_timeout(500)
    return measured


class FeaturePage(NamedTuple):
    """Seconds from the address to the heading and to the last line; from a number typed to the heading; from
    the address to the heading in a second tab.
    """

    heading: float
    whole: float
    next: float
    tab: float


def feature_page(browser: Any, address: str, chosen: list[int]) -> FeaturePage:
    """A feature's page opened in a fresh browser context, then the next feature on it."""
    context = browser.new_context()
    page = context.new_page()
    seconds = []
    start = time.perf_counter()
    page.goto(f"{address}?feature={chosen[0]}")
    page.get_by_role("heading", name=f"Feature {chosen[0]}:").wait_for(timeout=120_000)
    seconds.append(time.perf_counter() - start)
    page.get_by_text("Equivalent command").wait_for(timeout=120_000)
    seconds.append(time.perf_counter() - start)
    page.wait_for_timeout(1500)
    number = page.get_by_role("spinbutton").first
    number.fill(str(chosen[1]))
    start = time.perf_counter()
    number.press("Enter")
    page.get_by_role("heading", name=f"Feature {chosen[1]}:").wait_for(timeout=120_000)
    seconds.append(time.perf_counter() - start)
    page.close()
    page = context.new_page()
    start = time.perf_counter()
    page.goto(f"{address}?feature={chosen[2]}")
    page.get_by_role("heading", name=f"Feature {chosen[2]}:").wait_for(timeout=120_000)
    seconds.append(time.perf_counter() - start)
    context.close()
    return FeaturePage(*seconds)


def attribute_click(page: Any, bases: int = 3) -> float:
    """Seconds from a click at a base to the list of what raised it, in the page of the genome browser."""
    canvas, root = page.locator(".browser canvas"), page.locator(".browser")
    canvas.focus()
    page.keyboard.press("a")
    seconds = []
    for number in range(bases + 1):
        box = canvas.bounding_box()
        left, _, width, _ = (float(value) for value in root.get_attribute("data-area").split())
        start = time.perf_counter()
        page.mouse.click(box["x"] + left + width * (0.3 + 0.1 * number), box["y"] + 60)
        page.wait_for_selector(f".side[data-answered='{number + 1}']", timeout=120_000)
        seconds.append(time.perf_counter() - start)
        # What follows the list, the part of each base, is not waited for by the reader.
        page.wait_for_selector(".side[data-working='0']", timeout=120_000)
    return statistics.median(seconds[1:])


def paint_preview(page: Any, address: str, chrom: str, start: int, feature: int, strokes: int = 3) -> float:
    """Seconds from the end of a stroke to what is written under it, in the mode Paint."""
    page.goto(f"{address}/browse?at={chrom}:{start}-{start + VIEW}&features={feature}&mode=paint")
    page.wait_for_selector(SHARP, timeout=120_000)
    page.get_by_role("button", name=f"feature {feature} ·").wait_for(timeout=120_000)
    root, box = page.locator(".browser"), page.locator(".browser canvas").bounding_box()
    seconds = []
    for number in range(strokes + 1):
        left, _, width, _ = (float(value) for value in root.get_attribute("data-area").split())
        rows = dict(part.split("@") for part in root.get_attribute("data-rows").split(" ") if "@" in part)
        top, high = (float(value) for value in rows[f"feature/{feature}"].split("+"))
        first = box["x"] + left + width * (0.2 + 0.15 * number)
        page.mouse.move(first, box["y"] + top + high / 4)
        page.mouse.down()
        page.mouse.move(first + width * STROKE / VIEW, box["y"] + top + high / 4, steps=3)
        begun = time.perf_counter()
        page.mouse.up()
        page.wait_for_selector(f".browser[data-node='{number + 1}'][data-written='1']", timeout=300_000)
        seconds.append(time.perf_counter() - begun)
        # The next stroke is one by itself, and not beside this one.
        page.get_by_role("button", name="Undo the change").click()
        page.wait_for_selector(".browser[data-strokes='0']", timeout=120_000)
    return statistics.median(seconds[1:])


def blank_page(browser: Any, folder: Path) -> float:
    """Seconds from the address to the heading of a page that has nothing else, in a fresh browser context."""
    page_file = folder / "blank.py"
    page_file.write_text('import streamlit as st\n\nst.title("Blank")\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "streamlit", "run", str(page_file), "--server.headless=true"]
    words += [f"--server.port={port}", "--server.address=127.0.0.1"]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(words, stdout=quiet, stderr=quiet)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for_server(f"{address}/_stcore/health", server)
        seconds = []
        for _ in range(4):
            context = browser.new_context()
            page = context.new_page()
            start = time.perf_counter()
            page.goto(address)
            page.get_by_role("heading", name="Blank").wait_for(timeout=120_000)
            seconds.append(time.perf_counter() - start)
            context.close()
        return statistics.median(seconds[1:])
    finally:
        server.terminate()
        server.wait(20)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, "the study that ships, first paint and the moves of two spans alone")
    options.add_argument("--study", type=Path, help="folder of a finished study")
    given = options.parse_args()
    if CHROMIUM is None:
        return skip(given, "no chromium here; install it, for example with: apt install chromium")
    if given.quick and given.study is None and shipped() is None:
        return skip(given, "this copy has no demo study; give one with --study")
    figures: dict[str, object] = {}
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch:
        make = ready if given.quick else demo
        folder = given.study or make(Path(scratch) / "demo")
        study = Study.open(folder)
        chosen = ",".join(map(str, features(study)))
        chrom, length = max(study.manifest.contigs.items(), key=lambda item: item[1])
        spans = [(length // 3, length // 3 + width) for width in _widths(length)]
        with serving(folder) as (where, pid), sync_playwright() as session:
            browser = session.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            start, end = spans[-2]
            address = f"{where}/browse?at={chrom}:{start}-{end}&features={chosen}"
            figures["first_paint_cold_s"] = round(first_paint(browser, address), 2)
            paints = [first_paint(browser, address) for _ in range(1 if given.quick else 3)]
            figures["first_paint_s"] = round(statistics.median(paints), 2)
            for name, screen in (("", (1440, 900)), ("_small", (1024, 700))):
                share = data_area_share(browser, f"{where}/browse", *screen)
                figures[f"data_area_share{name}"] = round(share, 3)
            page = browser.new_context(viewport={"width": 1400, "height": 1200}).new_page()
            page.goto(address)
            page.wait_for_selector(SHARP, timeout=120_000)
            found = repaints(page, spans[-2:] if given.quick else spans)
            figures["load_average"] = round(os.getloadavg()[0], 1)
            waited = [move.ms for move in found if move.waited]
            figures["repaint_ms_median"] = round(statistics.median(move.ms for move in found), 1)
            if waited:
                figures["repaint_waited_ms_median"] = round(statistics.median(waited), 1)
            figures["moves_that_waited"] = f"{len(waited)} of {len(found)}"
            figures["repaint_ms_max"] = round(max(move.ms for move in found), 1)
            for move in found:
                print(f"  {move.bases} bases: {move.ms:.0f} ms{', waited' if move.waited else ''}")
            figures["attribute_click_s"] = round(attribute_click(page), 2)
            if given.study is None:
                one = features(study)[0]
                figures["paint_preview_s"] = round(paint_preview(page, where, chrom, length // 3, one), 2)
            if given.quick:
                browser.close()
                return finish(given, figures)
            three = [int(feature) for feature in chosen.split(",")[:3]]
            pages = [feature_page(browser, f"{where}/feature", three) for _ in range(4)][1:]
            for name, seconds in zip(("", "whole_", "next_", "tab_"), zip(*pages, strict=True), strict=True):
                figures[f"feature_page_{name}s"] = round(statistics.median(seconds), 2)
            figures["blank_page_s"] = round(blank_page(browser, Path(scratch)), 2)
            for i in range(SESSIONS - 1):
                other = browser.new_context().new_page()
                other.goto(f"{where}/browse?at={chrom}:{100 * i}-{100 * i + 5000}&features={chosen}")
                other.wait_for_selector(SHARP, timeout=120_000)
            memory = psutil.Process(pid).memory_info().rss
            figures["server_mb_5_sessions"] = round(memory / 1e6)
            browser.close()
    finish(given, figures)


def _widths(length: int) -> list[int]:
    """From the whole contig to single bases."""
    return [w for w in (length // 2, 400_000, 50_000, 8_000, 900, 120) if w <= length // 2]


if __name__ == "__main__":
    main()
