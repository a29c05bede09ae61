"""Published folders of our own families: what is read as data, what is refused and how it is said."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")

from benchmarks.networks.published import OWN, TRAP, write_checkpoint  # noqa: E402
from genomic_models import ModelError, load  # noqa: E402
from genomic_models.native import nucleotide_transformer  # noqa: E402
from genomic_models.native.loading import check_family  # noqa: E402
from genomic_models.native.registry import FAMILIES  # noqa: E402
from genomic_models.registry import with_random_weights  # noqa: E402
from genomic_models.stack import StackModel  # noqa: E402


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own")
    for family in OWN:
        write_checkpoint(family, place / family)
    return place


@pytest.fixture
def folder(written: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy that a test may change, of HyenaDNA or what the test says."""
    family = getattr(request, "param", "HyenaDNA")
    return Path(shutil.copytree(written / family, tmp_path / "copy"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_gives_the_logits_of_its_card(family: object) -> None:
    check_family.__wrapped__(family)


@pytest.mark.parametrize("family", [f for f in OWN if not f.startswith("GPN")])
def test_code_of_the_repository_does_not_run(written: Path, family: str) -> None:
    """Each folder has code that would end the test."""
    assert any(path.read_text() == TRAP for path in (written / family).glob("*.py"))
    assert load(f"hf:{written / family}").name.endswith(family)


def test_letters_need_no_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert load(f"hf:{folder}").forward(["ACGT"]).logits is not None


def test_other_arithmetic_is_refused(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rotation of nothing would do, as transformers 5 once did."""
    monkeypatch.setattr(nucleotide_transformer, "turned", lambda x: x)
    check_family.cache_clear()
    with pytest.raises(ModelError, match=r"computes Nucleotide Transformer v2 wrongly: .* install another"):
        load(f"hf:{written / 'Nucleotide Transformer v2'}")
    check_family.cache_clear()


def test_filters_stay_exact_in_bfloat16(folder: Path) -> None:
    model = load(f"hf:{folder}", dtype="bfloat16")
    assert isinstance(model, StackModel)
    kinds = {name: values.dtype for name, values in model.network.named_parameters()}
    assert {kind for name, kind in kinds.items() if "filter_fn" in name} == {torch.float32}
    assert {kind for name, kind in kinds.items() if "filter_fn" not in name} == {torch.bfloat16}
    assert model.causal  # whatever bfloat16 makes of a long convolution
    exact = load(f"hf:{folder}").forward(["ACGTTGCA" * 20]).logits
    found = model.forward(["ACGTTGCA" * 20]).logits
    assert (found - exact).abs().max() < 0.02 * exact.abs().max() + 0.02


def test_no_state_is_moved_by_padding(written: Path) -> None:
    """Caduceus reads from both ends: the shorter of a batch begins after its padding."""
    for family in ("Caduceus-ph", "Caduceus-ps", "GPN", "GPN (ConvNet)"):
        model = load(f"hf:{written / family}")
        both = model.forward(["ACGTACGTTGCATGCA", "GGTCA"], taps=model.layers)
        alone = model.forward(["GGTCA"], taps=model.layers)
        torch.testing.assert_close(both.logits[1, :5], alone.logits[0], atol=1e-5, rtol=1e-5)
        for layer in model.layers:
            torch.testing.assert_close(both.taps[layer][1, :5], alone.taps[layer][0], atol=1e-5, rtol=1e-5)


def test_random_weights_are_a_network_that_could_be_trained(written: Path) -> None:
    """Decays, steps and filters as the published settings begin with, not noise."""
    model = with_random_weights(load(f"hf:{written / 'Caduceus-ph'}"), 0)
    assert isinstance(model, StackModel)
    mixer = model.blocks[0].mixer["mamba_rev"]
    torch.testing.assert_close(mixer.A_log[0].exp(), torch.arange(1.0, 17))
    steps = torch.nn.functional.softplus(mixer.dt_proj.bias)
    assert steps.min() > 0.9e-3 and steps.max() < 0.11
    model = with_random_weights(load(f"hf:{written / 'HyenaDNA'}"), 0)
    filters = model.blocks[0].mixer.filter_fn
    assert filters.modulation.deltas.min() < -15 and filters.modulation.deltas.max() > -3.1
    torch.testing.assert_close(filters.pos_emb.z[0, :, 0], torch.linspace(0, 1, 200))


# -- what is refused -----------------------------------------------------------------------------------


def settings(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return changed


def damaged(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:50])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": Path()}, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (settings(hyena_order=3), r"config.json has hyena_order = 3.*expected 2"),
        (settings(d_model="wide"), r"config.json: d_model is 'wide', expected a whole number above 0"),
        (settings(n_layer=2), r"do not fit its config.json \(0 missing: none; .* of no use: blocks.2"),
        (settings(n_layer=4), r"weights do not fit its config.json \(\d+ missing: blocks.3"),
        (settings(d_model=16), r"weights do not fit its config.json \(size mismatch"),
        (
            weights(lambda s: s.pop("hyena.backbone.ln_f.weight")),
            r"weights do not fit its config.json \(1 missing: ln_f.weight; 0 of no use: none\)",
        ),
        (lambda f: (f / "model.safetensors").unlink(), r"no weights found, expected model.safetensors or"),
        (damaged, r"model.safetensors cannot be read as data"),
        (pickled, r"pytorch_model.bin cannot be read as data"),
        (lambda f: (f / "config.json").write_text("{"), r"config.json: cannot be read as JSON"),
        (
            lambda f: (f / "tokenizer_config.json").write_text("[]"),
            r"tokenizer_config.json: not a tokenizer's settings",
        ),
        # As PlantCaduceus has it: its letters have other ids.
        (lambda f: (f / "tokenizer.json").write_text("{}"), r"tokenizer.json holds a vocabulary of its own"),
    ],
)  # fmt: skip
def test_refused(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(ModelError, match=message):
        load(f"hf:{folder}")


@pytest.mark.parametrize(
    ("folder", "change", "message"),
    [
        ("Caduceus-ps", settings(complement_map=None), "has rcps and no complement_map"),
        (
            "Caduceus-ph",
            settings(bidirectional_strategy="ew_multiply"),
            "bidirectional_strategy = 'ew_multiply'",
        ),
        ("DNABERT-2", settings(num_attention_heads=5), "its network does not read its tokens"),
        ("GPN", settings(encoder="roformer"), "encoder = 'roformer'"),
        ("DNABERT-2", settings(hidden_act="relu"), "hidden_act = 'relu'"),
        ("GENA-LM", settings(sparse_config_cls="a:B"), "sparse_config_cls = 'a:B'"),
        ("GENA-LM", settings(last_layer_norm=False), "2 of no use: last_layer_ln"),
        ("Nucleotide Transformer v2", settings(token_dropout=True), "token_dropout = True"),
    ],
    indirect=["folder"],
)
def test_settings_that_are_not_computed(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(ModelError, match=message):
        load(f"hf:{folder}")
