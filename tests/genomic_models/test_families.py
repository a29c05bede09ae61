"""Checkpoints in the published form, tiny and random, against transformers' own classes; scores by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")

from benchmarks.networks.published import OWN, PUBLISHED, write_checkpoint  # noqa: E402
from genomic_models import ModelError, load  # noqa: E402
from genomic_models.activations import read_activations  # noqa: E402
from genomic_models.contract import Tokens  # noqa: E402
from genomic_models.families import CARDS, TOKENS, TOLERANCE, check_architecture, known_weights  # noqa: E402
from genomic_models.hf import _loader  # noqa: E402
from genomic_models.registry import with_random_weights  # noqa: E402
from genomic_models.scoring import score  # noqa: E402
from genomic_models.stack import StackModel  # noqa: E402
from genomic_models.token_scoring import allele_odds, passes_needed  # noqa: E402

SEQUENCES = ["ATGCAAGTCCATGCAAGTCCATTATG", "GGGTTACACC"]
WORDS = ("Nucleotide Transformer v1", "Nucleotide Transformer v2", "GENERator", "Carbon")
CAUSAL = ("GENERator", "Carbon", "Mistral-DNA", "GenomeOcean", "HyenaDNA")
LETTERS = ("HyenaDNA", "Caduceus-ph", "Caduceus-ps", "GPN", "GPN (ConvNet)")


@pytest.fixture(scope="module", params=PUBLISHED)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(
        request.param, tmp_path_factory.mktemp("family") / request.param.replace(" ", "_")
    )


@pytest.fixture(scope="module")
def model(folder: Path) -> StackModel:
    found = load(f"hf:{folder}")
    assert isinstance(found, StackModel)
    return found


def spans_of(tokens: Tokens) -> list[tuple[int, int]]:
    """Bases of the tokens of the first sequence."""
    length = int(tokens.lengths[0])
    if tokens.spans is None:
        return [(i, i + 1) for i in range(length)]
    return [(start, end) for start, end in tokens.spans[0, :length].tolist()]


def words_by_hand(model: StackModel, sequence: str) -> list[str]:
    """Texts of the tokens that hold bases."""
    texts = {token: text for text, token in model.vocabulary}
    tokens = model.tokenize([sequence])
    return [texts[i] for i, (a, b) in zip(tokens.ids[0].tolist(), spans_of(tokens), strict=True) if b > a]


@pytest.mark.parametrize("folder", [family for family in PUBLISHED if family not in OWN], indirect=True)
def test_equals_transformers(folder: Path, model: StackModel) -> None:
    """Logits and every block, of each sequence alone: padding and the rest of the batch change nothing."""
    config = transformers.AutoConfig.from_pretrained(folder)
    network = getattr(transformers, _loader(config)).from_pretrained(folder).eval()
    found = model.forward(SEQUENCES, taps=model.layers)
    for row, sequence in enumerate(SEQUENCES):
        alone = model.tokenize([sequence])
        n = alone.ids.shape[1]
        assert found.tokens.lengths[row] == n and torch.equal(found.tokens.ids[row, :n], alone.ids[0])
        with torch.no_grad():
            expected = network(input_ids=alone.ids, output_hidden_states=True)
        torch.testing.assert_close(found.logits[row, :n], expected.logits[0], atol=1e-5, rtol=1e-5)
        for name, hidden in zip(model.layers[:-1], expected.hidden_states[:-1], strict=True):
            torch.testing.assert_close(found.taps[name][row, :n], hidden[0], atol=1e-5, rtol=1e-5)


def test_tokens_on_bases(model: StackModel) -> None:
    """Activations of a token on just the bases that spell it; special tokens on none."""
    layer = model.layers[-1]
    found = read_activations(model, layer, SEQUENCES)
    for sequence, rows in zip(SEQUENCES, found, strict=True):
        forward = model.forward([sequence], taps=[layer])
        texts = words_by_hand(model, sequence)
        assert "".join(texts)[: len(sequence)] == sequence
        assert rows.shape == (len(sequence), model.d_model(layer))
        columns = [i for i, (a, b) in enumerate(spans_of(forward.tokens)) if b > a]
        at = 0
        for column, text in zip(columns, texts, strict=True):
            for base in range(at, min(at + len(text), len(sequence))):
                torch.testing.assert_close(rows[base], forward.taps[layer][0, column])
            at += len(text)


def test_early_exit_edits_gradients_precision(folder: Path, model: StackModel) -> None:
    plain = model.forward(SEQUENCES[:1], taps=["blocks.0"])
    early = model.forward(SEQUENCES[:1], taps=["blocks.0"], until="blocks.0")
    assert early.logits is None and torch.equal(early.taps["blocks.0"], plain.taps["blocks.0"])
    leaf = plain.taps["blocks.0"].clone().requires_grad_(True)
    found = model.forward(SEQUENCES[:1], edits={"blocks.0": lambda x, c: leaf}, gradients=True)
    torch.testing.assert_close(found.logits, plain.logits, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(found.logits[0, -1, 5], leaf)
    assert gradient.abs().sum() > 0
    doubled = model.forward(SEQUENCES[:1], edits={"blocks.0": lambda x, c: 2 * x})
    assert not torch.allclose(doubled.logits, plain.logits)
    half = load(f"hf:{folder}", dtype="bfloat16")
    assert half.forward(SEQUENCES, taps=["blocks.0"]).taps["blocks.0"].dtype == torch.bfloat16
    assert load(f"hf:{folder}").weights_hash == model.weights_hash
    fresh = with_random_weights(model, 1)
    assert with_random_weights(model, 1).weights_hash == fresh.weights_hash != model.weights_hash
    with pytest.raises(ModelError, match=f"reads at most {model.context} tokens"):
        model.forward(["ACGT" * 800])
    assert model.causal == (folder.name.replace("_", " ") in CAUSAL)
    if model.causal:
        last, begun = model.layers[-1], SEQUENCES[0][:10]
        one, other = (
            model.forward([begun + end], taps=[last]).taps[last][:, 0] for end in ("ATGCAA", "CCCCCC")
        )
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    # Where each base is a token, beside the special ones.
    assert model.forward(["N" * model.longest]).tokens.lengths[0] <= model.context


def masked_by_hand(model: StackModel, sequence: str, column: int) -> Tensor:
    """Log-probabilities of what stands at a column, from transformers' class."""
    ids = model.tokenize([sequence]).ids
    with torch.no_grad():
        if not model.causal:
            ids[0, column] = model.mask_token
        said = model.network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        return said[column - model.causal].log_softmax(-1)


