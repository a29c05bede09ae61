"""Pages other than the browser, driven in Chromium on a small study; their commands are taken as they are."""

from __future__ import annotations

import csv
import io
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import app
from app.data.study import Opened
from app.experiments.command import find_command
from app.exports import commands
from app.exports.export_buttons import FAILED, FileFormat, pack
from tests.app.chromium import QUIET, serving
from tests.workbench.study_factory import Synthetic, make_study
from workbench.report.context import gather

MAIN = Path(app.__file__).with_name("main.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def page(made: Synthetic, chromium: Any) -> Iterator[Any]:
    with serving(made.study.folder) as (where, _):
        found = chromium.new_page(base_url=where, viewport={"width": 1300, "height": 1600})
        found.set_default_timeout(60_000)
        yield found
        found.close()


def visit(page: Any, address: str, words: str) -> None:
    page.goto(address)
    page.get_by_text(words).first.wait_for()
    page.wait_for_selector(f"{QUIET} [data-testid=stMain]")
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.get_by_text("Page not found").count() == 0


PAGES = [
    ("/", "What was found"),
    ("/overview", "What was found"),
    ("/audit", "Shortcuts that explain"),
    ("/provenance", "Run log"),
    ("/atlas?color=density", "Features near each other"),
    ("/sequence", "Paste a sequence"),
    ("/phenotypes", "no tested phenotypes"),
    ("/experiments", "Questions put to the model"),
    ("/feature?feature=7", "Loci by activation strength"),
]


@pytest.mark.parametrize(("address", "words"), PAGES, ids=[a for a, _ in PAGES])
def test_pages_open(page: Any, address: str, words: str) -> None:
    visit(page, address, words)


def test_a_download_is_read_back(page: Any) -> None:
    visit(page, "/atlas?verdict=learnt", "Files of")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="TSV").click()
    text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert rows and {row["verdict"] for row in rows} == {"learnt"}


def at(made: Synthetic, monkeypatch: pytest.MonkeyPatch, name: str, **query: str) -> AppTest:
    monkeypatch.setenv("WORKBENCH_STUDY", str(made.study.folder))
    opened = AppTest.from_file(str(MAIN), default_timeout=90).run()
    opened.switch_page(f"screens/{name}.py")
    for key, value in query.items():
        opened.query_params[key] = value
    return opened.run()


def test_atlas_searches(made: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = at(made, monkeypatch, "atlas", place="chrA:200-800")
    assert not opened.exception and not opened.error
    table = opened.dataframe[0].value
    assert {"in_region", "best_track"} <= set(table.columns) and len(table) < 20
    opened = at(made, monkeypatch, "atlas", flag="kmer")
    assert all("kmer" in flags for flags in opened.dataframe[0].value["flags"])
    opened = at(made, monkeypatch, "atlas", matrix="1 2 3")
    assert "expected four lines" in opened.error[0].value.replace("\\", "")
    opened = at(made, monkeypatch, "atlas", q="nothing like this")
    assert "No feature matches" in opened.info[0].value


def test_a_file_of_the_genome_is_packed(made: Synthetic) -> None:
    opened = Opened(made.study, gather(made.study))
    with zipfile.ZipFile(io.BytesIO(pack(opened, "activations", BED, [7], None))) as found:
        assert FAILED not in found.namelist()
        text = found.read("activations.bed").decode()
    assert "chrA\t" in text
    with zipfile.ZipFile(io.BytesIO(pack(opened, "activations", BED, [99], None))) as found:
        assert b"no such feature" in found.read(FAILED)


BED = FileFormat("BED", "bed", "bed")
FOLDER = Path("a study")
COMMANDS = [
    commands.run(FOLDER),
    commands.status(FOLDER),
    commands.export_table(FOLDER, "catalog"),
    commands.export_table(FOLDER, "associations", "parquet", [3, 7]),
    commands.export_activations(FOLDER, [3], "bigwig", "c:1-9", "-"),
    commands.score("mini"),
    commands.variants(FOLDER),
    ["workbench", "audit", str(FOLDER)],
]


@pytest.mark.parametrize("words", COMMANDS, ids=[w[1] for w in COMMANDS])
def test_commands_are_ones_that_the_command_line_takes(words: list[str]) -> None:
    assert words[0] == "workbench" and shlex.split(shlex.join(words)) == words
    name = words[1]
    # parsed as the shell would, without being run
    context = find_command(name).make_context(name, list(words[2:]))
    assert context.info_name == name
