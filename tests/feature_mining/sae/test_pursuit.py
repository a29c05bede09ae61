"""Matching pursuit against numpy, against a dictionary whose codes are known, and row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.pursuit import Pursuit, calibrate_stop
from tests.feature_mining.sae.conftest import make_sae


def overcomplete(count: int = 96, width: int = 64) -> SparseAutoencoder:
    return make_sae(width, count, 4, seed=2)


def drawn(sae: SparseAutoencoder, n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of four features of sizes 1 to 2, and their codes."""
    g = torch.Generator().manual_seed(7)
    codes = torch.zeros(n, sae.config.d_sae)
    chosen = torch.rand(codes.shape, generator=g).topk(4).indices
    codes.scatter_(1, chosen, 1 + torch.rand(n, 4, generator=g))
    return codes @ sae.W_dec + sae.b_dec, codes


def plainly(sae: SparseAutoencoder, x: torch.Tensor, level: float, steps: int) -> np.ndarray:
    """Residual and all in float64, one row at a time."""
    rows, centre = sae.W_dec.double().numpy(), sae.b_dec.double().numpy()
    codes = np.zeros((len(x), len(rows)))
    for i, value in enumerate(x.double().numpy()):
        residual = value - centre
        for _ in range(steps):
            likeness = rows @ residual
            best = int(likeness.argmax())
            if likeness[best] <= level:
                break
            codes[i, best] += likeness[best]
            residual = residual - likeness[best] * rows[best]
    return codes


def test_it_is_what_the_definition_says() -> None:
    sae = overcomplete()
    x, _ = drawn(sae)
    found = Pursuit(sae, 0.3, 8).encode(x)
    np.testing.assert_allclose(found, plainly(sae, x, 0.3, 8), atol=2e-4)
    sparse = Pursuit(sae, 0.3, 8).encode_sparse(x)
    assert torch.equal(torch.from_numpy(sparse.values), found[found > 0])
    assert sparse.indptr[-1] == int((found > 0).sum())


def test_with_the_true_dictionary_it_finds_the_codes_that_one_layer_misses() -> None:
    sae = overcomplete()
    x, codes = drawn(sae)

    def f1(found: torch.Tensor) -> float:
        both = ((found > 0) & (codes > 0)).sum()
        return float(2 * both / ((found > 0).sum() + (codes > 0).sum()))

    linear = ((x - sae.b_dec) @ sae.W_dec.T).topk(4, dim=1)
    layer = torch.zeros_like(codes).scatter_(1, linear.indices, linear.values)
    assert f1(layer) < 0.93
    assert f1(Pursuit(sae, 0.5, 12).encode(x)) > 0.97


def test_the_stop_gives_k_on_average_and_no_row_knows_of_others() -> None:
    sae = overcomplete()
    x, _ = drawn(sae, 600)
    stop = calibrate_stop(sae, [x[:150], x[150:300]], k=3)
    assert stop.rows == 300 and stop.l0 == pytest.approx(3, abs=0.01)
    pursuit = Pursuit(sae, stop.level)
    whole = pursuit.encode(x[300:])
    assert float((whole > 0).sum()) / 300 == pytest.approx(3, rel=0.05)
    assert torch.equal(whole[17:18], pursuit.encode(x[317:318]))
    assert torch.equal(whole[100:], pursuit.encode(x[400:].numpy()))


def test_what_it_cannot_do_is_refused() -> None:
    sae = overcomplete()
    with pytest.raises(ValueError, match="no feature is like"):
        calibrate_stop(sae, [sae.b_dec[None]])
    with pytest.raises(ValueError, match="writes what it reads"):
        Pursuit(replace(sae, config=replace(sae.config, row_norm="unit_rms")), 0.1)
    with pytest.raises(ValueError, match="say how many steps"):
        Pursuit(replace(sae, config=replace(sae.config, k=0)), 0.1)
    with pytest.raises(ValueError, match="NaN"):
        Pursuit(sae, 0.1).encode(torch.full((1, 64), float("nan")))
