"""Pages of experiments: forms beside ``--help``, commands taken as they are, hostile words, damage."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

import app
from app.data.study import Opened
from app.experiments.choices import OFFERED, READ
from app.experiments.command import asking, find_command
from app.experiments.detectors import operating_curve
from app.experiments.fields import Refusal, boxes, read
from app.experiments.views import VIEWS
from app.figures import _noted, _parquet, _tsv
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.browse.region_map import meeting
from workbench.engines import background
from workbench.engines.local import run_experiment
from workbench.experiments.registry import KINDS, create_experiment
from workbench.experiments.settings import AttributeSettings, EmbedSettings, LayersSettings, SteerSettings
from workbench.files.parquet import read_parquet
from workbench.files.pictures import draw_file
from workbench.report.context import gather
from workbench.study.ledger import exclusive
from workbench.wording import NOT_VALIDATED

MAIN = Path(app.__file__).with_name("main.py")
CONTIG = "NC_005816.1"
QUICK = AttributeSettings(targets=[f"{CONTIG}:701"], strands=["+"], context=60, steps=4, ablated=3, bases=4)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A copy of a finished study with four experiments that were run and one that was not."""
    copy = tmp_path_factory.mktemp("asked") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    study = Study.open(copy)
    create_experiment(study, "why", "attribute", QUICK)
    create_experiment(study, "places", "embed", EmbedSettings(regions="gene"))
    create_experiment(study, "which", "layers", LayersSettings(bases=1_000))
    dose = SteerSettings(
        features=[int(active(study))], prompts=2, prompt=40, length=18, copies=1, strengths=[1.0]
    )
    create_experiment(study, "dose", "steer", dose)
    for name in ("why", "places", "which", "dose"):
        run_experiment(study, name)
    create_experiment(study, "later", "attribute", replace(QUICK, steps=5))
    return study


@pytest.fixture(scope="module")
def opened(study: Study) -> Opened:
    return Opened(study, gather(study))


def active(study: Study) -> str:
    """A feature that can be added: one that was active."""
    return str(int(study.dictionary.unit.argmax()))


