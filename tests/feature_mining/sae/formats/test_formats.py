"""Formats against the libraries' own formulas, written out here, and against bad files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.formats import detect, read, write
from feature_mining.sae.formats.evo2 import PUBLISHED_K
from feature_mining.sae.model import SparseAutoencoder

D_IN, D_SAE, K = 8, 40, 5


def make(kind: str, centred: bool = True, seed: int = 0) -> SparseAutoencoder:
    g = torch.Generator().manual_seed(seed)
    decoder = torch.randn(D_SAE, D_IN, generator=g)
    threshold = {
        "topk": torch.zeros(D_SAE),
        "relu": torch.zeros(D_SAE),
        "one": torch.full((D_SAE,), 0.7),
        "each": torch.rand(D_SAE, generator=g) + 0.1,
    }[kind]
    return SparseAutoencoder(
        W_enc=torch.randn(D_IN, D_SAE, generator=g),
        b_enc=torch.randn(D_SAE, generator=g),
        W_dec=decoder / decoder.norm(dim=1, keepdim=True),
        b_dec=torch.randn(D_IN, generator=g),
        threshold=threshold,
        config=SAEConfig(kind, D_IN, D_SAE, K, centred, "fake", "blocks.0", row_topk=kind == "topk"),
    )


def rows(n: int = 300) -> Tensor:
    return torch.randn(n, D_IN, generator=torch.Generator().manual_seed(5)) * 2 + 0.5


HOLDS = {
    "saelens": ("topk", "relu", "one", "each"),
    "saelens_pre6": ("topk", "relu", "one", "each"),
    "dictionary_learning": ("topk", "relu", "one", "each"),
    "interplm": ("topk", "relu", "one", "each"),
    "sparsify": ("topk",),
}
CASES = [(name, kind, c) for name, kinds in HOLDS.items() for kind in kinds for c in (True, False)]


@pytest.mark.parametrize(("name", "kind", "centred"), CASES)
def test_written_and_read_again_gives_the_same_features(
    tmp_path: Path, name: str, kind: str, centred: bool
) -> None:
    sae = make(kind, centred)
    write(sae, name, tmp_path / "out")
    assert detect(tmp_path / "out") == name
    again = read(tmp_path / "out").sae
    features = sae.encode(rows())
    torch.testing.assert_close(again.encode(rows()), features, atol=5e-6, rtol=1e-6)
    torch.testing.assert_close(again.decode(features), sae.decode(features), atol=1e-6, rtol=1e-6)
    write(again, name, tmp_path / "second")
    third = read(tmp_path / "second").sae
    torch.testing.assert_close(third.encode(rows()), again.encode(rows()), atol=1e-6, rtol=1e-6)


def test_topk_keeps_k_of_each_row_whatever_else_is_in_the_batch() -> None:
    sae = make("topk")
    features = sae.encode(rows())
    pre = (rows() - sae.b_dec) @ sae.W_enc + sae.b_enc
    best = pre.relu().topk(K, dim=1)
    expected = torch.zeros_like(pre).scatter_(1, best.indices, best.values)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(sae.encode(rows()[7:8]), features[7:8])
    sparse = sae.encode_sparse(rows())
    assert sparse.indptr[-1] == int((features > 0).sum())
    assert torch.equal(torch.from_numpy(sparse.values), features[features > 0])


def test_sparsify_refuses_thresholds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keeps the k largest"):
        write(make("each"), "sparsify", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# -- the libraries' formulas, in their own words -------------------------------------------------


def saelens_reference(config: dict, t: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Features times decoder norms, and the reconstruction."""
    norms = t["W_dec"].norm(dim=1)
    inside = x - t["b_dec"] * config["apply_b_dec_to_input"]
    kind, rescale = config["architecture"], config.get("rescale_acts_by_decoder_norm", False)
    if kind == "gated":
        gate = (inside @ t["W_enc"] + t["b_gate"] > 0).float()
        f = gate * (inside @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).relu()
    else:
        pre = inside @ t["W_enc"] + t["b_enc"]
        compared = pre * norms if rescale else pre
        if kind == "topk":
            best = compared.relu().topk(config["k"], dim=1)
            f = torch.zeros_like(pre).scatter_(1, best.indices, best.values)
        elif kind in ("jumprelu", "batchtopk"):
            cut = t["threshold"] if kind == "jumprelu" else t["topk_threshold"].float()
            f = compared.relu() * (compared > cut)
        else:
            f = pre.relu()
        f = f / norms if rescale else f
    return f * norms, f @ t["W_dec"] + t["b_dec"]


