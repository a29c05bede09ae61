"""How fast the app is: first paint, redraw of the genome browser, feature page, memory with five sessions.

``python benchmarks/app.py --study DIR`` drives a finished study in Debian's Chromium; without ``--study`` the
demo study is made. Needs the ``test`` extra and a ``chromium``.

first_paint_s        address opened in a fresh browser, server warm -> canvas sharp (median of 3)
first_paint_cold_s   the same for the very first visit after the server's start
repaint_ms_median    wheel or key -> canvas sharp, the 120 ms debounce included, over the moves that needed a
                     new tile; moves that tiles at hand already cover redraw at once and are counted apart
feature_page_s       feature page opened in a fresh session -> its heading (median of 3)
server_mb_5_sessions resident memory of the server with five sessions open, each moved once
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.app.chromium import CHROMIUM, FLAGS, serving  # noqa: E402
from workbench import Study  # noqa: E402

SHARP = ".browser[data-sharp='1'][data-pending='0']"
FEATURES = 10
SESSIONS = 5
DEBOUNCE_MS = 120
"""No tile is asked for sooner after a move, so a shorter time means tiles that were there already."""


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


def repaints(page: Any, spans: list[tuple[int, int]]) -> list[tuple[int, float]]:
    """(Bases in view, ms from the last input event to a sharp canvas), at every span by wheel and keys."""
    measured = []
    canvas = page.locator(".browser canvas")
    root = page.locator(".browser")
    for start, end in spans:
        place = page.get_by_role("textbox", name="Place", exact=True)
        place.fill(f"{root.get_attribute('data-chrom')}:{start}-{end}")
        place.press("Enter")
        page.wait_for_selector(f".browser[data-start='{start}'][data-sharp='1']", timeout=60_000)
        page.wait_for_timeout(600)
        box = canvas.bounding_box()
        canvas.focus()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 200)
        for act in (
            lambda: page.mouse.wheel(0, -200),
            lambda: page.mouse.wheel(0, 250),
            lambda: page.keyboard.press("Shift+ArrowRight"),
            lambda: page.keyboard.press("ArrowLeft"),
            lambda: page.keyboard.press("ArrowUp"),
        ):
            before = root.get_attribute("data-paints")
            act()
            page.wait_for_selector(f".browser:not([data-paints='{before}'])")
            page.wait_for_selector(".browser[data-sharp='1']:not([data-repaint-ms=''])")
            state = root.evaluate("e => ({...e.dataset})")
            measured.append((int(state["end"]) - int(state["start"]), float(state["repaintMs"])))
            page.wait_for_timeout(500)
    return measured


def feature_page(browser: Any, address: str) -> float:
    """Seconds from a feature's address to its heading, in a fresh browser context."""
    context = browser.new_context()
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.get_by_role("heading", name="Feature").first.wait_for(timeout=60_000)
    seconds = time.perf_counter() - start
    context.close()
    return seconds


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
            page.wait_for_selector(SHARP, timeout=60_000)
            found = repaints(page, spans)
            print(f"load_average {os.getloadavg()[0]:.1f}")
            times = [ms for _, ms in found if ms >= DEBOUNCE_MS]
            if not times:
                sys.exit("no move needed a new tile: nothing was measured")
            print(f"repaint_ms_median {statistics.median(times):.0f}")
            print(f"moves_with_new_tile {len(times)} of {len(found)}")
            print(f"repaint_ms_max {max(times):.0f}")
            for bases, ms in found:
                print(f"  {bases} bases: {ms:.0f} ms")
            one = f"{where}/{_page()}?feature={chosen.split(',')[0]}"
            pages = [feature_page(browser, one) for _ in range(4)][1:]
            print(f"feature_page_s {statistics.median(pages):.2f}")
            for i in range(SESSIONS - 1):
                other = browser.new_context().new_page()
                other.goto(
                    f"{where}/browse?at={chrom}:{100 * i}-{100 * i + 5000}&features={chosen}"
                )
                other.wait_for_selector(SHARP, timeout=60_000)
            print(f"server_mb_5_sessions {psutil.Process(pid).memory_info().rss / 1e6:.0f}")
            browser.close()


def _widths(length: int) -> list[int]:
    """From the whole contig to single bases."""
    return [w for w in (length // 2, 400_000, 50_000, 8_000, 900, 120) if w <= length // 2]


def _page() -> str:
    """Path of the feature page."""
    return "feature" if (ROOT / "app" / "screens" / "feature.py").exists() else "features"


if __name__ == "__main__":
    main()
