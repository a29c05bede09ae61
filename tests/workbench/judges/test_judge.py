"""The contract of judges, the registry, and a hearing of several."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.errors import InputError
from workbench.judges import genes, tools
from workbench.judges.cards import describe
from workbench.judges.hearing import hear, write_verdicts
from workbench.judges.judge import NotJudged, References
from workbench.judges.registry import JUDGES, Panel, assemble
from workbench.judges.stops import Stops
from workbench.progress import Silent


@pytest.fixture
def without_pyrodigal(monkeypatch):
    """As where the extra is not installed."""
    monkeypatch.setattr(genes, "package_version", lambda *names: "")


def test_one_string_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match="put it in a list"):
        Stops(References()).judge("ACGT")


def test_protein_is_refused_by_its_place():
    with pytest.raises(InputError, match=r"sequence 1: 7 of 8 letters are not DNA.*protein"):
        Stops(References()).judge(["ACGT", "MEFLIPQZ"])


def test_no_sequences_is_an_empty_table():
    table = Stops(References()).judge([])
    assert table.empty and table.columns[-1] == "not_judged"


@pytest.mark.parametrize("name", JUDGES)
def test_every_judge_keeps_its_card(ready, samples, name, noise):
    """Columns and dtypes are the card's whatever the sequence: empty, unknown letters, short, long enough."""
    folder = {"genome": samples / "yersinia_pPCP1.fa", "annotation": samples / "yersinia_pPCP1.gff3"}
    judge = ready(name, **folder)
    seen: list[int] = []
    given = ["", "A", "N" * 100, noise[:150].lower(), "ACGURYK" * 20]
    table = judge.judge(given, seen.append)
    assert table.columns.tolist() == [*(c.name for c in judge.card.columns), "not_judged"]
    assert all(table[c.name].dtype == c.dtype for c in judge.card.columns)
    assert seen == [len(g) for g in given]
    assert table["not_judged"][0] == "no bases"
    told = table.drop(columns="not_judged")
    # A row that was not judged has no values, one that was has some.
    assert (told.notna().any(axis=1) == (table["not_judged"] == "")).all()
    assert table["not_judged"][3] == "" or name == "training_match"


def test_a_judge_that_is_not_installed_is_named(without_pyrodigal):
    panel = assemble([], References())
    reason = "pyrodigal is not installed: pip install 'genomics-workbench[judges]'"
    assert panel.absent["genes"] == reason and "genes" not in panel.ready
    assert panel.absent["codon_usage"] == "it compares with a reference: give --genome"
    with pytest.raises(InputError, match="the judge genes cannot be heard: pyrodigal is not installed"):
        assemble(["genes"], References())
    (card,) = describe(["genes"])
    assert "tool: pyrodigal, not installed: pip install" in card and "version" not in card


def test_a_judge_that_nobody_knows():
    with pytest.raises(InputError, match="there is no judge 'spleen'; expected one of genes, stops"):
        assemble(["stops", "spleen"], References())


def test_cards_say_what_a_user_must_know():
    for name, kind in JUDGES.items():
        card = kind.card
        (text,) = describe([name])
        assert card.licence in text and card.source in text and card.reads in text
        for column in card.columns:
            assert f"{name}.{column.name}: {column.holds}" in text
        assert all(check.figure.startswith(f"{name}_") for check in card.checks)


def test_a_hearing_names_who_did_not_judge(without_pyrodigal, tmp_path):
    panel = Panel({"stops": Stops(References())}, assemble([], References()).absent)
    table = hear(panel, {"a": "ATGTAA", "b": "N"}, Silent())
    assert table.columns[:3].tolist() == ["sequence", "bases", "stops.plus_1"]
    assert table["stops.plus_1"][0] == 0.5 and table["bases"].tolist() == [6, 1]
    assert table["not_judged"].str.startswith("genes: pyrodigal is not installed: pip install").all()
    write_verdicts(table, tmp_path / "v.tsv")
    back = pd.read_csv(tmp_path / "v.tsv", sep="\t")
    # The reverse complement, TTACAT, is open throughout.
    assert back["stops.longest_open"].tolist() == [6, 0] and back["sequence"].tolist() == ["a", "b"]
    assert [p.name for p in tmp_path.iterdir()] == ["v.tsv"]


def test_a_program_has_limits(tmp_path):
    with pytest.raises(NotJudged, match=r"sleep took more than 0 s"):
        tools.run_program(["sleep", "5"], seconds=0.1)
    with pytest.raises(NotJudged, match=r"ls ended with status 2: .*nowhere"):
        tools.run_program(["ls", tmp_path / "nowhere"])
    assert tools.program_version("no-such-program") == ""
    assert tools.package_version("no-such-package") == tools.package_version("numpy", "no-such-package") == ""
