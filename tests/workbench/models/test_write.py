"""``workbench write``: what it leaves, and one sentence for what it cannot do."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from Bio.Restriction import EcoRI
from Bio.Seq import Seq

from feature_mining.edits.edit import Ablate, Steer
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from genomic_models import load
from genomic_models.scoring import score
from tests.conftest import ROOT
from tests.workbench.small_study import trained_study, write_model
from workbench import Study


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """Run as far as its autoencoder."""
    return trained_study(tmp_path_factory, tmp_path_factory.mktemp("study") / "study").folder


@pytest.fixture
def fasta(tmp_path) -> Path:
    path = tmp_path / "prompts.fa"
    path.write_text(">one\nACGTTGCAAGTCNNACGGA\n>two\nttgacatata\n")
    return path


def records(path: Path) -> dict[str, str]:
    return {record.id: str(record.seq) for record in SeqIO.parse(path, "fasta")}


def test_fasta_and_a_row_a_sequence(cli, model, fasta, tmp_path) -> None:
    out = tmp_path / "out.fa"
    code, said, err = cli("write", "--prompts", fasta, "--model", model, "--number", 3, "--length", 40,
                          "--seed", 5, "--out", out)  # fmt: skip
    assert code == 0, err
    assert "writing: done in" in err and "6 sequences" in said
    written = records(out)
    table = pd.read_csv(out.with_suffix(".tsv"), sep="\t", keep_default_na=False)
    assert list(written) == table["name"].tolist() == [f"{p}_{i}" for p in ("one", "two") for i in (1, 2, 3)]
    network = load(str(model))
    prompts = {"one": "ACGTTGCAAGTCNNACGGA", "two": "TTGACATATA"}
    for row in table.itertuples():
        text = written[row.name]
        assert len(text) == row.length == 40 and set(text) <= set("ACGT")
        (scored,) = score(network, [prompts[row.prompt] + text])
        assert row.nats == row.nats_untouched == pytest.approx(scored.nats[-40:].mean(), abs=1e-4)
        assert row.gc == pytest.approx(sum(c in "GC" for c in text) / 40)
        assert row.nearest in set(written) - {row.name} and 0 <= row.distance <= 1
    again = tmp_path / "again.fa"
    cli("write", "--prompts", fasta, "--model", model, "--number", 3, "--length", 40, "--seed", 5,
        "--together", 2, "--out", again)  # fmt: skip
    assert again.read_bytes() == out.read_bytes()


def test_what_comes_before_a_place_stands_on_the_plus_strand(cli, model, samples, tmp_path) -> None:
    """Joined to the stretch it is one sequence, whose reverse complement the model was read along."""
    out = tmp_path / "before.fa"
    genome = samples / "yersinia_pPCP1.fa"
    code, said, err = cli(
        "write", "--genome", genome, "--at", "NC_005816.1:1,000-1,060", "--strand", "-", "--model", model,
        "--length", 30, "--mask", "0:ATGNRY", "--json", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    (row,) = json.loads(said)
    (text,) = records(out).values()
    assert re.fullmatch("ATG[ACGT][AG][CT][ACGT]{24}", text)
    stretch = str(next(SeqIO.parse(genome, "fasta")).seq)[1000:1060].upper()
    whole = str(Seq(text + stretch).reverse_complement())
    (scored,) = score(load(str(model)), [whole])
    assert row["nats"] == pytest.approx(scored.nats[-30:].mean(), abs=1e-4)
    assert row["strand"] == "-" and row["prompt"] == "NC_005816.1:1000-1060"


def test_limits_are_kept(cli, model, tmp_path) -> None:
    out = tmp_path / "gene.fa"
    code, _, err = cli(
        "write", "--model", model, "--length", 90, "--number", 20, "--protein", "0:MKVLAAG", "--open-frame",
        "0-87", "--avoid", "EcoRI,GGATCC", "--gc", "0.45-0.55", "--longest-run", 4, "--mask", "87:TAA",
        "--out", out,
    )  # fmt: skip
    assert code == 0, err
    for record in SeqIO.parse(out, "fasta"):
        text = str(record.seq)
        assert str(record.seq[:87].translate(table=11)).startswith("MKVLAAG")
        assert "*" not in record.seq[:87].translate(table=11) and text.endswith("TAA")
        assert not EcoRI.search(record.seq) and "GGATCC" not in text
        assert 0.45 <= sum(c in "GC" for c in text) / 90 <= 0.55
        assert not re.search(r"(.)\1{4}", text)


def test_arms_of_a_study(cli, study, tmp_path) -> None:
    opened = Study.open(study)
    active = np.flatnonzero(opened.calibration.maximum > 0)
    one, other = int(active[0]), int(active[1])
    plan = EditPlan((Steer(opened.layer, one, 3.0), Ablate(opened.layer, other)), opened.model.weights_hash,
                    {opened.layer: opened.sae.hash})  # fmt: skip
    (tmp_path / "weak.json").write_text(plan.to_json())
    (tmp_path / "none.json").write_text(EditPlan().to_json())
    out = tmp_path / "arms.fa"
    code, said, err = cli(
        "write", "--study", study, "--at", "NC_005816.1:100-160", "--plan", tmp_path / "weak.json", "--plan",
        tmp_path / "none.json", "--steer", f"{one}=4", "--steer", f"{other}=-1", "--number", 4, "--length",
        50, "--json", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    table = pd.DataFrame(json.loads(said))
    assert table["plan"].tolist() == ["weak"] * 4 + ["none"] * 4 + ["steered"] * 4
    assert next(iter(records(out))) == "NC_005816.1:100-160_weak_1"
    plain = table[table["plan"] == "none"]
    np.testing.assert_allclose(plain["nats"], plain["nats_untouched"], atol=1e-4)
    edited = table[table["plan"] != "none"]
    assert (edited["nats"] - edited["nats_untouched"]).abs().max() > 1e-3
    effects = pd.read_csv(out.with_suffix(".edits.tsv"), sep="\t")
    assert effects["plan"].tolist() == ["weak"] * 3 + ["steered"] * 3
    assert effects["edit"].iloc[3] == f"{opened.layer}: steer feature {one} by 4, everywhere"
    # 60 bases of the prompt and 50 written, of each sequence that is read.
    assert effects["positions"].iloc[[0, 3, 4, 5]].tolist() == [440, 440, 440, 880]
    assert (effects["bits"].iloc[[0, 3, 4, 5]] > 0).all()
    assert f"what edits did: {out.with_suffix('.edits.tsv')}" not in said  # JSON alone


def test_an_edit_that_does_nothing_is_named(cli, study, tmp_path) -> None:
    opened = Study.open(study)
    one = int(np.flatnonzero(opened.calibration.maximum > 0)[0])
    idle = Steer(opened.layer, one, 2.0, where=Where(strand="-"))
    (tmp_path / "idle.json").write_text(EditPlan((idle, Steer(opened.layer, one, 2.0))).to_json())
    code, said, err = cli(
        "write", "--study", study, "--at", "NC_005816.1:100-160", "--plan",
        tmp_path / "idle.json", "--length", 10, "--out", tmp_path / "idle.fa",
    )  # fmt: skip
    assert code == 0, err
    assert f"note: idle, {idle}: acts nowhere here" in err and err.count("note: idle") == 1
    assert f"what edits did: {tmp_path / 'idle.edits.tsv'}" in said


def test_mini_says_what_of_its_training_sequence_it_copied(cli, tmp_path) -> None:
    """A stretch of sequence whose sampled words are known to be in the sketch would be found again."""
    out = tmp_path / "mini.fa"
    code, said, err = cli("write", "--number", 2, "--length", 200, "--json", "--out", out)
    assert code == 0, err
    for row in json.loads(said):
        assert 0 <= row["in_training"] <= row["sampled"] <= 5


def plan_text(study: Study, **changed) -> str:
    edit = Steer(study.layer, 3, 1.0)
    return EditPlan((edit,), study.model.weights_hash, {study.layer: study.sae.hash}).to_json()


def test_mistakes_are_a_sentence(refused, study, model, fasta, tmp_path) -> None:
    opened = Study.open(study)
    out, layer = tmp_path / "x.fa", opened.layer
    files = {
        "nan": plan_text(opened).replace("1.0", "NaN"),
        "other": plan_text(opened).replace(opened.sae.hash, "abc"),
        "stranger": plan_text(opened).replace(opened.model.weights_hash, "abc"),
        "far": EditPlan((Steer(layer, 3, 1.0, where=Where(((500, 600),))),)).to_json(),
        "mean": EditPlan((Ablate(layer, 3, "mean"),)).to_json(),
        "broken": "{",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.json").write_text(text)
    base = ("write", "--length", 30, "--out", out)
    of_study = (*base, "--study", study)
    steered = (*base, "--model", model)

    def plan(name: str) -> tuple[object, ...]:
        return (*of_study, "--plan", tmp_path / f"{name}.json")

    cases: list[tuple[tuple[object, ...], str]] = [
        ((*of_study, "--steer", "64=1"), "no feature 64; the autoencoder has 0 to 63"),
        ((*of_study, "--steer", "3=nan"), "--steer 3=nan: .*strength is nan: expected a finite number"),
        ((*of_study, "--steer", "much"), "expected FEATURE=STRENGTH, as in 757=1.5"),
        (plan("nan"), "nan.json: edit 1: steer strength is nan"),
        (plan("other"), f"hash abc; this one has {opened.sae.hash}"),
        (plan("stranger"), f"hash abc; this one has {opened.model.weights_hash}"),
        (plan("far"), "500-600: lies outside of the 30 bases"),
        (plan("mean"), "means of features are not known here; ablate to zero"),
        (plan("broken"), "broken.json: the plan is not JSON"),
        (plan("absent"), "absent.json: no such file"),
        ((*plan("far"), "--plan", tmp_path / "far.json"), "two plans are called far"),
        ((*steered, "--steer", "3=1"), "features of what"),
        ((*steered, "--plan", tmp_path / "far.json"), "needs the autoencoder .* give --study"),
        ((*steered, "--avoid", "EcoRI", "--mask", "3:GAATTC"), "mask GAATTC at 3 and no EcoRI .* contradict"),
        ((*steered, "--avoid", "EcoXI"), "--avoid EcoXI: site 'EcoXI': neither a restriction enzyme"),
        ((*steered, "--gc", "half"), "--gc half: expected LOW-HIGH"),
        ((*steered, "--mask", "0"), "--mask 0: expected START:LETTERS"),
        ((*steered, "--open-frame", "0-33"), "open frame 0-33: lies outside of the 30 bases"),
        ((*steered, "--open-frame", "-2-28"), "begins 2 bases before .* found 'none'"),
        ((*steered, "--protein", "x:M"), "--protein x:M: 'x' is not a whole number"),
        ((*steered, "--temperature", "0"), "expected temperature > 0"),
        ((*steered, "--temperature", "nan"), "expected temperature > 0"),
        ((*steered, "--strand", "x"), "strand 'x': expected"),
        ((*steered, "--at", "chr:1-5"), "a stretch of what"),
        ((*of_study, "--at", "chr:1-5"), "no contig chr"),
        ((*of_study, "--at", "NC_005816.1"), "expected a place such as NC_005816.1:1,000-1,500"),
        ((*of_study, "--at", "NC_005816.1:0-240"), "240 bases and 30 to write are 270: .* reads at most 256"),
        ((*steered, "--prompts", fasta, "--at", "chr:1-5"), "one way: --prompts or --at"),
        (("write", "--out", tmp_path / "x.txt"), "unknown suffix"),
        (("write", "--out", tmp_path / "no" / "x.fa"), "no such folder"),
    ]  # fmt: skip
    for words, told in cases:
        assert re.search(told, refused(*words)), (words, told)
    assert not list(tmp_path.glob("x*"))


def test_a_model_that_cannot_write(refused, monkeypatch, model, tmp_path) -> None:
    monkeypatch.setattr("genomic_models.striped_hyena.model.StripedHyenaModel.causal", False)
    said = refused("write", "--model", model, "--out", tmp_path / "x.fa")
    assert "does not write base after base: it cannot generate" in said


def test_ctrl_c_leaves_nothing_half_written(tmp_path, model) -> None:
    words = ["-m", "workbench", "write", "--model", model, "--length", "200", "--number", "4000", "--out",
             tmp_path / "x.fa"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _TOLD, *map(str, words[2:])],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "stopped" in said and "Traceback" not in said
    assert not list(tmp_path.glob("x*"))


# Says when the first base has been written.
_TOLD = """
import sys
from workbench.progress import Lines
before = Lines.advance
def advance(self, amount, note=""):
    if not self.done:
        print("writing", flush=True)
    before(self, amount, note)
Lines.advance = advance
from workbench.cli import main
main()
"""
