"""Variants under models of words and of masked tokens, against sums over the words written out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the extra `hf` is not installed")

from benchmarks.networks.published import write_checkpoint
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold
from genomic_models import ModelError, load
from genomic_models.activations import read_activations
from genomic_models.dna import reverse_complement
from genomic_models.stack import StackModel
from workbench.cohort.edits import parse_variant
from workbench.genome.reference import Genome
from workbench.variants.effects import measure
from workbench.variants.subject import Subject

CONTIG, AT, WINDOW = "NC_005816.1", 4399, 96
# Family, bases a token.
FAMILIES = {"Nucleotide Transformer v1": 6, "GENERator": 6, "Caduceus-ps": 1, "GPN": 1}


@pytest.fixture(scope="module")
def genome(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Genome:
    return Genome(samples / "yersinia_pPCP1.fa", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("words")
    return {family: write_checkpoint(family, place / family) for family in [*FAMILIES, "DNABERT-2"]}


def odds_by_hand(model: StackModel, sequence: str, position: int, other: str, k: int) -> float:
    """Of the word that holds a position: all words of the vocabulary, by what they have there."""
    tokens = model.tokenize([sequence])
    special = int(tokens.spans[0, 0, 1] == 0) if tokens.spans is not None else 0
    column = position // k + special
    ids = tokens.ids.clone()
    if not model.causal:
        ids[0, column] = model.mask_token
    with torch.no_grad():
        said = model.network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    chance = said[column - model.causal].softmax(-1)
    total = {base: 0.0 for base in "ACGT"}
    for text, token in model.vocabulary:
        if len(text) == k and set(text) <= set("ACGT"):
            total[text[position % k]] += float(chance[token])
    return float(np.log(total[other] / total[sequence[position]]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_is_scored_by_the_words_that_hold_it(
    folders: dict[str, Path], genome: Genome, family: str
) -> None:
    model = load(f"hf:{folders[family]}")
    assert isinstance(model, StackModel)
    subject = Subject("test", model, genome, [], WINDOW, 0, 4, "", None, {})
    base = genome.fetch(CONTIG, AT, AT + 1)
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}[base]
    (effect,) = measure(subject, [parse_variant(f"{CONTIG}:{AT + 1}:{base}:{other}")])
    half = (WINDOW - 1) // 2
    left, right = AT - half, AT + 1 + half
    sequence = genome.fetch(CONTIG, left, right)
    plus = odds_by_hand(model, sequence, half, other, FAMILIES[family])
    turned = reverse_complement(sequence)
    minus = odds_by_hand(model, turned, half, reverse_complement(other), FAMILIES[family])
    assert (effect.plus.score, effect.minus.score) == pytest.approx((plus, minus), abs=1e-4)
    assert effect.score == pytest.approx((plus + minus) / 2, abs=1e-4) and effect.plus.compared == 1
    if family == "Caduceus-ps":
        assert plus == pytest.approx(minus, abs=1e-4)


def test_features_change_in_front_of_a_variant_too(folders: dict[str, Path], genome: Genome) -> None:
    """Each feature's largest change over all bases of both readings, where a model sees both sides."""
    model = load(f"hf:{folders['GPN']}")
    draws = torch.Generator().manual_seed(1)
    tensors = fold(
        torch.randn(24, 40, generator=draws),
        torch.zeros(40),
        torch.randn(40, 24, generator=draws),
        torch.zeros(24),
        torch.full((40,), 0.5),
        1.0,
    )
    sae = SparseAutoencoder(**tensors, config=SAEConfig("batch_topk", 24, 40, 6))
    subject = Subject("test", model, genome, [], WINDOW, 0, 4, "blocks.2", sae, {})
    base = genome.fetch(CONTIG, AT, AT + 1)
    (effect,) = measure(subject, [parse_variant(f"{CONTIG}:{AT + 1}:{base}:{'C' if base != 'C' else 'A'}")])
    half = (WINDOW - 1) // 2
    sequence = genome.fetch(CONTIG, AT - half, AT + 1 + half)
    changed = sequence[:half] + ("C" if base != "C" else "A") + sequence[half + 1 :]
    values = [sae.encode(rows).numpy() for rows in read_activations(model, "blocks.2", [sequence, changed])]
    difference = values[1] - values[0]
    assert (np.abs(difference[:half]) > 0).any()
    found = {c.feature: c for c in effect.changes if c.strand == "+"}
    assert set(found) == set(np.flatnonzero((difference != 0).any(0)))
    for feature, change in found.items():
        expected = difference[np.abs(difference[:, feature]).argmax(), feature]
        assert abs(change.change) == pytest.approx(abs(expected), abs=1e-4)


def test_from_the_command_line(
    cli, refused, samples: Path, folders: dict[str, Path], genome: Genome, tmp_path
):
    """What it costs is said; what is longer than a base gets no score and no chance; BPE is refused."""
    a, d = genome.fetch(CONTIG, AT, AT + 1), genome.fetch(CONTIG, 4499, 4503)
    names = f"{CONTIG}:4400:{a}:{'C' if a != 'C' else 'A'},{CONTIG}:4500:{d}:{d[0]}"
    model = f"hf:{folders['Nucleotide Transformer v1']}"
    page = tmp_path / "page.html"
    given = ("variants", model, "--genome", samples / "yersinia_pPCP1.fa", "--window", 300, "--variants")
    code, out, err = cli(*given, names, "--json")
    assert code == 0, err
    said = out[: out.index("{")] + err
    assert "is masked" in said and "2 passes over 300 bases" in said
    assert "1 of 2 variants change more than one base: they get no score" in said
    rows = {row["type"]: row for row in json.loads(out[out.index("{") :])["variants"]}
    assert rows["SNV"]["score"] is not None and rows["SNV"]["compared"] == 1
    assert rows["deletion"]["score"] is None and rows["deletion"]["null_p"] is None
    code, _, err = cli(*given, names.split(",")[0], "--html", page)
    assert code == 0 and "log-odds of the alternative base" in page.read_text(), err
    bpe = f"hf:{folders['DNABERT-2']}"
    message = refused("variants", bpe, *given[2:4], "--window", 90, "--variants", names.split(",")[0])
    assert "its vocabulary does not hold all words of" in message
    assert "use a smaller window" in refused(*given[:5], 4000, "--variants", names.split(",")[0])


def test_letters_that_are_no_bases_say_nothing(folders: dict[str, Path]) -> None:
    from genomic_models.token_scoring import allele_chances, allele_odds

    model = load(f"hf:{folders['GENERator']}")
    assert isinstance(model, StackModel)
    assert allele_chances(model, "ACGTACGTNCGT", 7).isnan().all()
    assert allele_chances(model, "ACGTACGTACGT", 3).isnan().all()  # the first word
    with pytest.raises(ModelError, match="nothing predicts its token, or it holds other letters"):
        allele_odds(model, "ACGTACGTACGT", 3, "A")
