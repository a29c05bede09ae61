"""Diffs of models on what is known: brute force, SciPy, constructed dictionaries, noise."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import entropy, kstest

from feature_mining.diff.crosscoder import describe_crosscoder, explained, measure_sides
from feature_mining.diff.features import FeatureSums, compare_features
from feature_mining.diff.findings import (
    compare_stretches,
    compare_words,
    detect,
    leading_stretches,
    leading_words,
)
from feature_mining.diff.matching import correlations, match_by_activation, sparse, universality
from feature_mining.diff.null import against_null, tail_p
from feature_mining.diff.predictions import LONGEST, Words, divergence, read_bases, surprisal_bits
from feature_mining.feature_map import from_dense
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import load
from genomic_models.dna import BASES, base_codes


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_divergence_is_that_of_scipy(random):
    p, q = random.dirichlet(np.ones(4), (2, 50))
    p[0] = [1, 0, 0, 0]
    assert divergence(p, q) == pytest.approx([entropy(a, b, base=2) for a, b in zip(p, q, strict=True)])
    assert divergence(np.eye(4)[:1], np.eye(4)[1:2])[0] == np.inf == entropy([1, 0], [0, 1])
    assert np.isnan(divergence(np.full((1, 4), np.nan), q[:1])).all()
    bits = surprisal_bits(p, base_codes("ACGTN"))
    assert bits[:4] == pytest.approx(-np.log2([p[0, 0], p[1, 1], p[2, 2], p[3, 3]])) and np.isnan(bits[4])


def test_predictions_are_of_the_base_that_comes(tmp_path):
    model = load("mini")
    texts = ["ACGTTGCANGT", "GGATC"]
    for text, found in zip(texts, read_bases(model, "blocks.2", texts), strict=True):
        alone = model.forward([text], taps=["blocks.2"])
        logits = alone.logits[0].double()[:, [ord(b) for b in BASES]]
        expected = logits.softmax(-1)[:-1].numpy()
        assert np.isnan(found.probabilities[0]).all()
        assert found.probabilities[1:] == pytest.approx(expected, abs=1e-5)
        assert found.activations == pytest.approx(alone.taps["blocks.2"][0].numpy(), rel=1e-3, abs=1e-2)


def test_words_are_counted_as_by_hand(random):
    text = "".join(random.choice(list("ACGTN"), 300, p=[0.24, 0.24, 0.24, 0.24, 0.04]))
    use = random.random(300) < 0.8
    values = random.dirichlet(np.ones(4), (2, 300))
    words = Words(2)
    for part in (slice(0, 300), slice(100, 300)):  # additive
        words.add(base_codes(text[part]).astype(np.int64), values[:, part], use[part])
    table, means = words.table(1)
    expected: dict[str, list[np.ndarray]] = {}
    for first in (0, 100):
        for i, k in itertools.product(range(first, 300), range(1, LONGEST + 1)):
            word = text[max(first, i - k) : i]
            if use[i] and len(word) == k and "N" not in word:
                expected.setdefault(word, []).append(values[:, i])
    assert set(table["word"]) == set(expected)
    for row, pair in zip(table.itertuples(), means.T, strict=True):
        own = np.array(expected[row.word])
        assert row.count == len(own)
        assert pair == pytest.approx(own.mean(axis=0)[:, BASES.index(row.base)])


def test_noise_of_the_null_is_uniform_and_what_is_planted_is_not(random):
    size = np.exp(random.uniform(0, 6, 8000))
    scatter = 0.3 / np.sqrt(size)
    values = 5 + random.standard_normal((3, 8000)) * scatter
    found = against_null(values[0], values[1:], np.log(size)[:, None])
    assert kstest(found.p, "uniform").pvalue > 0.01
    assert abs((found.p < 0.05).mean() - 0.05) < 0.012 and found.p.min() * 8000 > 0.05
    values[0, 17] += 12 * scatter[17]
    again = against_null(values[0], values[1:], np.log(size)[:, None])
    assert again.p.argmin() == 17 and again.p[17] * 8000 < 0.1
    assert again.change[17] == pytest.approx(values[0, 17] - values[1:, 17].mean())
    with pytest.raises(ValueError, match="a null of 1 model"):
        against_null(values[0], values[1:2], size[:, None])
    with pytest.raises(ValueError, match="3 items"):
        against_null(values[0, :3], values[1:, :3], size[:3, None])


def test_long_tails_of_the_null_make_large_values_likely(random):
    null = np.abs(random.standard_t(3, 20_000))
    fresh = np.abs(random.standard_t(3, 20_000))
    for level in (0.05, 0.005, 0.0005):
        share = (tail_p(fresh, null) < level).mean()
        assert share == pytest.approx(level, rel=0.8)


def noise(random, rows=400, features=24):
    """Sparse activations in runs, as along a genome, each feature's at places of its own."""
    runs = np.repeat(random.random((rows // 4, features)) < 0.15, 4, axis=0)
    for each in runs.T:
        each[:] = np.roll(each, random.integers(rows))
    return (runs * random.uniform(0.5, 2, (rows, features))).astype(np.float32)


def test_a_permutation_of_features_is_found(random):
    a = noise(random)
    order = random.permutation(a.shape[1])
    b = a[:, order] * random.uniform(0.5, 2, a.shape[1]).astype(np.float32)
    found = universality(from_dense(a), from_dense(b), 19, 0)
    assert order[found.partner].tolist() == found.feature.tolist() == list(range(24))
    assert found.score == pytest.approx(1) and (found.p == 1 / 20).all() and found.null.max() < 0.5
    x, y = sparse(from_dense(a)), sparse(from_dense(b))
    full = np.corrcoef(a.T, b.T)[:24, 24:]
    assert correlations(x, y) == pytest.approx(full, abs=1e-5)


def test_matching_is_the_best_of_all_permutations(random):
    a, b = noise(random, 100, 5), noise(random, 100, 5)
    rows, columns, values = match_by_activation(sparse(from_dense(a)), sparse(from_dense(b)))
    full = correlations(sparse(from_dense(a)), sparse(from_dense(b)))
    best = max(sum(full[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    assert values.sum() == pytest.approx(best) and sorted(columns) == rows.tolist() == list(range(5))


def test_pairs_of_noise_are_as_likely_at_every_shift(random):
    p = np.concatenate(
        [universality(from_dense(noise(random)), from_dense(noise(random)), 19, i).p for i in range(25)]
    )
    # Of twenty values each as likely.
    counts = np.bincount(np.round(p * 20).astype(int), minlength=21)[1:]
    assert counts.sum() == 600 and (p <= 0.1).mean() == pytest.approx(0.1, abs=0.04)
    assert p.mean() == pytest.approx(0.525, abs=0.04)
    with pytest.raises(ValueError, match="of 400 and of 40 bases"):
        universality(from_dense(noise(random)), from_dense(noise(random, 40)), 3, 0)
    with pytest.raises(ValueError, match="no feature of one side"):
        universality(from_dense(noise(random)), from_dense(np.zeros((400, 3), np.float32)), 3, 0)


def test_features_that_were_changed_are_named(random):
    rows, features = 4000, 60
    base = (random.random((rows, features)) < 0.1) * random.uniform(1, 2, (rows, features))

    def seed(values):
        kept = random.random((rows, features)) < 0.97
        return (values * kept * random.uniform(0.95, 1.05, (rows, features))).astype(np.float32)

    a, one, two = base.astype(np.float32), seed(base), seed(base)
    b = seed(base)
    b[:, 0] = 0  # vanished
    a[:, 1] = one[:, 1] = two[:, 1] = 0  # appeared
    b[:, 2] = b[random.permutation(rows), 2]  # rotated
    b[random.random(rows) < 0.6, 3] = 0  # less
    b[:, 4] += ((random.random(rows) < 0.2) & (b[:, 4] == 0)) * np.float32(1.5)  # more
    for each in (a, b, one, two):
        each[:, 5] = 0  # silent
    sums = FeatureSums(4, features)
    for part in (slice(0, 1500), slice(1500, rows)):
        sums.add([from_dense(each[part]) for each in (a, b, one, two)])
    table = compare_features(sums)
    expected = ["vanished", "appeared", "rotated", "less", "more", "silent"]
    assert table["change"].tolist() == expected + ["kept"] * (features - 6)
    assert table.loc[:4, "counts"].all() and table.loc[6:, "counts"].sum() <= 6
    assert np.isnan(table.loc[5, "q"])
    at = 10
    assert table.loc[at, "correlation"] == pytest.approx(np.corrcoef(a[:, at], b[:, at])[0, 1], abs=1e-5)
    assert table.loc[at, "active_b"] == (b[:, at] > 0).sum()
    without = compare_features(_first_two(sums))
    assert without["p"].isna().all() and not without["counts"].any()
    assert without["change"].tolist() == table["change"].tolist()


def _first_two(sums):
    found = FeatureSums(2, sums.active.shape[1])
    found.bases, found.active, found.moments = sums.bases, sums.active[:2], sums.moments[:2]
    return found


def test_sides_of_a_crosscoder_that_was_made(random):
    """Six features: both alike, turned, two alone, one silent; a's activations a hundred times as large."""
    scale = np.array([100.0] * 4 + [1.0] * 4)
    rows = np.zeros((6, 8))
    rows[0, [0, 4]] = rows[1, [1, 5]] = 1
    rows[2, [2, 7]] = 1  # other axes on either side
    rows[3, 3], rows[4, 6], rows[5, [0, 5]] = 1, 1, 1
    written = rows * scale
    norms = np.linalg.norm(written, axis=1, keepdims=True)
    decoder = torch.tensor(written / norms, dtype=torch.float32)
    config = SAEConfig("batch_topk", d_in=8, d_sae=6, sites=(4, 4), k=2, apply_b_dec_to_input=False)
    encoder = torch.linalg.pinv(decoder)
    bias = torch.zeros(6)
    bias[5] = -1e6
    threshold = torch.tensor(0.2 * norms[:, 0], dtype=torch.float32)
    sae = SparseAutoencoder(encoder, bias, decoder, torch.zeros(8), threshold, config)
    codes = torch.tensor(
        (random.random((500, 6)) < 0.3) * random.uniform(1, 2, (500, 6)), dtype=torch.float32
    )
    codes[:, 5] = 0
    x = codes @ torch.tensor(written, dtype=torch.float32)
    noise = torch.tensor(random.standard_normal((500, 8)) * 0.01 * scale, dtype=torch.float32)
    found = measure_sides(sae, (x + noise)[:200]).plus(measure_sides(sae, (x + noise)[200:]))
    table = describe_crosscoder(sae, found)
    assert table["side"].tolist() == ["both", "both", "turned", "a", "b", "silent"]
    assert table["share_b"][[0, 1, 3, 4]].tolist() == pytest.approx([0.5, 0.5, 0, 1], abs=0.1)
    assert table["cosine"][[0, 2]].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert table["active"].tolist() == (codes > 0).sum(0).tolist()
    y = sae.reconstruct(x + noise)
    for side, part in enumerate((slice(0, 4), slice(4, 8))):
        own, made = (x + noise)[:, part].double(), y[:, part].double()
        expected = 1 - float(((own - made) ** 2).sum() / ((own - own.mean(0)) ** 2).sum())
        assert explained(found, (4, 4))[side] == pytest.approx(expected, abs=1e-4)


def test_a_stretch_and_a_word_that_were_planted_lead(random):
    position = np.arange(60_000)
    bases = pd.DataFrame({"chrom": "c", "position": np.tile(position, 2)})
    for name in ("gain", "gain_0", "gain_1"):
        bases[name] = random.standard_normal(len(bases)) * 0.5
    plain = compare_stretches(bases, ["gain", "gain_0", "gain_1"])
    bases.loc[bases["position"].between(20_480, 21_503), "gain"] += 0.25
    found = compare_stretches(bases, ["gain", "gain_0", "gain_1"])
    first = leading_stretches(found, 3)
    assert (first.iloc[0]["start"], first.iloc[0]["end"]) == (20_480, 21_504) and first.iloc[0]["change"] > 0
    for a, b in itertools.combinations(first.itertuples(), 2):
        assert a.end <= b.start or b.end <= a.start
    own = found[(found["size"] == 1024) & (found["start"] == 20_480)].iloc[0]
    inside = bases[bases["position"].between(20_480, 21_503)]
    change = inside["gain"].mean() - inside[["gain_0", "gain_1"]].mean().mean()
    assert own["change"] == pytest.approx(change)
    codes = random.integers(0, 4, 40_000)
    values = [np.full((40_000, 4), 0.25) + random.normal(0, 0.02, (40_000, 4)) for _ in range(4)]
    words = Words(4)
    words.add(codes, values, np.ones(40_000, bool))
    quiet = compare_words(words)
    text = "".join(BASES[c] for c in codes)
    for i in range(6, 40_000):
        if text[i - 5 : i] == "CGTTG":
            values[1][i] = [0.7, 0.1, 0.1, 0.1]
    words = Words(4)
    words.add(codes, values, np.ones(40_000, bool))
    loud = compare_words(words)
    first = leading_words(loud, 2)
    assert first.iloc[0]["word"] == "CGTTG" and first.iloc[0]["q"] < 0.01
    assert first.iloc[0]["base"] == "A" and first.iloc[0]["b"] == pytest.approx(0.7)
    assert first.iloc[1]["p"] > first.iloc[0]["p"]
    assert detect(loud, found).differs and not detect(quiet, plain).differs
    bare = Words(2)
    bare.add(codes, values[:2], np.ones(40_000, bool))
    told = compare_words(bare)
    assert told["p"].isna().all() and told.iloc[0]["word"].endswith("CGTTG")
    assert not detect(told, compare_stretches(bases, ["gain"])).differs


def test_the_longest_word_that_changed_leads_and_not_the_one_it_ends_with():
    rows = [("TT", "T", 0.2, 1e-30, 1e-28), ("GATTT", "T", 0.6, 1e-9, 1e-7), ("CCC", "A", 0.9, 0.2, 0.5)]
    words = pd.DataFrame(rows, columns=["word", "base", "change", "p", "q"]).assign(
        beyond=lambda table: table["change"]
    )
    assert leading_words(words, 3)["word"].tolist() == ["GATTT", "CCC"]
