"""The page of a diff: opened at the largest difference, with the way to its place; its form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from app.data.study import Opened
from app.experiments.choices import OFFERED
from app.experiments.differences import said
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.engines.local import run_experiment
from workbench.experiments.diff_settings import DiffSettings
from workbench.experiments.registry import create_experiment
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.report.context import gather

MAIN = Path(app.__file__).with_name("main.py")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A copy of a finished study, its model beside that of an experiment, which is ``mini``'s kind."""
    copy = tmp_path_factory.mktemp("differences") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    study = Study.open(copy)
    left = copy / "experiments" / "small" / "model"
    shutil.copytree(Path(study.config.model.name), left)
    asked = DiffSettings(layer="blocks.1", bases=2000, train=2048, shifts=3)
    create_experiment(study, "layers-apart", "diff", asked)
    run_experiment(study, "layers-apart")
    return study


def test_a_diff_is_opened_at_its_largest_difference(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STUDY", str(study.folder))
    browser = AppTest.from_file(str(MAIN), default_timeout=120)
    browser.run()
    browser.switch_page("screens/experiments.py")
    browser.query_params["experiment"] = "layers-apart"
    browser.run()
    assert not browser.exception and not browser.error
    text = "\n".join(str(e.value) for e in [*browser.markdown, *browser.caption]).replace("\\", "")
    facts = read_facts(study.folder / "experiments" / "layers-apart" / "facts.json")
    assert said(facts) in text and "both sides are one model" in text and "Universality" in text
    leading = read_parquet(study.folder / "experiments" / "layers-apart" / "leading.parquet")
    first = leading[leading["chrom"] != ""].iloc[0]
    shown = next(frame.value for frame in browser.dataframe if "what" in frame.value)
    assert list(shown["what"]) == list(leading["what"]) and list(shown["beside"]) == list(leading["beside"])
    place = f"{first['chrom']}:{first['end']:,}"
    assert place in list(shown["place"])
    links = [e.proto for e in browser.get("page_link")]
    assert any(place in each.label.replace("\\", "") for each in links)
    assert any(f"Feature {first['feature']}" in each.label for each in links)


def test_models_and_autoencoders_of_the_study_are_offered(study: Study) -> None:
    opened = Opened(study, gather(study))
    assert list(OFFERED["model"](opened).offered) == ["mini", "mini-1", "small"]
    assert OFFERED["autoencoder"](opened).offered == {} and not OFFERED["model"](opened).more
