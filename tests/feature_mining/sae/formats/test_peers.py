"""What is exported loads in the installed libraries and gives the same features there; and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from feature_mining.sae.formats import read, write
from tests.feature_mining.sae.formats.test_formats import D_IN, D_SAE, K, make, rows

Peer = Callable[[str], ModuleType]
BOTH = [(kind, c) for kind in ("topk", "relu", "one", "each") for c in (True, False)]


@pytest.mark.parametrize("name", ["saelens", "saelens_pre6"])
@pytest.mark.parametrize(("kind", "centred"), BOTH)
def test_saelens_loads_it(tmp_path: Path, peer: Peer, kind: str, centred: bool, name: str) -> None:
    sae = make(kind, centred)
    write(sae, name, tmp_path)
    theirs = peer("sae_lens").SAE.load_from_disk(str(tmp_path))
    with torch.no_grad():
        features = theirs.encode(rows())
        torch.testing.assert_close(features, sae.encode(rows()), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(theirs.decode(features), sae.decode(features), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "centred"), BOTH)
def test_dictionary_learning_loads_it(tmp_path: Path, peer: Peer, kind: str, centred: bool) -> None:
    sae = make(kind, centred)
    write(sae, "dictionary_learning", tmp_path)
    theirs, _ = peer("dictionary_learning.utils").load_dictionary(str(tmp_path), "cpu")
    with torch.no_grad():
        features = theirs.encode(rows())
        torch.testing.assert_close(features, sae.encode(rows()), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(theirs.decode(features), sae.decode(features), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
def test_sparsify_loads_it(tmp_path: Path, peer: Peer, centred: bool) -> None:
    sae = make("topk", centred)
    write(sae, "sparsify", tmp_path)
    theirs = peer("sparsify").SparseCoder.load_from_disk(tmp_path)
    with torch.no_grad():
        values, indices, _ = theirs.encode(rows())
        features = torch.zeros(len(rows()), D_SAE).scatter_(1, indices, values)
        torch.testing.assert_close(features, sae.encode(rows()), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(theirs.decode(values, indices), sae.decode(features), atol=1e-5, rtol=1e-5)


CLASSES = {
    "AutoEncoder": "dictionary",
    "AutoEncoderNew": "dictionary",
    "GatedAutoEncoder": "dictionary",
    "JumpReluAutoEncoder": "dictionary",
    "AutoEncoderTopK": "trainers.top_k",
    "BatchTopKSAE": "trainers.batch_top_k",
    "MatryoshkaBatchTopKSAE": "trainers.matryoshka_batch_top_k",
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_dictionary_learning_is_read(tmp_path: Path, peer: Peer, name: str) -> None:
    cls = getattr(peer(f"dictionary_learning.{CLASSES[name]}"), name)
    extra = {"k": K} if "TopK" in name else {}
    if "Matryoshka" in name:
        extra["group_sizes"] = [10, 30]
    torch.manual_seed(3)
    theirs = cls(D_IN, D_SAE, **extra)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.3 * torch.randn_like(parameter))
        if "Batch" in name:
            theirs.threshold.fill_(0.4)
    torch.save(theirs.state_dict(), tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": name}}))
    sae = read(tmp_path).sae
    with torch.no_grad():
        features = theirs.encode(rows())
        decoder = theirs.W_dec if hasattr(theirs, "W_dec") else theirs.decoder.weight.T
        norms = decoder.norm(dim=1)
        torch.testing.assert_close(sae.encode(rows()), features * norms, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            sae.decode(sae.encode(rows())), theirs.decode(features), atol=1e-5, rtol=1e-5
        )
