"""Tasks of a reader on the ready demo, from an open page to the answer, with the clicks that they take."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pytest

from feature_mining.feature_map import column
from tests.app.chromium import QUIET, serving
from tests.app.test_reading import SHARP, differing, pixels
from workbench import Study
from workbench.browse.atlas import find_motif
from workbench.setup.demo_archive import shipped, unpack

pytestmark = pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
MAX_Q = 0.05


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return unpack(tmp_path_factory.mktemp("studies") / "demo")


class Reader:
    """Somebody at the page; ``clicks`` are counted, typing is not."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.clicks = 0

    def click(self, what: Any, **more: Any) -> None:
        self.clicks += 1
        what.click(**more)

    def button(self, name: str) -> None:
        # Streamlit's buttons have their icon's name before their own.
        self.click(self.page.get_by_role("button", name=re.compile(rf"(^|\s){name}$")).first)

    def fetch(self, name: str) -> bytes:
        # A button that is pressed while the page is drawn anew may be another by the time it answers.
        self.page.wait_for_selector(QUIET)
        with self.page.expect_download() as waiting:
            self.button(name)
        return Path(waiting.value.path()).read_bytes()


@pytest.fixture(scope="module")
def browser_page(study: Study, chromium: Any) -> Iterator[Any]:
    with serving(study.folder) as (where, _):
        page = chromium.new_page(base_url=where, viewport={"width": 1440, "height": 900})
        page.set_default_timeout(90_000)
        yield page
        page.close()


@pytest.fixture
def reader(browser_page: Any) -> Reader:
    return Reader(browser_page)


def options(reader: Reader, text: str) -> Any:
    """What the box of features offers for a text: one click."""
    reader.button("Features")
    reader.page.get_by_role("combobox", name="Find features").fill(text)
    found = reader.page.get_by_role("group", name="Features").get_by_role("option")
    found.filter(has_not_text="best feature of a track").first.wait_for()
    return found


def test_which_feature_fires_at_stop_codons_and_is_it_real(reader: Reader, study: Study) -> None:
    row = study.table("tracks").query("track == 'CDS_stop' and mode == 'same'").iloc[0]
    feature = int(row["feature"])
    reader.page.goto("/browse")
    reader.page.wait_for_selector(SHARP)
    reader.click(options(reader, "stop").filter(has_text=re.compile(rf"^{feature} · ")))
    reader.page.wait_for_selector(f"{SHARP}[data-features$='{feature}']")
    panel = reader.page.get_by_role("group", name="Features")
    reader.click(panel.get_by_role("button", name=re.compile(rf"^{feature} · ")))
    said = reader.page.get_by_role("complementary", name="Details")
    said.get_by_role("heading", name=f"Feature {feature}: ").wait_for()
    assert f"for CDS_stop (same strand): {row['verdict']}" in said.inner_text()
    assert reader.clicks == 3


def test_a_feature_over_a_gene_as_the_picture_on_the_screen_and_as_values(
    reader: Reader, study: Study, chromium: Any, tmp_path: Path
) -> None:
    gene = next(t for t in study.tracks if t.name == "gene").intervals.iloc[10]
    feature = int(study.table("catalog").query("not dead").nlargest(1, "density")["feature"].iloc[0])
    reader.page.goto(f"/browse?features={feature}")
    reader.page.wait_for_selector(SHARP)
    box = reader.page.get_by_role("combobox", name="Locus")
    box.fill(f"{gene['chrom']}:{gene['start'] + 1}-{gene['end']}")
    box.press("Enter")
    reader.page.wait_for_selector(f"{SHARP}[data-start='{gene['start']}'][data-end='{gene['end']}']")
    reader.page.mouse.move(5, 5)
    box.focus()
    screen = reader.page.locator(".browser canvas").screenshot()
    reader.button("Save")
    svg = reader.fetch("SVG").decode()
    reader.button("Save")
    packed = zipfile.ZipFile(io.BytesIO(reader.fetch("bigWig")))
    assert reader.clicks == 4
    view = chromium.new_page(viewport={"width": 1440, "height": 900})
    view.set_content(f"<body style='margin:0'>{svg}</body>")
    drawn = view.locator("svg").screenshot()
    view.close()
    assert min(differing(pixels(drawn), np.roll(pixels(screen), by, axis=0)) for by in (-1, 0, 1)) < 0.02
    assert gene["name"] in svg and f"feature {feature}" in svg
    packed.extractall(tmp_path)
    start, end = int(gene["start"]), int(gene["end"])
    written = {path.name: path for path in tmp_path.rglob("*.bw")}
    assert len(written) == 2
    for name, path in written.items():
        values = pybigtools.open(str(path)).values(str(gene["chrom"]), start, end, fillna=0.0)
        strand = "+" if "plus" in name else "-"
        read = study.features.rows(str(gene["chrom"]), start, end, strand)
        wanted = np.where(read.callable, column(read.features, feature), 0)
        np.testing.assert_allclose(np.nan_to_num(values), wanted, rtol=1e-5)


def test_a_candidate_goes_to_igv(reader: Reader, study: Study) -> None:
    reader.page.goto("/phenotypes?phenotype=resistance")
    reader.page.get_by_text("What the grades of evidence").first.wait_for()
    reader.page.wait_for_selector(f"{QUIET} [data-testid=stMain]")
    table = reader.page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    reader.click(table, position={"x": 18, "y": 52})
    reader.page.get_by_text("Browser, with its variants").wait_for()
    packed = zipfile.ZipFile(io.BytesIO(reader.fetch("IGV session")))
    assert reader.clicks == 2
    session = next(name for name in packed.namelist() if name.endswith(".xml"))
    text = packed.read(session).decode()
    named = re.findall(r'(?:path|id)="([^"]+\.(?:bw|bed|gff3|vcf\.gz|fa))"', text)
    assert named and all(any(name.endswith(path) for name in packed.namelist()) for path in named)
    first = study.table("biomarkers").query("phenotype == 'resistance'")
    first = first.sort_values(["evidence_tier", "q"], kind="stable").iloc[0]
    assert str(first["feature"]) in " ".join(named)


def test_a_motif_finds_its_features(reader: Reader, study: Study) -> None:
    reader.page.goto("/browse")
    reader.page.wait_for_selector(SHARP)
    hits = find_motif(study.table("examples"), "TATAAT")
    dead = set(study.table("catalog").query("dead")["feature"])
    wanted = [int(f) for f in hits.loc[hits["p"] <= MAX_Q, "feature"] if f not in dead]
    found = options(reader, "TATAAT")
    found.filter(has_text="motif in").first.wait_for()
    offered = [int(words.split(" · ")[0]) for words in found.all_inner_texts()]
    assert wanted and offered[: len(wanted)] == wanted[:12]
    reader.click(found.first)
    reader.page.wait_for_selector(f"{SHARP}[data-features$='{wanted[0]}']")
    assert reader.clicks == 2
