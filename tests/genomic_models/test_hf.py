"""The transformers adapter against transformers itself, on tiny random models."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genomic_models.contract import ModelError, TapContext
from genomic_models.hf import HFModel
from genomic_models.scoring import score
from genomic_models.stack import encode

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="the extra `hf` is not installed")

SEQUENCES = ["ACGTACGTTGCAGGCT", "GGGTTACA"]
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]"}


def fast_tokenizer(folder: Path, size: int, marks: bool) -> None:
    """Write a tokenizer with one token for every ``size`` bases; ``marks`` adds [CLS] and [SEP]."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    for k in range(1, size + 1):
        words += ["".join(p) for p in itertools.product("ACGT", repeat=k)]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    pattern = tokenizers.Regex(".{1,%d}" % size)  # noqa: UP031
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(pattern, "isolated")
    if marks:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=8, n_embd=16, n_layer=3, n_head=2, n_positions=160, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    fast_tokenizer(folder, 1, marks=False)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=88,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    fast_tokenizer(folder, 3, marks=True)
    return folder


def reference(folder: Path, auto: str, ids: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    network = getattr(transformers, auto).from_pretrained(folder).eval()
    with torch.no_grad():
        output = network(input_ids=ids, output_hidden_states=True)
    return output.logits, output.hidden_states


def test_causal_model_equals_transformers(gpt2: Path) -> None:
    model = HFModel.load(f"hf:{gpt2}")
    assert model.layers == ("embedding", "blocks.0", "blocks.1", "blocks.2")
    assert model.causal
    assert model.context == 160
    assert model.d_model("blocks.1") == 16
    assert model.base_tokens().tolist() == [4, 5, 6, 7]
    result = model.forward(SEQUENCES, taps=model.layers)
    assert result.tokens.spans is None
    assert result.tokens.lengths.tolist() == [16, 8]
    for row, sequence in enumerate(SEQUENCES):
        ids = torch.tensor([["ACGT".index(base) + 4 for base in sequence]])
        logits, hidden = reference(gpt2, "AutoModelForCausalLM", ids)
        n = len(sequence)
        torch.testing.assert_close(result.logits[row, :n], logits[0])
        for i, name in enumerate(model.layers[:-1]):  # the last hidden state is after the final norm
            torch.testing.assert_close(result.taps[name][row, :n], hidden[i][0])


def test_masked_model_of_3_mers(bert: Path) -> None:
    model = HFModel.load(f"hf:{bert}")
    assert not model.causal
    assert model.base_tokens() is None
    result = model.forward(SEQUENCES, taps=model.layers)
    assert result.tokens.lengths.tolist() == [8, 5]
    assert result.tokens.spans[1].tolist() == [
        [0, 0], [0, 3], [3, 6], [6, 8], [0, 0], [0, 0], [0, 0], [0, 0]
    ]  # fmt: skip
    logits, hidden = reference(bert, "AutoModelForMaskedLM", result.tokens.ids[1:, :5])
    torch.testing.assert_close(result.logits[1, :5], logits[0])
    for name, expected in zip(model.layers, hidden, strict=True):
        torch.testing.assert_close(result.taps[name][1, :5], expected[0])


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_edits_are_seen_by_what_follows(kind: str, request: pytest.FixtureRequest) -> None:
    model = HFModel.load(f"hf:{request.getfixturevalue(kind)}")
    plain = model.forward(SEQUENCES, taps=model.layers)
    seen: list[TapContext] = []

    def double(x: Tensor, context: TapContext) -> Tensor:
        seen.append(context)
        return 2 * x

    with pytest.raises(ModelError, match="cannot hold its gates: no direct effect"):
        model.forward(SEQUENCES, gradients=True, frozen=True)
    for name in ("embedding", "blocks.0"):
        edited = model.forward(SEQUENCES, taps=model.layers, edits={name: double})
        torch.testing.assert_close(edited.taps[name], 2 * plain.taps[name])
        assert not torch.allclose(edited.logits, plain.logits)
        put = plain.taps[name]
        same = model.forward(SEQUENCES, edits={name: lambda x, c, put=put: put})
        torch.testing.assert_close(same.logits, plain.logits)
    assert [context.tap for context in seen] == ["embedding", "blocks.0"]
    assert torch.equal(seen[0].ids, plain.tokens.ids)
    with pytest.raises(ModelError, match=r"edit at blocks\.0 returned shape"):
        model.forward(SEQUENCES, edits={"blocks.0": lambda x, c: x[:1]})
    again = model.forward(SEQUENCES)  # no hook is left behind
    torch.testing.assert_close(again.logits, plain.logits)
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in model.blocks)
    leaf = plain.taps["blocks.0"].clone().requires_grad_(True)
    model.network.forward = torch.no_grad()(model.network.forward)
    with pytest.raises(ModelError, match="cannot be differentiated: its network switches gradients off"):
        model.forward(SEQUENCES, edits={"blocks.0": lambda x, c: leaf}, gradients=True)


def test_early_exit(gpt2: Path) -> None:
    model = HFModel.load(f"hf:{gpt2}")
    full = model.forward(SEQUENCES, taps=["embedding", "blocks.0"])
    ran: list[int] = []
    model.blocks[1].register_forward_hook(lambda *_: ran.append(1))
    result = model.forward(SEQUENCES, taps=["embedding", "blocks.0"], until="blocks.0")
    assert result.logits is None
    assert not ran
    assert torch.equal(result.taps["blocks.0"], full.taps["blocks.0"])
    with pytest.raises(ModelError, match=r"stop at blocks\.0, before blocks\.1"):
        model.forward(SEQUENCES, taps=["blocks.1"], until="blocks.0")


