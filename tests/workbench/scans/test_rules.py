"""Rules from the command line: made, read aloud, along a study, and while writing, which agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO

from feature_mining.edits.edit import Steer
from feature_mining.edits.plan import EditPlan
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.study.rules import read_rules

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return finished_study(tmp_path_factory)


@pytest.fixture(scope="module")
def busy(study) -> list[int]:
    """The two features that are active most often."""
    catalog = Study.open(study).table("catalog").sort_values("density", ascending=False)
    return catalog["feature"].head(2).tolist()


@pytest.fixture
def rules(cli, study, busy, tmp_path) -> Path:
    out = tmp_path / "rules.json"
    given = (
        f"when {busy[0]} > 0.3 until 0.1: record; wait 3 bases",
        f"when {busy[1]} > 0.2 and {busy[0]} < 0.4: insert TAATAA; wait 20 bases; at most 2 times",
    )
    code, said, err = cli("rules", "make", study, "--rule", given[0], "--rule", given[1], "--out", out)
    assert code == 0, err
    assert said.splitlines()[:2] == list(given)
    return out


def test_a_file_of_rules_reads_aloud(cli, rules, busy) -> None:
    code, said, _ = cli("rules", "show", rules)
    assert code == 0 and said.startswith(f"when {busy[0]} > 0.3 until 0.1: record; wait 3 bases\n")
    assert f"concept feature {busy[0]} (blocks.2): 1 of {busy[0]}; a number" in said
    assert json.loads(rules.read_text())["rules"] == said.splitlines()[:2]


def levels(study: Study, feature: int, strand: str) -> np.ndarray:
    rows = study.features.rows(CONTIG, 0, study.manifest.contigs[CONTIG], strand)
    found = rows.features.dense()[:, feature] / float(study.dictionary.unit[feature])
    return np.where(rows.callable, found, np.nan)


def test_along_a_study_rules_fire_where_its_maps_say(cli, study, rules, busy, tmp_path) -> None:
    out = tmp_path / "fired.tsv"
    code, said, err = cli("rules", "scan", study, "--rules", rules, "--out", out)
    assert code == 0, err
    found = pd.read_csv(out, sep="\t")
    assert f"{len(found):,} firings of 2 rules" in said and set(found["strand"]) == {"+", "-"}
    opened = Study.open(study)
    for strand in "+-":
        own = found[(found["strand"] == strand) & (found["rule"] == 1)]
        level = levels(opened, busy[0], strand)[:: 1 if strand == "+" else -1]
        fired, on, armed = [], False, True
        for at, value in enumerate(level):
            on = bool(value > (0.1 if on else 0.3))
            armed = armed or not on
            if on and armed and (not fired or at - fired[-1] > 3):
                fired.append(at)
                armed = False
        places = fired if strand == "+" else [len(level) - 1 - at for at in fired]
        assert own["start"].tolist() == places and len(places) > 20
        assert (own["end"] - own["start"] == 1).all() and set(own["done"]) == {"recorded"}
        second = found[(found["strand"] == strand) & (found["rule"] == 2)]
        assert len(second) == 2 and set(second["done"]) == {"would insert TAATAA"}
    out = tmp_path / "fired.gff3"
    assert cli("rules", "scan", study, "--rules", rules, "--out", out)[0] == 0
    body = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("#")]
    assert [int(row[3]) - 1 for row in body] == found["start"].tolist()
    assert [row[6] for row in body] == found["strand"].tolist()
    attributes = next(row[8] for row in body if "Name=rule 1" in row[8])
    assert "done=recorded" in attributes and f"levels={busy[0]}%3D" in attributes


def test_a_record_longer_than_a_window_is_read_by_windows(cli, study, busy, samples, tmp_path) -> None:
    given, own = tmp_path / "one.json", Study.open(study)
    code, _, err = cli("rules", "make", study, "--rule", f"when {busy[0]} > 0.3: record", "--out", given)
    assert code == 0, err
    tables = []
    fasta = samples / "yersinia_pPCP1.fa"
    for subject, more in ((study, []), (fasta, ["--study", study])):
        out = tmp_path / "out.tsv"
        code, _, err = cli("rules", "scan", subject, "--rules", given, *more, "--out", out)
        assert code == 0, err
        tables.append(pd.read_csv(out, sep="\t")[["start", "strand"]])
    length, warmup = own.manifest.contigs[CONTIG], own.grid.warmup
    assert own.grid.window < length
    # The study's plasmid is a ring; the file is read from its first base on, which is warm-up.
    plus, minus = (tables[1][tables[1]["strand"] == strand]["start"] for strand in "+-")
    assert plus.min() >= warmup and minus.max() < length - warmup
    inside = [table[table["start"].between(200, length - 200)].reset_index(drop=True) for table in tables]
    pd.testing.assert_frame_equal(*inside)
    assert len(inside[0]) > 50


@pytest.mark.parametrize("strand", ["+", "-"])
def test_writing_under_rules_and_scanning_what_was_written_agree(
    cli, study, rules, busy, tmp_path, strand
) -> None:
    heads = tmp_path / "heads.fa"
    random = np.random.default_rng(2)
    prompts = {name: "".join(random.choice(list("ACGT"), 30)) for name in ("a", "b", "c")}
    heads.write_text("".join(f">{name}\n{letters}\n" for name, letters in prompts.items()))
    out = tmp_path / "ruled.fa"
    code, said, err = cli("write", "--study", study, "--prompts", heads, "--rules", rules, "--strand", strand,
                          "--length", 90, "--number", 2, "--seed", 4, "--out", out)  # fmt: skip
    assert code == 0, err
    assert "what rules did: " in said
    trace = pd.read_csv(tmp_path / "ruled.rules.tsv", sep="\t")
    assert (tmp_path / "ruled.rules.gff3").read_text().count("ID=fired") == len(trace) > 10
    inserted = trace[trace["done"] == "inserted TAATAA"]
    written = {record.id: str(record.seq) for record in SeqIO.parse(out, "fasta")}
    assert len(inserted)
    for row in inserted.itertuples():
        letters, at = written[row.sequence], row.start
        assert (letters[at + 1 : at + 7] == "TAATAA") if strand == "+" else (letters[at - 6 : at] == "TTATTA")
    # The prompt is put back, and all of it read at once; rules are told where they may fire.
    whole, inside = tmp_path / "whole.fa", tmp_path / "inside.json"
    table = pd.read_csv(tmp_path / "ruled.tsv", sep="\t").set_index("name")
    joined = {}
    for name, letters in written.items():
        head = prompts[table.loc[name, "prompt"]]
        joined[name] = head + letters if strand == "+" else letters + head
    whole.write_text("".join(f">{name}\n{letters}\n" for name, letters in joined.items()))
    values = json.loads(rules.read_text())
    place, side = ("30-", "plus") if strand == "+" else ("0-90", "minus")
    values["rules"] = [
        rule.replace(":", f", within {place}, on the {side} strand:", 1) for rule in values["rules"]
    ]
    inside.write_text(json.dumps(values))
    again = tmp_path / "again.tsv"
    code, _, err = cli("rules", "scan", whole, "--study", study, "--rules", inside, "--out", again)
    assert code == 0, err
    scanned = pd.read_csv(again, sep="\t")
    scanned["start"] -= 30 if strand == "+" else 0
    key = ["sequence", "start", "strand", "rule"]
    ordered = [table.sort_values(key)[key].reset_index(drop=True) for table in (scanned, trace)]
    pd.testing.assert_frame_equal(*ordered)


def test_plans_of_rules_change_what_is_written(cli, study, busy, tmp_path) -> None:
    plan, out = tmp_path / "push.json", tmp_path / "rules.json"
    layer = Study.open(study).layer
    plan.write_text(EditPlan((Steer(layer, busy[1], 8.0),)).to_json())
    rule = f"when {busy[0]} > 0.1: apply push for 40 bases"
    code, _, err = cli("rules", "make", study, "--rule", rule, "--plan", plan, "--out", out)
    assert code == 0, err
    written = []
    for more in ([], ["--rules", out]):
        code, _, err = cli(
            "write", "--study", study, "--length", 80, "--number", 4, *more, "--out", tmp_path / "w.fa"
        )
        assert code == 0, err
        written.append([str(record.seq) for record in SeqIO.parse(tmp_path / "w.fa", "fasta")])
    assert sum(a != b for a, b in zip(*written, strict=True)) >= 3
    table = pd.read_csv(tmp_path / "w.tsv", sep="\t")
    assert (table["nats"] - table["nats_untouched"]).abs().max() > 0.01
    assert set(pd.read_csv(tmp_path / "w.rules.tsv", sep="\t")["done"]) == {"applied push for 40 bases"}


def test_what_is_wrong_is_one_sentence(refused, study, rules, tmp_path) -> None:
    out = tmp_path / "out.tsv"
    assert "is no rule; expected when CONCEPT" in refused(
        "rules", "make", study, "--rule", "if", "--out", out
    )
    told = refused("rules", "make", study, "--rule", "when 9999 > 1: stop", "--out", out)
    assert "no 9999" in told
    told = refused("rules", "make", study, "--rule", "when 1 > 1: apply p", "--out", out)
    assert "no plan is called p" in told
    assert "unknown suffix '.txt'" in refused(
        "rules", "scan", study, "--rules", rules, "--out", tmp_path / "a.txt"
    )
    text = rules.read_text()
    rules.write_text(text.replace("record", "recall"))
    told = refused("rules", "scan", study, "--rules", rules, "--out", out)
    assert "rules.json" in told and "line 4, field rules[0]" in told
    rules.write_text(text.replace(Study.open(study).sae_hash, "0" * 64))
    told = refused("rules", "scan", study, "--rules", rules, "--out", out)
    assert "0" * 64 in told and Study.open(study).sae_hash in told
    rules.write_text(text)
    fasta = tmp_path / "x.fa"
    fasta.write_text(">x\nACGT\n")
    told = refused("rules", "scan", fasta, "--rules", rules, "--out", out)
    assert "Give the study, with --study DIR" in told
    told = refused("write", "--rules", rules, "--out", tmp_path / "w.fa")
    assert "give --study DIR" in told
    assert not out.exists() and not (tmp_path / "w.fa").exists()
    assert read_rules(rules).rules


def test_a_file_is_kept_whole_when_the_scan_is_refused(cli, study, rules, tmp_path) -> None:
    out = tmp_path / "fired.tsv"
    assert cli("rules", "scan", study, "--rules", rules, "--out", out)[0] == 0
    before = out.read_bytes()
    broken = tmp_path / "broken"
    shutil.copytree(study, broken)
    for path in (broken / "features").glob("*.h5"):
        path.write_bytes(b"damaged")
    assert cli("rules", "scan", broken, "--rules", rules, "--out", out)[0] == 2
    assert out.read_bytes() == before


@pytest.mark.parametrize(("side", "distance"), [("end", 30), ("start", 0), ("", 7)])
def test_near_a_track_rules_fire_where_its_intervals_say(cli, study, busy, tmp_path, side, distance) -> None:
    own = Study.open(study)
    track = next(track for track in own.tracks if track.name == "CDS")
    named = f"the {side} of CDS" if side else "CDS"
    made, out = tmp_path / "near.json", tmp_path / "near.tsv"
    rule = f"when {busy[0]} > 0.1, within {distance} bases of {named}: record"
    code, said, err = cli("rules", "make", study, "--rule", rule, "--out", made)
    assert code == 0 and said.splitlines()[0] == rule, err
    assert cli("rules", "scan", study, "--rules", made, "--out", out)[0] == 0
    found = pd.read_csv(out, sep="\t")
    every = 0
    for strand in "+-":
        near = set()
        for row in track.intervals.itertuples():
            if row.chrom != CONTIG or row.strand not in (strand, "."):
                continue
            first = (row.start, row.end - 1)[row.strand == "-"]
            last = (row.end - 1, row.start)[row.strand == "-"]
            at = {"start": (first, first + 1), "end": (last, last + 1), "": (row.start, row.end)}[side]
            near |= set(range(at[0] - distance, at[1] + distance))
        level = levels(own, busy[0], strand)
        places, armed = [], True
        for at in range(len(level)) if strand == "+" else reversed(range(len(level))):
            if not level[at] > 0.1:
                armed = True
            elif armed and at in near:
                places.append(at)
                armed = False
        assert found[found["strand"] == strand]["start"].tolist() == places
        every += len(places)
    assert every > 0


def test_tracks_that_are_not_there_are_refused(refused, cli, study, busy, samples, tmp_path) -> None:
    made, out = tmp_path / "near.json", tmp_path / "near.tsv"
    rule = f"when {busy[0]} > 0.1, within 5 bases of nothing: record"
    assert cli("rules", "make", study, "--rule", rule, "--out", made)[0] == 0
    assert "the track 'nothing'; the study has gene, CDS, " in refused(
        "rules", "scan", study, "--rules", made, "--out", out
    )
    fasta = samples / "yersinia_pPCP1.fa"
    said = refused("rules", "scan", fasta, "--study", study, "--rules", made, "--out", out)
    assert "it runs along a study, not along a file" in said and not out.exists()
