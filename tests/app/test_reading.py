"""Reading the ready demo: history, places, tips, the wheel, pictures, candidates, dead features, search."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import app
from feature_mining.association.verdict import Verdict
from tests.app.chromium import QUIET, serving
from workbench import Study
from workbench.setup.demo_archive import shipped, unpack

pytestmark = pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
OF_RESISTANCE = "phenotype == 'resistance'"
CANDIDATES = "{}/tables/biomarkers.parquet"
MAIN = Path(app.__file__).with_name("main.py")
# Notes what is pushed onto the history.
PUSHED = """(() => { window.pushed = []; const push = history.pushState.bind(history);
history.pushState = (state, title, url) => {
  window.pushed.push(String(url));
  return push(state, title, url);
};
})()"""
SHARP = ".browser[data-sharp='1'][data-pending='0']"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return unpack(tmp_path_factory.mktemp("studies") / "demo")


@pytest.fixture(scope="module")
def stop(study: Study) -> int:
    """The feature that is learnt: of stop codons."""
    tracks = study.table("tracks").query("track == 'CDS_stop' and mode == 'same'")
    assert tracks["verdict"].item() == Verdict.LEARNT
    return int(tracks["feature"].item())


@pytest.fixture(scope="module")
def other(study: Study, stop: int) -> int:
    """The feature beside it that is active on most bases."""
    alive = study.table("catalog").query("not dead and feature != @stop")
    return int(alive.loc[alive["density"].idxmax(), "feature"])


@pytest.fixture(scope="module")
def page(study: Study, chromium: Any) -> Iterator[Any]:
    with serving(None, {"WORKBENCH_STUDIES": str(study.folder.parent)}) as (where, _):
        found = chromium.new_page(base_url=where, viewport={"width": 1440, "height": 900})
        found.set_default_timeout(30_000)
        found.add_init_script(PUSHED)
        yield found
        found.close()


def visit(page: Any, address: str, words: str = "") -> None:
    page.goto(address)
    settle(page, words)


def settle(page: Any, words: str = "") -> None:
    if words:
        page.get_by_text(words).first.wait_for()
    page.wait_for_selector(f"{QUIET} [data-testid=stMain]")
    assert page.locator("[data-testid=stException]").count() == 0


def pushed(page: Any) -> list[str]:
    """Paths of the entries of the history since the page was loaded."""
    return [url.split("?")[0] for url in page.evaluate("window.pushed")]


def test_a_link_is_one_entry_and_back_shows_what_was_there(page: Any, study: Study, stop: int) -> None:
    visit(page, f"/feature?study=demo&feature={stop}", "Loci by activation strength")
    page.locator("[data-testid=stMain] a").filter(has_text="NC_000913.3:").first.click()
    page.wait_for_selector(SHARP)
    assert pushed(page) == ["/browse"]
    page.go_back()
    page.get_by_role("heading", name=f"Feature {stop}: ").wait_for()
    settle(page, "Loci by activation strength")
    assert f"feature={stop}" in page.url and "/feature?" in page.url

    visit(page, "/atlas?study=demo&q=TATAAT", "Select one to open it")
    page.get_by_role("link", name="Phenotypes").click()
    settle(page, "Candidates")
    assert pushed(page) == ["/phenotypes"] and "study=demo" in page.url
    page.go_back()
    settle(page, "Select one to open it")
    assert page.get_by_role("textbox", name="Words").input_value() == "TATAAT"

    visit(page, "/phenotypes?study=demo&phenotype=resistance", "Candidates")
    page.get_by_role("link", name="Browse").click()
    page.wait_for_selector(SHARP)
    assert pushed(page) == ["/browse"]
    page.go_back()
    settle(page, "Candidates")
    assert "phenotype=resistance" in page.url
    page.get_by_text(f"{len(study.table('biomarkers').query(OF_RESISTANCE))} candidates: ").wait_for()


def test_it_opens_on_a_feature_that_is_learnt(page: Any, study: Study, stop: int) -> None:
    named = f"Feature {stop}: CDS_stop (same strand)"
    visit(page, "/overview?study=demo", "has a feature that beats every control")
    link = page.get_by_role("link", name=named)
    assert link.bounding_box()["y"] < 900 - link.bounding_box()["height"]
    page.get_by_role("link", name="where it is strongest").first.click()
    page.wait_for_selector(f"{SHARP}[data-features='{stop}']")
    ends = next(t for t in study.tracks if t.name == "CDS").intervals
    found = page.locator(".browser")
    start, end = (int(found.get_attribute(f"data-{side}")) for side in ("start", "end"))
    middle = (start + end) // 2
    assert min((ends["end"] - middle).abs().min(), (ends["start"] - middle).abs().min()) <= 3
    page.go_back()
    page.get_by_role("link", name=named).click()
    page.get_by_role("heading", name=named).wait_for()
    # Browse, asked for nothing, shows it first.
    visit(page, "/browse?study=demo")
    page.wait_for_selector(f"{SHARP}[data-features^='{stop},']")


def box(page: Any) -> Any:
    return page.get_by_role("combobox", name="Locus", exact=True)


def go(page: Any, text: str, start: int, end: int) -> None:
    """Type a place; done when the canvas shows it (0-based half-open)."""
    box(page).fill(text)
    box(page).press("Enter")
    page.wait_for_selector(f"{SHARP}[data-start='{start}'][data-end='{end}']")


def test_places_as_people_write_them(page: Any, study: Study, stop: int) -> None:
    length = study.manifest.contigs["NC_000913.3"]
    visit(page, f"/browse?study=demo&at=NC_000913.3:1000-3000&features={stop}")
    page.wait_for_selector(SHARP)
    assert box(page).input_value() == "NC_000913.3:1,001-3,000"
    go(page, "NC_000913.3:2,001-2,500", 2000, 2500)
    go(page, "NC_000913:3001..3500", 3000, 3500)
    go(page, "4001-4,500", 4000, 4500)
    go(page, "5000", 4949, 5050)
    go(page, f"{length - 99}..{length + 5000}", length - 100, length)
    # FolA: 49,823 to 50,302.
    around = 49_822 - 500, 50_302 + 500
    go(page, "folA", *around)
    go(page, "6001..6100", 6000, 6100)
    go(page, "b0048", *around)
    go(page, "6001..6100", 6000, 6100)
    go(page, "dihydrofolate reductase", *around)
    # An error stands beside the view, which stays.
    box(page).fill("no such gene")
    box(page).press("Enter")
    page.get_by_text("neither a place nor a name").wait_for()
    assert page.locator(f"{SHARP}[data-start='{around[0]}']").count() == 1
    go(page, "NC_000913.3:1,001-3,000", 1000, 3000)
    page.get_by_text("neither a place nor a name").wait_for(state="detached")


def over(page: Any, share: float, feature: bool = True) -> tuple[float, float]:
    """A point of the canvas at a share of its data area, over the last feature's upper strip or the ruler."""
    found = page.locator(".browser canvas").bounding_box()
    y = found["y"] + (found["height"] - 35 if feature else 10)
    return found["x"] + 168 + share * (found["width"] - 168), y


