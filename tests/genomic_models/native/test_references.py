"""Networks of ours against transformers' own parts, and against their equations written out in float64."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")

from benchmarks.networks.published import OWN, write_checkpoint  # noqa: E402
from genomic_models import load  # noqa: E402
from genomic_models.native.loading import _weights  # noqa: E402
from genomic_models.native.selective_scan import Mamba, scan  # noqa: E402
from genomic_models.stack import StackModel  # noqa: E402

SEQUENCE = "ATGCAAGTCCATGCAAGTCCATTATGNACGTTTACGA"

# Names that the published classes have, some of each, as their own state_dict gives them.
NAMES = {
    "Nucleotide Transformer v2": (
        "esm.embeddings.word_embeddings.weight",
        "esm.encoder.layer.0.attention.self.query.bias",
        "esm.encoder.layer.1.attention.output.dense.weight",
        "esm.encoder.layer.2.attention.LayerNorm.weight",
        "esm.encoder.layer.2.intermediate.dense.weight",
        "esm.encoder.layer.2.output.dense.weight",
        "esm.encoder.layer.2.LayerNorm.bias",
        "esm.encoder.emb_layer_norm_after.weight",
        "lm_head.bias",
        "lm_head.dense.weight",
        "lm_head.layer_norm.bias",
        "lm_head.decoder.weight",
    ),
    "DNABERT-2": (
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.bias",
        "bert.encoder.layer.0.attention.self.Wqkv.weight",
        "bert.encoder.layer.1.attention.output.LayerNorm.weight",
        "bert.encoder.layer.2.mlp.gated_layers.weight",
        "bert.encoder.layer.2.mlp.wo.bias",
        "bert.encoder.layer.2.mlp.layernorm.weight",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.decoder.bias",
    ),
    "GENA-LM": (
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.position_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.bias",
        "bert.encoder.layer.0.pre_attention_ln.weight",
        "bert.encoder.layer.0.attention.self.query.weight",
        "bert.encoder.layer.1.attention.output.dense.bias",
        "bert.encoder.layer.1.post_attention_ln.bias",
        "bert.encoder.layer.2.intermediate.dense.weight",
        "bert.encoder.layer.2.output.dense.weight",
        "bert.encoder.last_layer_ln.weight",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.decoder.bias",
    ),
    "HyenaDNA": (
        "hyena.backbone.embeddings.word_embeddings.weight",
        "hyena.backbone.layers.0.mixer.in_proj.bias",
        "hyena.backbone.layers.0.mixer.short_filter.weight",
        "hyena.backbone.layers.1.mixer.filter_fn.bias",
        "hyena.backbone.layers.1.mixer.filter_fn.pos_emb.z",
        "hyena.backbone.layers.1.mixer.filter_fn.pos_emb.t",
        "hyena.backbone.layers.1.mixer.filter_fn.implicit_filter.1.freq",
        "hyena.backbone.layers.1.mixer.filter_fn.implicit_filter.6.weight",
        "hyena.backbone.layers.2.mixer.filter_fn.modulation.deltas",
        "hyena.backbone.layers.2.norm1.weight",
        "hyena.backbone.layers.2.mlp.fc2.bias",
        "hyena.backbone.ln_f.weight",
    ),
    "Caduceus-ph": (
        "caduceus.backbone.embeddings.word_embeddings.weight",
        "caduceus.backbone.layers.0.mixer.mamba_fwd.A_log",
        "caduceus.backbone.layers.1.mixer.mamba_rev.conv1d.bias",
        "caduceus.backbone.layers.2.norm.weight",
        "caduceus.backbone.norm_f.weight",
    ),
    "Caduceus-ps": (
        "caduceus.backbone.embeddings.word_embeddings.embedding.weight",
        "caduceus.backbone.layers.0.mixer.submodule.mamba_fwd.in_proj.weight",
        "caduceus.backbone.layers.1.mixer.submodule.mamba_rev.x_proj.weight",
        "caduceus.backbone.layers.2.mixer.submodule.mamba_rev.dt_proj.bias",
        "caduceus.backbone.layers.2.norm.weight",
        "caduceus.backbone.norm_f.weight",
    ),
    "GPN": (
        "model.encoder.layer.0.conv.0.weight",
        "model.encoder.layer.1.conv.2.weight",
        "model.encoder.layer.2.conv.5.weight",
        "model.encoder.layer.2.ffn.3.weight",
        "model.ln_f.weight",
        "cls.transform.0.weight",
        "cls.transform.2.weight",
        "cls.decoder.weight",
    ),
    "GPN (ConvNet)": (
        "model.encoder.0.conv.1.bias",
        "model.encoder.1.conv.4.weight",
        "model.encoder.2.ffn.0.weight",
        "model.encoder.2.ffn.2.bias",
        "cls.decoder.0.weight",
        "cls.decoder.2.bias",
        "cls.decoder.3.weight",
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("own")
    return {family: write_checkpoint(family, place / family.replace(" ", "_")) for family in OWN}


def opened(folder: Path) -> tuple[StackModel, dict[str, Tensor], dict]:
    """A model, the weights of its file in float64, its settings."""
    model = load(f"hf:{folder}")
    assert isinstance(model, StackModel)
    weights = {name: values.double() for name, values in _weights(lambda f: _there(folder / f), "m").items()}
    return model, weights, json.loads((folder / "config.json").read_text())


def _there(path: Path) -> Path | None:
    return path if path.exists() else None


@pytest.mark.parametrize("family", OWN)
def test_names_as_published(folders: dict[str, Path], family: str) -> None:
    _, weights, _ = opened(folders[family])
    assert set(NAMES[family]) <= set(weights)


# -- Mamba ---------------------------------------------------------------------------------------------


def recurrence(x: Tensor, step: Tensor, decay: Tensor, enters: Tensor, leaves: Tensor) -> Tensor:
    """The state space, a token at a time."""
    state = x.new_zeros(x.shape[0], x.shape[2], decay.shape[1])
    found = []
    for t in range(x.shape[1]):
        now = step[:, t, :, None]
        state = torch.exp(now * decay) * state + now * x[:, t, :, None] * enters[:, t, None]
        found.append((state * leaves[:, t, None]).sum(-1))
    return torch.stack(found, 1)


def test_scan_is_the_recurrence() -> None:
    draws = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draws, dtype=torch.float64)

    length = 150  # two stretches and a part
    given = [random(2, length, 3), random(2, length, 3).exp(), -random(3, 4).exp()]
    given += [random(2, length, 4), random(2, length, 4)]
    given = [values.requires_grad_(True) for values in given]
    expected, found = recurrence(*given), scan(*given)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    weights = random(*expected.shape)
    for a, b in zip(
        torch.autograd.grad((found * weights).sum(), given),
        torch.autograd.grad((expected * weights).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_mixer_equals_transformers() -> None:
    from transformers.models.mamba.modeling_mamba import MambaMixer

    torch.manual_seed(0)
    config = transformers.MambaConfig(
        hidden_size=24, state_size=16, expand=2, conv_kernel=4, num_hidden_layers=1
    )
    theirs = MambaMixer(config, layer_idx=0).eval()
    nn.init.normal_(theirs.A_log, 0.5, 0.5)
    ours = Mamba(24, {})
    ours.load_state_dict(theirs.state_dict())
    x, mask = torch.randn(2, 100, 24), torch.ones(2, 100)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, mask), theirs(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["Caduceus-ph", "Caduceus-ps"])
def test_caduceus_of_transformers_mixers(folders: dict[str, Path], family: str) -> None:
    """Both directions, halves that change places in every block, norms and head by hand."""
    from transformers.models.mamba.modeling_mamba import MambaMixer

    model, weights, settings = opened(folders[family])
    equivariant = settings["rcps"]
    config = transformers.MambaConfig(hidden_size=24, state_size=16, num_hidden_layers=1)

    def mixer(at: str) -> nn.Module:
        made = MambaMixer(config, layer_idx=0).double().eval()
        for name in made.state_dict():
            tied = at if f"{at}{name}" in weights else at.replace("mamba_rev", "mamba_fwd")
            made.state_dict()[name].copy_(weights[f"{tied}{name}"])
        return made

    def norm(x: Tensor, name: str) -> Tensor:
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-5) * weights[name]

    tokens = model.tokenize([SEQUENCE])
    partner = torch.tensor([settings["complement_map"][str(i)] for i in range(16)])
    embedding = next(values for name, values in weights.items() if "word_embeddings" in name)
    # The sequence and its reverse complement as two streams, the second read from its own first base on.
    streams = [embedding[tokens.ids]] + [embedding[partner[tokens.ids.flip(1)]]] * equivariant
    with torch.no_grad():
        for i in range(settings["n_layer"]):
            at = f"caduceus.backbone.layers.{i}."
            inside = at + ("mixer.submodule." if equivariant else "mixer.")
            ahead, back = mixer(f"{inside}mamba_fwd."), mixer(f"{inside}mamba_rev.")
            if equivariant:  # they change places, each laid on the other's bases and channels
                streams = [streams[1].flip(1, 2), streams[0].flip(1, 2)]
            read = [norm(x, f"{at}norm.weight") for x in streams]
            streams = [x + ahead(r) + back(r.flip(1)).flip(1) for x, r in zip(streams, read, strict=True)]
            found = model.forward([SEQUENCE], taps=[f"blocks.{i}"]).taps[f"blocks.{i}"]
            expected = torch.cat([streams[0], *(x.flip(1, 2) for x in streams[1:])], -1)
            torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
        last = [norm(x, "caduceus.backbone.norm_f.weight") @ embedding.T for x in streams]
        expected = last[0] if not equivariant else last[0] + last[1].flip(1)[..., partner]
    torch.testing.assert_close(model.forward([SEQUENCE]).logits.double(), expected, atol=1e-5, rtol=1e-5)


def test_caduceus_ps_reads_both_strands_alike(folders: dict[str, Path]) -> None:
    """Of the reverse complement: logits of partners from the other end, bases and channels turned round."""
    model, _, settings = opened(folders["Caduceus-ps"])
    partner = [settings["complement_map"][str(i)] for i in range(16)]
    sequence = SEQUENCE.replace("N", "A")
    turned = sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
    one, other = (model.forward([s], taps=model.layers) for s in (sequence, turned))
    torch.testing.assert_close(one.logits, other.logits.flip(1)[..., partner], atol=1e-5, rtol=1e-5)
    for layer in model.layers:
        torch.testing.assert_close(one.taps[layer], other.taps[layer].flip(1, 2), atol=1e-5, rtol=1e-5)
    plain, _, _ = opened(folders["Caduceus-ph"])
    one, other = (plain.forward([s]).logits for s in (sequence, turned))
    assert (one - other.flip(1)[..., partner]).abs().max() > 0.01


# -- attention -----------------------------------------------------------------------------------------


def norm_by_hand(x: Tensor, weights: dict[str, Tensor], at: str, epsilon: float) -> Tensor:
    middle = x - x.mean(-1, keepdim=True)
    scaled = middle / torch.sqrt((middle**2).mean(-1, keepdim=True) + epsilon)
    return scaled * weights.get(f"{at}.weight", 1.0) + weights.get(f"{at}.bias", 0.0)


def linear(x: Tensor, weights: dict[str, Tensor], at: str) -> Tensor:
    return x @ weights[f"{at}.weight"].T + weights.get(f"{at}.bias", 0.0)


def test_dnabert_2_equals_bert_with_distances(folders: dict[str, Path]) -> None:
    """Transformers' BERT attention with -slope x distance as its mask; the gate by hand."""
    from transformers.models.bert.modeling_bert import BertSelfAttention

    model, weights, settings = opened(folders["DNABERT-2"])
    tokens = model.tokenize([SEQUENCE])
    length, width = tokens.ids.shape[1], settings["hidden_size"]
    config = transformers.BertConfig(hidden_size=width, num_attention_heads=4, attn_implementation="eager")
    slopes = [2**-2, 2**-4, 2**-6, 2**-8]  # of four heads, as the paper says
    far = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    bias = torch.stack([-slope * far for slope in slopes])[None].double()
    x = weights["bert.embeddings.word_embeddings.weight"][tokens.ids]
    x = x + weights["bert.embeddings.token_type_embeddings.weight"][0]
    x = norm_by_hand(x, weights, "bert.embeddings.LayerNorm", 1e-12)
    for i in range(settings["num_hidden_layers"]):
        at = f"bert.encoder.layer.{i}."
        attention = BertSelfAttention(config).double().eval()
        for kind in ("weight", "bias"):
            parts = weights[f"{at}attention.self.Wqkv.{kind}"].chunk(3)
            for name, part in zip(("query", "key", "value"), parts, strict=True):
                getattr(getattr(attention, name), kind).data = part
        with torch.no_grad():
            mixed = attention(x, attention_mask=bias)[0]
        x = norm_by_hand(
            x + linear(mixed, weights, f"{at}attention.output.dense"),
            weights,
            f"{at}attention.output.LayerNorm",
            1e-12,
        )
        gate, up = linear(x, weights, f"{at}mlp.gated_layers").chunk(2, -1)
        inside = functional.gelu(gate) * up
        x = norm_by_hand(x + linear(inside, weights, f"{at}mlp.wo"), weights, f"{at}mlp.layernorm", 1e-12)
        found = model.forward([SEQUENCE], taps=[f"blocks.{i}"]).taps[f"blocks.{i}"]
        torch.testing.assert_close(found.double(), x, atol=1e-5, rtol=1e-5)
    x = functional.gelu(linear(x, weights, "cls.predictions.transform.dense"))
    x = norm_by_hand(x, weights, "cls.predictions.transform.LayerNorm", 1e-12)
    expected = linear(x, weights, "cls.predictions.decoder")
    torch.testing.assert_close(model.forward([SEQUENCE]).logits.double(), expected, atol=1e-5, rtol=1e-5)


