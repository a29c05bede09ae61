"""``workbench judge``."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from tests.conftest import ROOT

PLASMID = ROOT / "data_samples/yersinia_pPCP1.fa"
GENES = ROOT / "data_samples/yersinia_pPCP1.gff3"
SOME = ("--judge", "stops", "--judge", "codon_usage", "--judge", "composition")
GIVEN = ("--genome", PLASMID, "--annotation", GENES)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "written.fa"
    path.write_text(">one\natggcctaa\n>two\n" + "ACGTTGCAGTCA" * 20 + "\n")
    return path


def test_a_table_printed_is_the_table_written(cli, fasta, tmp_path):
    code, said, err = cli("judge", fasta, *SOME, *GIVEN)
    assert code == 0, err
    table = pd.read_csv(io.StringIO(said), sep="\t")
    assert table["sequence"].tolist() == ["one", "two"] and table["bases"].tolist() == [9, 240]
    assert table["stops.plus_1"][0] == pytest.approx(1 / 3)
    assert {"codon_usage.cai", "composition.distance", "not_judged"} <= set(table.columns)
    assert "stops: done" in err
    out = tmp_path / "v.tsv"
    code, said_again, _ = cli("judge", fasta, *SOME, *GIVEN, "--out", out)
    assert (code, said_again, out.read_text()) == (0, "", said)


def test_all_judges_that_can_be_heard(cli, fasta):
    """Without references those that need one are named in the table and on standard error."""
    code, said, err = cli("judge", fasta)
    assert code == 0, err
    table = pd.read_csv(io.StringIO(said), sep="\t")
    assert {"stops.plus_1", "likelihood.nats"} <= set(table.columns)
    assert table["not_judged"].str.contains("composition: it compares with a reference: give --genome").all()
    assert "composition: not heard: it compares with a reference: give --genome" in err


def test_cards(cli):
    code, said, _ = cli("judge", "--list")
    assert code == 0
    assert said.count("  licence: ") == said.count("  tool: ") == 11
    assert "  licence: GPL-3.0-or-later" in said and "takes: sequences of at most 10,000 bases" in said
    code, said, _ = cli("judge", "--list", "--judge", "stops")
    assert code == 0 and said.startswith("stops: stop codons") and said.count("  tool: ") == 1


MISTAKES = {
    "give a FASTA file to judge, or --list": (),
    "there is no judge 'nobody'": ("written.fa", "--judge", "nobody"),
    "the judge codon_usage cannot be heard: it compares with a reference: give --annotation": (
        *("written.fa", "--judge", "codon_usage", "--genome", PLASMID),
    ),
    "none.fa: cannot be read": ("none.fa",),
    "protein.fa: line 2, record p: .*protein": ("protein.fa",),
    "empty.fa: empty: no sequence record": ("empty.fa",),
    "there is no sketch of what evo2_7b was trained on": (
        *("written.fa", "--judge", "training_match", "--model", "evo2_7b"),
    ),
    "unknown model": ("written.fa", "--judge", "likelihood", "--model", "nothing"),
}


@pytest.mark.parametrize("expected", MISTAKES)
def test_mistakes_are_one_sentence_and_leave_nothing(refused, fasta, tmp_path, monkeypatch, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "protein.fa").write_text(">p\nMKVLAAGIVQLEF\n")
    (tmp_path / "empty.fa").write_text("")
    before = sorted(tmp_path.iterdir())
    given = MISTAKES[expected]
    line = refused("judge", *given, *(("--out", "v.tsv") if given else ()))
    assert pd.Series([line]).str.contains(expected).all(), line
    assert sorted(tmp_path.iterdir()) == before
