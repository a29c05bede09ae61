"""How fast the app is: first paint, redraw of the genome browser, feature page, memory with five sessions.

``python benchmarks/app.py --study DIR`` drives a finished study in Debian's Chromium; without ``--study`` the
demo study is made. Needs the ``test`` extra and a ``chromium``.

first_paint_s              address opened in a fresh browser, server warm -> canvas drawn (median of 3)
first_paint_cold_s         the same for the very first visit after the server's start
repaint_ms_median          wheel, button or key -> everything in the new view drawn at the resolution of the
                           pixels: strips, genes, letters. All moves, ten features, whole contig to bases
repaint_waited_ms_median   the same over the moves that had to wait for the server
feature_page_s             feature page opened in a fresh browser -> its heading (median of 3)
blank_page_s               the same of a Streamlit page with nothing but a heading: the least that is possible
feature_page_tab_s         the same in a new tab of a browser that has been on the app before
feature_page_next_s        another feature's number typed on the page -> its heading
server_mb_5_sessions       resident memory of the server with five sessions open, each moved once
"""

from __future__ import annotations

import argparse
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

from tests.app.chromium import CHROMIUM, FLAGS, serving, wait_for_server  # noqa: E402
from workbench import Study  # noqa: E402

SHARP = ".browser[data-sharp='1'][data-pending='0']"
FEATURES = 10
SESSIONS = 5


def demo(folder: Path) -> Path:
    """The demo study, made."""
    words = [sys.executable, "-m", "workbench", "demo", "--out", str(folder)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


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
        place = page.get_by_role("textbox", name="Place", exact=True)
        place.fill(f"{root.get_attribute('data-chrom')}:{start}-{end}")
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
    page.get_by_text("The command that makes this").wait_for(timeout=120_000)
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, help="folder of a finished study")
    given = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no chromium on this machine; install it, for example with: apt install chromium")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch:
        folder = given.study or demo(Path(scratch) / "demo")
        study = Study.open(folder)
        chosen = ",".join(map(str, features(study)))
        chrom, length = max(study.manifest.contigs.items(), key=lambda item: item[1])
        spans = [(length // 3, length // 3 + width) for width in _widths(length)]
        with serving(folder) as (where, pid), sync_playwright() as session:
            browser = session.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            start, end = spans[-2]
            address = f"{where}/browse?at={chrom}:{start}-{end}&features={chosen}"
            print(f"first_paint_cold_s {first_paint(browser, address):.2f}")
            paints = [first_paint(browser, address) for _ in range(3)]
            print(f"first_paint_s {statistics.median(paints):.2f}")
            page = browser.new_context(viewport={"width": 1400, "height": 1200}).new_page()
            page.goto(address)
            page.wait_for_selector(SHARP, timeout=120_000)
            found = repaints(page, spans)
            print(f"load_average {os.getloadavg()[0]:.1f}")
            waited = [move.ms for move in found if move.waited]
            print(f"repaint_ms_median {statistics.median(move.ms for move in found):.0f}")
            if waited:
                print(f"repaint_waited_ms_median {statistics.median(waited):.0f}")
            print(f"moves_that_waited {len(waited)} of {len(found)}")
            print(f"repaint_ms_max {max(move.ms for move in found):.0f}")
            for move in found:
                print(f"  {move.bases} bases: {move.ms:.0f} ms{', waited' if move.waited else ''}")
            three = [int(feature) for feature in chosen.split(",")[:3]]
            pages = [feature_page(browser, f"{where}/feature", three) for _ in range(4)][1:]
            for name, seconds in zip(
                ("", "whole_", "next_", "tab_"), zip(*pages, strict=True), strict=True
            ):
                print(f"feature_page_{name}s {statistics.median(seconds):.2f}")
            print(f"blank_page_s {blank_page(browser, Path(scratch)):.2f}")
            for i in range(SESSIONS - 1):
                other = browser.new_context().new_page()
                other.goto(
                    f"{where}/browse?at={chrom}:{100 * i}-{100 * i + 5000}&features={chosen}"
                )
                other.wait_for_selector(SHARP, timeout=120_000)
            print(f"server_mb_5_sessions {psutil.Process(pid).memory_info().rss / 1e6:.0f}")
            browser.close()


def _widths(length: int) -> list[int]:
    """From the whole contig to single bases."""
    return [w for w in (length // 2, 400_000, 50_000, 8_000, 900, 120) if w <= length // 2]


if __name__ == "__main__":
    main()
