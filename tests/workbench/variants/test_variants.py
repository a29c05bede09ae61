"""Effects of variants against scores and features of sequences written out; truth sets against sklearn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold
from genomic_models import load
from genomic_models.activations import read_activations
from genomic_models.dna import reverse_complement
from genomic_models.scoring import score
from tests.workbench.small_study import write_model
from workbench.cli import app
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.progress import Silent
from workbench.variants.effects import measure
from workbench.variants.job import explain
from workbench.variants.sites import read_sites, read_truth
from workbench.variants.subject import Subject
from workbench.variants.truth import compare, markov_change, ranking

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("variants")
    write_model(made / "model")
    return made


@pytest.fixture(scope="module")
def subject(folder: Path, samples: Path) -> Subject:
    import torch

    genome = Genome(samples / "yersinia_pPCP1.fa", cache=folder / "cache")
    model = load(str(folder / "model"))
    generator = torch.Generator().manual_seed(1)
    tensors = fold(
        torch.randn(16, 48, generator=generator),
        torch.zeros(48),
        torch.randn(48, 16, generator=generator),
        torch.zeros(16),
        torch.full((48,), 0.5),
        1.0,
    )
    sae = SparseAutoencoder(**tensors, config=SAEConfig("batch_topk", 16, 48, 6))
    return Subject("test", model, genome, [], 128, 32, 4, "blocks.2", sae, {7: "known"})


def names_on(genome: Genome) -> list[str]:
    """A substitution, a deletion of three bases, an insertion near the start of the contig, and two bases for
    five.
    """  # fmt: skip
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    a = genome.fetch(CONTIG, 4399, 4400)
    b = genome.fetch(CONTIG, 4499, 4503)
    c = genome.fetch(CONTIG, 19, 20)
    d = genome.fetch(CONTIG, 6999, 7004)
    names = [f"4400:{a}:{other[a]}", f"4500:{b}:{b[0]}", f"20:{c}:{c}ACG"]
    names.append(f"7000:{d}:{other[d[0]]}{other[d[-1]]}")
    return [f"{CONTIG}:{name}" for name in names]


@pytest.mark.parametrize("position", ["4400", "4,400"])
def test_positions_as_people_write_them(position: str) -> None:
    assert parse_variant(f"{CONTIG}:{position}:a:G").start == 4399


@pytest.mark.parametrize("position", ["0", "44,00", ",400", "4400,", "²", "9" * 5000, "-1", ""])
def test_what_is_no_position(position: str) -> None:
    with pytest.raises(InputError, match="not a variant; expected chrom:position:REF:ALT"):
        parse_variant(f"{CONTIG}:{position}:A:G")


class Sides(NamedTuple):
    """A window of 128 bases with the longer allele in its middle: its left end, sides, middles."""

    left: int
    before: str
    after: str
    reference: str
    alternative: str


def sides_of(genome: Genome, name: str) -> Sides:
    edit = parse_variant(name).edit
    half = (128 - max(edit.end - edit.start, len(edit.letters))) // 2
    left = max(0, edit.start - half)
    before, after = (genome.fetch(CONTIG, left, edit.start), genome.fetch(CONTIG, edit.end, edit.end + half))
    return Sides(left, before, after, genome.fetch(CONTIG, edit.start, edit.end), edit.letters)


def nats_of(subject: Subject, sequence: str, strand: str) -> np.ndarray:
    """A base each, in plus-strand order."""
    if strand == "+":
        return score(subject.model, [sequence])[0].nats.astype(float)
    return score(subject.model, [reverse_complement(sequence)])[0].nats[::-1].astype(float)


def test_likelihood_is_compared_base_with_base(subject: Subject) -> None:
    names = names_on(subject.genome)
    for name, effect in zip(names, measure(subject, [parse_variant(n) for n in names]), strict=True):
        found = sides_of(subject.genome, name)
        first, last = len(found.before), -len(found.after)
        for strand, change in (("+", effect.plus), ("-", effect.minus)):
            a, b = (
                nats_of(subject, found.before + own + found.after, strand)
                for own in (found.reference, found.alternative)
            )
            own = np.nansum(a[first:last]), np.nansum(b[first:last])
            assert (change.reference, change.alternative) == pytest.approx(own, abs=2e-4)
            sides = np.concatenate([b[:first] - a[:first], b[last:] - a[last:]])
            if a.size == b.size:
                assert change.change == pytest.approx(np.nansum(b) - np.nansum(a), abs=2e-4)
                assert change.compared == a.size - 1
            else:
                assert change.change == pytest.approx(np.nansum(sides), abs=2e-4)
                assert change.compared == first - last - 1
                whole = change.change + change.alternative - change.reference
                assert whole == pytest.approx(np.nansum(b) - np.nansum(a), abs=5e-4)
            assert change.score == change.change / change.compared
        assert effect.score == (effect.plus.score + effect.minus.score) / 2


def test_features_are_compared_base_with_base(subject: Subject) -> None:
    name = names_on(subject.genome)[0]
    effect = next(iter(measure(subject, [parse_variant(name)])))
    left, before, after, *own = sides_of(subject.genome, name)
    reference, alternative = (before + letters + after for letters in own)
    assert subject.sae is not None
    rows = [read_activations(subject.model, "blocks.2", [s])[0] for s in (reference, alternative)]
    a, b = (subject.sae.encode(r).numpy() for r in rows)
    change = b - a
    for found in (c for c in effect.changes if c.strand == "+"):
        column = change[:, found.feature]
        at = found.position - left
        assert at >= 63  # a causal model changes nothing before the variant
        assert abs(found.change) == pytest.approx(np.abs(column).max(), abs=1e-5)
        assert found.change == pytest.approx(column[at], abs=1e-5)
        assert found.gained == pytest.approx(np.maximum(column, 0).sum(), abs=1e-3)
        assert found.lost == pytest.approx(np.maximum(-column, 0).sum(), abs=1e-3)
    strongest = np.abs(change).max(axis=0)
    listed = {c.feature for c in effect.changes if c.strand == "+"}
    assert set(np.flatnonzero(strongest > 1e-4)) <= listed


def test_features_on_what_a_deletion_takes_away_are_no_loss_by_themselves(subject: Subject) -> None:
    name = names_on(subject.genome)[1]
    effect = next(iter(measure(subject, [parse_variant(name)])))
    _, before, after, *own = sides_of(subject.genome, name)
    rows = [read_activations(subject.model, "blocks.2", [before + letters + after])[0] for letters in own]
    assert subject.sae is not None
    a, b = (subject.sae.encode(r).numpy() for r in rows)
    change = b[62:] - a[65:]
    gone = set(np.flatnonzero(a[62:65].any(axis=0))) - set(np.flatnonzero(change.any(axis=0)))
    assert gone  # some fire on the deleted bases alone
    for found in (c for c in effect.changes if c.strand == "+"):
        column = change[:, found.feature]
        assert found.gained == pytest.approx(np.maximum(column, 0).sum(), abs=1e-2)
        assert found.lost == pytest.approx(np.maximum(-column, 0).sum(), abs=1e-2)
    assert gone <= {c.feature for c in effect.changes if c.strand == "+" and c.lost == 0}


def test_tables_and_page(subject: Subject, tmp_path: Path) -> None:
    page = tmp_path / "v.html"
    one = [parse_variant(names_on(subject.genome)[1])]
    found = explain(subject, one, Silent(), most=5, html=page, null=4)
    assert found.features["rank"].tolist() == [1, 2, 3, 4, 5]
    assert set(found.features["state"]) <= {"gained", "lost", "stronger", "weaker"}
    text = page.read_text()
    assert one[0].name in text and "not for clinical use" in text
    assert "over 123 bases that both alleles have" in text
    row = found.variants.iloc[0]
    assert f"3 bases of the reference at a cost of {-row['own_reference']:.1f} nats, 0 bases of" in text
    assert "share of 4 random deletions of the same length within 5,000 bases" in text
    assert (row["type"], row["length"], row["compared"], row["null_n"]) == ("deletion", "3-4", 123, 4)
    assert row["null_p"] in (0.2, 0.4, 0.6, 0.8, 1.0)
    # Nothing is fetched: the only addresses are names of XML namespaces.
    assert set(text.split("http")[1:]) and all(
        part.startswith("://www.w3.org/") for part in text.split("http")[1:]
    )
    with pytest.raises(InputError, match="--html: draws one variant, found 2"):
        explain(subject, one * 2, Silent(), html=page)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chrX:5:A:C", "no contig chrX"),
        (f"{CONTIG}:9609:AA:A", "past the end"),
        (f"{CONTIG}:4400:A:N", "allele 'N'"),
        (f"{CONTIG}:1:T:T{'ACGAG' * 13}", "changes 65 bases; expected at most half the window of 128"),
    ],
)
def test_variants_that_are_not_on_the_genome(subject: Subject, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        explain(subject, [parse_variant(name)], Silent())


def test_wrong_reference_is_said(subject: Subject) -> None:
    name = names_on(subject.genome)[0].split(":")
    wrong = "A" if name[2] != "A" else "C"
    with pytest.raises(InputError, match=f"REF is {wrong}, the genome has {name[2]} there"):
        explain(subject, [parse_variant(f"{CONTIG}:4400:{wrong}:G")], Silent())


def test_ranking_as_sklearn() -> None:
    rng = np.random.default_rng(0)
    label = rng.random(300) < 0.3
    values = np.round(rng.normal(size=300) + label, 1)  # many ties
    weight = rng.integers(0, 4, 300).astype(float)
    auroc, precision = ranking(values, label, weight)
    assert auroc == pytest.approx(roc_auc_score(label, values, sample_weight=weight))
    assert precision == pytest.approx(average_precision_score(label, values, sample_weight=weight))


def test_intervals_hold_what_they_should() -> None:
    rng = np.random.default_rng(1)
    label = np.arange(400) < 120
    scores = {"good": rng.normal(size=400) + label, "noise": rng.normal(size=400)}
    table = compare(scores, label).set_index("score")
    assert table.index.tolist() == ["good", "noise"]
    # Two unit normals one apart: AUROC = Phi(1 / sqrt 2) = 0.7602.
    assert table.loc["good", "auroc_low"] < 0.7602 < table.loc["good", "auroc_high"]
    assert table.loc["noise", "auroc_low"] < 0.5 < table.loc["noise", "auroc_high"]
    width = table.loc["good", "auroc_high"] - table.loc["good", "auroc_low"]
    assert 0.07 < width < 0.14  # Hanley and McNeil 1982: 1.96 * 2 * 0.027
    assert compare(scores, label).equals(compare(scores, label))


def test_markov_finds_a_broken_repeat_unlikely(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{'ACGTTGCA' * 100}\n")
    genome = Genome(path, cache=tmp_path / "cache")
    change = markov_change(genome, [parse_variant("c:401:A:C")], order=4)
    assert change[0] < -3


def test_lists_of_variants(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    head = "##fileformat=VCFv4.2\n##contig=<ID=c>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(head + "c\t5\t.\tA\tC,*,<DEL>\t.\t.\t.\nc\t9\t.\tAT\tA\t.\t.\t.\n")
    assert [v.name for v in read_sites(path)] == ["c:5:A:C", "c:9:AT:A"]
    path.write_text(head.replace("POS\t", "POS ") + "c\t5\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(InputError, match="line 3: malformed header"):
        read_sites(path)
    truth = tmp_path / "t.tsv"
    truth.write_text("variant\tlabel\nc:5:A:C\t1\nc:6:A:C\tNA\nc:7:A:C\t0\n")
    variants, label = read_truth(truth)
    assert [v.name for v in variants] == ["c:5:A:C", "c:7:A:C"] and label.tolist() == [True, False]
    for text, said in (
        ("variant\tlabel\nc:5:A:C\t1\n", "all labels are the same"),
        ("variant\tlabel\nc:5:A:C\tyes\n", "line 2: label 'yes'"),
        ("variant\tlabel\nc:5:A:C\t1\nc:5:A:C\t0\n", "is there twice"),
        ("id\tlabel\nx\t1\n", "expected variant and label"),
    ):
        truth.write_text(text)
        with pytest.raises(InputError, match=said):
            read_truth(truth)


def test_command_line_with_a_model(folder: Path, samples: Path, tmp_path: Path) -> None:
    genome = samples / "yersinia_pPCP1.fa"
    letters = "".join(genome.read_text().split("\n")[1:])
    rows = ["variant\tlabel"]
    for i, position in enumerate(range(4300, 4700, 50)):
        base = letters[position - 1]
        rows.append(f"{CONTIG}:{position}:{base}:{'A' if base != 'A' else 'C'}\t{i % 2}")
    truth = tmp_path / "t.tsv"
    truth.write_text("\n".join(rows) + "\n")
    out = tmp_path / "v.json"
    words = ["variants", str(folder / "model"), "--genome", str(genome), "--truth", str(truth)]
    words += ["--tracks", str(genome.with_suffix(".gff3")), "--window", "128", "--out", str(out)]
    run = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    found = json.loads(run.stdout[run.stdout.index("{") :])
    assert len(found["variants"]) == 8 == len(json.loads(out.read_text()))
    likely = [row["score"] for row in found["variants"]]
    assert likely == sorted(likely)
    assert {(row["type"], row["length"], row["null_n"]) for row in found["variants"]} == {("SNV", "1", 0)}
    assert {row["gene"] for row in found["variants"] if row["position"] >= 4342} == {"pim"}
    assert [row["score"] for row in found["truth"]].count("consequence class") == 1
    assert (tmp_path / "v.truth.json").exists()
    with pytest.raises(InputError, match="give variants in one way"):
        CliRunner().invoke(app, words[:2], catch_exceptions=False)
    with pytest.raises(InputError, match="not a study folder; for a model give the sequence"):
        CliRunner().invoke(app, ["variants", "mini", "--variants", "c:5:A:C"], catch_exceptions=False)


def test_labels_follow_the_feature(subject: Subject) -> None:
    names = [parse_variant(n) for n in names_on(subject.genome)]
    labels = {i: f"track {i}" for i in range(48)}
    found = explain(replace(subject, labels=labels), names, Silent(), most=3)
    assert (found.features["label"] == "track " + found.features["feature"].astype(str)).all()
    assert len(found.features) == 12
