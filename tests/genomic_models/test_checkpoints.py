"""Checkpoint readers: official-style fixtures, their variants, and files that must be refused."""

from __future__ import annotations

import io
import json
import math
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from genomic_models.checkpoints import configuration, layout, precision
from genomic_models.checkpoints.reader import read_checkpoint, read_tensors
from genomic_models.checkpoints.vortex import Pieces, load_archive, tensors_only
from genomic_models.contract import ModelError
from genomic_models.released import RELEASED, parameter_count
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.network import StripedHyena

EVO2 = StripedHyenaConfig("evo2", "SDH*SDH*", 64, 4, 176, 8, medium_groups=16,
                          position_scale=4, context=1024)  # fmt: skip
EVO1 = StripedHyenaConfig("evo1", "HH*HH*", 64, 4, 176, 64, state=8, position_scale=16, context=512)


@pytest.fixture(scope="session")
def evo(shared: Path) -> Path:
    return shared / "fixtures" / "evo"


@pytest.fixture(scope="session")
def truth(evo: Path) -> dict[str, Tensor]:
    state = load_file(evo / "evo2_tiny.state_dict.safetensors")
    return {k: v for k, v in state.items() if not layout.is_ignorable(k)}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


# what a network needs


@pytest.mark.parametrize("config", [EVO1, EVO2, replace(EVO2, pattern="SDH", medium_groups=None)])
def test_expected_tensors_are_those_of_the_network(config: StripedHyenaConfig) -> None:
    network = StripedHyena(config)
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    if config.generation == "evo1":
        shapes = {name: s for name, s in shapes.items() if not name.endswith("inv_freq")}
    assert layout.expected_tensors(config) == shapes


@pytest.mark.parametrize("name", RELEASED)
def test_expected_tensors_add_up_to_the_published_parameters(name: str) -> None:
    shapes = layout.expected_tensors(RELEASED[name].config)
    total = sum(torch.Size(shape).numel() for key, shape in shapes.items() if not key.endswith("inv_freq"))
    assert total == parameter_count(RELEASED[name].config) == RELEASED[name].parameters


@pytest.mark.parametrize(
    ("name", "count"),
    [("evo2_1b_base", 270), ("evo2_7b", 345), ("evo2_7b_262k", 345), ("evo2_20b", 261),
     ("evo2_40b", 537), ("evo2_40b_base", 537)],
)  # fmt: skip
def test_expected_tensors_number_as_published(name: str, count: int) -> None:
    # the published count includes the tied output matrix
    assert len(layout.expected_tensors(RELEASED[name].config)) + 1 == count


# Evo 2 archives


def test_vortex_archive_equals_its_tensors(evo: Path, truth: dict[str, Tensor]) -> None:
    assert_same(read_checkpoint(evo / "evo2_tiny.pt", EVO2), truth)


def test_safetensors_with_vortex_names(evo: Path, truth: dict[str, Tensor]) -> None:
    assert_same(read_checkpoint(evo / "evo2_tiny.state_dict.safetensors", EVO2), truth)


