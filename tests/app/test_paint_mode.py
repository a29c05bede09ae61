"""The mode Paint: what its requests refuse, and pictures that are those of the tables."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st

from app import links
from app.canvas.browsing import requested_view
from app.canvas.paint_mode import REQUESTS, WORKS, shown
from app.canvas.paint_work import read_ask
from app.canvas.pane import FIRST
from app.canvas.requests import Asking
from app.data.annotation import tracks
from app.data.study import Opened, open_study
from tests.workbench.small_study import finished_study
from workbench import InputError
from workbench.engines.local import run_experiment
from workbench.experiments import brush
from workbench.experiments.painted import CONTROLS, NATURAL, PAINTED
from workbench.experiments.registry import create_experiment, open_experiment
from workbench.files.parquet import read_parquet
from workbench.study.history import FILE, change_node, cut_branch, read_history
from workbench.wording import NOT_VALIDATED

CONTIG = "NC_005816.1"
STRANGE: list[Any] = [
    None, "", "x", "<img src=x onerror=alert(1)>", -1, 10**30, 1.5, float("nan"), float("inf"), True, [], {},
    [1], "9" * 400, "../../etc/passwd", "3 - 3", "list:none", "factor:1", "1 + 1e999*2",
]  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    copy = tmp_path_factory.mktemp("paint_mode") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    found = open_study(str(copy))
    tracks(found).result()
    return found


@pytest.fixture(scope="module")
def feature(opened: Opened) -> int:
    return int(opened.study.dictionary.unit.argmax())


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch, feature: int) -> None:
    """The address and the session, which are the browser's otherwise."""

    class Query(dict[str, str]):
        def to_dict(self) -> dict[str, str]:
            return dict(self)

        def from_dict(self, new: Mapping[str, str]) -> None:
            self.clear()
            self.update(new)

    monkeypatch.setattr(st, "query_params", Query(at=f"{CONTIG}:2900-3100", features=str(feature)))
    monkeypatch.setattr(st, "session_state", {})


def asking(opened: Opened, **event: Any) -> Asking:
    return Asking(opened, FIRST, requested_view(opened, links.parse_browse(FIRST.query())), event)


def ask(opened: Opened, kind: str, **event: Any) -> dict[str, Any]:
    return REQUESTS[kind](asking(opened, **event)) or {}


def preview(opened: Opened, text: str, sample: int = 0) -> dict[str, Any]:
    drawn: dict[str, Any] = WORKS["paint_preview"](asking(opened, ask=text))()
    drawn["picture"] |= WORKS["paint_sample"](asking(opened, ask=text, sample=sample))()
    return drawn


@pytest.fixture
def node(opened: Opened, feature: int) -> int:
    """A stroke of 30 bases, by itself."""
    stroke = {"concept": str(feature), "start": 3000, "end": 3030, "strand": "+", "strength": 2}
    return int(ask(opened, "paint_stroke", node=0, **stroke)["node"]["number"])