def test_scores(model: StackModel) -> None:
    """A token's bases add up to the token, masked by itself or after those before it."""
    sequence = SEQUENCES[0]
    found = score(model, [sequence])[0]
    tokens = model.tokenize([sequence])
    texts = {token: text for text, token in model.vocabulary}
    asked = 0
    for column, (start, end) in enumerate(spans_of(tokens)):
        if start == end:
            continue
        asked += 1
        if model.causal and column == 0:
            assert np.isnan(found.nats[start:end]).all()
            continue
        logp = masked_by_hand(model, sequence, column)
        text = texts[int(tokens.ids[0, column])]
        if len(text) > end - start:  # a word that was filled up: all that begin as the sequence ends
            begin = [
                i
                for word, i in model.vocabulary
                if len(word) == len(text) and word.startswith(sequence[start:])
            ]
            expected = logp[begin].logsumexp(0)
        else:
            expected = logp[tokens.ids[0, column]]
        assert float(found.nats[start:end].sum()) == pytest.approx(float(expected), abs=1e-4)
        entropy = float(-(logp.exp() * logp).sum()) / (end - start)
        assert found.entropy[start:end] == pytest.approx(entropy, abs=1e-4)
    assert passes_needed(model, [sequence]) == (1 if model.causal else asked)


def test_words_go_base_after_base_and_alleles_are_sums(model: StackModel, folder: Path) -> None:
    sequence, position = SEQUENCES[0], 8
    family = folder.name.replace("_", " ")
    if family not in WORDS + LETTERS:
        with pytest.raises(ModelError, match="its vocabulary does not hold all words of"):
            allele_odds(model, "ATGCAA" * 3, position, "G")
        return
    spans, k = spans_of(model.tokenize([sequence])), 6 if family in WORDS else 1
    column = next(i for i, (a, b) in enumerate(spans) if a <= position < b)
    start = spans[column][0]
    chance = masked_by_hand(model, sequence, column).exp()
    words = [(word, i) for word, i in model.vocabulary if len(word) == k and set(word) <= set("ACGT")]
    assert len(words) == 4**k

    def total(beginning: str) -> float:
        return sum(float(chance[i]) for word, i in words if word.startswith(beginning))

    nats = score(model, [sequence])[0].nats
    own = sequence[start : start + k]
    for at in range(1, k):
        expected = np.log(total(own[: at + 1]) / total(own[:at]))
        assert nats[start + at] == pytest.approx(expected, abs=1e-3)
    holds = {
        base: sum(float(chance[i]) for word, i in words if word[position - start] == base) for base in "ACGT"
    }
    for base in "ACGT":
        odds = allele_odds(model, sequence, position, base)
        assert odds == pytest.approx(np.log(holds[base] / holds[sequence[position]]), abs=1e-4)