@pytest.fixture
def browser(study: Study, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("WORKBENCH_STUDY", str(study.folder))
    return AppTest.from_file(str(MAIN), default_timeout=120)


def visit(browser: AppTest, **query: str) -> str:
    """Words of the page of experiments."""
    browser.run()
    browser.switch_page("screens/experiments.py")
    browser.query_params.clear()
    for key, value in query.items():
        browser.query_params[key] = value
    browser.run()
    assert not browser.exception
    return said(browser)


def said(browser: AppTest) -> str:
    found = [*browser.title, *browser.markdown, *browser.header, *browser.subheader, *browser.error]
    found += [*browser.caption, *browser.info, *browser.warning, *browser.success, *browser.code]
    return "\n".join(str(element.value) for element in found).replace("\\", "")


# Options of commands that are given a file, or take a FASTA file too, and say so in words of their own.
OWN_WORDS = {("embed", "regions"), ("embed", "layers"), ("embed", "strands")}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_form_has_the_words_and_defaults_of_the_command(kind: str) -> None:
    options = {option.name: option for option in find_command(KINDS[kind].command or kind).params}
    listed = boxes(KINDS[kind].settings)
    assert [box.key for box in listed] == list(asdict(KINDS[kind].settings()))
    for box in listed:
        option = options.get(box.key) or options.get(box.key.removesuffix("s"))
        if box.of in READ or (kind, box.key) in OWN_WORDS:
            assert option is not None or box.of in ("painting", "plan")
            continue
        assert option.help.startswith(box.meaning), (kind, box.key)
        # A list is optional for the command, which then takes the same default, as the next test shows.
        if option.default is not None and not option.required:
            said = ",".join(f"{x:g}" for x in box.default) if box.many else box.default
            assert option.default == said, (kind, box.key)


# Settings unlike the defaults, of kinds whose words have a form; what is a file in a setting is made below.
ASKED: dict[str, dict[str, Any]] = {
    "attribute": {"targets": [f"{CONTIG}:701", f"{CONTIG}:9-20"], "strands": ["-"], "method": "gradient"},
    "steer": {"features": [3, 7], "strengths": [0.5, 2.0], "readout": "stops.longest_open", "seed": 4},
    "passport": {"features": [3], "readouts": ["stops.plus_1"], "temperature": 0.5, "track": "gene"},
    "embed": {"regions": "gene", "layers": ["blocks.1"], "pool": "max", "strands": ["-"], "format": "npy"},
    "layers": {"layers": ["blocks.1", "blocks.2"], "bases": 900},
    "factors": {"sizes": [4, 8], "seeds": 2, "bases": 2_000},
    "paint": {"track": "gene", "mask": ["0:ATG", "3:NNN"], "gc": "0.4-0.6", "longest_run": 5},
    "compile": {"at": [f"{CONTIG}:70-90"], "draws": 5},
    "detect": {"track": "gene", "mode": "any", "precision": 0.6},
    "attack": {"sites": 3, "synonymous": False},
}


def unlike(kind: str) -> dict[str, Any]:
    """Settings of another kind, each unlike its default."""
    entries: dict[type, list[Any]] = {int: [3, 7], float: [0.25, 0.5], str: ["gene"]}
    found = {}
    for box in boxes(KINDS[kind].settings):
        one = not box.default if box.type is bool else entries[box.type][0]
        other = [word for word in box.one_of if word != box.default]
        found[box.key] = entries[box.type] if box.many else other[0] if other else one
    return found


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_command_of_a_form_asks_the_same(
    opened: Opened, kind: str, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown as a command goes through the command line, up to what it would ask."""
    found: list[Any] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("workbench.cli.") and hasattr(module, "ask"):
            monkeypatch.setattr(module, "ask", lambda folder, *asked: found.append(asked))
    study, values = opened.study, ASKED.get(kind) or unlike(kind)
    if kind in ("detect", "paint"):
        text = {"detect": active(study), "paint": f"{active(study)}@0-9=1"}[kind]
        key = {"detect": "concept", "paint": "painting"}[kind]
        values = values | {key: READ[key](study, text, values)}
    if kind == "paint":
        folder = study.folder / "experiments" / "asked"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "painting.json").write_text(values["painting"])
    settings = KINDS[kind].settings(**values)
    words = asking(study, kind, "asked", settings)
    assert words is not None and words[0] == "workbench"
    if kind in ("attack", "compile"):
        # Without the file of a detector, an edit plan: what the command needs is not there.
        assert {"attack": "--any-change", "compile": "--draws"}[kind] in words
        return
    code, _, err = cli(*words[1:])
    assert code == 0, err
    assert found == [("asked", kind, settings, 1, False)]


def test_what_lies_nowhere_has_no_command_but_that_of_its_question(opened: Opened) -> None:
    plan = READ["plan"](opened.study, f"{active(opened.study)}=2", {"bases": 20})
    settings = KINDS["compile"].settings(plan=plan, track="gene")
    assert json.loads(plan)["edits"] and asking(opened.study, "compile", "asked", settings) is None
    attack = KINDS["attack"].settings(detector="{}")
    assert asking(opened.study, "attack", "asked", attack) is None


@pytest.mark.parametrize(
    ("kind", "key", "held", "told"),
    [
        ("steer", "strengths", "1, two", "expected a number"),
        ("steer", "features", ["3", "../../etc"], "expected a whole number"),
        ("steer", "features", ["9" * 60], "expected a whole number"),
        ("steer", "features", [str(n) for n in range(300)], "at most 200"),
        ("steer", "prompts", "many", "expected a whole number"),
        ("steer", "track", "<script>", "expected one of"),
        ("steer", "readout", "stops.plus_1; rm", "expected one of"),
        ("embed", "regions", "/etc/passwd", "expected one of"),
        ("detect", "concept", "/etc/passwd", "a file is given to the command"),
        ("detect", "concept", "x.json", "a file is given to the command"),
        ("detect", "concept", "no such thing", "no such thing"),
        ("detect", "attacks", "nowhere", "nothing, since the study has none"),
        ("attack", "detector", "../../x", "nothing, since the study has none"),
        ("paint", "painting", "../../x", "experiment '../../x'"),
        ("paint", "painting", "{", "painting: "),
        ("paint", "painting", "{}", "painting: "),
        ("paint", "painting", "5@9-3=1", "never active|5@9-3=1"),
        ("compile", "plan", "{}", "plan: "),
        ("compile", "plan", "5=loud", "expected CONCEPT=STRENGTH"),
        ("compile", "plan", "/etc/passwd=1", "a file is given"),
        ("attribute", "targets", "x" * 300_000, "at most 200,000"),
    ],
)
def test_whatever_a_browser_sends_is_checked(
    opened: Opened, kind: str, key: str, held: object, told: str
) -> None:
    box = next(box for box in boxes(KINDS[kind].settings) if box.key == key)
    with pytest.raises(Refusal, match="(?s)" + told.replace("(", r"\(").replace("?", r"\?")) as refused:
        read(box, held, opened, {"bases": 20})
    assert refused.value.key == key


def test_settings_name_what_there_is_something_to_choose_from() -> None:
    named = {box.of for kind in KINDS.values() for box in boxes(kind.settings)}
    assert named - {""} == set(OFFERED) and set(READ) <= named
    assert set(VIEWS) <= set(KINDS)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_a_form(browser: AppTest, kind: str) -> None:
    text = visit(browser, new=kind)
    assert KINDS[kind].title in text and not browser.error
    drawn = [*browser.selectbox, *browser.multiselect, *browser.text_input, *browser.text_area]
    drawn += [*browser.number_input, *browser.checkbox]
    helped = {element.label: (element.help or "").replace("\\", "") for element in drawn}
    for box in boxes(KINDS[kind].settings):
        assert helped[box.label].startswith(box.meaning), box.key


def test_a_form_is_checked_before_it_is_asked(browser: AppTest, study: Study) -> None:
    visit(browser, new="steer")
    browser.button(key="check").click().run()
    assert "no feature or no strength given" in browser.error[0].value
    visit(browser, new="attribute")
    browser.text_area(key="attribute/targets").set_value("nowhere:5")
    browser.button(key="start").click().run()
    assert "nowhere" in browser.error[0].value and not browser.exception
    assert not (study.folder / "experiments" / "attribute").exists()
    browser.text_area(key="attribute/targets").set_value(f"{CONTIG}:701")
    browser.button(key="check").click().run()
    assert "2 pieces of work, about 2,050 bases" in browser.success[0].value
    assert f"--target {CONTIG}:701" in said(browser)
    assert "experiments/attribute/question.toml" in said(browser)


def test_an_address_fills_a_form_in(browser: AppTest) -> None:
    visit(browser, new="steer", feature="5", strengths="0.5,3", track="gene", prompts="7")
    assert browser.multiselect(key="steer/features").value == ["5"]
    assert browser.text_input(key="steer/strengths").value == "0.5,3"
    assert browser.selectbox(key="steer/track").value == "gene"
    assert browser.number_input(key="steer/prompts").value == 7


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"experiment": "../../etc"}, "expected a name of letters"),
        ({"experiment": "why/../why"}, "expected a name of letters"),
        ({"experiment": "<script>"}, "expected a name of letters"),
        ({"experiment": "nothing"}, "no experiment of this name"),
        ({"new": "nonsense"}, f"expected one of {', '.join(KINDS)}"),
        ({"new": "<img src=x>"}, f"expected one of {', '.join(KINDS)}"),
    ],
)
def test_hostile_addresses_end_in_a_sentence(browser: AppTest, query: dict[str, str], told: str) -> None:
    assert told in visit(browser, **query)


def test_hostile_settings_of_an_address_are_refused_when_asked(browser: AppTest) -> None:
    visit(browser, new="steer", strengths="nan;", prompts="1e999", track="../..", readout="x", feature="-1")
    browser.button(key="check").click().run()
    assert len(browser.error) == 1 and not browser.exception
    visit(browser, new="detect", track="gene", precision="inf", attacks="../..")
    browser.button(key="check").click().run()
    assert len(browser.error) == 1 and not browser.exception


def test_the_list_names_kind_and_state(browser: AppTest) -> None:
    text = visit(browser)
    for word in ("attribute", "embed", "layers", "done", "not begun"):
        assert word in text
    assert "workbench experiments" in text


def test_an_answer_shows_tables_question_and_command(browser: AppTest, study: Study) -> None:
    text = visit(browser, experiment="why")
    assert "Model output, not validated" in text and "log-probability of the base" in text
    table = read_parquet(study.folder / "experiments" / "why" / "targets.parquet")
    shown = [frame.value for frame in browser.dataframe]
    assert any(list(frame.get("target", [])) == list(table["target"]) for frame in shown)
    assert 'kind = "attribute"' in text
    assert f"--target {CONTIG}:701" in text and "--run why" in text
    # What is drawn is what the table has.
    ablations = read_parquet(study.folder / "experiments" / "why" / "ablations.parquet")
    assert len(ablations) > 0


def test_the_curve_of_steering_is_the_table(browser: AppTest, study: Study) -> None:
    text = visit(browser, experiment="dose")
    table = read_parquet(study.folder / "experiments" / "dose" / "responses.parquet")
    own = table[(table["arm"] == "feature") & (table["strength"] == 1)].iloc[0]
    assert ("It steers at strength 1.0" in text) == bool(own["steers"])
    assert "Mean of stops.plus_1 over prompts, with 95 % intervals" in text
    sets = [data for chart in browser.get("vega_lite_chart") for data in chart.proto.datasets]
    rows = [row for each in sets for row in pa.ipc.open_stream(each.data.data).read_all().to_pylist()]
    found = [row["response"] for row in rows if row.get("arm") == "feature" and row["strength"] == 1]
    assert found and all(value == pytest.approx(own["response"]) for value in found)


def test_layers_and_maps_are_drawn(browser: AppTest, study: Study) -> None:
    text = visit(browser, experiment="which")
    assert "Which layer" in text and "participation ratio" in text
    assert "None is recommended" in text or "Recommended: **" in text
    text = visit(browser, experiment="places")
    assert "Map of the regions" in text and "two principal components" in text
    browser.selectbox(key="map_colour").set_value("track CDS").run()
    assert not browser.exception and not browser.error
    table = read_parquet(study.folder / "experiments" / "places" / "map.parquet")
    assert {"first", "second", "gc", "layer", "first_share"} <= set(table) and len(table) > 3


def test_a_run_is_started_once_and_answers(browser: AppTest, study: Study) -> None:

    text = visit(browser, experiment="later")
    assert "Not begun" in text
    with exclusive(study.folder):
        browser.button(key="go_on").click().run()
        assert "runs already; wait for it, or stop it" in browser.error[0].value.replace("\\", "")
    browser.button(key="go_on").click().run()
    background._children[background.state(study.folder).pid].wait(120)
    assert background.state(study.folder).step == "experiments/later"
    assert (study.folder / "experiments" / "later" / "page.html").exists()
    browser.run()
    assert "Model output, not validated" in said(browser) and not browser.exception


def test_a_run_is_stopped_and_goes_on(browser: AppTest, study: Study) -> None:
    create_experiment(study, "halted", "attribute", replace(QUICK, steps=6))
    visit(browser, experiment="halted")
    browser.button(key="go_on").click().run()
    assert "It continues if you leave or close the page" in said(browser)
    browser.button(key="stop").click().run()
    background._children[background.state(study.folder).pid].wait(120)
    text = visit(browser, experiment="halted")
    assert "Not begun" in text or "Stopped" in text
    browser.button(key="go_on").click().run()
    background._children[background.state(study.folder).pid].wait(120)
    assert "log-probability of the base" in visit(browser, experiment="halted")


def test_an_experiment_is_removed_after_it_was_asked_twice(browser: AppTest, study: Study) -> None:
    create_experiment(study, "unwanted", "attribute", QUICK)
    folder = study.folder / "experiments" / "unwanted"
    visit(browser, experiment="unwanted")
    browser.button(key="remove").click().run()
    assert "There is no way back" in said(browser)
    browser.button(key="keep").click().run()
    assert folder.exists() and "There is no way back" not in said(browser)
    browser.button(key="remove").click().run()
    browser.button(key="really_remove").click().run()
    assert not folder.exists() and not browser.exception
    assert list((study.folder / "ledger" / "experiments").glob("unwanted*")) == []


def test_a_damaged_question_is_a_sentence_and_can_be_removed(browser: AppTest, study: Study) -> None:
    for text in ("version = 1\nkind = 'nonsense'\n", "not TOML [", "", "version = 1\nkind = 3\n"):
        folder = study.folder / "experiments" / "damaged"
        folder.mkdir(exist_ok=True)
        (folder / "question.toml").write_text(text)
        assert "damaged/question.toml" in visit(browser, experiment="damaged")
        assert "refused" in visit(browser)
    visit(browser, experiment="damaged")
    browser.button(key="remove").click().run()
    browser.button(key="really_remove").click().run()
    assert not folder.exists()


def test_what_goes_while_it_is_shown_is_a_sentence(browser: AppTest, study: Study) -> None:
    first, copy = study.folder / "experiments" / "why", study.folder / "kept"
    shutil.copytree(first, copy)
    try:
        visit(browser, experiment="why")
        (first / "targets.parquet").write_bytes(b"PAR1 no more")
        browser.run()
        assert not browser.exception and "targets.parquet" in browser.error[0].value.replace("\\", "")
        shutil.rmtree(first)
        browser.run()
        assert not browser.exception and "no experiment of this name" in said(browser)
    finally:
        shutil.rmtree(first, ignore_errors=True)
        shutil.move(copy, first)


def test_tables_that_leave_say_what_they_are(tmp_path: Path) -> None:
    table = pd.DataFrame({"feature": [1, 2], "name": ["a", "b"]})
    note = "model output, not validated; experiment x"
    assert _tsv(table, note).decode().splitlines()[0] == f"# {note}"
    assert _tsv(table, "").decode().splitlines()[0] == "feature\tname"
    (tmp_path / "x.parquet").write_bytes(_parquet(table, note))
    assert pq.read_schema(tmp_path / "x.parquet").metadata[b"note"].decode() == note
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), table)


def test_pictures_that_leave_say_what_they_are(study: Study) -> None:
    from workbench.experiments.layers_page import costs_drawn
    from workbench.experiments.steering_page import responses_drawn

    tables = {name: study.folder / "experiments" / name for name in ("dose", "which")}
    responses = read_parquet(tables["dose"] / "responses.parquet")
    for spec in (responses_drawn(responses), costs_drawn(read_parquet(tables["which"] / "layers.parquet"))):
        assert "title" not in spec  # it would be lost
        assert b">model output, not validated<" in draw_file(_noted(spec, NOT_VALIDATED), "svg")
        assert b"not validated" not in draw_file(_noted(spec, ""), "svg")


def test_the_operating_curve_counts_calls() -> None:
    calls = pd.DataFrame({"probability": [0.2, 0.9, 0.5], "true": [False, True, True]})
    curve = operating_curve(calls)
    assert curve["kept"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(curve["true"], [1, 1, 2 / 3])
    assert curve["probability"].tolist() == [0.9, 0.5, 0.2]


def test_regions_meet_a_track_as_by_brute_force() -> None:
    random = np.random.default_rng(3)

    def places(n: int, most: int) -> pd.DataFrame:
        starts = random.integers(0, 500, n)
        chroms = random.choice(["a", "b", "c"], n)
        return pd.DataFrame({"chrom": chroms, "start": starts, "end": starts + random.integers(1, most, n)})

    regions, intervals = places(200, 20), places(40, 60)
    wanted = [
        any(o.chrom == r.chrom and o.start < r.end and r.start < o.end for o in intervals.itertuples())
        for r in regions.itertuples()
    ]
    assert meeting(regions, intervals).tolist() == wanted and 0 < sum(wanted) < 200
    assert not meeting(regions, intervals.head(0)).any()


def test_the_start_page_says_what_each_model_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.models.needs import needs

    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_STUDY", "")
    page = AppTest.from_file(str(MAIN), default_timeout=120).run()
    page.switch_page("screens/start.py").run()
    (table,) = [frame.value for frame in page.dataframe if "bfloat16" in frame.value]
    assert list(table["model"]) == [each.name for each in needs()]
    assert table["bases a second"].isna().all() and table["looked for"].str.len().gt(0).all()
    page.button(key="measure_models").click().run()
    assert not page.exception
    (table,) = [frame.value for frame in page.dataframe if "bfloat16" in frame.value]
    rates = table["bases a second"].to_numpy()
    sizes = [each.parameters for each in needs()]
    np.testing.assert_allclose(rates[0] / rates, np.array(sizes) / sizes[0])
