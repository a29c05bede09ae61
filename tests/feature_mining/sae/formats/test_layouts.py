"""Files laid out by hand, letter by letter, with results worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from feature_mining.sae.formats import detect, read, write
from tests.feature_mining.sae.formats.test_formats import K, make

# Two inputs, three features; decoder columns of norm 1, 1 and 2.
ENCODER = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
ENCODER_BIAS = torch.tensor([0.5, -1.0, 0.0])
DECODER = torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.8, 2.0]])
BIAS = torch.tensor([1.0, -1.0])
X = torch.tensor([[3.0, 2.0], [1.0, -3.0]])
# Factors that the library divides by only when asked to: they change nothing here.
RESCALE = torch.tensor([9.0, 9.0, 9.0])

HEADER = "!!python/object:interplm.train.configs.TrainingRunConfig\n"
TRAINER = "trainer_cfg: !!python/object:interplm.train.trainers.{0}.{1}\n  lr: 0.001\n"

# x - BIAS is (2, 3) and (0, -2); so pre-activations are (2.5, 2, 5) and (0.5, -3, -2).
CENTRED = {
    "ReLU": [[2.5, 2.0, 5.0], [0.5, 0.0, 0.0]],
    # Two of a row: 2.5 and 5; of the second there is only one above 0.
    "TopK": [[2.5, 0.0, 5.0], [0.5, 0.0, 0.0]],
    # Above 2.2.
    "BatchTopK": [[2.5, 0.0, 5.0], [0.0, 0.0, 0.0]],
}
# x as it is: (3.5, 1, 5) and (1.5, -4, -2).
RAW = {
    "Tied": [[3.5, 1.0, 5.0], [1.5, 0.0, 0.0]],
    # Above 3, 0.5 and 6.
    "JumpReLU": [[3.5, 1.0, 0.0], [0.0, 0.0, 0.0]],
}


def lay(folder: Path, kind: str, text: str, name: str = "ae.pt", root: bool = False) -> None:
    """A folder as InterPLM's trainers leave it."""
    state = {
        "encoder.weight": ENCODER,
        "encoder.bias": ENCODER_BIAS,
        "decoder.weight": DECODER,
        "activation_rescale_factor": RESCALE,
        "normalize_to_sqrt_d": torch.tensor(root),
    }
    state["bias" if kind == "ReLU" else "b_dec" if kind in CENTRED else "decoder.bias"] = BIAS
    if "TopK" in kind:
        threshold = torch.tensor(2.2 if kind == "BatchTopK" else -1.0)
        state |= {"k": torch.tensor(2, dtype=torch.int), "threshold": threshold}
    if kind == "JumpReLU":
        state["threshold"] = torch.tensor([3.0, 0.5, 6.0])
    torch.save(state, folder / name)
    (folder / "config.yaml").write_text(HEADER + text)


@pytest.mark.parametrize("kind", [*CENTRED, *RAW])
@pytest.mark.parametrize("name", ["ae.pt", "ae_unnormalized.pt"])
def test_interplm_by_hand(tmp_path: Path, kind: str, name: str) -> None:
    module = {"TopK": "top_k", "BatchTopK": "batch_top_k", "JumpReLU": "jump_relu"}.get(kind, "relu")
    lay(tmp_path, kind, TRAINER.format(module, f"{kind}TrainerConfig"), name)
    assert detect(tmp_path) == "interplm"
    sae = read(tmp_path).sae
    features = torch.tensor((CENTRED | RAW)[kind])
    # Ours are times the norms of the decoder's columns.
    expected = features * torch.tensor([1.0, 1.0, 2.0])
    torch.testing.assert_close(sae.encode(X), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(sae.reconstruct(X), features @ DECODER.T + BIAS, rtol=0, atol=1e-6)


def test_interplm_that_brings_activations_to_one_norm(tmp_path: Path) -> None:
    lay(tmp_path, "ReLU", TRAINER.format("relu", "ReLUTrainerConfig"), root=True)
    sae = read(tmp_path).sae
    x = torch.tensor([[3.0, 4.0]])
    # Norm 5 becomes the square root of 2: (0.6, 0.8) * 1.41421; less BIAS that is (-0.15147, 2.13137).
    codes = torch.tensor([0.34853, 1.13137, 1.97990])
    expected = codes * torch.tensor([1.0, 1.0, 2.0])
    torch.testing.assert_close(sae.encode(x)[0], expected, rtol=0, atol=2e-5)
    written = (DECODER @ codes + BIAS) * 5 / 2**0.5
    torch.testing.assert_close(sae.reconstruct(x)[0], written, rtol=0, atol=1e-4)
    lay(tmp_path, "TopK", TRAINER.format("top_k", "TopKTrainerConfig"), root=True)
    with pytest.raises(ValueError, match="no telling which was meant"):
        read(tmp_path)


# What SAELens 3 to 5 cannot do without.
FLAT = {
    "architecture", "d_in", "d_sae", "activation_fn_str", "apply_b_dec_to_input",
    "finetuning_scaling_factor", "context_size", "model_name", "hook_name", "hook_layer",
    "hook_head_index", "prepend_bos", "dataset_path", "dataset_trust_remote_code",
    "normalize_activations", "dtype", "device", "sae_lens_training_version", "activation_fn_kwargs",
}  # fmt: skip


def test_saelens_before_version_6_by_hand(tmp_path: Path) -> None:
    write(make("topk"), "saelens_pre6", tmp_path / "topk")
    config = json.loads((tmp_path / "topk" / "cfg.json").read_text())
    assert set(config) >= FLAT and "metadata" not in config
    # Those versions know no architecture of this name, but an activation.
    assert config["architecture"] == "standard" and config["activation_fn_str"] == "topk"
    assert config["activation_fn_kwargs"] == {"k": K} and config["hook_layer"] == 0
    write(make("each"), "saelens_pre6", tmp_path / "each")
    config = json.loads((tmp_path / "each" / "cfg.json").read_text())
    assert config["architecture"] == "jumprelu" and config["activation_fn_str"] == "relu"


def test_how_often_features_fire_goes_with_saelens(tmp_path: Path) -> None:
    density = np.zeros(40)
    density[:3] = 1, 0.01, 1e-4
    write(make("each"), "saelens", tmp_path / "one", density)
    logs = load_file(tmp_path / "one" / "sparsity.safetensors")["sparsity"]
    assert logs.dtype == torch.float32
    np.testing.assert_allclose(logs[:4], [0, -2, -4, -10], atol=1e-5)
    write(make("topk"), "sparsify", tmp_path / "two", density)
    assert not (tmp_path / "two" / "sparsity.safetensors").exists()
