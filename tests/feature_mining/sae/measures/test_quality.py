"""Held-out figures against scikit-learn and explicit numpy; splicing against its definition."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.measures.quality import measure, measure_batch, summarise
from feature_mining.sae.measures.splice import SpliceBits, merged, splice_bits, splice_by_class
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.source import Window
from tests.feature_mining.sae.conftest import FakeModel


def test_figures_equal_their_formulas(sae: SparseAutoencoder) -> None:
    x = torch.randn(900, 8, generator=torch.Generator().manual_seed(1)) * 2 + 50
    sae = replace(sae, b_dec=sae.b_dec + 50)
    q = summarise(measure(sae, x.split(250)), sae.b_dec.numpy())
    f = sae.encode(x).numpy()
    a, b = x.double().numpy(), sae.decode(torch.from_numpy(f)).double().numpy()
    # The pooled mean over all positions; dimensions weighted by their variance.
    assert q.explained_variance == pytest.approx(r2_score(a, b, multioutput="variance_weighted"), abs=1e-5)
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    assert q.cosine == pytest.approx(float(((a * b).sum(1) / lengths[0] / lengths[1]).mean()))
    assert q.l2_ratio == pytest.approx(float((lengths[1] / lengths[0]).mean()))
    assert q.relative_bias == pytest.approx(float((b**2).sum() / (a * b).sum()))
    density = (f > 0).mean(axis=0)
    assert q.l0 == pytest.approx(density.sum())
    assert q.dead_fraction == (density == 0).mean()
    assert q.over_dense_fraction == (density > 0.1).mean()
    assert q.density_counts.sum() == (density > 0).sum()
    assert q.rows == 900
    np.testing.assert_allclose(q.mean, a.mean(axis=0), rtol=1e-9)


def test_parts_merge_in_any_order(sae: SparseAutoencoder) -> None:
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(2))
    whole = summarise(measure_batch(sae, x), sae.b_dec.numpy())
    parts = measure_batch(sae, x[200:]) + measure_batch(sae, x[:200])
    merged = summarise(parts, sae.b_dec.numpy())
    for name in ("explained_variance", "cosine", "l2_ratio", "relative_bias", "l0"):
        assert getattr(whole, name) == pytest.approx(getattr(merged, name), rel=1e-9)


def test_undefined_figures_are_nan_and_nothing_is_an_error(sae: SparseAutoencoder) -> None:
    q = summarise(measure_batch(sae, torch.zeros(5, 8)), sae.b_dec.numpy())
    assert math.isnan(q.cosine) and q.rows == 5
    with pytest.raises(ValueError, match="no held-out activations"):
        measure(sae, [])


def perfect(d: int) -> SparseAutoencoder:
    """Both signs of every axis: reconstructs exactly."""
    both = torch.cat([torch.eye(d), -torch.eye(d)])
    return SparseAutoencoder(
        both.T.contiguous(),
        torch.zeros(2 * d),
        both,
        torch.zeros(d),
        torch.zeros(2 * d),
        SAEConfig("batch_topk", d, 2 * d, d),
    )


def some_windows() -> list[Window]:
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), n)) for n in (30, 30, 30, 24)]
    use = rng.random(25) > 0.3
    return [
        Window(sequences[0], 5, None),
        Window(sequences[1], 5, use),
        *(Window(s, 0, None) for s in sequences[2:]),
    ]


def test_spliced_bits_by_definition(model: FakeModel) -> None:
    given, mean = some_windows(), torch.full((6,), 0.25)
    own = splice_bits(model, "blocks.0", perfect(6), given, mean, together=2)
    bits = dict.fromkeys(("clean", "zero", "mean"), 0.0)
    bases = 0
    for window in given:
        hidden = model.forward([window.sequence], until="blocks.0").taps["blocks.0"][0]
        ids = list(window.sequence.encode())
        use = [True] * (len(ids) - window.skip) if window.use is None else window.use.tolist()
        for p in range(window.skip + 1, len(ids)):
            if use[p - window.skip]:
                bases += 1
                states = {"clean": hidden[p - 1], "zero": torch.zeros(6), "mean": mean}
                for name, state in states.items():
                    logp = (state @ model.head).log_softmax(-1)[ids[p]]
                    bits[name] -= float(logp) / math.log(2)
    assert own.bases == bases
    for name, value in bits.items():
        assert getattr(own, name) == pytest.approx(value, rel=1e-5)
    per_base = own.per_base()
    assert per_base["recovered_zero"] == pytest.approx(1, abs=1e-4)
    assert per_base["recovered_mean"] == pytest.approx(1, abs=1e-4)


def test_recovered_is_never_clipped_and_parts_add() -> None:
    worse = SpliceBits(clean=10, sae=26, zero=20, mean=18, bases=10)
    per_base = worse.per_base()
    assert per_base["clean"] == 1.0 and per_base["sae"] == 2.6
    assert per_base["recovered_zero"] == pytest.approx(-0.6)
    assert per_base["recovered_mean"] == pytest.approx(-1.0)
    assert (worse + worse).per_base() == per_base
    assert math.isnan(SpliceBits(1, 1, 1, 1, 1).per_base()["recovered_zero"])


def test_what_was_read_before_the_skip_stays(model: FakeModel) -> None:
    # With everything skipped but the last state, only the last prediction changes.
    window = Window("ACGTACGTAC", 8, None)
    own = splice_bits(model, "blocks.0", perfect(6), [window], torch.zeros(6))
    assert own.bases == 1 and own.mean == own.zero


def zero(d: int) -> SparseAutoencoder:
    """Never fires and writes nothing."""
    return replace(perfect(d), threshold=torch.full((2 * d,), 1e9))


def test_perfect_and_silent_autoencoders_have_known_figures() -> None:
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(4)) + 1
    best = summarise(measure(perfect(6), [x]), np.zeros(6))
    for name in ("explained_variance", "cosine", "l2_ratio", "relative_bias"):
        assert getattr(best, name) == pytest.approx(1, abs=1e-6)
    # Exactly one of the two signs of each axis is on.
    assert best.l0 == pytest.approx(6)
    assert best.dead_fraction == 0
    none = summarise(measure(zero(6), [x]), np.zeros(6))
    assert none.dead_fraction == 1 and none.l0 == 0 and none.l2_ratio == 0
    # Against the pooled mean: a reconstruction of zero is worse than the mean, and E[x²] is not var(x).
    expected = 1 - float((x**2).sum() / (x - x.mean(0)).square().sum())
    assert none.explained_variance == pytest.approx(expected, rel=1e-5)
    assert none.explained_variance < -0.8
    each = 1 - (x**2).sum(0) / (x - x.mean(0)).square().sum(0)
    np.testing.assert_allclose(none.explained_by_dimension, each, rtol=1e-5)
    np.testing.assert_allclose(best.explained_by_dimension, np.ones(6), atol=1e-6)
    still = torch.cat([x[:, :5], torch.ones(len(x), 1)], dim=1)
    assert np.isnan(summarise(measure(zero(6), [still]), np.zeros(6)).explained_by_dimension[5])
    at_mean = replace(zero(6), b_dec=x.mean(0))
    average = summarise(measure(at_mean, [x]), at_mean.b_dec.numpy())
    assert average.explained_variance == pytest.approx(0, abs=1e-6)


def test_splicing_by_class_adds_up_and_knows_its_limits(model: FakeModel) -> None:
    given, mean = some_windows(), torch.full((6,), 0.25)
    rng = np.random.default_rng(1)
    kinds = [rng.integers(0, 3, len(w.sequence) - w.skip) for w in given]
    parts = splice_by_class(model, "blocks.0", zero(6), given, mean, lambda i: kinds[i], 3, together=2)
    whole = splice_bits(model, "blocks.0", zero(6), given, mean)
    assert merged(parts).bases == whole.bases
    for name in ("clean", "sae", "mean", "kl_sae", "kl_mean"):
        assert getattr(merged(parts), name) == pytest.approx(getattr(whole, name), rel=1e-6)
    for kind, part in enumerate(parts):
        used = [k[1:] if w.use is None else k[1:][w.use[1:]] for w, k in zip(given, kinds, strict=True)]
        assert part.bases == sum(int((k == kind).sum()) for k in used)
    # An autoencoder that writes nothing is the ablation by zero; a perfect one is no change.
    assert whole.sae == whole.zero and whole.kl_sae == whole.kl_zero
    assert whole.per_base()["recovered_zero"] == pytest.approx(0)
    best = splice_bits(model, "blocks.0", perfect(6), given, mean).per_base()
    assert best["kl_sae"] == pytest.approx(0, abs=1e-5)
    assert best["kl_recovered_zero"] == pytest.approx(1, abs=1e-4)


def test_divergence_equals_torch(model: FakeModel) -> None:
    window = Window("ACGTACGGTTAC", 4, None)
    hidden = model.forward([window.sequence], until="blocks.0").taps["blocks.0"][0, 4:-1]
    p = (hidden @ model.head).log_softmax(-1)
    q = (torch.full_like(hidden, 0.25) @ model.head).log_softmax(-1)
    expected = torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True) / math.log(2)
    own = splice_bits(model, "blocks.0", perfect(6), [window], torch.full((6,), 0.25))
    assert own.kl_mean == pytest.approx(float(expected), rel=1e-5)
