"""Experiments asked, run and read on their pages in Chromium, with the clicks that they take."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.app.chromium import QUIET, serving
from tests.app.test_tasks import Reader
from tests.conftest import ROOT, made_once
from tests.workbench.scans.test_detectors import make
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.engines import background
from workbench.engines.local import run_experiment
from workbench.experiments.circuit_page import verdict
from workbench.experiments.circuit_settings import CircuitSettings, TranscodeSettings
from workbench.experiments.detector_settings import DetectSettings
from workbench.experiments.diff_settings import DiffSettings
from workbench.experiments.registry import create_experiment
from workbench.experiments.settings import EmbedSettings, PruneSettings
from workbench.experiments.treat_settings import TreatSettings
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.setup.demo_archive import shipped, unpack

# Within this many seconds a run is finished, on a machine with much else to do.
PATIENCE = 500
CONTIG = "NC_005816.1"
QUICK = {"strengths": "1, 3", "prompts": "2", "prompt": "60", "length": "30", "copies": "1"}
HOSTILE = """<!DOCTYPE html><html><head><title>x</title>
<script>parent.document.title = "taken"; fetch("/stolen"); top.location = "/stolen"</script>
<meta http-equiv="refresh" content="0;url=/stolen"><link rel="stylesheet" href="http://elsewhere.example/x.css">
</head><body><h1>Harmless words</h1><img src="/stolen.png" onerror="top.location='/stolen'">
<form action="/stolen"><input name="a"></form><iframe src="/overview"></iframe></body></html>"""


class Listener(BaseHTTPRequestHandler):
    """Writes down what arrives."""

    def __init__(self, arrived: list[str], *more: Any) -> None:
        self.arrived = arrived
        super().__init__(*more)

    def do_GET(self) -> None:
        self.arrived.append(self.path)
        self.send_response(404)
        self.end_headers()

    def log_message(self, *more: Any) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with autoencoders of three seeds, and the ready demo."""

    def three_seeds(folder: Path) -> None:
        config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
        Study.create(folder / "done", replace(config, sae=replace(config.sae, seeds=3))).run()

    home = tmp_path_factory.mktemp("home")
    shutil.copytree(made_once(tmp_path_factory, "three-seeds", three_seeds) / "done", home / "small")
    if shipped():
        unpack(home / "demo")
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with serving(None, {"WORKBENCH_STUDIES": str(home)}) as (where, _):
        yield where


@pytest.fixture(scope="module")
def context(server: str, chromium: Any) -> Any:
    found = chromium.new_context(base_url=server, viewport={"width": 1440, "height": 900})
    found.set_default_timeout(PATIENCE * 1000)
    return found


@pytest.fixture(scope="module")
def sitting(context: Any) -> Iterator[Reader]:
    reader = Reader(context.new_page())
    yield reader
    reader.page.close()


@pytest.fixture
def reader(sitting: Reader) -> Reader:
    """Somebody who has clicked nothing yet."""
    sitting.clicks = 0
    return sitting


def link(reader: Reader, name: str) -> None:
    """Press a link, which has its icon's name before its own."""
    reader.click(reader.page.get_by_role("link", name=re.compile(rf"(^|\s){re.escape(name)}")).first)


def at_rest(reader: Reader) -> None:
    reader.page.wait_for_selector(f"{QUIET} [data-testid=stMain]")
    assert reader.page.locator("[data-testid=stException]").count() == 0


def type_in(reader: Reader, label: str, text: str) -> None:
    box = reader.page.get_by_label(label, exact=True).first
    box.fill(text)
    box.press("Tab")
    at_rest(reader)