SAMPLES = [
    f"saelens_{kind}_{phase}"
    for kind in ("topk", "batchtopk", "jumprelu", "standard", "gated")
    for phase in ("inference", "training")
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_saelens_samples_with_drawn_biases(shared: Path, tmp_path: Path, sample: str) -> None:
    folder = shared / "fixtures" / "sae_formats" / sample
    config = json.loads((folder / "cfg.json").read_text())
    g = torch.Generator().manual_seed(1)
    tensors = load_file(folder / "sae_weights.safetensors")
    for name, tensor in tensors.items():
        if name.startswith(("b_", "r_")):
            tensors[name] = 0.3 * torch.randn(tensor.shape, generator=g)
        if "threshold" in name:
            tensors[name] = torch.rand(tensor.shape, generator=g, dtype=tensor.dtype) * 0.1
    tensors["W_dec"] = tensors["W_dec"] * (0.5 + torch.rand(16, 1, generator=g))
    if config["architecture"] == "topk" and not config["rescale_acts_by_decoder_norm"]:
        raise AssertionError("the samples rescale")
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    sae = read(tmp_path).sae
    features, reconstruction = saelens_reference(config, tensors, rows())
    torch.testing.assert_close(sae.encode(rows()), features, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(sae.decode(sae.encode(rows())), reconstruction, atol=3e-6, rtol=3e-6)
    assert (features > 0).any()


def test_saelens_scale_of_activations_is_folded(tmp_path: Path) -> None:
    write(make("each"), "saelens", tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    config["normalize_activations"] = "expected_average_only_in"
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"activation_scaler\.json"):
        read(tmp_path)
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    plain, scaled = make("each"), read(tmp_path).sae
    torch.testing.assert_close(
        scaled.encode(rows()) * 0.25, plain.encode(rows() * 0.25), atol=2e-6, rtol=2e-6
    )


def test_saelens_before_version_6(tmp_path: Path) -> None:
    sae = make("topk")
    write(sae, "saelens", tmp_path)
    old = {
        "d_in": D_IN,
        "d_sae": D_SAE,
        "dtype": "float32",
        "hook_point": "blocks.3",
        "model_name": "m",
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
        "normalize_activations": False,
    }
    (tmp_path / "cfg.json").write_text(json.dumps(old))
    again = read(tmp_path).sae
    assert (again.config.model, again.config.layer) == ("m", "blocks.3")
    torch.testing.assert_close(again.encode(rows()), sae.encode(rows()), atol=1e-6, rtol=1e-6)


def test_sparsify_sample(shared: Path) -> None:
    folder = shared / "fixtures" / "sae_formats" / "sparsify" / "layers.0"
    t = load_file(folder / "sae.safetensors")
    pre = ((rows() - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"]).relu()
    best = pre.topk(4, dim=1)
    expected = torch.zeros_like(pre).scatter_(1, best.indices, best.values)
    torch.testing.assert_close(read(folder).sae.encode(rows()), expected, atol=2e-6, rtol=2e-6)


def test_evo2_waits_for_a_threshold_and_is_tied(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(2)
    W = torch.randn(6, 70, generator=g)
    tensors = {"_orig_mod.W": W, "_orig_mod.b_enc": torch.zeros(70), "_orig_mod.b_dec": W[:, 0]}
    torch.save(tensors, tmp_path / "sae.pt")
    sae, shape = read(tmp_path / "sae.pt")
    assert detect(tmp_path / "sae.pt") == "evo2" and sae.config.k == PUBLISHED_K
    torch.testing.assert_close(shape, W.norm(dim=0))
    x = torch.randn(20, 6, generator=g)
    torch.testing.assert_close(sae.encode(x), (x @ W).relu() * W.norm(dim=0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        sae.decode(sae.encode(x)), (x @ W).relu() @ W.T + W[:, 0], atol=1e-4, rtol=1e-5
    )


# -- bad input -----------------------------------------------------------------------------------


class Trap:
    """Would touch a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_no_code_in_a_pickle_is_run(tmp_path: Path) -> None:
    write(make("relu"), "dictionary_learning", tmp_path / "out")
    (tmp_path / "out" / "ae.pt").write_bytes(pickle.dumps({"bias": Trap(tmp_path / "ran")}))
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        read(tmp_path / "out")
    torch.save({"bias": Trap(tmp_path / "ran")}, tmp_path / "out" / "ae.pt")
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        read(tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_is_damaged_says_why(tmp_path: Path) -> None:
    """Each damage ends PyTorch in an error of another class."""
    write(make("relu"), "dictionary_learning", tmp_path / "out")
    path = tmp_path / "out" / "ae.pt"
    whole = path.read_bytes()
    for at, put in ((0, b"X"), (len(whole) // 2, b"")):
        path.write_bytes(whole[:at] + put + whole[at + 1 :] if put else whole[:at])
        with pytest.raises(ValueError, match=r"ae\.pt: not a file of tensors alone"):
            read(tmp_path / "out")


def test_settings_nested_without_end_are_refused(tmp_path: Path) -> None:
    write(make("relu"), "saelens", tmp_path / "out")
    (tmp_path / "out" / "cfg.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"cfg\.json: cannot be read as JSON"):
        read(tmp_path / "out")


def test_python_tags_in_yaml_are_names_only(tmp_path: Path) -> None:
    write(make("topk"), "interplm", tmp_path / "out")
    ran = tmp_path / "ran"
    text = (
        "!!python/object:interplm.train.TrainingRunConfig\n"
        "trainer_cfg: !!python/object:interplm.train.trainers.top_k.TopKTrainerConfig\n  k: 5\n"
        f"trap: !!python/object/apply:os.system ['touch {ran}']\n"
    )
    (tmp_path / "out" / "config.yaml").write_text(text)
    assert read(tmp_path / "out").sae.config.row_topk
    assert not ran.exists()
    (tmp_path / "out" / "config.yaml").write_text("class: [TopKSAE\n")
    with pytest.raises(ValueError, match="not YAML that can be read safely"):
        read(tmp_path / "out")
    (tmp_path / "out" / "config.yaml").unlink()
    with pytest.raises(ValueError, match="store the same tensors"):
        read(tmp_path / "out")


def test_interplm_yaml_is_plain(tmp_path: Path) -> None:
    write(make("one"), "interplm", tmp_path / "out")
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["class"] == "BatchTopKSAE"


def test_truncated_missing_and_misshapen(tmp_path: Path) -> None:
    write(make("each"), "saelens", tmp_path)
    weights = tmp_path / "sae_weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        read(tmp_path)
    weights.write_bytes(whole)
    tensors = load_file(weights)
    save_file({n: t for n, t in tensors.items() if n != "threshold"}, weights)
    with pytest.raises(ValueError, match="lacks tensors threshold; found W_dec, W_enc"):
        read(tmp_path)
    save_file(tensors | {"b_dec": torch.zeros(3)}, weights)
    with pytest.raises(ValueError, match=r"b_dec has shape \(3,\); expected \(8,\)"):
        read(tmp_path)
    save_file(tensors | {"b_dec": torch.full((8,), float("nan"))}, weights)
    with pytest.raises(ValueError, match="NaN"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "temporal"}, "'temporal' cannot be represented"),
        ({"architecture": "skip_transcoder"}, "lacks tensors W_skip"),
        ({"architecture": ["x"]}, "cannot be represented"),
        ({"normalize_activations": "odd"}, "normalize_activations 'odd'; expected one of none"),
        ({"normalize_activations": "covariance_whitening"}, "activation_whitening.safetensors"),
        ({"reshape_activations": "hook_z"}, "reshapes"),
        ({"k": 0}, "k is 0; expected a whole number"),
        ({"k": 99}, "k is 99; expected 1 to 40"),
    ],
)
def test_what_saelens_has_and_cannot_be_represented(tmp_path: Path, change: dict, message: str) -> None:
    write(make("topk"), "saelens", tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_groupmax_is_refused(tmp_path: Path) -> None:
    write(make("topk"), "sparsify", tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(json.dumps(config | {"activation": "groupmax"}))
    with pytest.raises(ValueError, match="groupmax"):
        read(tmp_path)


def test_what_is_no_autoencoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is empty"):
        detect(tmp_path)
    (tmp_path / "layers.3").mkdir()
    (tmp_path / "state.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds layers\.3/, state\.pt"):
        detect(tmp_path)
    with pytest.raises(ValueError, match="no such"):
        detect(tmp_path / "absent")
    write(make("relu"), "dictionary_learning", tmp_path / "dl")
    (tmp_path / "dl" / "config.json").write_text('{"trainer": {"dict_class": "Odd"}}')
    with pytest.raises(ValueError, match="'Odd' cannot be represented"):
        read(tmp_path / "dl")
    with pytest.raises(ValueError, match="not an empty folder"):
        write(make("relu"), "dictionary_learning", tmp_path / "dl")


def test_settings_that_grow_when_read(tmp_path: Path) -> None:
    """Aliases of aliases, 9 ** 40 parts if each were followed; and parts within parts without end."""
    write(make("topk"), "interplm", tmp_path / "out")
    config = tmp_path / "out" / "config.yaml"
    for part in ("[{}]", "{{<<: [{}]}}"):
        rows = [f"a{i}: &a{i} {part.format(','.join([f'*a{i - 1}'] * 9))}" for i in range(1, 40)]
        config.write_text("\n".join(["a0: &a0 {class: TopKSAE}", *rows]))
        assert read(tmp_path / "out").sae.config.row_topk
    config.write_text("&a [*a, {class: TopKSAE}]")
    assert read(tmp_path / "out").sae.config.row_topk
    config.write_text("[" * 50_000)
    with pytest.raises(ValueError, match="not YAML that can be read safely"):
        read(tmp_path / "out")
    config.write_text("# " + "x" * (1 << 18))
    with pytest.raises(ValueError, match="expected settings of at most 262,144"):
        read(tmp_path / "out")


def test_tensors_that_are_more_than_their_file(tmp_path: Path) -> None:
    write(make("relu"), "dictionary_learning", tmp_path / "out")
    weights = tmp_path / "out" / "ae.pt"
    whole = torch.load(weights, weights_only=True)
    for name, tensor in (
        ("encoder.weight", torch.zeros(1, 1).expand(1 << 20, 1 << 20)),
        ("bias", torch.zeros(1).expand(8)),
        ("encoder.bias", torch.zeros(1 << 20, 1 << 20, layout=torch.sparse_coo)),
    ):
        torch.save(whole | {name: tensor}, weights)
        assert weights.stat().st_size < 1 << 20
        with pytest.raises(ValueError, match=f"tensor {name} of shape .* is not stored whole"):
            read(tmp_path / "out")
    torch.save(whole | {"bias": torch.zeros(1 << 20)}, weights)
    with ZipFile(weights) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(weights, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"bytes that unpack to 4,\d\d\d,\d\d\d"):
        read(tmp_path / "out")
