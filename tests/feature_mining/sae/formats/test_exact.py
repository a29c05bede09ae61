"""What needs more than weights: normalised activations, whitening, uneven TopK, transcoders, InterProt."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from feature_mining.sae.formats import detect, read, write
from feature_mining.sae.model import SparseAutoencoder
from tests.feature_mining.sae.formats.test_formats import D_IN, D_SAE, K, make, rows

Peer = Callable[[str], ModuleType]


def largest(compared: Tensor, values: Tensor, k: int) -> Tensor:
    """``values`` where ``compared`` is among the ``k`` largest of its row and above 0."""
    best = compared.topk(k, dim=1).indices
    kept = torch.zeros_like(values).scatter_(1, best, values.gather(1, best))
    return kept.clamp_min(0)


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(config | values))


def uneven(folder: Path) -> dict[str, Tensor]:
    """A sparsify folder with decoder rows of norms 0.5 to 1.5; its tensors in float64."""
    write(make("topk"), "sparsify", folder)
    tensors = load_file(folder / "sae.safetensors")
    g = torch.Generator().manual_seed(8)
    tensors["W_dec"] = tensors["W_dec"] * (0.5 + torch.rand(D_SAE, 1, generator=g))
    save_file(tensors, folder / "sae.safetensors")
    return {name: tensor.double() for name, tensor in tensors.items()}


def test_a_topk_with_uneven_rows_chooses_as_its_library(tmp_path: Path) -> None:
    t = uneven(tmp_path / "in")
    x = rows().double()
    pre = ((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"]).relu()
    features, norms = largest(pre, pre, K), t["W_dec"].norm(dim=1)
    other = largest(pre * norms, pre, K)
    assert ((other > 0) != (features > 0)).any()
    sae = read(tmp_path / "in").sae
    torch.testing.assert_close(sae.encode(rows()).double(), features * norms, atol=4e-6, rtol=1e-6)
    written = features @ t["W_dec"] + t["b_dec"]
    torch.testing.assert_close(sae.reconstruct(rows()).double(), written, atol=1e-5, rtol=1e-5)
    sae.save(tmp_path / "own")
    own = SparseAutoencoder.load(tmp_path / "own")
    assert own.hash == sae.hash and torch.equal(own.encode(rows()), sae.encode(rows()))
    for name in ("saelens", "sparsify", "dictionary_learning", "interplm"):
        write(sae, name, tmp_path / name)
        again = read(tmp_path / name).sae
        torch.testing.assert_close(again.encode(rows()), sae.encode(rows()), atol=4e-6, rtol=1e-6)


def test_peers_load_a_topk_with_uneven_rows(tmp_path: Path, peer: Peer) -> None:
    uneven(tmp_path / "in")
    sae = read(tmp_path / "in").sae
    write(sae, "saelens", tmp_path / "sl")
    write(sae, "dictionary_learning", tmp_path / "dl")
    with torch.no_grad():
        first = peer("sae_lens").SAE.load_from_disk(str(tmp_path / "sl"))
        second, _ = peer("dictionary_learning.utils").load_dictionary(str(tmp_path / "dl"), "cpu")
        for theirs in (first, second):
            written = theirs.decode(theirs.encode(rows()))
            torch.testing.assert_close(written, sae.reconstruct(rows()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["topk", "each", "one", "relu"])
@pytest.mark.parametrize("centred", [True, False])
def test_a_first_import_is_exact(tmp_path: Path, kind: str, centred: bool) -> None:
    """Against float64 on the stored weights, rows of any norm: only sums in float32 are between."""
    write(make(kind, centred), "saelens", tmp_path)
    tensors = load_file(tmp_path / "sae_weights.safetensors")
    g = torch.Generator().manual_seed(8)
    tensors["W_dec"] = tensors["W_dec"] * (0.5 + torch.rand(D_SAE, 1, generator=g))
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    x = 0.3 * torch.randn(300, D_IN, generator=g)
    t = {name: tensor.double() for name, tensor in tensors.items()}
    pre = (x.double() - t["b_dec"] * centred) @ t["W_enc"] + t["b_enc"]
    if kind == "topk":
        features = largest(pre, pre, K)
    else:
        features = pre.relu() * (pre > t.get("threshold", torch.zeros(1)))
    found = read(tmp_path).sae.encode(x).double()
    torch.testing.assert_close(found, features * t["W_dec"].norm(dim=1), atol=1e-6, rtol=1e-6)


def normalised(x: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, centre and size in the words of the libraries."""
    if name == "constant_norm_rescale":
        size = x.norm(dim=-1, keepdim=True) / D_IN**0.5
        return x / size, torch.zeros(1), size
    away = x - x.mean(dim=-1, keepdim=True)
    size = (away.square().sum(dim=-1, keepdim=True) / (D_IN - 1)).sqrt()
    return away / (size + 1e-5), x.mean(dim=-1, keepdim=True), size