def cut(source: Path, folder: Path, name: str, pieces: int) -> list[Path]:
    raw = source.read_bytes()
    size = -(-len(raw) // pieces)
    paths = [folder / f"{name}.part{i}" for i in range(pieces)]
    for i, path in enumerate(paths):
        path.write_bytes(raw[i * size : (i + 1) * size])
    return paths


@pytest.mark.parametrize("asked", ["net.pt.part0", "net.pt.part7", "net.pt", ""])
def test_pieces_read_as_one(evo: Path, tmp_path: Path, truth: dict[str, Tensor], asked: str) -> None:
    cut(evo / "evo2_tiny.pt", tmp_path, "net.pt", 11)  # part10 sorts after part9, not after part1
    assert_same(read_checkpoint(tmp_path / asked, EVO2), truth)


def test_missing_pieces_are_named(evo: Path, tmp_path: Path) -> None:
    paths = cut(evo / "evo2_tiny.pt", tmp_path, "net.pt", 3)
    paths[1].unlink()
    with pytest.raises(ModelError, match=r"net\.pt\.part1: this piece .* is missing"):
        read_checkpoint(paths[0], EVO2)


def test_last_piece_missing(evo: Path, tmp_path: Path) -> None:
    paths = cut(evo / "evo2_tiny.pt", tmp_path, "net.pt", 3)
    paths[2].unlink()
    with pytest.raises(ModelError, match="cut or damaged"):
        read_checkpoint(paths[0], EVO2)


def test_pieces_behave_like_one_file(tmp_path: Path) -> None:
    raw = bytes(range(256)) * 3
    paths = [tmp_path / str(i) for i in range(4)]
    for path, (a, b) in zip(paths, [(0, 100), (100, 100), (100, 101), (101, 768)], strict=True):
        path.write_bytes(raw[a:b])
    with Pieces(paths) as stream, io.BytesIO(raw) as whole:
        for offset, whence in [(0, 0), (95, 0), (3, 1), (-50, 2), (900, 0)]:
            assert stream.seek(offset, whence) == whole.seek(offset, whence)
            assert stream.read(20) == whole.read(20)
            assert stream.tell() == whole.tell()
        stream.seek(0)
        assert stream.read() == raw


class Intruder:
    """Writes a marker file when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def test_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    torch.save({"embedding_layer.weight": Intruder(marker)}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match=r"evil\.pt: refused.*exec.*could run code"):
        read_checkpoint(tmp_path / "evil.pt", EVO2)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Intruder(marker)))
    with pytest.raises(ModelError, match="a bare pickle is never read"):
        read_checkpoint(tmp_path / "bare.pt", EVO2)
    assert not marker.exists()


@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_truncated_archive(evo: Path, tmp_path: Path, keep: float) -> None:
    raw = (evo / "evo2_tiny.pt").read_bytes()
    (tmp_path / "net.pt").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(ModelError, match=r"net\.pt: .*cut or damaged"):
        read_checkpoint(tmp_path / "net.pt", EVO2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "expected one of PyTorch archive"),
        (b"", "expected one of PyTorch archive"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "net.pt", EVO2)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        read_checkpoint(tmp_path / "net.pt", EVO2)
    with pytest.raises(ModelError, match="no checkpoint in this folder"):
        read_checkpoint(tmp_path, EVO2)


def test_archives_of_other_content(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save([torch.zeros(2)], path)
    with pytest.raises(ModelError, match="holds a list, expected a dictionary"):
        read_checkpoint(path, EVO2)
    torch.save({"x": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="no layout of an Evo model: found x"):
        read_checkpoint(path, EVO2)
    torch.save({"embedding_layer.weight": torch.zeros(2), "epoch": 3}, path)
    with pytest.raises(ModelError, match="entry 'epoch' is a int, expected a tensor"):
        read_checkpoint(path, EVO2)


# tensors that do not fit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.3.inner_mha_cls.Wqkv.weight"),
         r"net\.pt: 1 tensor missing \(blocks\.3\.inner_mha_cls\.Wqkv\.weight\); expected the 86"),
        (lambda s: s.pop("blocks.7.inner_mha_cls.rotary_emb.inv_freq"), "1 tensor missing"),
        (lambda s: s.update({"blocks.9.norm.scale": torch.ones(3)}),
         r"1 tensor unexpected \(blocks\.9\.norm\.scale\)"),
        (lambda s: s.update({"norm.scale": torch.ones(63)}),
         r"1 tensor misshapen \(norm\.scale \(63,\) instead of \(64,\)\)"),
        (lambda s: s.update({"norm.scale": torch.full((64,), torch.nan)}),
         r"1 tensor with values that are not numbers \(norm\.scale\)"),
        (lambda s: s.update({"blocks.1.filter.h": torch.full((16, 1, 128), torch.inf)}),
         "not numbers"),
    ],
)  # fmt: skip
def test_unfit_tensors(tmp_path: Path, truth: dict[str, Tensor], change, message: str) -> None:
    state = dict(truth)
    change(state)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "net.pt", EVO2)


def test_many_faults_are_counted_and_the_first_shown(truth: dict[str, Tensor]) -> None:
    with pytest.raises(ModelError, match=r"^F: 6 tensors missing \(.*, \.\.\.\), 4 tensors unexpected"):
        layout.check(truth, replace(EVO2, pattern="SDH*SDHD"), "F")


# Evo 1 safetensors


@pytest.fixture(scope="session")
def evo1_truth(evo: Path) -> dict[str, Tensor]:
    state = load_file(evo / "evo1_tiny.hf_state_dict.safetensors")
    stripped = {k.removeprefix("backbone."): v for k, v in state.items()}
    return {k: v for k, v in stripped.items() if not k.endswith("inv_freq")}


def test_evo1_file(evo: Path, evo1_truth: dict[str, Tensor]) -> None:
    path = evo / "evo1_tiny.hf_state_dict.safetensors"
    assert_same(read_checkpoint(path, EVO1), evo1_truth)


def shard(evo: Path, folder: Path) -> list[str]:
    state = load_file(evo / "evo1_tiny.hf_state_dict.safetensors")
    names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    where = {key: names[i % 3] for i, key in enumerate(state)}
    for name in names:
        save_file({k: v for k, v in state.items() if where[k] == name}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return names


@pytest.mark.parametrize("asked", ["", "model.safetensors.index.json"])
def test_evo1_shards(evo: Path, tmp_path: Path, evo1_truth: dict[str, Tensor], asked: str) -> None:
    shard(evo, tmp_path)
    assert_same(read_checkpoint(tmp_path / asked, EVO1), evo1_truth)


def test_evo1_shard_missing_or_damaged(evo: Path, tmp_path: Path) -> None:
    names = shard(evo, tmp_path)
    raw = (tmp_path / names[1]).read_bytes()
    (tmp_path / names[1]).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelError, match=rf"{names[1]}: cannot be read as safetensors"):
        read_checkpoint(tmp_path, EVO1)
    (tmp_path / names[1]).unlink()
    with pytest.raises(ModelError, match=rf"{names[1]}: shard missing \(1 of the 3"):
        read_checkpoint(tmp_path, EVO1)
    shutil.copy(tmp_path / names[0], tmp_path / names[1])
    with pytest.raises(ModelError, match="different downloads"):
        read_checkpoint(tmp_path, EVO1)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ModelError, match="expected a JSON object with weight_map"):
        read_checkpoint(tmp_path, EVO1)


# Savanna


def to_savanna(state: dict[str, Tensor], config: StripedHyenaConfig) -> dict[str, Tensor]:
    """The inverse of the published mapping; decay and gamma are drawn at random and divided out."""
    generator = torch.Generator().manual_seed(0)
    plain = {"pre_norm.scale": "input_layernorm.weight", "post_norm.scale": "pre_mlp_layernorm.weight"}
    plain |= {f"mlp.l{i}.weight": f"mlp.w{i}.weight" for i in (1, 2, 3)}
    plain |= {"projections.weight": "mixer.dense_projection.weight"}
    plain |= {f"out_filter_dense.{x}": f"mixer.dense.{x}" for x in ("weight", "bias")}
    plain |= {f"inner_mha_cls.out_proj.{x}": f"mixer.dense.{x}" for x in ("weight", "bias")}
    plain |= {"inner_mha_cls.Wqkv.weight": "mixer.dense_projection.weight"}
    plain |= {"inner_mha_cls.rotary_emb.inv_freq": "mixer.rotary_emb.inv_freq"}
    plain |= {"filter.D": "mixer.mixer.conv_bias", "filter.residues": "mixer.mixer.filter.R"}
    result = {
        "sequential.0.word_embeddings.weight": state["embedding_layer.weight"],
        f"sequential.{config.depth + 3}.norm.weight": state["norm.scale"],
    }
    for name, tensor in state.items():
        if not (match := re.match(r"blocks\.(\d+)\.(.+)", name)):
            continue
        block, rest = f"sequential.{int(match[1]) + 2}.", match[2]
        letter = config.pattern[int(match[1])]
        if rest in plain:
            result[block + plain[rest]] = tensor
        elif rest == "filter.short_filter_weight":
            result[f"{block}mixer.hyena_proj_conv.short_conv_weight"] = tensor[:, 0]
        elif rest == "filter.h" and letter == "S":
            result[f"{block}mixer.mixer.short_conv.short_conv_weight"] = tensor
        elif rest == "filter.h":
            decay = 2.0 ** torch.randint(-3, 3, (16, 200), generator=generator)
            h = torch.cat([tensor[:, 0].float(), torch.ones(16, 72)], dim=1) / decay
            result[f"{block}mixer.mixer.filter.h"] = h
            result[f"{block}mixer.mixer.filter.decay"] = decay
        elif rest == "filter.log_poles":
            gamma = torch.randn(tensor.shape[:2], generator=generator)
            p = ((-tensor[..., 0].double()).log() - gamma.double()).float()
            result[f"{block}mixer.mixer.filter.p"] = p.flatten()
            result[f"{block}mixer.mixer.filter.gamma"] = gamma
    return result


@pytest.mark.parametrize("wrapped", [True, False])
def test_savanna(tmp_path: Path, truth: dict[str, Tensor], wrapped: bool) -> None:
    saved: dict[str, object] = {**to_savanna(truth, EVO2)}
    saved["sequential.3.mixer.mixer.filter.t"] = torch.zeros(1, 1, 8)
    saved["sequential.2.mixer.dense._extra_state"] = io.BytesIO(b"scales")
    if wrapped:
        saved = {"module": {f"module.{name}": value for name, value in saved.items()}, "step": 7}
    torch.save(saved, tmp_path / "net.pt")
    found = read_checkpoint(tmp_path / "net.pt", EVO2)
    assert found.keys() == truth.keys()
    for name, tensor in truth.items():
        if name.endswith("log_poles"):  # through log and exp in fp32
            torch.testing.assert_close(found[name], tensor, rtol=2e-6, atol=0)
        else:
            assert torch.equal(found[name].float(), tensor.float()), name


def test_savanna_with_an_unknown_tensor(tmp_path: Path, truth: dict[str, Tensor]) -> None:
    saved = to_savanna(truth, EVO2) | {"sequential.2.mixer.novel": torch.ones(1)}
    torch.save(saved, tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"unexpected \(blocks\.0\.mixer\.novel\)"):
        read_checkpoint(tmp_path / "net.pt", EVO2)


# configurations


def test_official_configurations(evo: Path) -> None:
    assert configuration.read_config(evo / "evo2_tiny.config.json") == EVO2
    assert configuration.read_config(evo / "evo1_tiny.config.json") == EVO1


def test_official_evo1_8k_values() -> None:
    values = {
        "hidden_size": 4096, "num_layers": 32, "num_attention_heads": 32, "state_size": 8,
        "attn_layer_idxs": [8, 16, 24], "inner_size_multiple_of": 16, "max_seqlen": 8192,
        "hyena_layer_idxs": [i for i in range(32) if i not in (8, 16, 24)],
    }  # fmt: skip
    assert configuration.config_from_vortex(values) == RELEASED["evo-1-8k-base"].config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyena_flip_x1x2": True}, "hyena_flip_x1x2 is True; only False"),
        ({"hcl_layer_idxs": [2]}, r"num_layers is 8, but .* \[0, 1, 2, 3, 4, 5, 7\]"),
        ({"hcl_layer_idxs": [2, 6, 5]}, "block 5 has two kinds"),
        ({"num_attention_heads": 5}, "width 64 over 5 heads"),
    ],
)
def test_unfit_configurations(evo: Path, change: dict[str, object], message: str) -> None:
    values = json.loads((evo / "evo2_tiny.config.json").read_text())
    with pytest.raises(ModelError, match=message):
        configuration.config_from_vortex(values | change)
    del values["state_size"]
    with pytest.raises(ModelError, match="key 'state_size' is missing"):
        configuration.config_from_vortex(values)


def test_configuration_from_shapes(evo: Path) -> None:
    unseen = {"position_scale": 1.0, "context": 8192}
    for file, config in [("evo2_tiny.pt", EVO2), ("evo1_tiny.hf_state_dict.safetensors", EVO1)]:
        assert configuration.infer_config(read_tensors(evo / file)) == replace(config, **unseen)


def meta_state(name: str) -> dict[str, Tensor]:
    shapes = layout.expected_tensors(RELEASED[name].config)
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@pytest.mark.parametrize("name", ["evo2_7b", "evo2_1b_base", "evo2_20b", "evo2_40b", "evo2_40b_base"])
def test_released_shapes_find_their_configuration(name: str, tmp_path: Path) -> None:
    config = configuration.find_config(tmp_path / "tuned.pt", meta_state(name))
    assert config == RELEASED[name].config


def test_ambiguous_shapes_need_a_name_or_a_configuration(tmp_path: Path) -> None:
    state = meta_state("evo2_7b_262k")
    with pytest.raises(ModelError, match=r"position scale cannot be told.*put the model's config\.json"):
        configuration.find_config(tmp_path / "tuned.pt", state)
    named = configuration.find_config(tmp_path / "evo2_7b_262k.pt", state)
    assert named.position_scale == 32
    own = replace(named, position_scale=7.0)
    (tmp_path / "config.json").write_text(json.dumps(own.to_dict()))
    assert configuration.find_config(tmp_path / "tuned.pt", state) == own


def test_checkpoint_with_its_configuration_beside(evo: Path, truth: dict[str, Tensor]) -> None:
    assert configuration.find_config(evo / "evo2_tiny.pt", truth) == EVO2


def test_shapes_that_tell_nothing(truth: dict[str, Tensor]) -> None:
    lost = {k: v for k, v in truth.items() if not k.startswith("blocks.5.filter")}
    with pytest.raises(ModelError, match=r"blocks\.5\.filter\.h"):
        configuration.infer_config(lost)


# precision


def test_models_that_need_fp8() -> None:
    for name in ("evo2_40b", "evo2_40b_base", "evo2_20b"):
        config = RELEASED[name].config
        with pytest.raises(ModelError, match=rf"{name} in bfloat16: .*1\.700 .*0\.922"):
            precision.check_precision(name, config, torch.bfloat16, accept=False)
        with pytest.warns(UserWarning, match="run all the same"):
            precision.check_precision(name, config, torch.float32, accept=True)
    with pytest.warns(UserWarning, match=r"emulated .*1\.076 .*1\.243"):
        config = RELEASED["evo2_1b_base"].config
        precision.check_precision("evo2_1b_base", config, torch.bfloat16, accept=False)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["evo2_7b", "evo2_7b_262k", "evo2_7b_base", "evo-1-8k-base"])
def test_models_that_do_not(name: str) -> None:
    precision.check_precision(name, RELEASED[name].config, torch.bfloat16, accept=False)


def nearest_e4m3(value: float) -> float:
    """Round one number to 4 exponent and 3 mantissa bits, ties to even, from the format's definition."""
    size = min(abs(value), 448.0)
    exponent = max(-6, math.frexp(size)[1] - 1) if size else -6
    step = 2.0 ** (exponent - 3)
    return math.copysign(round(size / step) * step, value)


def test_fp8_projection_against_rounding_one_by_one() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 24, generator=generator).bfloat16()
    weight = (torch.randn(7, 24, generator=generator) * 0.02).bfloat16()
    scale_x, scale_w = 200.0, 9000.0  # some products pass 448 and some are subnormal
    x[0, 0], x[1, 1] = 0.0, 1e-5
    rows = [[nearest_e4m3(v * scale_x) for v in row] for row in x.tolist()]
    columns = [[nearest_e4m3(v * scale_w) for v in row] for row in weight.tolist()]
    products = [[sum(a * b for a, b in zip(r, c, strict=True)) for c in columns] for r in rows]
    expected = (torch.tensor(products, dtype=torch.float64) / (scale_x * scale_w)).bfloat16()
    found = precision.emulate_fp8_projection(x, weight, scale_x, scale_w)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=2**-8, atol=0)
    assert (found == expected).float().mean() > 0.95