def test_headless_model_has_no_logits(gpt2: Path, tmp_path: Path) -> None:
    transformers.GPT2Model.from_pretrained(gpt2).save_pretrained(tmp_path)
    fast_tokenizer(tmp_path, 1, marks=False)
    model = HFModel.load(f"hf:{tmp_path}")
    assert model.causal
    result = model.forward(SEQUENCES, taps=["blocks.1"])
    assert result.logits is None
    expected = HFModel.load(f"hf:{gpt2}").forward(SEQUENCES, taps=["blocks.1"])
    torch.testing.assert_close(result.taps["blocks.1"], expected.taps["blocks.1"])


def test_bf16_and_hash(gpt2: Path) -> None:
    model = HFModel.load(f"hf:{gpt2}", dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert model.forward(["ACGT"], taps=["blocks.0"]).taps["blocks.0"].dtype == torch.bfloat16
    fp32 = HFModel.load(f"hf:{gpt2}")
    assert fp32.weights_hash == HFModel.load(f"hf:{gpt2}").weights_hash != model.weights_hash


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "no sequence"),
        (["ACGT", ""], "sequence 1 is empty"),
        (["A" * 161], "reads at most 160 tokens, this batch has 161"),
    ],
)
def test_sequences_that_cannot_be_read(gpt2: Path, sequences: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        HFModel.load(f"hf:{gpt2}").forward(sequences)


def test_one_string_is_no_batch(gpt2: Path) -> None:
    model = HFModel.load(f"hf:{gpt2}")
    for door in (model.tokenize, model.forward):
        with pytest.raises(TypeError, match="one string of 4 letters, expected a list of sequences"):
            door("ACGT")


def test_scores_beyond_the_context(gpt2: Path) -> None:
    """160 positions: the window after the first begins at 120, and scores from 160 on."""
    model = HFModel.load(f"hf:{gpt2}")
    ids = torch.randint(4, 8, (1, 200), generator=torch.Generator().manual_seed(0))
    sequence = "".join("ACGT"[i - 4] for i in ids[0].tolist())
    expected = []
    for start, end, first in ((0, 160, 0), (120, 200, 39)):
        logits, _ = reference(gpt2, "AutoModelForCausalLM", ids[:, start:end])
        logp = logits[0, :-1].log_softmax(-1).gather(-1, ids[0, start + 1 : end, None])[:, 0]
        expected.append(logp[first:])
    found = score(model, [sequence])[0]
    torch.testing.assert_close(torch.tensor(found.nats[1:]), torch.cat(expected), atol=1e-5, rtol=0)
    with pytest.raises(ModelError, match="does not read bytes: it has no start token"):
        score(model, [sequence], bos=True)


def test_scores_behind_a_special_token(gpt2: Path, tmp_path: Path) -> None:
    """Tokens are bases, and not those of their number: the first one has something before it."""
    transformers.GPT2LMHeadModel.from_pretrained(gpt2).save_pretrained(tmp_path)
    fast_tokenizer(tmp_path, 1, marks=True)
    model = HFModel.load(f"hf:{tmp_path}")
    assert model.causal and model.base_tokens() is None and not model.predicts_bases
    assert (model.context, model.longest) == (160, 158)
    ids = torch.tensor([[2, *("ACGT".index(base) + 4 for base in SEQUENCES[0]), 3]])
    logits, _ = reference(gpt2, "AutoModelForCausalLM", ids)
    expected = logits[0, :-2].log_softmax(-1).gather(-1, ids[0, 1:-1, None])[:, 0]
    found = score(model, SEQUENCES[:1])[0]
    torch.testing.assert_close(torch.tensor(found.nats), expected, atol=1e-5, rtol=0)


class SlowTokenizer:
    """A tokenizer that keeps no offsets: 6-mers, then single letters, as NT's does."""

    is_fast = False
    all_special_ids = (0, 1)

    def __call__(self, sequence: str) -> dict[str, list[int]]:
        body = len(sequence) // 6 * 6
        texts = [sequence[i : i + 6] for i in range(0, body, 6)] + list(sequence[body:])
        self.texts = ["<cls>", *("<unk>" if "X" in text else text for text in texts)]
        return {"input_ids": [0, *(1 if "X" in t else 5 for t in texts)]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return self.texts


def test_spans_from_token_texts() -> None:
    ids, spans = encode(SlowTokenizer(), "ACGTACGTACGTNA", "m")
    assert len(ids) == 5
    assert spans == [(0, 0), (0, 6), (6, 12), (12, 13), (13, 14)]
    with pytest.raises(ModelError, match=r"cannot be laid on the bases \(token 2 of 3, base 0 of 12\)"):
        encode(SlowTokenizer(), "AXGTACGTACGT", "m")


def test_models_that_cannot_be_loaded(gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="cannot be loaded from this folder"):
        HFModel.load(f"hf:{tmp_path}")
    for file in gpt2.iterdir():
        if file.suffix == ".json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        HFModel.load(f"hf:{tmp_path}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="no such folder, and not to be had"):
        HFModel.load("hf:nobody/nothing")


def test_code_of_a_repository_does_not_run_unasked(gpt2: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    values = json.loads((gpt2 / "config.json").read_text())
    values |= {"model_type": "novel", "auto_map": {"AutoConfig": "novel.NovelConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    (tmp_path / "novel.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    with pytest.raises(ModelError, match="needs Python code of its repository"):
        HFModel.load(f"hf:{tmp_path}")
    assert not marker.exists()


def test_transformers_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'genomics-workbench\[hf\]'"):
        HFModel.load("hf:any/thing")
