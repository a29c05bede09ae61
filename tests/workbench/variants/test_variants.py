"""Effects of variants against scores and features of sequences written out; truth sets against sklearn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from typer.testing import CliRunner

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold
from feature_mining.sae.source import read_activations
from genomic_models import load
from genomic_models.scoring import score
from tests.workbench.small_study import write_model
from workbench.cli import app
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.fasta import reverse_complement
from workbench.genome import Genome
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
    """A substitution, a deletion of three bases, an insertion near the start of the contig."""
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    a = genome.fetch(CONTIG, 4399, 4400)
    b = genome.fetch(CONTIG, 4499, 4503)
    c = genome.fetch(CONTIG, 19, 20)
    return [f"{CONTIG}:4400:{a}:{other[a]}", f"{CONTIG}:4500:{b}:{b[0]}", f"{CONTIG}:20:{c}:{c}ACG"]


def alleles(genome: Genome, name: str) -> tuple[int, str, str]:
    """Left end of the window and both sequences, from the name alone."""
    _, position, reference, alternative = name.split(":")
    start = int(position) - 1
    left = max(0, start - 64)
    before = genome.fetch(CONTIG, left, start)
    after = genome.fetch(CONTIG, start + len(reference), start + len(reference) + 64)
    return left, before + reference + after, before + alternative + after


def test_likelihood_is_that_of_both_sequences(subject: Subject) -> None:
    names = names_on(subject.genome)
    effects = list(measure(subject, [parse_variant(n) for n in names]))
    for name, effect in zip(names, effects, strict=True):
        _, reference, alternative = alleles(subject.genome, name)
        for turn, found in ((str, effect.plus), (reverse_complement, effect.minus)):
            a, b = (score(subject.model, [turn(s)])[0].total for s in (reference, alternative))
            assert found == pytest.approx(b - a, abs=2e-4)
        assert effect.log_likelihood == pytest.approx((effect.plus + effect.minus) / 2)


def test_features_are_compared_base_with_base(subject: Subject) -> None:
    name = names_on(subject.genome)[0]
    effect = next(iter(measure(subject, [parse_variant(name)])))
    left, reference, alternative = alleles(subject.genome, name)
    assert subject.sae is not None
    rows = [read_activations(subject.model, "blocks.2", [s])[0] for s in (reference, alternative)]
    a, b = (subject.sae.encode(r).numpy() for r in rows)
    change = b - a
    for found in (c for c in effect.changes if c.strand == "+"):
        column = change[:, found.feature]
        at = found.position - left
        assert at >= 64  # a causal model changes nothing before the variant
        assert abs(found.change) == pytest.approx(np.abs(column).max(), abs=1e-5)
        assert found.change == pytest.approx(column[at], abs=1e-5)
        assert found.gained == pytest.approx(np.maximum(column, 0).sum(), abs=1e-3)
        assert found.lost == pytest.approx(np.maximum(-column, 0).sum(), abs=1e-3)
    strongest = np.abs(change).max(axis=0)
    listed = {c.feature for c in effect.changes if c.strand == "+"}
    assert set(np.flatnonzero(strongest > 1e-4)) <= listed


def test_tables_and_page(subject: Subject, tmp_path: Path) -> None:
    page = tmp_path / "v.html"
    one = [parse_variant(names_on(subject.genome)[1])]
    found = explain(subject, one, Silent(), most=5, html=page)
    assert found.features["rank"].tolist() == [1, 2, 3, 4, 5]
    assert set(found.features["state"]) <= {"gained", "lost", "stronger", "weaker"}
    text = page.read_text()
    assert one[0].name in text and "not for clinical use" in text
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
    likely = [row["log_likelihood"] for row in found["variants"]]
    assert likely == sorted(likely)
    assert {row["gene"] for row in found["variants"] if row["position"] >= 4342} == {"pim"}
    assert [row["score"] for row in found["truth"]].count("consequence class") == 1
    assert (tmp_path / "v.truth.json").exists()
    with pytest.raises(InputError, match="give variants in one way"):
        CliRunner().invoke(app, words[:2], catch_exceptions=False)
    with pytest.raises(InputError, match="not a study folder; for a model give the sequence"):
        CliRunner().invoke(
            app, ["variants", "mini", "--variants", "c:5:A:C"], catch_exceptions=False
        )


def test_labels_follow_the_feature(subject: Subject) -> None:
    names = [parse_variant(n) for n in names_on(subject.genome)]
    labels = {i: f"track {i}" for i in range(48)}
    found = explain(replace(subject, labels=labels), names, Silent(), most=3)
    assert (found.features["label"] == "track " + found.features["feature"].astype(str)).all()
    assert len(found.features) == 9
