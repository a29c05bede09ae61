"""Pages of the browser on a synthetic study, and the command that starts it."""

from __future__ import annotations

import ast
import html
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app
from app.verdict_text import plain
from tests.workbench.study_factory import DEAD, Synthetic, make_study
from workbench.analysis.quality_table import gather_quality, quality_lines
from workbench.cli.app import app as command
from workbench.errors import InputError
from workbench.files.parquet import write_parquet
from workbench.report.cohort import gather_cohort
from workbench.report.render import write_report
from workbench.report.scan_charts import manhattan, quantile_plot, volcano
from workbench.setup.demo_archive import unpack

MAIN = Path(app.__file__).with_name("main.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("app"))


@pytest.fixture
def opened(made: Synthetic, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("WORKBENCH_STUDY", str(made.study.folder))
    return AppTest.from_file(str(MAIN), default_timeout=60)


def visit(browser: AppTest, page: str, **query: str) -> None:
    browser.run()
    browser.switch_page(f"screens/{page}.py")
    for key, value in query.items():
        browser.query_params[key] = value
    browser.run()


def texts(at: AppTest) -> str:
    """All words of the page, as the reader sees them."""
    found = [*at.title, *at.markdown, *at.header, *at.error, *at.caption, *at.info]
    return "\n".join(str(e.value) for e in found).replace("\\", "")


def charts(at: AppTest) -> list[dict]:
    return [json.loads(e.proto.spec) for e in at.get("vega_lite_chart")]


def test_overview_shows_scores_controls_and_doubts(made: Synthetic, opened: AppTest) -> None:
    opened.run()
    assert not opened.exception and not opened.error
    assert opened.title[0].value == "study"
    scores, controls = opened.dataframe[0].value, opened.dataframe[1].value
    assert {"verdict", "ap_lift", "q"} <= set(scores.columns)
    assert {"neuron_ap_lift", "composition_ap_lift", "random_ap_lift"} <= set(controls.columns)
    assert "report split" in texts(opened)
    assert len(charts(opened)) == 3
    opened.toggle[0].set_value(True).run()
    assert len(opened.dataframe[0].value) == 6 and not opened.exception
    # Each interval counts once, as in the report, in whichever mode.
    led, table = opened.dataframe[0].value, made.study.table("tracks")
    counted = {(r.track, r.mode): r.n_intervals / (2 if r.mode == "any" else 1) for r in table.itertuples()}
    assert "any" in set(table["mode"])
    assert {(r.track, r.mode): r.n_intervals for r in led.itertuples()} == {
        key: -(-number // 1) for key, number in counted.items()
    }


def test_quality_is_told_as_the_report_and_the_command_tell_it(
    made: Synthetic, opened: AppTest, tmp_path: Path
) -> None:
    lines = [tuple(line) for line in quality_lines(gather_quality(made.study))]
    opened.run()
    assert lines in [list(e.value.itertuples(index=False, name=None)) for e in opened.dataframe]
    write_report(made.study, tmp_path / "report.html")
    section = (tmp_path / "report.html").read_text().split('id="sae"')[1]
    cells = re.findall(r"<tr><th[^>]*>(.*?)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>", section)
    told = [tuple(html.unescape(cell) for cell in row) for row in cells]
    assert [tuple(" ".join(cell.split()) for cell in line) for line in lines] == [
        tuple(" ".join(cell.split()) for cell in row) for row in told[: len(lines)]
    ]


def test_tests_are_drawn_as_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = unpack(tmp_path / "demo")
    monkeypatch.setenv("WORKBENCH_STUDY", str(study.folder))
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    visit(at, "phenotypes")
    assert not at.exception and not at.error
    part = gather_cohort(study)
    assert part is not None
    (trait,) = (t for t in part.traits if t.name == sorted(t.name for t in part.traits)[0])
    expected = (
        manhattan(trait.tests, 0.0, study.manifest.contigs),
        volcano(trait.tests, 0.0),
        quantile_plot(trait.quantiles),
    )
    for drawn, same in zip(charts(at), expected, strict=False):
        for layer, other in zip(drawn["layer"], same["layer"], strict=True):
            # The app draws more of the tests, so their typical effect is another.
            for encoding in (layer["encoding"], other["encoding"]):
                encoding.get("x", {}).get("scale", {}).pop("constant", None)
            assert layer["encoding"] == other["encoding"]


def test_a_feature_by_its_address(opened: AppTest) -> None:
    visit(opened, "feature", feature="7")
    assert not opened.exception and not opened.error
    assert "Feature 7: promoter (same strand)" in opened.title[0].value.replace("\\", "")
    assert "beats every control" in texts(opened)


def test_an_address_without_a_feature_asks(opened: AppTest) -> None:
    visit(opened, "feature")
    assert not opened.exception and not opened.error
    assert opened.title[0].value == "Feature" and "Which feature?" in opened.info[0].value
    assert opened.number_input[0].value is None and not charts(opened)
    # Nothing was guessed into the address either.
    assert "feature" not in opened.query_params


def test_choosing_a_feature_shows_its_label(opened: AppTest) -> None:
    visit(opened, "feature")
    opened.number_input[0].set_value(5).run()
    assert "Feature 5: " in opened.title[0].value
    assert "raw neuron as good" in texts(opened)
    assert opened.query_params["feature"] in ("5", ["5"])
    assert not opened.exception


def test_a_dead_feature_claims_nothing(opened: AppTest) -> None:
    visit(opened, "feature", feature=str(DEAD))
    assert not opened.exception
    assert "nothing is claimed" in texts(opened)


@pytest.mark.parametrize("wrong", ["20", "-1", "x", "1e3"])
def test_a_feature_that_is_not_there(opened: AppTest, wrong: str) -> None:
    visit(opened, "feature", feature=wrong)
    assert not opened.exception
    assert "expected a number from 0 to 19" in opened.error[0].value


def test_filters(opened: AppTest) -> None:
    visit(opened, "atlas")
    before = len(opened.dataframe[0].value)
    visit(opened, "atlas", verdict="learnt")
    table = opened.dataframe[0].value
    assert 0 < len(table) < before and set(table["verdict"]) == {"learnt"}
    visit(opened, "atlas", motif="XX")
    assert "IUPAC" in opened.error[0].value and not opened.exception


@pytest.mark.parametrize("page", ["start", "provenance", "sequence", "phenotypes", "atlas"])
def test_pages_open(opened: AppTest, page: str) -> None:
    visit(opened, page)
    assert not opened.exception and not opened.error and opened.title


def test_a_view_by_its_address(opened: AppTest) -> None:
    visit(opened, "browse", at="chrA:100-2,900", features="3,7,5")
    assert not opened.exception and not opened.error
    table = opened.dataframe[0].value
    assert table["feature"].tolist() == [3, 3, 7, 7, 5, 5]
    # The address counts from 0, what people read from 1.
    assert table["at"].between(101, 2900).all()
    rows = opened.dataframe[1].value
    assert rows.loc[rows["name"] == "gene2", "start"].iloc[0] == 1501


def test_only_studies_of_the_roots_are_opened(
    made: Synthetic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WORKBENCH_STUDY", raising=False)
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    at.query_params["study"] = str(made.study.folder)
    at.run()
    assert "no study of this name" in at.error[0].value and not at.exception
    monkeypatch.setenv("WORKBENCH_STUDIES", str(made.study.folder.parent))
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    at.query_params["study"] = made.study.folder.name
    at.run()
    assert at.title[0].value == "study" and not at.error


def test_text_of_files_is_shown_as_text() -> None:
    assert plain("a_b*c <b> :red[x] $1$") == r"a\_b\*c \<b\> \:red\[x\] \$1\$"


def test_command(made: Synthetic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    class Pretend:
        def __init__(self, words: list[str], stdin: int) -> None:
            assert stdin == subprocess.PIPE  # the server ends when this end is closed
            seen.append(words)

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Pretend)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    command(made.study.folder, 8600)
    words = seen[0]
    assert words[:6] == [sys.executable, "-P", "-m", "app.server", "run", str(MAIN)]
    assert words[-2:] == ["--", str(made.study.folder)]
    assert words[words.index("--server.address") + 1] == "127.0.0.1"
    with pytest.raises(InputError, match=r"no study\.toml here"):
        command(tmp_path, 8600)
    command(None, 8600)
    assert "--" not in seen[-1]


def test_no_loose_texts_on_pages() -> None:
    """Streamlit writes every text that stands alone in a page's file on the page."""
    folder = Path(app.__file__).parent
    for file in (folder / "main.py", *(folder / "screens").glob("*.py")):
        rest = ast.parse(file.read_text()).body[1:]
        texts = [n for n in rest if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
        assert [n.lineno for n in texts] == [], file.name


def test_the_page_of_a_feature_says_its_causal_test(made: Synthetic, opened: AppTest) -> None:
    visit(opened, "feature", feature="3")
    assert "Causal test: **not tested**" in texts(opened)
    row = {
        "feature": 3, "causal": "failed", "readout": "stops.plus_1", "sign": -1, "strength": 2.0,
        "sae_seed": 0, "effect": -0.012, "win_rate": 0.61, "steers": True, "autoencoder": made.study.sae_hash,
    }  # fmt: skip
    folder = made.study.folder / "experiments" / "tested"
    write_parquet(folder / "passports.parquet", pd.DataFrame([row, row | {"sae_seed": 1, "steers": False}]))
    visit(opened, "feature", feature="3")
    said = texts(opened)
    assert "Causal test: **failed**" in said and "strength 2.0" in said and "less stops.plus_1" in said
    assert "win rate over the best control 61" in said and "1 of 2 seeds (experiment tested)" in said
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("features", "damaged feature file"),
        ("tables/catalog.parquet", "no table catalog yet"),
        ("manifest.json", "has not been planned yet"),
        (".", "no study.toml here"),
    ],
)
def test_files_that_are_deleted_meanwhile_end_in_a_sentence(
    made: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, said: str
) -> None:
    folder = shutil.copytree(made.study.folder, tmp_path / "study")
    monkeypatch.setenv("WORKBENCH_STUDY", str(folder))
    browser = AppTest.from_file(str(MAIN), default_timeout=60)
    visit(browser, "browse", at="chrA:100-900", features="3")
    assert not browser.exception and not browser.error
    if (folder / gone).is_dir():
        shutil.rmtree(folder / gone)
    else:
        (folder / gone).unlink()
    # What the server still holds of it would be shown.
    st.cache_resource.clear()
    st.cache_data.clear()
    visit(browser, "browse", at="chrB:100-700", features="5")
    assert not browser.exception and said in texts(browser)
