"""The picture of painting in the guide: frames of the app as a person paints, one GIF.

``python benchmarks/painting_pictures.py [--out FILE]`` opens the demo study that ships in Debian's Chromium,
paints the feature that marks stop codons over a coding stretch, and takes a picture of each step. Needs a
``chromium``, the ``test`` extra and Pillow.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.app.chromium import CHROMIUM, FLAGS, serving  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402

OUT = ROOT / "docs" / "pictures" / "painting.gif"
# The stretch in view, the stroke, and the feature that is painted.
AT, FIRST, LAST, FEATURE = "NC_000913.3:100900-101160", 101000, 101060, 170
SCREEN, WIDTH, COLOURS = (1280, 760), 900, 128
MS = 1600
SHARP = ".browser[data-sharp='1'][data-pending='0'][data-mode='paint']"


def point(page: Any, base: int, height: float) -> tuple[float, float]:
    """Where a base of the feature's row is on the screen, at a share of the row's height."""
    data = page.locator(".browser").evaluate("e => ({...e.dataset})")
    box = page.locator(".browser canvas").bounding_box()
    left, _, width, _ = (float(value) for value in data["area"].split())
    row = next(part for part in data["rows"].split(" ") if part.startswith(f"feature/{FEATURE}@"))
    top, high = (float(value) for value in row.split("@")[1].split("+"))
    share = (base - int(data["start"])) / (int(data["end"]) - int(data["start"]))
    return box["x"] + left + share * width, box["y"] + top + height * high


def frames(page: Any, address: str) -> list[bytes]:
    """Pictures: before, while a stroke is drawn, written, the other arm, undone, another stroke."""
    shots = []
    page.goto(f"{address}/browse?at={AT}&features={FEATURE}&mode=paint")
    page.wait_for_selector(SHARP, timeout=120_000)
    page.get_by_role("button", name=f"feature {FEATURE} ·").wait_for(timeout=120_000)
    page.wait_for_timeout(1500)  # rows of annotation come when it has been read
    shots.append(page.screenshot())
    page.mouse.move(*point(page, FIRST, 0.12))
    page.mouse.down()
    page.mouse.move(*point(page, (FIRST + LAST) // 2, 0.12), steps=4)
    shots.append(page.screenshot())
    page.mouse.move(*point(page, LAST, 0.12), steps=4)
    page.mouse.up()
    page.wait_for_selector(".browser[data-node='1'][data-written='1']", timeout=300_000)
    page.mouse.move(5, 700)
    page.wait_for_timeout(800)
    shots.append(page.screenshot())
    page.get_by_role("combobox", name="Shown").select_option("random direction")
    page.wait_for_timeout(500)
    shots.append(page.screenshot())
    return shots


def main() -> None:
    """Make the picture."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = unpack(Path(scratch) / "demo").folder
        with serving(folder) as (where, _), sync_playwright() as session:
            browser = session.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            shots = frames(
                browser.new_context(viewport={"width": SCREEN[0], "height": SCREEN[1]}).new_page(), where
            )
            browser.close()
    pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    size = (WIDTH, round(WIDTH * SCREEN[1] / SCREEN[0]))
    small = [
        p.resize(size, Image.Resampling.LANCZOS).quantize(COLOURS, dither=Image.Dither.NONE) for p in pictures
    ]
    small[0].save(given.out, save_all=True, append_images=small[1:], duration=MS, loop=0, optimize=True)
    print(f"{given.out}: {len(small)} frames, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
