"""The inference form: arithmetic, independence of the batch, folding, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold


def literal(apply_b_dec: bool) -> SparseAutoencoder:
    return SparseAutoencoder(
        W_enc=torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]),
        b_enc=torch.tensor([0.0, -1.0, 0.5]),
        W_dec=torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]),
        b_dec=torch.tensor([1.0, 2.0]),
        threshold=torch.tensor([0.5, -3.0, 1.0]),
        config=SAEConfig("batch_topk", 2, 3, 1, apply_b_dec),
    )


def test_encode_and_decode_by_hand() -> None:
    # Off the input first: (2, 5) - (1, 2) = (1, 3); pre = (1, 2, -0.5).
    features = literal(True).encode(torch.tensor([[2.0, 5.0]]))
    assert features.tolist() == [[1.0, 2.0, 0.0]]
    assert literal(True).decode(features).tolist() == [[2.0, 4.0]]
    # Left on: pre = (2, 4, -0.5).
    assert literal(False).encode(torch.tensor([[2.0, 5.0]])).tolist() == [[2.0, 4.0, 0.0]]
    # (0.5, 1): the first is at its threshold, not above; the second is 0 and its threshold below 0.
    assert literal(True).encode(torch.tensor([[1.5, 3.0]])).tolist() == [[0.0, 0.0, 0.0]]


def test_sparse_is_dense_and_decodes_alike(sae: SparseAutoencoder) -> None:
    x = torch.randn(700, 8, generator=torch.Generator().manual_seed(1)) * 2
    csr, dense = sae.encode_sparse(x), sae.encode(x)
    assert 1 < csr.indices.size / 700 < 20
    np.testing.assert_array_equal(csr.dense(), dense.numpy())
    np.testing.assert_array_equal(sae.encode_sparse(x.numpy()).values, csr.values)
    torch.testing.assert_close(sae.decode(csr), sae.decode(dense), rtol=0, atol=1e-5)
    empty = sae.encode_sparse(x[:0])
    assert empty.indptr.tolist() == [0] and empty.n_features == 40


def test_a_value_never_depends_on_the_batch(sae: SparseAutoencoder) -> None:
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(2)) * 2
    whole = sae.encode(x)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(3))
    assert torch.equal(sae.encode(x[order]), whole[order])
    assert torch.equal(torch.cat([sae.encode(x[i : i + 1]) for i in range(0, 600, 50)]), whole[::50])
    assert torch.equal(sae.encode(torch.cat([x[300:], 100 * x]))[:300], whole[300:])


def test_folding_is_exact_for_weights_biases_and_thresholds() -> None:
    g = torch.Generator().manual_seed(4)
    d, m, scale = 8, 30, 0.037
    W_enc, W_dec = torch.randn(d, m, generator=g), 3 * torch.randn(m, d, generator=g)
    b_enc, b_dec = torch.randn(m, generator=g), torch.randn(d, generator=g)
    threshold = torch.rand(m, generator=g)
    x = torch.randn(500, d, generator=g, dtype=torch.float64) / scale
    pre = (scale * x - b_dec) @ W_enc.double() + b_enc
    features = torch.where(pre > threshold, pre, 0.0).relu()
    expected = (features @ W_dec.double() + b_dec) / scale
    tensors = fold(W_enc, b_enc, W_dec, b_dec, threshold, scale)
    sae = SparseAutoencoder(**tensors, config=SAEConfig("batch_topk", d, m, 4))
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(m))
    own = sae.encode(x.float())
    natural = features * W_dec.norm(dim=1) / scale
    assert torch.equal(own > 0, natural > 0)
    assert float((own - natural).abs().max() / natural.abs().max()) < 1e-6
    error = (sae.decode(own) - expected).abs().max() / expected.abs().max()
    assert float(error) < 1e-6


def test_a_decoder_row_of_zeros_folds_to_one() -> None:
    zero = torch.zeros(2, 2)
    tensors = fold(torch.ones(2, 2), torch.ones(2), zero, torch.ones(2), torch.ones(2), 2.0)
    assert tensors["W_dec"].tolist() == zero.tolist()
    assert tensors["threshold"].tolist() == [0.5, 0.5]


def test_files_round_trip(sae: SparseAutoencoder, tmp_path: Path) -> None:
    sae.save(tmp_path / "a" / "sae")
    back = SparseAutoencoder.load(tmp_path / "a" / "sae")
    assert back.hash == sae.hash and back.config == sae.config
    assert sorted(p.name for p in (tmp_path / "a" / "sae").iterdir()) == ["config.json", "sae.safetensors"]
    other = sae.with_threshold(sae.threshold + 1, {"note": 1})
    assert other.hash != sae.hash and other.config.provenance == {"note": 1}


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("b_enc", None, "lacks tensors b_enc"),
        ("more", torch.zeros(1), "has extra tensors more"),
        ("b_dec", torch.zeros(7), r"b_dec has shape \(7,\); expected \(8,\)"),
        ("b_enc", torch.full((40,), torch.nan), "b_enc holds NaN"),
        ("W_dec", torch.ones(40, 8), "decoder row 0 has norm 2.828; expected 1"),
        ("b_dec", torch.zeros(8, dtype=torch.float16), "expected torch.float32"),
    ],
)
def test_damaged_files_are_refused(
    sae: SparseAutoencoder, tmp_path: Path, name: str, tensor: torch.Tensor | None, message: str
) -> None:
    sae.save(tmp_path)
    tensors = load_file(tmp_path / "sae.safetensors")
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    save_file(tensors, tmp_path / "sae.safetensors")
    with pytest.raises(ValueError, match=message):
        SparseAutoencoder.load(tmp_path)


def test_missing_and_foreign_files_are_refused(sae: SparseAutoencoder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        SparseAutoencoder.load(tmp_path)
    sae.save(tmp_path)
    (tmp_path / "sae.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        SparseAutoencoder.load(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"surprise": 1}))
    with pytest.raises(ValueError, match="surprise, weights_hash; expected exactly"):
        SparseAutoencoder.load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sites": 5}, "sites is 5; expected list"),
        ({"sites": [1, "x"]}, "sites is .*; expected widths of layers"),
        ({"row_norm": True}, "row_norm is True; expected str"),
        ({"d_in": "8"}, "d_in is 8; expected int"),
    ],
)
def test_settings_of_another_type_are_refused(
    sae: SparseAutoencoder, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    sae.save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    with pytest.raises(ValueError, match=message):
        SparseAutoencoder.load(tmp_path)


def test_activations_that_do_not_fit_are_refused(sae: SparseAutoencoder) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 9\); this SAE reads \(n, 8\)"):
        sae.encode(torch.zeros(3, 9))
    x = torch.zeros(5, 8)
    x[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinite values \(1 of 5 rows, first row 2\)"):
        sae.encode_sparse(x)