def test_gena_lm_norms_before_its_parts(folders: dict[str, Path]) -> None:
    """Transformers' BERT attention and feed-forward, between norms by hand."""
    from transformers.models.bert.modeling_bert import BertIntermediate, BertSelfAttention

    model, weights, settings = opened(folders["GENA-LM"])
    ids = model.tokenize([SEQUENCE]).ids
    config = transformers.BertConfig(
        hidden_size=settings["hidden_size"],
        intermediate_size=settings["intermediate_size"],
        num_attention_heads=4,
        attn_implementation="eager",
    )

    def theirs(kind: type[nn.Module], at: str) -> nn.Module:
        made = kind(config).double().eval()
        made.load_state_dict({name: weights[f"{at}{name}"] for name in made.state_dict()})
        return made

    x = weights["bert.embeddings.word_embeddings.weight"][ids]
    x = x + weights["bert.embeddings.token_type_embeddings.weight"][0]
    x = x + weights["bert.embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm_by_hand(x, weights, "bert.embeddings.LayerNorm", 1e-12)
    for i in range(settings["num_hidden_layers"]):
        at = f"bert.encoder.layer.{i}."
        read = norm_by_hand(x, weights, f"{at}pre_attention_ln", 1e-12)
        with torch.no_grad():
            mixed = theirs(BertSelfAttention, f"{at}attention.self.")(read)[0]
            x = x + linear(mixed, weights, f"{at}attention.output.dense")
            read = norm_by_hand(x, weights, f"{at}post_attention_ln", 1e-12)
            inside = theirs(BertIntermediate, f"{at}intermediate.")(read)
        x = x + linear(inside, weights, f"{at}output.dense")
        found = model.forward([SEQUENCE], taps=[f"blocks.{i}"]).taps[f"blocks.{i}"]
        torch.testing.assert_close(found.double(), x, atol=1e-5, rtol=1e-5)
    x = norm_by_hand(x, weights, "bert.encoder.last_layer_ln", 1e-12)
    x = functional.gelu(linear(x, weights, "cls.predictions.transform.dense"))
    x = norm_by_hand(x, weights, "cls.predictions.transform.LayerNorm", 1e-12)
    expected = linear(x, weights, "cls.predictions.decoder")
    torch.testing.assert_close(model.forward([SEQUENCE]).logits.double(), expected, atol=1e-5, rtol=1e-5)


def test_slopes_of_twelve_heads() -> None:
    """The real one has twelve: eight of a geometric row, then every second of sixteen (Press et al. 2022)."""
    from genomic_models.native.attention import distance_bias

    found = -distance_bias(12, 2, torch.device("cpu"))[:, 0, 1]
    eight, sixteen = [2.0**-i for i in range(1, 9)], [2.0 ** (-i / 2) for i in range(1, 17)]
    torch.testing.assert_close(found, torch.tensor(eight + sixteen[0::2][:4]))


def test_nucleotide_transformer_2_equals_a_gated_esm(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers' ESM with rotary positions; its feed-forward replaced by one with a gate."""
    from transformers.models.esm import modeling_esm

    class Gated(nn.Module):
        def __init__(self, config: transformers.EsmConfig) -> None:
            super().__init__()
            self.dense = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            gate, up = self.dense(x).chunk(2, -1)
            return gate * torch.sigmoid(gate) * up

    class Output(nn.Module):
        def __init__(self, config: transformers.EsmConfig) -> None:
            super().__init__()
            self.dense = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

        def forward(self, x: Tensor, stream: Tensor) -> Tensor:
            return stream + self.dense(x)

    monkeypatch.setattr(modeling_esm, "EsmIntermediate", Gated)
    monkeypatch.setattr(modeling_esm, "EsmOutput", Output)
    model, weights, settings = opened(folders["Nucleotide Transformer v2"])
    config = transformers.EsmConfig(
        **{k: v for k, v in settings.items() if k not in ("auto_map", "architectures")}
    )
    theirs = transformers.EsmForMaskedLM(config).eval()
    missing, unexpected = theirs.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    assert not unexpected
    assert all("contact_head" in name or "rotary" in name or "position" in name for name in missing)
    found = model.forward([SEQUENCE], taps=model.layers)
    ids = found.tokens.ids
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    for name, hidden in zip(model.layers[:-1], expected.hidden_states[:-1], strict=True):
        torch.testing.assert_close(found.taps[name], hidden, atol=1e-5, rtol=1e-5)


# -- convolutions --------------------------------------------------------------------------------------


def test_hyenadna_by_hand(folders: dict[str, Path]) -> None:
    """Each long convolution summed base by base."""
    model, weights, settings = opened(folders["HyenaDNA"])
    tokens = model.tokenize([SEQUENCE])
    length, width = tokens.ids.shape[1], settings["d_model"]
    embedding = weights["hyena.backbone.embeddings.word_embeddings.weight"]
    x = embedding[tokens.ids[0]]
    for i in range(settings["n_layer"]):
        at = f"hyena.backbone.layers.{i}."
        filters = f"{at}mixer.filter_fn."
        h = weights[f"{filters}pos_emb.z"][0, :length]
        for layer in (0, 2, 4):
            h = linear(h, weights, f"{filters}implicit_filter.{layer}")
            h = torch.sin(weights[f"{filters}implicit_filter.1.freq"] * h)
        h = linear(h, weights, f"{filters}implicit_filter.6")
        time, rate = weights[f"{filters}pos_emb.t"][0, :length], weights[f"{filters}modulation.deltas"][0]
        h = h * (torch.exp(-time * rate.abs()) + 0.05)
        u = linear(norm_by_hand(x, weights, f"{at}norm1", 1e-5), weights, f"{at}mixer.in_proj")
        short, short_bias = (
            weights[f"{at}mixer.short_filter.weight"][:, 0],
            weights[f"{at}mixer.short_filter.bias"],
        )
        before = torch.cat([torch.zeros(2, 3 * width, dtype=torch.float64), u])
        u = sum(before[j : j + length] * short[:, j] for j in range(3)) + short_bias
        first, second, value = u.chunk(3, -1)
        value = value * second
        mixed = torch.stack([(value[: t + 1] * h[: t + 1].flip(0)).sum(0) for t in range(length)])
        mixed = (mixed + value * weights[f"{filters}bias"]) * first
        x = x + linear(mixed, weights, f"{at}mixer.out_proj")
        inside = linear(norm_by_hand(x, weights, f"{at}norm2", 1e-5), weights, f"{at}mlp.fc1")
        x = x + linear(functional.gelu(inside, approximate="tanh"), weights, f"{at}mlp.fc2")
        found = model.forward([SEQUENCE], taps=[f"blocks.{i}"]).taps[f"blocks.{i}"][0]
        torch.testing.assert_close(found.double(), x, atol=1e-5, rtol=1e-5)
    expected = norm_by_hand(x, weights, "hyena.backbone.ln_f", 1e-5) @ embedding.T
    torch.testing.assert_close(model.forward([SEQUENCE]).logits[0].double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["GPN", "GPN (ConvNet)"])
def test_gpn_by_hand(folders: dict[str, Path], family: str) -> None:
    """Dilated sums, base by base; the published schedule of dilations: doubled, begun anew after a cycle."""
    model, weights, settings = opened(folders[family])
    assert model.context == 512  # what it was trained on
    before = family == "GPN"
    ids = model.tokenize([SEQUENCE]).ids[0]
    length = len(ids)
    x = torch.from_numpy(np.eye(settings["hidden_size"])[ids.numpy()])

    def convolved(x: Tensor, at: str, dilation: int) -> Tensor:
        kernel = weights[f"{at}.weight"]
        size = kernel.shape[2]
        rows = []
        for t in range(length):
            row = weights.get(f"{at}.bias", torch.zeros(kernel.shape[0], dtype=torch.float64)).clone()
            for j in range(size):
                place = t + (j - size // 2) * dilation
                if 0 <= place < length:
                    row = row + kernel[:, :, j] @ x[place]
            rows.append(row)
        return torch.stack(rows)

    for i in range(3):
        at = f"model.encoder.{'layer.' * before}{i}."
        if before:
            read = norm_by_hand(x, weights, f"{at}conv.0", 1e-5)
            x = x + linear(functional.gelu(convolved(read, f"{at}conv.2", 2**i)), weights, f"{at}conv.5")
            inside = linear(norm_by_hand(x, weights, f"{at}ffn.0", 1e-5), weights, f"{at}ffn.1")
            x = x + linear(functional.gelu(inside), weights, f"{at}ffn.3")
        else:
            seen = functional.gelu(convolved(x, f"{at}conv.1", 2**i))
            x = x + norm_by_hand(seen, weights, f"{at}conv.4", 1e-5)
            inside = functional.gelu(linear(x, weights, f"{at}ffn.0"))
            x = x + norm_by_hand(inside, weights, f"{at}ffn.2", 1e-5)
        found = model.forward([SEQUENCE], taps=[f"blocks.{i}"]).taps[f"blocks.{i}"][0]
        torch.testing.assert_close(found.double(), x, atol=1e-5, rtol=1e-5)
    if before:
        x = norm_by_hand(x, weights, "model.ln_f", 1e-5)
    names = ("cls.transform.0", "cls.transform.2", "cls.decoder")
    first, norm, last = names if before else (f"cls.decoder.{j}" for j in (0, 2, 3))
    x = norm_by_hand(functional.gelu(linear(x, weights, first)), weights, norm, 1e-5)
    expected = linear(x, weights, last)
    torch.testing.assert_close(model.forward([SEQUENCE]).logits[0].double(), expected, atol=1e-5, rtol=1e-5)