def test_a_passport_made_from_a_feature_page_with_the_browser_closed_meanwhile(
    reader: Reader, context: Any, home: Path
) -> None:
    study = Study.open(home / "small")
    feature = int(study.dictionary.unit.argmax())
    reader.page.goto(f"/feature?study=small&feature={feature}")
    reader.page.get_by_text("Causal test:").wait_for()
    link(reader, "Test it")
    reader.page.get_by_role("heading", name="New: one hypothesis a feature").wait_for()
    at_rest(reader)
    for label, text in {
        "strengths": "1, 3",
        "prompts": "2",
        "prompt": "60",
        "length": "30",
        "copies": "1",
    }.items():
        type_in(reader, label, text)
    reader.button("Check and start")
    reader.page.get_by_text("It continues if you leave or close the page").wait_for()
    assert reader.clicks == 2
    assert background.state(study.folder).step == "experiments/passport"
    # Nobody looks any more.
    reader.page.close()
    page = study.folder / "experiments" / "passport" / "page.html"
    end = time.monotonic() + PATIENCE
    while not page.exists() and time.monotonic() < end:
        time.sleep(0.5)
    found = read_parquet(page.with_name("passports.parquet"))
    reader.page = context.new_page()
    reader.page.goto(f"/feature?study=small&feature={feature}")
    said = reader.page.get_by_text("Causal test:")
    said.wait_for()
    assert f"Causal test: {found['causal'].iloc[0]}" in said.inner_text()
    link(reader, "The experiment")
    reader.page.get_by_role("heading", name="passport", exact=True).wait_for()
    reader.page.get_by_text("Win rate over the best control on the report split").first.wait_for()
    assert reader.clicks == 3
    assert re.search(r"experiment=passport", reader.page.url)


def test_a_detector_attacked(reader: Reader, home: Path) -> None:
    """Its weights are random, so the detector is one that somebody else made."""
    study = Study.open(home / "small")
    folder = create_experiment(study, "given", "detect", DetectSettings(track="CDS_stop")).folder
    detector = replace(make(study), track="CDS_stop", threshold=0.2)
    (folder / "detector.json").write_text(detector.to_json())
    reader.page.goto("/experiments?study=small&new=attack&detector=given&sites=2&changes=2&reach=24")
    reader.page.get_by_role("heading", name="New: base changes that mislead").wait_for()
    at_rest(reader)
    reader.button("Check and start")
    reader.page.get_by_role("heading", name="Attacked sequences").wait_for()
    at_rest(reader)
    assert reader.clicks == 1
    attacks = read_parquet(study.folder / "experiments" / "attack" / "attacks.parquet")
    won = attacks[(attacks["split"] == "report") & attacks["needed"].notna() & (attacks["way"] != "random")]
    text = reader.page.get_by_test_id("stMain").inner_text()
    assert "by number of base changes" in text and "Model output, not validated" in text
    for chrom, start, end in won["place"].head(3).str.extract(r"(.+):(\d+)-(\d+)").itertuples(index=False):
        assert f"{chrom}:{int(start) + 1:,}-{int(end):,}" in text
    reader.page.get_by_role("link", name=re.compile("Make a detector that learns from them")).wait_for()


@pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
def test_a_detector_made_and_scanned(reader: Reader, home: Path) -> None:
    reader.page.goto("/experiments?study=demo&new=detect&track=CDS_stop&precision=0.6")
    reader.page.get_by_role("heading", name="New: a detector for the sites").wait_for()
    at_rest(reader)
    reader.button("Check and start")
    reader.page.get_by_text("Operating curve").wait_for()
    at_rest(reader)
    reader.button("Scan the genome")
    reader.page.get_by_text("by the probability that each is true").wait_for()
    assert reader.clicks == 2
    lines = (home / "demo" / "experiments" / "detect" / "scan.gff3").read_text().splitlines()
    calls = [line.split("\t") for line in lines if "ID=call" in line]
    said = reader.page.get_by_text("by the probability that each is true").inner_text()
    assert said.startswith(f"{len(calls)} calls") and len(calls) > 20
    best = max(calls, key=lambda row: float(row[5]))
    link(reader, "Browse NC_000913.3")
    reader.page.wait_for_selector(".browser[data-sharp='1'][data-pending='0']")
    canvas = reader.page.locator(".browser")
    assert int(canvas.get_attribute("data-start")) < int(best[3]) <= int(canvas.get_attribute("data-end"))