@pytest.mark.parametrize("name", ["layer_norm", "constant_norm_rescale"])
def test_activations_normalised_one_by_one(tmp_path: Path, name: str) -> None:
    plain = make("each")
    write(plain, "saelens", tmp_path / "in")
    change(tmp_path / "in", normalize_activations=name)
    sae = read(tmp_path / "in").sae
    z, centre, size = normalised(rows(), name)
    torch.testing.assert_close(sae.encode(rows()), plain.encode(z), atol=4e-6, rtol=1e-5)
    written = plain.reconstruct(z) * size + centre
    torch.testing.assert_close(sae.reconstruct(rows()), written, atol=2e-5, rtol=1e-5)
    assert torch.equal(sae.encode(rows()[3:4]), sae.encode(rows())[3:4])
    assert not sae.encode(torch.zeros(1, D_IN)).isnan().any()
    sae.save(tmp_path / "own")
    own = SparseAutoencoder.load(tmp_path / "own")
    assert own.hash == sae.hash != plain.hash
    assert torch.equal(own.reconstruct(rows()), sae.reconstruct(rows()))
    write(sae, "saelens", tmp_path / "out")
    again = read(tmp_path / "out").sae
    torch.testing.assert_close(again.encode(rows()), sae.encode(rows()), atol=1e-6, rtol=1e-6)
    for other in ("dictionary_learning", "interplm"):
        with pytest.raises(ValueError, match="does not normalise each activation"):
            write(sae, other, tmp_path / other)


