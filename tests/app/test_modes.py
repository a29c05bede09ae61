"""Modes of the canvas: what they say is what the commands say, and whatever a browser sends is checked."""

from __future__ import annotations

import shlex
import shutil
import threading
from collections.abc import Mapping
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch

from app import links
from app.canvas import attribute_mode, modes, ready_model, rules_mode, work
from app.canvas.browsing import requested_view
from app.canvas.component import asset
from app.canvas.kept import Kept
from app.canvas.pane import FIRST
from app.canvas.requests import REQUESTS, Asking
from app.canvas.rule_form import choices_of, sentence_of
from app.data.study import Opened, open_study
from app.exports.standalone import view_page
from feature_mining.attribution.switching import Switchboard
from feature_mining.edits.apply import Applied
from feature_mining.edits.edit import Ablate, Clamp, Steer
from feature_mining.edits.passes import run
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule import Rule
from tests.workbench.small_study import finished_study
from workbench import InputError, Study
from workbench.experiments.question import read_question
from workbench.experiments.registry import KINDS, open_experiment
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED

CONTIG = "NC_005816.1"
NO_EDIT = EditPlan()
PLACE = f"{CONTIG}:1000-1400"
STRANGE: list[Any] = [
    None, "", "x", "<img src=x onerror=alert(1)>", -1, 10**30, 1.5, float("nan"), float("inf"), True, [], {},
    "9" * 400, "when a > nan: record", f"{CONTIG}:0:+:", f"{CONTIG}:99999999:-:", "chrZ:5:+:",
    f"{CONTIG}:700:+:64", f"{CONTIG}:700:*:1", "when 1 > 0.5: apply clamp_99_1", "when 1 > 2: stop",
    "when 1 > 0.5: apply steer_1_999999",
    "when 1 > 0.5, within 99999999999999999999-: record", "when 999 > 0.5: record", "when 1 > 1e999: record",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("modes") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


@pytest.fixture(scope="module")
def opened(folder: Path) -> Opened:
    return open_study(str(folder))


@pytest.fixture(scope="module")
def busy(opened: Opened) -> list[int]:
    """The two features that are active most often."""
    catalog = opened.evidence.catalog.sort_values("density", ascending=False)
    return catalog["feature"].head(2).astype(int).tolist()


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The address and the session, which are the browser's otherwise."""

    class Query(dict[str, str]):
        def to_dict(self) -> dict[str, str]:
            return dict(self)

        def from_dict(self, new: Mapping[str, str]) -> None:
            self.clear()
            self.update(new)

    query = Query(at=PLACE, features="3,7", tracks="CDS")
    monkeypatch.setattr(st, "query_params", query)
    monkeypatch.setattr(st, "session_state", {})
    return query


def asking(opened: Opened, **event: Any) -> Asking:
    return Asking(opened, FIRST, requested_view(opened, links.parse_browse(FIRST.query())), event)


def answer(opened: Opened, kind: str, **event: Any) -> dict[str, Any]:
    begin = modes.work(kind)
    assert begin is not None
    return begin(asking(opened, **event))()


def log2_p(study: Study, letters: str, plan: EditPlan = NO_EDIT) -> torch.Tensor:
    """What the model predicts under a plan, by the passes that experiments use."""
    found = run(study.model, [letters], Applied([plan], {study.layer: study.dictionary}), ())
    assert found.logits is not None
    return found.logits[0].float().log_softmax(-1) / log(2)


# -- the frame -------------------------------------------------------------------------------------


def test_every_mode_of_the_address_has_a_script_and_kinds_of_its_own_name() -> None:
    for name in links.MODES[1:]:
        mode = modes.mode(name)
        assert mode is not None and f"MODES.{name} = class" in asset(f"mode_{name}.js")
        for kind in (*mode.requests, *mode.works):
            assert kind.startswith(f"{name}_")
        assert all(modes.work(kind) is begin for kind, begin in mode.works.items())
        assert all(modes.request(kind) is begin for kind, begin in mode.requests.items())
    for kind in ("read", "read_x", "", "attribute_", "os_path", "rules_nothing"):
        assert modes.work(kind) is modes.request(kind) is None


def test_the_address_holds_the_mode_and_what_is_asked(opened: Opened, address: dict[str, str]) -> None:
    REQUESTS["set"](asking(opened, kind="set", changes={"mode": "rules", "ask": "when 1 > 0.5: record"}))
    view = requested_view(opened, links.parse_browse(FIRST.query()))
    assert (view.request.mode, view.request.ask) == ("rules", "when 1 > 0.5: record")
    again = links.parse_browse(links.split_query(links.join_query(view.query)))
    assert (again.mode, again.ask) == ("rules", "when 1 > 0.5: record")
    with pytest.raises(ValueError, match="expected one of read"):
        REQUESTS["set"](asking(opened, kind="set", changes={"mode": "write"}))
    assert address["mode"] == "rules"
    # Read asks nothing.
    assert links.parse_browse({"ask": "x"}).ask == ""


def test_a_newer_run_takes_the_place_of_one_that_waits(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, done = threading.Event(), []

    def slow(asked: Asking) -> work.Job:
        name = asked.text("name")

        def job() -> dict[str, Any]:
            gate.wait(20)
            done.append(name)
            return {"name": name}

        return job

    def ask(run: str, **event: Any) -> None:
        monkeypatch.setattr(work, "last_event", lambda key, kind: {"kind": "slow", "run": run, **event})
        work.on_worked(opened, FIRST, {"slow": slow}.get)

    blocker = work.submit(lambda: {"gate": gate.wait(20)})
    ask("1", name="first")
    assert work.progress(FIRST) == {"run": "1", "waits": True}
    ask("1", name="first")
    ask("2", name="second")
    gate.set()
    blocker.result(20)
    st.session_state[FIRST.of("task")].future.result(20)
    assert work.progress(FIRST) == {"run": "2", "done": True, "answer": {"name": "second"}}
    assert work.progress(FIRST) is None and done == ["second"]

    def refused(asked: Asking) -> work.Job:
        raise InputError("no such thing")

    monkeypatch.setattr(work, "last_event", lambda key, kind: {"kind": "slow", "run": "3"})
    work.on_worked(opened, FIRST, {"slow": refused}.get)
    assert work.progress(FIRST) == {"run": "3", "done": True, "error": "no such thing"}
    work.on_worked(opened, FIRST, lambda kind: None)
    assert work.progress(FIRST) is None


def test_strange_values_are_refused_in_a_sentence_or_mean_nothing(opened: Opened) -> None:
    mine = [modes.mode(name) for name in ("attribute", "rules")]
    every = {kind: begin for mode in mine if mode for kind, begin in {**mode.requests, **mode.works}.items()}
    names = ("ask", "start", "end", "strand", "choices")
    refused = 0
    for kind, begin in every.items():
        for value in STRANGE:
            for choices in ({}, dict.fromkeys(("concept", "percent", "action", "track", "strength"), value)):
                event = (
                    dict.fromkeys(names, value) | {"choices": choices}
                    if choices
                    else dict.fromkeys(names, value)
                )
                try:
                    begin(asking(opened, kind=kind, **event))
                except (InputError, ValueError) as error:
                    refused += 1
                    assert str(error) and "\n" not in str(error) and len(str(error)) < 1500
    assert refused > 200
    for name, text in (("attribute", "x"), ("rules", "x"), ("rules", "when 1 > 0.5: switch to nowhere")):
        view = requested_view(opened, links.parse_browse({"at": PLACE, "mode": name, "ask": text}))
        with pytest.raises(InputError):
            modes.shown(opened, view)


# -- Attribute -------------------------------------------------------------------------------------


@pytest.mark.parametrize("strand", ["+", "-"])
def test_the_canvas_says_what_the_experiment_says(cli, opened: Opened, folder: Path, strand: str) -> None:
    ask = f"{CONTIG}:1200:{strand}"
    said = answer(opened, "attribute_base", ask=ask)
    words = shlex.split(said["command"])
    name = "plus" if strand == "+" else "minus"
    code, _, err = cli(*words[1:], "--name", name)
    assert code == 0, err
    tables = folder / "experiments" / name
    row = read_parquet(tables / "targets.parquet").iloc[0]
    bit = log(2)
    assert said["bits"] * bit == pytest.approx(row["value"], abs=1e-5)
    assert said["baseline"] * bit == pytest.approx(row["baseline"], abs=1e-5)
    assert said["from_features"] * bit == pytest.approx(row["from_features"], abs=1e-4)
    assert said["unexplained"] * bit == pytest.approx(row["from_error"], abs=1e-4)
    features = read_parquet(tables / "features.parquet")
    sums = features.groupby("feature")["attribution"].sum()
    assert len(said["features"]) + said["more"] == len(sums)
    shown = {feature["id"]: feature for feature in said["features"]}
    for feature, own in shown.items():
        assert own["bits"] * bit == pytest.approx(sums[feature], abs=1e-5)
        table = features[features["feature"] == feature].set_index("position")["attribution"]
        for position, bits in own["places"]:
            assert bits * bit == pytest.approx(table[position], abs=1e-5)
    total = sums.sum() / bit
    assert sum(f["bits"] for f in shown.values()) + said["more_bits"] == pytest.approx(total, abs=1e-4)
    # Bases.
    bases = read_parquet(tables / "bases.parquet")
    mean = -bases[list("ACGT")].sum(axis=1) / 3 / bit
    found = answer(opened, "attribute_bases", ask=ask)["bases"]
    assert [row[0] for row in found] == bases["position"].tolist()
    assert [row[2] for row in found] == pytest.approx(mean.tolist(), abs=1e-4)
    # One feature off: what the experiment finds by taking it out.
    ablations = read_parquet(tables / "ablations.parquet")
    for feature, effect in ablations[["feature", "effect"]].head(3).itertuples(index=False):
        off = answer(opened, "attribute_off", ask=f"{ask}:{feature}")
        assert off["effect"] * bit == pytest.approx(-effect, abs=2e-4)
    # The question that is handed over is the one that was asked.
    path = folder / "handed.toml"
    path.write_text(f"# {said['note']}\n{said['question']}")
    asked = read_question(path, {kind.name: kind.settings for kind in KINDS.values()})
    assert asked == open_experiment(Study.open(folder), name).question
    assert said["note"] == NOT_VALIDATED
    # The lane holds the prediction of the base.
    at = said["lane"]["letters"][1199 - said["lane"]["start"]]
    assert at == said["letter"]
    logs = said["lane"]["logs"][1199 - said["lane"]["start"]]
    assert logs["ACGT".index(at)] == pytest.approx(said["bits"], abs=2e-3)


@pytest.mark.parametrize(("reads", "behind"), [(256, 0), (1030, 5), (2048, 16)])
@pytest.mark.parametrize("strand", "+-")
def test_predictions_on_the_lane_are_the_models(
    opened: Opened, reads: int, behind: int, strand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the base, or to 16 bases behind it where the model reads so many at once."""
    study = opened.study
    monkeypatch.setattr(study.model, "context", reads)
    for kept in ("_APART", "_ANSWERS"):
        monkeypatch.setattr(attribute_mode, kept, Kept(1))
    said = answer(opened, "attribute_base", ask=f"{CONTIG}:1200:{strand}")["lane"]
    context = min(1024, reads - 1)
    plus = strand == "+"
    span = (1199 - context, 1200 + behind) if plus else (1199 - behind, 1200 + context)
    letters = study.genome.fetch(CONTIG, *span, strand).upper()
    end = said["start"] + len(said["letters"])
    assert (end if plus else said["start"]) == (span[1] if plus else span[0])
    logits = log2_p(study, letters)
    tokens = study.model.base_tokens()
    assert tokens is not None
    for row, position in ((0, said["start"]), (len(said["logs"]) - 1, end - 1)):
        at = position - span[0] if plus else span[1] - 1 - position
        assert said["letters"][row] == letters[at]
        np.testing.assert_allclose(said["logs"][row], logits[at - 1, tokens].tolist(), atol=2e-3)


def test_switching_off_is_setting_to_zero_and_random_changes_are_as_long(opened: Opened, busy) -> None:
    study = opened.study
    letters = study.genome.fetch(CONTIG, 300, 500).upper()
    board = Switchboard(study.model, letters, study.dictionary, 100, 200)
    taken = board.taken(busy)
    plan = EditPlan(tuple(Ablate(study.layer, feature) for feature in busy))
    here = EditPlan((Clamp(study.layer, busy[0], 0.7, where=Where(((120, 150),))),))
    for change, edits in ((taken, plan), (board.planned(here), here)):
        expected = log2_p(study, letters, edits)[99:199, study.model.base_tokens()].numpy()
        np.testing.assert_allclose(board.predict([None, change])[1], expected, atol=1e-3)
    assert float(taken.abs().max()) > 0
    random = [board.random(taken, seed) for seed in (1, 2)]
    for drawn in random:
        torch.testing.assert_close(drawn.norm(dim=1), taken.norm(dim=1))
    assert not torch.allclose(random[0], random[1])
    with pytest.raises(ValueError, match="expected 1 <= start"):
        Switchboard(study.model, letters, study.dictionary, 0, 5)


def test_evidence_of_what_is_off_has_its_arms_and_a_word(opened: Opened) -> None:
    ask = f"{CONTIG}:1200:+"
    leading = answer(opened, "attribute_base", ask=ask)["features"][0]["id"]
    effect = answer(opened, "attribute_off", ask=f"{ask}:{leading}")["effect"]
    found = answer(opened, "attribute_test", ask=f"{ask}:{leading}")["evidence"]
    arms = {row[0]: row[1:] for row in found["rows"]}
    assert list(arms) == ["unedited", "switched off", "random direction", "other features"]
    assert arms["unedited"][0] == 0 and arms["switched off"][0] == pytest.approx(effect, abs=1e-5)
    assert found["verdict"] in ("steers", "as random", "breaks the model", "not tested")
    beyond = abs(arms["switched off"][0]) > max(
        abs(arms[a][1]) for a in ("random direction", "other features")
    )
    if not beyond:
        assert found["verdict"] != "steers"
    assert found["note"] == NOT_VALIDATED and "Judges: not tested" in found["lines"][1]
    # As many other features as can tell at the level of the verdict.
    assert "; 20 sets of other active features" in found["lines"][0] and found["verdict"] != "not tested"
    with pytest.raises(InputError, match="nothing to test"):
        attribute_mode.attribute_test(asking(opened, ask=ask))


def test_a_base_that_nothing_predicts_is_refused(opened: Opened) -> None:
    with pytest.raises(InputError, match="nothing lies before it"):
        answer(opened, "attribute_base", ask=f"{CONTIG}:1:+")


# -- Rules -----------------------------------------------------------------------------------------


def test_places_are_those_of_the_command(cli, opened: Opened, folder: Path, busy, tmp_path: Path) -> None:
    sentence = (
        f"when {busy[0]} > 0.2, within 300 bases of the end of CDS: apply clamp_{busy[1]}_0.5 for 30 bases"
    )
    found = answer(opened, "rules_count", ask=sentence)
    assert found["sentence"] == sentence
    saved = answer(opened, "rules_save", ask=sentence)
    (tmp_path / saved["name"]).write_text(saved["text"])
    words = shlex.split(found["command"].replace("rules.json", str(tmp_path / "rules.json")))
    code, _, err = cli(*[word.replace("fired.tsv", str(tmp_path / "fired.tsv")) for word in words[1:]])
    assert code == 0, err
    table = pd.read_csv(tmp_path / "fired.tsv", sep="\t")
    assert found["contig"] == len(table) > 0
    near = table[table["start"].between(found["span"][0], found["span"][1] - 1)]
    assert [[at, strand] for at, strand, _ in found["places"]] == near[
        ["start", "strand"]
    ].to_numpy().tolist()


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"concept": "3", "percent": 20}, "when 3 > 0.2: record"),
        (
            {"concept": "3", "percent": 7, "sign": "<", "run": 4, "track": "gene", "side": "end",
             "distance": 30, "strand": "-", "action": "clamp", "feature": 12, "strength": 0.5, "bases": 30},
            "when 3 < 0.07 for 4 bases, within 30 bases of the end of gene, on the minus strand:"
            " apply clamp_12_0.5 for 30 bases",
        ),
        ({"concept": "3-7", "percent": 20, "action": "ablate", "feature": 7},
         "when 3-7 > 0.2: apply ablate_7"),
    ],
)  # fmt: skip
def test_choices_and_sentences_say_the_same(opened: Opened, choices: dict[str, Any], sentence: str) -> None:
    assert sentence_of(opened, choices) == sentence
    rule = Rule.of(sentence)
    assert str(rule) == sentence
    back = choices_of(rule)
    assert back is not None and {key: back[key] for key in choices} == choices
    assert sentence_of(opened, back) == sentence
    form = rules_mode.rules_form(asking(opened, ask=sentence))
    assert form["choices"] == back and ["clamp", "set"] in form["edits"] and form["tracks"] == ["CDS"]


def test_a_sentence_that_says_more_than_the_form_is_left_as_it_is(opened: Opened) -> None:
    for sentence in ("when 3 > 0.5 and 7 > 0.2: record", "when 3 > 0.5: insert TAATAA; wait 5 bases"):
        assert rules_mode.rules_form(asking(opened, ask=sentence))["choices"] is None


def test_a_dry_run_is_the_model_under_the_rule(opened: Opened, busy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened.study.model, "context", 2048)
    study, sentence = opened.study, f"when {busy[0]} > 0.2: apply steer_{busy[1]}_3 for 5 bases"
    event = {"ask": sentence, "start": 1100, "end": 1400, "strand": "+"}
    said = answer(opened, "rules_dry", **event)
    first = 1100 - 1024
    letters = study.genome.fetch(CONTIG, first, 1400).upper()
    _, found = rules_mode.find_places(opened, sentence, CONTIG)
    fired = [at - first for at, plus, _ in found.tolist() if plus and first <= at < 1400]
    assert said["fired"] == len(fired) > 0 and said["inside"] == sum(at >= 1024 for at in fired)
    places = [(at + 1, min(len(letters), at + 6)) for at in fired if at + 1 < len(letters)]
    plan = EditPlan(tuple(Steer(study.layer, busy[1], 3.0, where=Where((place,))) for place in places))
    tokens = study.model.base_tokens()
    assert tokens is not None
    for which, plans in ((0, NO_EDIT), (1, plan)):
        logs = log2_p(study, letters, plans)
        own = [logs[at - 1, tokens["ACGT".index(letters[at])]].item() for at in range(1024, len(letters))]
        assert said["bits"][which] == pytest.approx(-np.mean(own), abs=1e-3)
        lane = said[("before", "after")[which]]
        assert lane["start"] == 1100 and lane["letters"] == letters[1024:]
        np.testing.assert_allclose(lane["logs"][7], logs[1030, tokens].tolist(), atol=2e-3)
    assert said["moved"] > 0 and said["note"] == NOT_VALIDATED
    tested = answer(opened, "rules_test", **event)["evidence"]
    assert [row[0] for row in tested["rows"]] == [
        "unedited",
        "the rule",
        "random direction",
        "other features",
    ]
    assert tested["rows"][1][1] == pytest.approx(said["moved"], abs=1e-5)
    # Where the rule does nothing, nothing was tested, though all arms are alike.
    idle = f"when {busy[0]} > 100: apply steer_{busy[1]}_3 for 5 bases"
    nothing = answer(opened, "rules_test", **event | {"ask": idle})
    assert nothing["fired"] == 0 and nothing["moved"] == pytest.approx(0, abs=1e-6)
    assert (nothing["evidence"]["verdict"], nothing["evidence"]["why"]) == (
        "not tested",
        "the rule changes nothing here",
    )


@pytest.mark.parametrize("strand", "+-")
def test_a_dry_run_reads_no_more_than_the_model_reads_at_once(opened: Opened, busy, strand: str) -> None:
    study, event = opened.study, {"ask": f"when {busy[0]} > 100: apply ablate_7", "strand": strand}
    assert study.model.longest == 256
    said = answer(opened, "rules_dry", start=1100, end=1300, **event)
    letters = study.genome.fetch(CONTIG, *((1044, 1300) if strand == "+" else (1100, 1356)), strand).upper()
    logs, tokens = log2_p(study, letters), study.model.base_tokens()
    assert tokens is not None
    own = [logs[at - 1, tokens["ACGT".index(letters[at])]].item() for at in range(56, 256)]
    assert said["bits"][0] == pytest.approx(-np.mean(own), abs=1e-3)
    answer(opened, "rules_dry", start=1100, end=1356, **event)
    with pytest.raises(InputError, match=r"has 257 bases: \S+ reads 256 at once; zoom in"):
        answer(opened, "rules_dry", start=1100, end=1357, **event)


def test_what_a_dry_run_cannot_do_is_said(opened: Opened, busy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened.study.model, "context", 2048)
    event = {"start": 1100, "end": 1400, "strand": "+"}
    with pytest.raises(InputError, match="changes no prediction"):
        answer(opened, "rules_dry", ask="when 3 > 0.2: insert TAA", **event)
    often = f"when {busy[0]} > 0.2: apply ablate_7"
    with pytest.raises(InputError, match="times at once here: a dry run takes 50"):
        answer(opened, "rules_dry", ask=often, **event)
    with pytest.raises(InputError, match="a dry run takes 1,000 at most"):
        answer(opened, "rules_dry", ask="when 3 > 0.2: apply ablate_7", start=0, end=1001, strand="+")


def test_a_page_by_itself_holds_what_the_mode_shows(opened: Opened, busy) -> None:
    for mode, ask, key in (
        ("attribute", f"{CONTIG}:1200:+:{busy[0]}", "parts"),
        ("rules", f"when {busy[0]} > 0.2: record", "places"),
    ):
        view = requested_view(opened, links.parse_browse({"at": PLACE, "mode": mode, "ask": ask}))
        assert key in modes.shown(opened, view)
        assert f"MODES.{mode}" in view_page(opened, view)
    assert modes.shown(opened, requested_view(opened, links.BrowseView(at=PLACE))) == {}


# -- models ----------------------------------------------------------------------------------------


def test_without_its_model_the_command_is_said(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(folder, copy)
    config = copy / "study.toml"
    name = Study.open(folder).config.model.name
    config.write_text(config.read_text().replace(name, str(tmp_path / "gone")))
    alone = open_study(str(copy))
    with pytest.raises(
        InputError, match=r"Where the model is at hand, ask by: workbench attribute .* --steps 5"
    ):
        answer(alone, "attribute_base", ask=f"{CONTIG}:1200:+")
    stroke = {"concept": "3", "start": 1200, "end": 1230, "strand": "+", "strength": 1}
    paint = modes.request("paint_stroke")
    assert paint is not None
    with pytest.raises(InputError, match="Where the model is at hand, ask by: workbench paint "):
        paint(asking(alone, node=0, **stroke))
    # Places need no model.
    assert answer(alone, "rules_count", ask="when 3 > 0.2: record")["contig"] >= 0


def test_a_model_that_does_not_fit_is_not_loaded(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Study.open(opened.study.folder)
    large.config = replace(large.config, model=replace(large.config.model, name="evo2_7b"))
    monkeypatch.setattr(ready_model, "machine_memory", lambda: 10**9)
    with pytest.raises(InputError, match=r"evo2_7b takes \d+ GB, this machine has 1: .* ask by: the command"):
        ready_model.ready_model(large, "the command")
    # Nor when a mode is opened, before anything is asked.
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(modes, "_WARM", set())
    monkeypatch.setattr(modes, "submit", lambda job: found.append(job()))
    view = requested_view(opened, links.parse_browse({"at": PLACE, "mode": "attribute"}))
    modes.warm(opened._replace(study=large), view)
    assert found == [{}] and "model" not in vars(large)
