"""The published Evo 2 autoencoder: fixture reproduced exactly, code refused, conversion faithful."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from feature_mining.sae.formats.evo2 import Evo2SAE, convert, load_published


def encode_published(sae: Evo2SAE, x: torch.Tensor, k: int) -> torch.Tensor:
    """Features by the published recipe: the ``k * n`` largest of all ``n`` positions of one call."""
    features = torch.relu(x @ sae.W + sae.b_enc)
    flat = features.flatten()
    best = flat.topk(k * (flat.numel() // features.shape[-1]), sorted=False)
    return torch.zeros_like(flat).scatter_(0, best.indices, best.values).view_as(features)


def decode_published(sae: Evo2SAE, features: torch.Tensor) -> torch.Tensor:
    return features @ sae.W.T + sae.b_dec


@pytest.fixture
def fixture(shared: Path) -> Path:
    return shared / "fixtures" / "evo"


def test_the_published_recipe_is_reproduced(fixture: Path) -> None:
    sae = load_published(fixture / "sae_tiny.pt")
    golden = load_file(fixture / "sae_tiny.golden.safetensors")
    features = encode_published(sae, golden["x"], int(golden["k"]))
    assert torch.equal(features > 0, golden["features"] > 0)
    torch.testing.assert_close(features, golden["features"], rtol=1e-6, atol=1e-6)
    recon = decode_published(sae, golden["features"])
    torch.testing.assert_close(recon, golden["recon"], rtol=1e-5, atol=1e-5)
    assert int((features > 0).sum()) == 40 * int(golden["k"])


def test_conversion_keeps_published_values_and_gives_k(fixture: Path) -> None:
    published = load_published(fixture / "sae_tiny.pt")
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 64, generator=g)
    sae, calibration = convert(published, x.split(500), k=8, sample="normal noise")
    assert sae.config.architecture == "evo2_published" and not sae.config.apply_b_dec_to_input
    assert sae.config.provenance["calibration_sample"] == "normal noise"
    assert calibration.l0 == pytest.approx(8, rel=0.02)
    norms = published.W.norm(dim=0)
    raw = sae.encode(x) / norms
    expected = torch.relu(x @ published.W + published.b_enc)
    cut = float((sae.threshold / norms)[0])
    expected = torch.where(expected > cut, expected, 0.0)
    same = (raw > 0) == (expected > 0)
    # Only values within rounding of the cut may fall on the other side.
    assert float(same.float().mean()) > 1 - 1e-5
    torch.testing.assert_close(raw[same], expected[same], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        sae.decode(sae.encode(x)), decode_published(published, raw), rtol=1e-4, atol=1e-4
    )


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must not run",))


def test_files_that_are_not_tensors_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "sae.pt"
    with pytest.raises(ValueError, match="no such file"):
        load_published(path)
    path.write_bytes(pickle.dumps({"W": _Runs()}))
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        load_published(path)
    assert capsys.readouterr().out == ""
    torch.save({"W": torch.zeros(2, 3), "b_enc": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"holds W, b_enc; expected W, b_enc, b_dec"):
        load_published(path)
    wrong = {"W": torch.zeros(2, 3), "b_enc": torch.zeros(2), "b_dec": torch.zeros(2)}
    torch.save(wrong, path)
    with pytest.raises(ValueError, match="do not fit together"):
        load_published(path)
