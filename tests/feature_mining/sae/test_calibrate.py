"""Calibration against sorting everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from feature_mining.association.sparse import bin_values, by_feature
from feature_mining.sae.calibrate import LEVELS, Calibration, calibrate
from feature_mining.sae.model import SparseAutoencoder
from tests.feature_mining.sae.conftest import make_sae


@pytest.fixture
def sample() -> torch.Tensor:
    return torch.randn(5000, 8, generator=torch.Generator().manual_seed(7)) * 2


def test_mean_l0_is_k(sae: SparseAutoencoder, sample: torch.Tensor) -> None:
    calibrated, calibration = calibrate(sae, sample.split(777))
    active = calibrated.encode(sample) > 0
    assert float(active.sum()) / 5000 == pytest.approx(4, rel=2e-3)
    assert calibration.l0 == float(active.sum()) / 5000
    assert calibration.rows == 5000
    assert calibrated.config.provenance["calibration_rows"] == 5000
    other = torch.randn(5000, 8, generator=torch.Generator().manual_seed(8)) * 2
    assert float((calibrated.encode(other) > 0).sum()) / 5000 == pytest.approx(4, rel=0.02)


def test_the_way_of_cutting_into_batches_does_not_matter(
    sae: SparseAutoencoder, sample: torch.Tensor
) -> None:
    one, _ = calibrate(sae, [sample])
    many, _ = calibrate(sae, sample.split(100))
    assert one.hash == many.hash


def test_values_of_each_feature(sae: SparseAutoencoder, sample: torch.Tensor) -> None:
    calibrated, calibration = calibrate(sae, [sample])
    dense = calibrated.encode(sample).numpy()
    np.testing.assert_array_equal(calibration.maximum, dense.max(axis=0))
    for feature in range(40):
        values = dense[dense[:, feature] > 0, feature]
        edges = calibration.bin_edges[feature]
        if not values.size:
            assert np.isinf(edges).all() and np.isnan(calibration.quantiles[feature]).all()
            continue
        assert calibrated.threshold[feature] < edges[0] and edges[-1] < values.max()
        assert (np.diff(edges) >= 0).all()
        # Half of the edges are evenly spaced on a log scale.
        step = np.log(values.max() / calibrated.threshold[feature].item()) / 33
        spaced = calibrated.threshold[feature].item() * np.exp(step * np.arange(1, 33))
        assert np.abs(edges[:, None] / spaced - 1).min(axis=0).max() < 1e-5
        if values.size > 200:
            # No bin holds much more than a thirty-second of the values.
            held = np.bincount(np.searchsorted(edges, values, side="right"))
            assert held.max() < values.size / 32 + 6 * np.sqrt(values.size / 32)
            own = np.quantile(values, LEVELS[:4])
            np.testing.assert_allclose(calibration.quantiles[feature, :4], own, rtol=0.05)
    binned = bin_values(by_feature(*calibrated.encode_sparse(sample)), calibration.bin_edges)
    assert binned.min() == 1 and binned.max() == 64


def test_proportions_between_features_are_kept(sae: SparseAutoencoder, sample: torch.Tensor) -> None:
    shape = torch.linspace(0.5, 2, 40)
    calibrated, calibration = calibrate(sae, [sample], shape)
    ratio = calibrated.threshold / shape
    torch.testing.assert_close(ratio, ratio[:1].expand(40), rtol=1e-6, atol=0)
    assert calibration.l0 == pytest.approx(4, rel=2e-3)


def test_features_that_never_fire_divide_nothing_by_zero(sample: torch.Tensor) -> None:
    sae = make_sae()
    sae.b_enc[3] = -1000.0
    calibrated, calibration = calibrate(sae, [sample])
    assert calibration.maximum[3] == 0 and np.isinf(calibration.bin_edges[3]).all()
    assert torch.isfinite(calibrated.threshold).all()


def test_too_few_positive_values_leave_the_threshold_at_zero(sample: torch.Tensor) -> None:
    sae = make_sae(k=39)
    calibrated, calibration = calibrate(sae, [sample])
    assert float(calibrated.threshold.max()) == 0.0 and calibration.l0 < 39
    assert calibration.l0 == float((calibrated.encode(sample) > 0).sum()) / 5000


def test_files_and_errors(sae: SparseAutoencoder, sample: torch.Tensor, tmp_path: Path) -> None:
    _, calibration = calibrate(sae, [sample])
    calibration.save(tmp_path)
    back = Calibration.load(tmp_path)
    assert back.rows == 5000 and back.l0 == calibration.l0
    np.testing.assert_array_equal(back.bin_edges, calibration.bin_edges)
    with pytest.raises(ValueError, match="no such file"):
        Calibration.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no held-out activations"):
        calibrate(sae, [])
    sae.b_enc.fill_(-1000.0)
    with pytest.raises(ValueError, match="the SAE is dead"):
        calibrate(sae, [sample])