def test_a_region_of_the_map_opens_in_the_browser(reader: Reader, home: Path) -> None:
    study = Study.open(home / "small")
    create_experiment(study, "places", "embed", EmbedSettings(regions="gene", strands=["+"]))
    run_experiment(study, "places")
    table = read_parquet(study.folder / "experiments" / "places" / "map.parquet")
    reader.page.goto("/experiments?study=small&experiment=places")
    points = reader.page.locator("[data-testid=stVegaLiteChart] .mark-symbol.role-mark path")
    points.first.wait_for()
    at_rest(reader)
    assert points.count() == len(table)
    row = table.iloc[0]
    reader.click(points.first)
    link(reader, f"{row['name']} at {row['chrom']}:{row['start'] + 1:,}-{row['end']:,}")
    canvas = reader.page.locator(".browser[data-sharp='1'][data-pending='0']")
    canvas.wait_for()
    assert reader.clicks == 2
    assert int(canvas.get_attribute("data-start")) <= row["start"] < int(canvas.get_attribute("data-end"))


def test_a_circuit_is_looked_around_in(reader: Reader, home: Path) -> None:
    study = Study.open(home / "small")
    asked = CircuitSettings([f"{CONTIG}:901"], context=40, features=16, interventions=30)
    for name, kind, settings in (
        ("transcoders", "transcode", TranscodeSettings(2, 4, 4_096, 256)), ("why", "circuit", asked),
    ):  # fmt: skip
        create_experiment(study, name, kind, settings)
        run_experiment(study, name)
    folder = study.folder / "experiments" / "why"
    nodes, targets = (read_parquet(folder / f"{name}.parquet") for name in ("nodes", "targets"))
    reader.page.goto("/experiments?study=small&experiment=why")
    graph = reader.page.locator(".frame svg.circuit")
    graph.wait_for()
    at_rest(reader)
    text = reader.page.get_by_test_id("stMain").inner_text()
    assert verdict(targets["r2"][0], 30) in text and "Do not trust this graph" in text
    assert graph.locator("g[data-node]").count() == nodes["group"].nunique()

    def shown() -> list[float]:
        return [float(number) for number in str(graph.get_attribute("viewBox")).split()]

    whole = shown()
    reader.button("Zoom in")
    near = shown()
    assert near[2] < whole[2] and near[3] < whole[3]
    box = reader.page.locator(".frame").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reader.page.mouse.move(x, y)
    reader.page.mouse.down()
    reader.page.mouse.move(x - 60, y, steps=3)
    reader.page.mouse.up()
    assert shown()[0] > near[0] and shown()[2] == near[2]
    reader.button("Whole")
    assert shown() == whole
    graph.locator("g[data-node]").filter(has_text="output").first.click()
    said = reader.page.locator(".said div")
    assert said.first.inner_text().startswith("the output") and said.count() > 1
    assert re.search(r"(blocks\.\d, lag \d+|in place) [+-]", said.nth(1).inner_text())
    reader.page.get_by_text("Places of a feature as one").click()
    graph.locator("g[data-node]").nth(len(nodes) - 1).wait_for(state="attached")
    assert graph.locator("g[data-node]").count() == len(nodes)


def test_a_diff_is_followed_to_its_largest_difference(reader: Reader, home: Path) -> None:
    study = Study.open(home / "small")
    asked = DiffSettings(layer="blocks.1", bases=2000, train=2048, shifts=3)
    folder = create_experiment(study, "apart", "diff", asked).folder
    run_experiment(study, "apart")
    reader.page.goto("/experiments?study=small&experiment=apart")
    reader.page.get_by_role("heading", name="Leading differences").wait_for()
    at_rest(reader)
    charts = reader.page.locator("[data-testid=stVegaLiteChart] .mark-symbol.role-mark path")
    charts.first.wait_for()
    leading = read_parquet(folder / "leading.parquet")
    first = leading[leading["chrom"] != ""].iloc[0]
    link(reader, f"Browse {first['chrom']}:{first['start'] + 1:,}")
    canvas = reader.page.locator(".browser[data-sharp='1'][data-pending='0']")
    canvas.wait_for()
    at = [int(canvas.get_attribute(name)) for name in ("data-start", "data-end")]
    assert reader.clicks == 1 and at[0] <= first["start"] < first["end"] <= at[1]


