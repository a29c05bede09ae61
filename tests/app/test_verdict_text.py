"""Every verdict, one after the other, through the words of the app, the report and the exports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import app
from app.canvas.message import feature_text
from app.data.study import open_study
from app.tables import COLUMNS, CONTROLS
from app.verdict_text import label_sentences, short_label
from feature_mining.association.verdict import Control, Verdict
from tests.workbench.study_factory import COLUMNS as TRACKS
from tests.workbench.study_factory import Synthetic, make_study
from workbench.export import export
from workbench.export.choice import WEAK, choose
from workbench.files.gff3 import escape_attribute
from workbench.report.context import gather
from workbench.report.render import write_report
from workbench.report.sentences import summary
from workbench.study.feature_labels import judged
from workbench.wording import mode_words

MAIN = Path(app.__file__).with_name("main.py")
# The best feature of the first track and mode.
LED = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("words"))


@pytest.fixture(params=list(Verdict), ids=str)
def spoken(made: Synthetic, request: pytest.FixtureRequest) -> Verdict:
    """A verdict that all tracks of the study have been given."""
    verdict: Verdict = request.param
    tracks = pd.read_parquet(made.study.folder / "tables" / "tracks.parquet")
    rule = f"rule of {verdict}"
    made.study.write_table("tracks", tracks.assign(verdict=verdict.value, rule=rule))
    return verdict


def test_the_app_has_words_for_it(made: Synthetic, spoken: Verdict) -> None:
    opened = open_study(str(made.study.folder))
    rows = judged(opened.evidence.tracks, LED)
    assert set(rows["verdict"]) == {spoken}
    said = label_sentences(opened.evidence, LED)[0]
    backed = spoken is Verdict.LEARNT
    label = short_label(opened.evidence, LED)
    if backed:
        # The title and the first sentence are of one track and strand.
        assert said.startswith(f"Best feature for {label}: learnt; ")
        assert label == f"CDS ({mode_words(rows['mode'].iloc[0])})"
    else:
        assert label.startswith("TATAAT") and "CDS" not in label
        assert said.startswith("No verdict backs a track")
        said = label_sentences(opened.evidence, LED)[1]
    assert f": {spoken}; {spoken.meaning}. Rule: rule of {spoken}." in said
    tested = spoken is not Verdict.NOT_TESTED
    assert said.startswith("Best feature for" if tested else "Picked on the select split for")
    assert said in feature_text(opened, LED).facts


def test_pages_that_show_it_open(made: Synthetic, spoken: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STUDY", str(made.study.folder))
    page = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert set(page.dataframe[0].value["verdict"]) == {spoken}
    for screen, query in (("feature", {"feature": str(LED)}), ("atlas", {"verdict": str(spoken)})):
        page.switch_page(f"screens/{screen}.py")
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception and not page.error, screen
        tables = [e.value for e in page.dataframe]
        assert any(set(t["verdict"]) == {spoken} for t in tables if "verdict" in t), screen


def test_report_and_exports_have_it(made: Synthetic, spoken: Verdict, tmp_path: Path) -> None:
    evidence = gather(made.study)
    said = " ".join(summary(evidence))
    if spoken is Verdict.NOT_TESTED:
        assert said.startswith("None of 2 tracks could be tested")
        assert f"2 tracks not tested (rule of {spoken}): " in said
    elif spoken is Verdict.LEARNT:
        assert said.startswith("2 of 2 tracks have a feature that beats every control")
    else:
        assert said.startswith("None of 2 tracks has a feature") and spoken.meaning in said
    write_report(made.study, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count(f">{spoken}</span>") >= 2 + len(TRACKS)
    assert ("<p>Best of " in page) is (spoken is not Verdict.NOT_TESTED)
    export(made.study, "tracks", "tsv", tmp_path / "tracks.tsv")
    table = pd.read_csv(tmp_path / "tracks.tsv", sep="\t")
    assert set(table["verdict"]) == {spoken}
    export(made.study, "catalog", "tsv", tmp_path / "catalog.tsv")
    catalog = pd.read_csv(tmp_path / "catalog.tsv", sep="\t")
    assert str(spoken) in set(catalog["verdict"])
    # One name in the report's cards, the exports and the app.
    label = short_label(evidence, LED)
    assert f"Feature {LED}: {label}</h3>" in page
    assert catalog.set_index("feature").loc[LED, "label"] == label
    export(made.study, "activations", "gff3", tmp_path / "runs.gff3", [LED])
    assert f"Name=f{LED}|{escape_attribute(label)};" in (tmp_path / "runs.gff3").read_text()
    # Nothing is better than the other: the best of every track, whatever is said of them.
    assert {choice.feature for choice in choose(made.study, None)} == {3, 5, 7, 11, 12}
    strong = made.study.table("tracks")
    strong.loc[strong["mode"] == "any", "verdict"] = Verdict.COMPOSITION.value
    made.study.write_table("tracks", strong)
    expected = {3, 12} if spoken in WEAK else {3, 5, 7, 11, 12}
    assert {choice.feature for choice in choose(made.study, None)} == expected


def test_every_control_has_its_column() -> None:
    for control in Control:
        assert control.lift in COLUMNS and control.lift in CONTROLS