@pytest.mark.parametrize("name", ["layer_norm", "constant_norm_rescale"])
def test_saelens_normalises_as_we_do(tmp_path: Path, peer: Peer, name: str) -> None:
    write(make("topk"), "saelens", tmp_path / "in")
    change(tmp_path / "in", normalize_activations=name)
    sae = read(tmp_path / "in").sae
    write(sae, "saelens", tmp_path / "out")
    theirs = peer("sae_lens").SAE.load_from_disk(str(tmp_path / "out"))
    with torch.no_grad():
        torch.testing.assert_close(theirs.encode(rows()), sae.encode(rows()), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(theirs(rows()), sae.reconstruct(rows()), atol=3e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["topk", "each"])
@pytest.mark.parametrize("centred", [True, False])
def test_whitening_is_folded(tmp_path: Path, kind: str, centred: bool) -> None:
    plain = make(kind, centred)
    write(plain, "saelens", tmp_path)
    rescaled = {"rescale_acts_by_decoder_norm": True} if kind == "topk" else {}
    change(tmp_path, normalize_activations="covariance_whitening", **rescaled)
    g = torch.Generator().manual_seed(4)
    matrix = torch.randn(D_IN, D_IN, generator=g) / 3 + torch.eye(D_IN)
    inverse, mean = torch.linalg.inv(matrix.double()), torch.randn(D_IN, generator=g)
    stored = {"mean": mean, "matrix": matrix, "inverse_matrix": inverse.float().contiguous()}
    save_file(stored, tmp_path / "activation_whitening.safetensors")
    sae = read(tmp_path).sae
    z = ((rows() - mean).double() @ matrix.double()).float()
    features = plain.encode(z)
    # Features are in units of the raw activations: by the length of what is written there.
    lengths = (plain.W_dec.double() @ inverse).norm(dim=1)
    found, expected = sae.encode(rows()).double(), features.double() * lengths
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
    written = plain.decode(features).double() @ inverse + mean
    torch.testing.assert_close(sae.reconstruct(rows()).double(), written, atol=1e-4, rtol=1e-4)


def transcoder(kind: str, d_out: int, skip: bool) -> SparseAutoencoder:
    base = make(kind, False)
    g = torch.Generator().manual_seed(6)
    decoder = torch.randn(D_SAE, d_out, generator=g)
    return SparseAutoencoder(
        base.W_enc,
        base.b_enc,
        decoder / decoder.norm(dim=1, keepdim=True),
        torch.randn(d_out, generator=g),
        base.threshold,
        replace(base.config, d_out=d_out),
        torch.randn(D_IN, d_out, generator=g) if skip else None,
    )


TRANSCODERS = [("saelens", kind, 5, skip) for kind in ("relu", "each") for skip in (False, True)]
TRANSCODERS += [("sparsify", "topk", D_IN, False), ("sparsify", "topk", D_IN, True)]


@pytest.mark.parametrize(("name", "kind", "d_out", "skip"), TRANSCODERS)
def test_transcoders_go_out_and_come_back(
    tmp_path: Path, name: str, kind: str, d_out: int, skip: bool
) -> None:
    sae = transcoder(kind, d_out, skip)
    write(sae, name, tmp_path)
    again = read(tmp_path).sae
    assert again.config.d_out == d_out and (again.W_skip is not None) == skip
    torch.testing.assert_close(again.encode(rows()), sae.encode(rows()), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(again.reconstruct(rows()), sae.reconstruct(rows()), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("name", "kind", "d_out", "skip"), TRANSCODERS)
def test_peers_load_transcoders(
    tmp_path: Path, peer: Peer, name: str, kind: str, d_out: int, skip: bool
) -> None:
    sae = transcoder(kind, d_out, skip)
    write(sae, name, tmp_path)
    with torch.no_grad():
        if name == "saelens":
            written = peer("sae_lens").SAE.load_from_disk(str(tmp_path))(rows())
        else:
            written = peer("sparsify").SparseCoder.load_from_disk(tmp_path)(rows()).sae_out
    torch.testing.assert_close(written, sae.reconstruct(rows()), atol=2e-5, rtol=1e-5)


def test_an_autoencoder_with_a_skip_is_one_of_sparsify(tmp_path: Path) -> None:
    skip = torch.randn(D_IN, D_IN, generator=torch.Generator().manual_seed(9))
    sae = replace(make("topk"), W_skip=skip)
    write(sae, "sparsify", tmp_path / "out")
    again = read(tmp_path / "out").sae
    assert again.config.d_out == 0
    torch.testing.assert_close(again.reconstruct(rows()), sae.reconstruct(rows()), atol=2e-6, rtol=1e-6)
    with pytest.raises(ValueError, match="export this one as sparsify"):
        write(sae, "saelens", tmp_path / "sl")


def test_what_cannot_hold_a_transcoder_says_so(tmp_path: Path) -> None:
    for name in ("dictionary_learning", "interplm"):
        with pytest.raises(ValueError, match="has no transcoders"):
            write(transcoder("each", D_IN, False), name, tmp_path / name)
    with pytest.raises(ValueError, match="SAELens has no TopK transcoder"):
        write(transcoder("topk", D_IN, False), "saelens", tmp_path / "a")
    with pytest.raises(ValueError, match="this one reads 8 and writes 5"):
        write(transcoder("topk", 5, False), "sparsify", tmp_path / "b")


@pytest.mark.parametrize(("file", "settings", "k"), [("a.ckpt", True, 7), ("l24_sae40_k9.pt", False, 9)])
def test_interprot(tmp_path: Path, file: str, settings: bool, k: int) -> None:
    g = torch.Generator().manual_seed(2)
    t = {
        "w_enc": torch.randn(D_IN, D_SAE, generator=g),
        "w_dec": torch.randn(D_SAE, D_IN, generator=g),
        "b_enc": 0.3 * torch.randn(D_SAE, generator=g),
        "b_pre": 0.3 * torch.randn(D_IN, generator=g),
    }
    t["w_dec"] /= t["w_dec"].norm(dim=0)
    held = t | {"stats_last_nonzero": torch.zeros(D_SAE, dtype=torch.long)}
    if settings:
        state = {f"sae_model.{name}": tensor for name, tensor in held.items()}
        args = {"args": Namespace(k=k, d_model=D_IN)}
        torch.save({"state_dict": state, "hyper_parameters": args}, tmp_path / file)
    else:
        torch.save(held, tmp_path / file)
    assert detect(tmp_path / file) == "interprot"
    sae = read(tmp_path / file).sae
    assert (sae.config.k, sae.config.row_norm) == (k, "standardised")
    z, centre, size = normalised(rows(), "layer_norm")
    pre = (z - t["b_pre"]) @ t["w_enc"] + t["b_enc"]
    features = largest(pre, pre, k)
    norms = t["w_dec"].norm(dim=1)
    torch.testing.assert_close(sae.encode(rows()), features * norms, atol=1e-5, rtol=1e-5)
    written = (features @ t["w_dec"] + t["b_pre"]) * size + centre
    torch.testing.assert_close(sae.reconstruct(rows()), written, atol=2e-5, rtol=1e-5)