# -- the check of the library --------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", CARDS)
def test_the_installed_library_is_right(architecture: str) -> None:
    check_architecture.__wrapped__(architecture)


def test_silent_breakage_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What transformers 5 once did: rotary frequencies of nothing."""
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    folder = write_checkpoint("Carbon", tmp_path / "carbon")
    rotate = LlamaRotaryEmbedding.forward

    def zeroed(self: LlamaRotaryEmbedding, *args: object, **kwargs: object) -> object:
        self.inv_freq.zero_()
        return rotate(self, *args, **kwargs)

    monkeypatch.setattr(LlamaRotaryEmbedding, "forward", zeroed)
    check_architecture.cache_clear()
    with pytest.raises(ModelError, match=r"computes LlamaForCausalLM wrongly.*install another release"):
        load(f"hf:{folder}")
    check_architecture.cache_clear()


def test_weights_that_the_library_would_make_up_are_refused(tmp_path: Path) -> None:
    """A network under the name of the library's class, with other norms than that has."""
    from safetensors.torch import load_file, save_file

    folder = write_checkpoint("GROVER", tmp_path / "bert")
    path = folder / "model.safetensors"
    state = load_file(path)
    moved = {name.replace("attention.output.LayerNorm", "pre_attention_ln"): v for name, v in state.items()}
    save_file(moved, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 6 of the weights of BertForMaskedLM \(bert.encoder"):
        load(f"hf:{folder}")
    save_file({name: v[..., :20].contiguous() for name, v in state.items()}, path, {"format": "pt"})
    with pytest.raises(ModelError, match="cannot be loaded from this folder"):
        load(f"hf:{folder}")


def llama_by_hand(tiny: dict, ids: list[int]) -> np.ndarray:
    """Logits of a Llama, by its paper: RMS norms, rotary positions, grouped queries, gated feed-forward."""
    d, heads, layers = tiny["hidden_size"], tiny["num_attention_heads"], tiny["num_hidden_layers"]
    size, inner, vocabulary = d // heads, tiny["intermediate_size"], tiny["vocab_size"]
    groups = tiny["num_key_value_heads"]
    shapes = {
        "model.embed_tokens.weight": (vocabulary, d),
        "lm_head.weight": (vocabulary, d),
        "model.norm.weight": (d,),
    }
    for i in range(layers):
        shapes |= {
            f"model.layers.{i}.{name}.weight": shape
            for name, shape in {
                "self_attn.q_proj": (d, d),
                "self_attn.k_proj": (groups * size, d),
                "self_attn.v_proj": (groups * size, d),
                "self_attn.o_proj": (d, d),
                "mlp.gate_proj": (inner, d),
                "mlp.up_proj": (inner, d),
                "mlp.down_proj": (d, inner),
                "input_layernorm": (d,),
                "post_attention_layernorm": (d,),
            }.items()
        }
    w = {name: values.double().numpy() for name, values in known_weights(shapes).items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return w[f"{name}.weight"] * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)

    places = np.arange(len(ids))[:, None] * 10_000.0 ** (-np.arange(0, size, 2) / size)

    def turn(x: np.ndarray) -> np.ndarray:
        a, b = np.split(x, 2, axis=-1)
        cos, sin = np.cos(places)[:, None], np.sin(places)[:, None]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["model.embed_tokens.weight"][ids]
    for i in range(layers):
        at = f"model.layers.{i}."
        h = norm(x, at + "input_layernorm")
        q, k, v = (
            (h @ w[f"{at}self_attn.{n}_proj.weight"].T).reshape(len(ids), -1, size) for n in ("q", "k", "v")
        )
        q, k = turn(q), turn(k).repeat(heads // groups, 1)
        weights = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(size)
        weights = np.where(np.tri(len(ids), dtype=bool), weights, -np.inf)
        weights = np.exp(weights - weights.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", weights, v.repeat(heads // groups, 1)).reshape(len(ids), d)
        x = x + mixed @ w[f"{at}self_attn.o_proj.weight"].T
        h = norm(x, at + "post_attention_layernorm")
        gate = h @ w[f"{at}mlp.gate_proj.weight"].T
        inside = gate / (1 + np.exp(-gate)) * (h @ w[f"{at}mlp.up_proj.weight"].T)
        x = x + inside @ w[f"{at}mlp.down_proj.weight"].T
    return norm(x, "model.norm") @ w["lm_head.weight"].T


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "MistralForCausalLM"])
def test_a_card_is_right_by_hand(architecture: str) -> None:
    card = CARDS[architecture]
    found = llama_by_hand(dict(card.tiny), list(TOKENS))[-1, :6]
    assert np.abs(found - np.array(card.logits)).max() < TOLERANCE