# What each kind of request reads.
READ = {
    "paint_history": ("ask",), "paint_open": ("node", "concept"), "paint_standing": ("node",),
    "paint_stroke": ("node", "concept", "start", "end", "strand", "strength"),
    "paint_act": ("node", "act", "sheet", "stroke", "by", "strand"), "paint_settings": ("node", "changes"),
    "paint_note": ("node", "name", "note"), "paint_save": ("node", "format"),
    "paint_preview": ("ask",),
    "paint_sample": ("ask", "sample"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(READ))
def test_strange_values_are_refused_in_a_sentence_and_leave_the_history_whole(
    opened: Opened, node: int, feature: int, kind: str
) -> None:
    right = {
        "node": node, "concept": str(feature), "start": 3000, "end": 3010, "strand": "+", "strength": 1,
        "act": "move", "sheet": 0, "stroke": 0, "by": 1, "format": "vcf", "ask": str(node),
        "changes": {"copies": 1}, "name": "a", "note": "b", "sample": 0,
    }  # fmt: skip
    for name in READ[kind]:
        for value in STRANGE:
            event = right | {name: value}
            try:
                if kind in WORKS:
                    WORKS[kind](asking(opened, **event))
                else:
                    ask(opened, kind, **event)
            except (InputError, ValueError) as error:
                assert str(error) and "\n" not in str(error)
    kept = read_history(opened.study)
    for number in kept.nodes:
        assert brush.painting_of(opened.study, kept.node(number))
    assert kept.node(node).title  # nothing that was refused is in it
    cut_branch(opened.study, node)


@pytest.mark.parametrize(
    "text", ["0x", "1,", "1,2,3", "1:experiments", "-1", "12 ", "1:experiment,2", "9" * 9]
)
def test_other_words_of_an_address_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a node of the history"):
        read_ask(text)


def test_settings_that_would_write_elsewhere_are_refused(opened: Opened, node: int) -> None:
    for changes in (
        {"painting": "{}"},
        {"track": "CDS"},
        {"fill": "x"},
        {"copies": -1},
        {"readouts": ["x"]},
        {"study": 1},
        {"node": {}},
    ):
        with pytest.raises(InputError):
            made = ask(opened, "paint_settings", node=node, changes=changes)["node"]["number"]
            preview(opened, str(made))
    with pytest.raises(InputError, match="expected letters, digits"):
        ask(opened, "paint_run", node=node, name="../x")


def test_a_concept_is_opened_with_what_the_genome_shows_of_it(opened: Opened, feature: int) -> None:
    found = ask(opened, "paint_open", node=0, concept=str(feature))["concept"]
    catalog = opened.evidence.catalog
    unit = float(opened.study.dictionary.unit[feature])
    assert found["most"] == pytest.approx(float(catalog.loc[feature, "max"]) / unit)
    # A node says it too, so that a stroke that is beyond it is hatched whoever opens its address.
    stroke = {"concept": str(feature), "start": 3000, "end": 3030, "strand": "+", "strength": 2}
    made = ask(opened, "paint_stroke", node=0, **stroke)["node"]
    assert made["palette"][0][::2] == [f"feature {feature}", found["most"]]
    listed = ask(opened, "paint_palette")
    assert [str(feature), f"feature {feature}"] == listed["concepts"][0][:2]
    assert "stops.plus_1" in listed["readouts"]
    # Between two: the sum that the command line takes, whose parts are each concept at its share.
    other = next(f for f in range(64) if f != feature and float(opened.study.dictionary.unit[f]))
    mixed = ask(opened, "paint_open", node=0, concept=f"0.75*{feature} + 0.25*{other}")["concept"]
    weights = {number: weight for number, _, weight in mixed["features"]}
    assert weights == pytest.approx({feature: 0.75, other: 0.25})


def test_a_preview_is_the_reading_of_what_is_kept(opened: Opened, node: int, feature: int) -> None:
    study = opened.study
    found = preview(opened, str(node), 1)
    kept = read_history(study).node(node)
    drawn = found["picture"]
    assert drawn["arms"] == kept.written and drawn["letters"] == kept.written[PAINTED][1]
    assert drawn["reference"] == study.genome.fetch(*kept.place)
    changed = [a != b for a, b in zip(drawn["letters"], drawn["reference"], strict=True)]
    assert drawn["sample"]["changed"] == sum(changed) > 0
    # What stands there is read as the study's features have it.
    level = next(each for each in drawn["levels"] if each["concept"] == f"feature {feature}")
    assert level["start"] == 3000 and level["painted"] == [2.0] * 30
    (evidence,) = drawn["evidence"]
    assert [row[0] for row in evidence["rows"]] == [
        NATURAL,
        PAINTED,
        "unpainted",
        "random direction",
        "wrong concept",
    ]
    assert evidence["note"] == NOT_VALIDATED and evidence["verdict"]
    gc = evidence["columns"].index("GC") + 1
    own = [text[3000 - kept.start : 3030 - kept.start] for text in kept.written[PAINTED]]
    shares = [sum(letter in "GC" for letter in text) / 30 for text in own]
    assert dict((row[0], row[gc]) for row in evidence["rows"])[PAINTED] == pytest.approx(np.mean(shares))
    # Consensus: the most frequent letter of each place.
    columns = list(zip(*kept.written[PAINTED], strict=True))
    for i, letter in enumerate(drawn["consensus"][PAINTED]["letters"]):
        assert columns[i].count(letter) == max(map(columns[i].count, columns[i]))
    assert {lane["name"] for lane in drawn["sample"]["lanes"]} >= {"change of bits", "GC, written"}
    assert all(feature != row["id"] for row in drawn["sample"]["moved"])
    assert any("left to the experiment" in line for line in found["left_out"])
    # Asked again nothing is written anew.
    assert preview(opened, str(node), 1) == found and read_history(study).node(node) == kept


def test_codons_of_a_written_gene_are_those_of_its_letters(opened: Opened, feature: int) -> None:
    coding = next(t for t in tracks(opened).result() if t.type == "CDS")
    row = coding.intervals[(coding.intervals["strand"] == "+")].iloc[0]
    start = int(row["start"]) + 30
    stroke = {"concept": str(feature), "start": start, "end": start + 30, "strand": "+", "strength": 3}
    made = ask(opened, "paint_stroke", node=0, **stroke)["node"]
    drawn = preview(opened, str(made["number"]))["picture"]
    inside = [
        c for c in drawn["sample"]["codons"] if start <= c[0] and c[0] + 3 <= start + 30 and c[1] == "+"
    ]
    assert inside and all((c[0] - int(row["start"]) - int(row["phase"])) % 3 == 0 for c in inside)
    from Bio.Seq import Seq

    for at, _, acid, *_ in inside:
        word = drawn["letters"][at - made["start"] : at - made["start"] + 3]
        assert str(Seq(word).translate()) == acid


def test_the_picture_of_an_experiment_is_that_of_its_tables(opened: Opened, node: int) -> None:
    study = opened.study
    with pytest.raises(InputError, match="has no experiment yet"):
        preview(opened, f"{node}:experiment")
    create_experiment(study, "drawn", "paint", brush.settings_of(study, read_history(study).node(node)))
    change_node(study, node, experiment="drawn")
    with pytest.raises(InputError, match="is not finished"):
        preview(opened, f"{node}:experiment")
    run_experiment(study, "drawn")
    assert ask(opened, "paint_standing", node=node)["standing"] == "done"
    drawn = preview(opened, f"{node}:experiment")["picture"]
    folder = open_experiment(study, "drawn").folder
    strokes, levels = (read_parquet(folder / f"{name}.parquet") for name in ("strokes", "levels"))
    assert set(drawn["arms"]) == {PAINTED, *CONTROLS}
    for arm, texts in drawn["arms"].items():
        assert texts == strokes[strokes["arm"] == arm]["sequence"].tolist()
    (level,) = drawn["levels"]
    for arm, values in level["arms"].items():
        own = levels[levels["arm"] == arm].sort_values("position")
        assert values == own["level"].tolist() and level["start"] == drawn["start"]
    (evidence,) = drawn["evidence"]
    for arm, *values in evidence["rows"]:
        own = strokes[strokes["arm"] == arm]
        at = dict(zip(evidence["columns"], values, strict=True))
        assert at["level"] == pytest.approx(own["achieved"].mean())
        assert at["stops.plus_1"] == pytest.approx(own["stops.plus_1"].mean())
    # A page by itself has the samples of the experiment, too, and not those of the preview.
    query = {"mode": "paint", "ask": f"{node}:experiment", "at": f"{CONTIG}:2900-3100"}
    held = shown(opened, requested_view(opened, links.parse_browse(query)))
    assert held["samples"] == drawn["arms"][PAINTED]
    # Another painting is not drawn as this experiment's.
    other = ask(opened, "paint_settings", node=node, changes={"copies": 2})["node"]["number"]
    change_node(study, other, experiment="drawn")
    with pytest.raises(InputError, match="is of another painting"):
        preview(opened, f"{other}:experiment")


def test_two_nodes_are_compared_letter_by_letter(opened: Opened, node: int) -> None:
    other = ask(opened, "paint_act", node=node, act="strengthen", sheet=0, stroke=0, strength=8)["node"]
    with pytest.raises(InputError, match="nothing was written under node"):
        preview(opened, f"{node},{other['number']}")
    preview(opened, str(other["number"]))
    found = preview(opened, f"{node},{other['number']}")["other"]
    kept = read_history(opened.study)
    own, their = kept.node(node).written[PAINTED][0], kept.node(other["number"]).written[PAINTED][0]
    assert found["letters"] == their and bool(found["differing"]) == (own != their)
    assert ask(opened, "paint_history", ask=f"{node},{other['number']}")["other"]["number"] == other["number"]


def test_files_of_a_node_and_a_page_by_itself(opened: Opened, node: int) -> None:
    preview(opened, str(node))
    file = ask(opened, "paint_save", node=node, format="fasta")["file"]
    text = base64.b64decode(file["data"]).decode()
    assert NOT_VALIDATED in text and file["name"].endswith(".fa")
    with pytest.raises(InputError, match="expected one of fasta"):
        ask(opened, "paint_save", node=node, format="exe")
    view = requested_view(
        opened, links.parse_browse({"mode": "paint", "ask": str(node), "at": f"{CONTIG}:1-90"})
    )
    held = shown(opened, view)
    assert (
        held["node"]["number"] == node
        and held["samples"] == read_history(opened.study).node(node).written[PAINTED]
    )


def test_a_damaged_history_is_a_sentence(opened: Opened, node: int) -> None:
    path: Path = opened.study.folder / FILE
    before = path.read_text()
    try:
        path.write_text(before[: len(before) // 2])
        with pytest.raises(InputError, match=f"{FILE}: cannot be read as JSON"):
            ask(opened, "paint_history", ask=str(node))
        with pytest.raises(InputError, match=FILE):
            preview(opened, str(node))
    finally:
        path.write_text(before)