def test_a_model_pruned_and_treated_before_and_after(reader: Reader, home: Path) -> None:
    study = Study.open(home / "small")
    asked = {
        "smaller": ("prune", PruneSettings(size=0.8, sizes=[0.8], bases=600, exact=0)),
        "cure": ("treat", TreatSettings("loci:CDS", "scale", 4, bases=800)),
    }
    for name, (kind, settings) in asked.items():
        create_experiment(study, name, kind, settings)
        run_experiment(study, name)
    reader.page.goto("/experiments?study=small&experiment=smaller")
    reader.page.get_by_role("heading", name="Size against bits").first.wait_for()
    at_rest(reader)
    curve = reader.page.locator("[data-testid=stVegaLiteChart] .mark-symbol.role-mark path")
    table = read_parquet(study.folder / "experiments" / "smaller" / "curve.parquet")
    curve.first.wait_for()
    # The whole model stands at the beginning of each order.
    assert curve.count() == table[table["bases"] == "kept"]["order"].nunique() * 2
    reader.page.goto("/experiments?study=small&experiment=cure")
    reader.page.get_by_role("heading", name="Before and after").wait_for()
    at_rest(reader)
    text = reader.page.get_by_test_id("stMain").inner_text()
    folder = study.folder / "experiments" / "cure"
    chosen = read_parquet(folder / "candidates.parquet").query("chosen")["what"].iloc[0]
    assert f"Treatment: {chosen}." in text and "bits a base at the loci" in text
    assert "verdicts are another" in text and "Everything else" in text
    marks = reader.page.locator("[data-testid=stVegaLiteChart] .mark-symbol.role-mark path")
    marks.first.wait_for()
    changes = read_parquet(folder / "changes.parquet")
    assert marks.count() == (changes["what"] == "bits a base").sum()


@pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
def test_what_a_predictor_rests_on_is_asked_in_a_form(reader: Reader, home: Path) -> None:
    asked = "phenotype=resistance&samples=SIM001&permutations=19&burden=variants"
    reader.page.goto(f"/experiments?study=demo&new=explain&{asked}")
    reader.page.get_by_role("heading", name="New: what a phenotype's predictor rests on").wait_for()
    at_rest(reader)
    reader.button("Check and start")
    reader.page.get_by_role("heading", name="Loci or lineage", exact=True).wait_for()
    at_rest(reader)
    facts = read_facts(home / "demo" / "experiments" / "explain" / "facts.json")
    text = reader.page.get_by_test_id("stMain").inner_text()
    assert f"Verdict: {facts['verdict']}" in text and "Not for diagnosis" in text
    assert "Sample SIM001" in text and "SIMULATED samples" in text and reader.clicks == 1


def test_no_script_of_a_page_reaches_the_app(reader: Reader, home: Path) -> None:
    study = Study.open(home / "small")
    create_experiment(study, "hostile", "embed", EmbedSettings(regions="gene", strands=["+"]))
    run_experiment(study, "hostile")
    reader.page.goto("/experiments?study=small&experiment=hostile")
    reader.page.get_by_role("heading", name="Tables").wait_for()
    page = study.folder / "experiments" / "hostile" / "page.html"
    before = page.read_text()
    # What a browser tells of as requests, its own refusals are among; what arrives is what counts.
    arrived: list[str] = []
    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), partial(Listener, arrived))
    Thread(target=elsewhere.serve_forever, daemon=True).start()
    page.write_text(HOSTILE.replace("elsewhere.example", f"127.0.0.1:{elsewhere.server_port}"))
    reader.page.on("response", lambda response: arrived.append(response.url))
    try:
        reader.page.reload()
        frame = reader.page.frame_locator("iframe[title='The page of the experiment']")
        frame.get_by_role("heading", name="Harmless words").wait_for()
        reader.page.wait_for_timeout(1000)
        assert reader.page.title() != "taken" and "experiment=hostile" in reader.page.url
        assert [url for url in arrived if "stolen" in url or "x.css" in url] == []
        # The frame within the frame stays empty: nothing of the app is shown in it.
        assert not any(frame.url.endswith("/overview") for frame in reader.page.frames)
        # It would have been seen: outside the frame the same page asks for it.
        alone = reader.page.context.browser.new_page()
        alone.set_content(page.read_text(), wait_until="commit")
        alone.wait_for_timeout(1000)
        alone.close()
        assert "/x.css" in arrived
    finally:
        page.write_text(before)
        elsewhere.shutdown()
        elsewhere.server_close()