def tip(page: Any) -> list[str]:
    return str(page.locator(".browser").get_attribute("data-hover")).split(" | ")


def test_the_tip_says_the_value_first_and_is_of_the_base_under_the_pointer(page: Any, stop: int) -> None:
    visit(page, f"/browse?study=demo&at=NC_000913.3:83000-83100&features={stop}&tracks=gene")
    page.wait_for_selector(SHARP)
    page.mouse.move(*over(page, 0.505))
    page.wait_for_selector(".browser[data-hover*='strand read']")
    said = tip(page)
    assert re.match(r"(\d+ %|no value|100 % or more)", said[0]), said
    assert said[1].startswith("NC_000913.3:83,051") and "0-based" not in " ".join(said)
    page.locator(".browser canvas").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".browser[data-start='83025'][data-pending='0']")
    page.wait_for_selector(".browser[data-hover*='NC_000913.3:83,076']")
    page.locator(".browser canvas").blur()
    page.mouse.wheel(0, 200)
    page.wait_for_selector(".browser[data-hover='']")
    assert not page.locator(".tip").is_visible()


def test_the_wheel_is_the_pages_until_a_key_or_the_focus(page: Any, stop: int) -> None:
    scroll = "document.querySelector('[data-testid=stMain]').scrollTop"
    visit(page, f"/browse?study=demo&at=NC_000913.3:80000-90000&features={stop}&tracks=gene")
    page.wait_for_selector(SHARP)
    page.mouse.move(*over(page, 0.5))
    page.mouse.wheel(0, 150)
    page.wait_for_function(f"{scroll} > 100")
    assert page.locator(".browser[data-start='80000'][data-end='90000']").count() == 1
    page.mouse.wheel(0, -1000)
    page.wait_for_function(f"{scroll} === 0")
    page.mouse.move(*over(page, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -150)
    page.keyboard.up("Control")
    page.wait_for_selector(f"{SHARP}:not([data-start='80000'])")
    held = int(page.locator(".browser").get_attribute("data-start"))
    page.mouse.click(*over(page, 0.5))
    page.mouse.wheel(0, -150)
    page.wait_for_selector(f"{SHARP}:not([data-start='{held}'])")
    # What the click asked for comes after the move, and does not take it back.
    page.get_by_role("complementary", name="Details").wait_for()
    page.wait_for_selector(SHARP)
    assert int(page.locator(".browser").get_attribute("data-start")) > held > 80000
    assert page.evaluate(scroll) == 0


def download(page: Any, name: str) -> bytes:
    page.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("group", name="Save").get_by_role("button", name=name, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)


def differing(one: np.ndarray, other: np.ndarray) -> float:
    """Share of pixels that differ visibly, of pictures of one size."""
    h, w = (min(a, b) for a, b in zip(one.shape[:2], other.shape[:2], strict=True))
    assert abs(one.shape[0] - other.shape[0]) <= 1 and abs(one.shape[1] - other.shape[1]) <= 1
    return float((np.abs(one[:h, :w] - other[:h, :w]).max(axis=2) > 60).mean())


def test_pictures_are_the_screen(page: Any, chromium: Any, study: Study, stop: int, other: int) -> None:
    candidates = study.table("biomarkers").query(OF_RESISTANCE)
    shares = candidates["driving_share"].map(lambda found: len(found) > 1)
    row = candidates[shares].iloc[0]
    at = f"{row['chrom']}:{row['start']}-{row['end']}"
    features = f"{row['feature']},{stop},{other}"
    query = f"study=demo&at={at}&features={features}&tracks=gene,CDS&variants={row['candidate_id']}"
    visit(page, f"/browse?{query}")
    page.wait_for_selector(SHARP)
    picture = page.locator(".browser canvas").screenshot()
    svg, png = download(page, "SVG").decode(), download(page, "PNG")
    texts = re.findall(r"<text x=\"([\d.]+)\" y=\"([\d.]+)\"[^>]*>([^<]*)</text>", svg)
    # Rows from top to bottom: annotation, the candidate's drivers, all variants, letters, features as asked.
    beside = [(float(y), words) for x, y, words in texts if float(x) == 160]
    rows = re.compile("gene|CDS|(drives|feature) .*")
    named = [words for _, words in sorted(beside) if rows.fullmatch(words)]
    assert [w.split()[0] for w in named] == ["gene", "CDS", "drives", "feature", "feature", "feature"]
    assert named[3:] == [f"feature {f}" for f in features.split(",")]
    labels = study.feature_labels()
    for feature in (stop, other):
        assert any(words.startswith(labels[feature].text[:18]) for _, words in beside)
    # The shares of the drivers are written, the largest is drawn highest.
    assert f"{round(100 * max(row['driving_share']))} %" in [words for *_, words in texts]
    # The file, drawn by the browser, is the picture on the screen.
    view = chromium.new_page(viewport={"width": 1440, "height": 900})
    view.set_content(f"<body style='margin:0'>{svg}</body>")
    drawn = view.locator("svg").screenshot()
    boxes = view.evaluate(
        "[...document.querySelectorAll('svg > text')].map((t) => { const b = t.getBBox();"
        " return [b.x, b.y, b.x + b.width, b.y + b.height]; })"
    )
    view.close()
    # Letters differ by the page's font; on the screen the picture may begin between two pixels.
    assert differing(pixels(png), pixels(drawn)) < 0.02
    assert min(differing(pixels(png), np.roll(pixels(picture), by, axis=0)) for by in (-1, 0, 1)) < 0.02
    # No word of the file lies on another.
    for i, (left, top, right, bottom) in enumerate(boxes):
        for x0, y0, x1, y1 in boxes[i + 1 :]:
            apart = right <= x0 + 1 or x1 <= left + 1 or bottom <= y0 + 3 or y1 <= top + 3
            assert apart, (boxes[i], (x0, y0, x1, y1))


def test_a_candidate_shows_its_drivers_by_share_and_the_best_plain_variant(page: Any, study: Study) -> None:
    visit(page, "/phenotypes?study=demo&phenotype=resistance", "What the grades of evidence")
    page.get_by_test_id("stDataFrame").last.scroll_into_view_if_needed()
    table = page.get_by_test_id("stDataFrame").last
    table.click(position={"x": 18, "y": 52})
    page.get_by_text("best plain variant of the region").wait_for()
    page.get_by_text("Browser, with its variants").wait_for()
    page.locator("[data-testid=stVegaLiteChart]").get_by_text("share of the drive").first.wait_for()
    bars = page.locator("[data-testid=stVegaLiteChart]").filter(has_text="share of the drive").first
    first = study.table("biomarkers").query(OF_RESISTANCE)
    first = first.sort_values(["evidence_tier", "q"], kind="stable").iloc[0]
    written = [int(found) for found in re.findall(r"(\d+)%", bars.text_content())]
    expected = sorted((round(100 * share) for share in first["driving_share"]), reverse=True)
    assert written[-len(expected) :] == expected


def reading(study: Study, monkeypatch: pytest.MonkeyPatch, name: str, **query: str) -> AppTest:
    monkeypatch.setenv("WORKBENCH_STUDY", str(study.folder))
    opened = AppTest.from_file(str(MAIN), default_timeout=90).run()
    opened.switch_page(f"screens/{name}.py")
    for key, value in query.items():
        opened.query_params[key] = value
    return opened.run()


def test_dead_features_are_last_and_folded_away(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = study.table("catalog").set_index("feature")
    opened = reading(study, monkeypatch, "sequence")
    opened.text_area[0].set_value(study.genome.fetch("NC_000913.3", 0, 1500)).run()
    assert not opened.exception and not opened.error
    ranked, aside = (
        next(t.value for t in opened.dataframe if ("aside" in t.value) is folded) for folded in (False, True)
    )
    assert len(ranked) and not catalog.loc[ranked["feature"], "dead"].any()
    assert ranked["rarity"].is_monotonic_increasing
    folded = [e for e in opened.expander if e.label.startswith("Not ranked")]
    assert len(folded) == 1 and len(folded[0].dataframe) == 1
    assert set(aside["aside"]) <= {"dead", "warm-up"} and len(aside)
    # Warm-up bases do not count: the first of each strand's reading.
    read = ranked["position"].where(ranked["strand"] == "+", 1501 - ranked["position"])
    assert (read > study.grid.warmup).all()
    # Candidates of dead features are not made.
    assert not catalog.loc[pd.read_parquet(CANDIDATES.format(study.folder))["feature"], "dead"].any()
    found = reading(study, monkeypatch, "atlas", sequence=study.genome.fetch("NC_000913.3", 0, 1500))
    assert found.dataframe[0].value["feature"].tolist()[:5] == ranked["feature"].tolist()[:5]


def test_candidates_of_dead_features_are_not_shown_in_a_study_that_made_them(
    study: Study, tmp_path: Path
) -> None:
    before = Study.open(shutil.copytree(study.folder, tmp_path / "before"))
    made = before.table("biomarkers")
    dead = before.table("catalog").query("dead")["feature"].iloc[0]
    stored = pd.concat([made.iloc[:1].assign(feature=dead), made], ignore_index=True)
    stored.to_parquet(CANDIDATES.format(before.folder))
    assert before.table("biomarkers")["feature"].tolist() == made["feature"].tolist()


def test_a_feature_is_found_by_any_of_its_tracks_a_motif_a_tag_or_a_product(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = study.table("associations")
    backed = scores[(scores["q"] <= 0.05) & scores["track"].str.contains("stop")]
    opened = reading(study, monkeypatch, "atlas", q="stop")
    table = opened.dataframe[0].value
    alive = study.table("catalog").query("not dead")["feature"]
    assert set(backed["feature"]) & set(alive) <= set(table["feature"])
    assert len(
        set(table["feature"])
        - set(study.table("catalog").query("best_track.str.contains('stop')")["feature"])
    )
    opened = reading(study, monkeypatch, "atlas", q="TATAAT")
    table = opened.dataframe[0].value
    assert table["found_by"].str.contains("motif").any()
    for words in ("b0048", "dihydrofolate reductase"):
        opened = reading(study, monkeypatch, "atlas", q=words)
        assert not opened.exception and not opened.error
        assert opened.dataframe[0].value["found_by"].str.startswith("active at").all()
    opened = reading(study, monkeypatch, "atlas", q="nothing like this")
    assert "No feature matches" in opened.info[0].value


def test_every_feature_for_a_track_is_a_page(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = reading(study, monkeypatch, "track")
    assert "Choose a track" in opened.info[0].value
    opened = reading(study, monkeypatch, "track", track="CDS_stop", mode="same")
    assert not opened.exception and not opened.error
    table = opened.dataframe[0].value
    scores = study.table("associations").query("track == 'CDS_stop' and mode == 'same'")
    assert set(table["feature"]) == set(scores["feature"])
    lift = (scores["ap_select"] - scores["base_rate"]) / (1 - scores["base_rate"])
    best = scores.loc[lift.idxmax(), "feature"]
    assert table["feature"].iloc[0] == best and table["rank"].tolist() == list(range(1, len(table) + 1))
    opened = reading(study, monkeypatch, "track", track="nowhere")
    assert "No track" in opened.error[0].value