def test_scales_from_the_archive_and_the_emulation_in_place(evo: Path) -> None:
    scales = precision.read_scales(evo / "evo2_tiny.pt")
    assert sorted(scales) == [f"blocks.{i}.projections" for i in (0, 1, 2, 4, 5, 6)]
    network = StripedHyena(EVO2)
    network.load_state_dict(read_checkpoint(evo / "evo2_tiny.pt", EVO2))
    ids = torch.randint(65, 85, (1, 50), generator=torch.Generator().manual_seed(2))
    exact, rounded = {}, {}
    with torch.inference_mode():
        network(ids, None, lambda name, x: exact.setdefault(name, x))
        names = network.state_dict().keys()
        precision.emulate_fp8(network, scales)
        network(ids, None, lambda name, x: rounded.setdefault(name, x))
    assert network.state_dict().keys() == names
    first = "blocks.0.projections"
    assert torch.equal(rounded["blocks.0.pre_norm"], exact["blocks.0.pre_norm"])
    # E4M3 rounds by up to 1/16; two rounded factors over random data differ by 3.8 %
    change = (rounded[first] - exact[first]).norm() / exact[first].norm()
    assert 0.03 < change < 0.05
    with pytest.raises(ModelError, match="the network has no such projection"):
        precision.emulate_fp8(network, {"blocks.3.projections": scales["blocks.0.projections"]})


def test_scales_missing_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="no FP8 scales: expected entries"):
        precision.read_scales(path)
    torch.save({"blocks.0.projections._extra_state": io.BytesIO(b"nothing")}, path)
    with pytest.raises(ModelError, match="no FP8 scales can be read"):
        precision.read_scales(path)


def test_a_tensor_that_is_more_than_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"embedding_layer.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, path)
    with pytest.raises(ModelError, match="is not stored whole"):
        tensors_only(load_archive(path), str(path))
