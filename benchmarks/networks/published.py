"""Tiny checkpoints of random weights in the form in which families of DNA models are published.

No weights can be had without a network: these have the file names, keys, settings and vocabularies of the
real ones, and go through the same code.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

SMALL = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 200,
}
# Merges of a small BPE, over single bases.
MERGES = [("A", "T"), ("G", "C"), ("AT", "GC"), ("T", "T"), ("A", "A"), ("ATGC", "AA"), ("C", "G")]


def _words(k: int) -> list[str]:
    return ["".join(letters) for letters in itertools.product("ATCG", repeat=k)]


def nucleotide_transformer(folder: Path, k: int = 6) -> None:
    """v1: an ESM with absolute positions; ``vocab.txt`` of special tokens, words, letters."""
    words = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *_words(k), *"ATCGN"]
    config = transformers.EsmConfig(
        vocab_size=len(words),
        mask_token_id=2,
        pad_token_id=1,
        token_dropout=True,
        position_embedding_type="absolute",
        **SMALL,
    )
    transformers.EsmForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
    settings = {"tokenizer_class": "EsmTokenizer", "model_max_length": 200, "cls_token": "<cls>"}
    settings |= {"eos_token": None, "mask_token": "<mask>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _bpe(folder: Path, special: list[str], around: bool) -> int:
    vocabulary = {word: i for i, word in enumerate([*special, *"ACGTN"])}
    for merge in MERGES:
        vocabulary["".join(merge)] = len(vocabulary)
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, MERGES, unk_token=special[1]))
    if around:
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    named = {"pad_token": special[0], "unk_token": special[1]}
    if around:
        named |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(folder)
    return len(vocabulary)


def bert_of_bpe(folder: Path) -> None:
    """GROVER, GENA-LM (bert-base): a BERT of byte pairs, special tokens on both sides."""
    size = _bpe(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], around=True)
    config = transformers.BertConfig(vocab_size=size, **SMALL)
    transformers.BertForMaskedLM(config).save_pretrained(folder)


def _decoder(folder: Path, kind: str, size: int, **more: Any) -> None:
    config = getattr(transformers, f"{kind}Config")(vocab_size=size, num_key_value_heads=2, **SMALL, **more)
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)


def mixtral_of_bpe(folder: Path) -> None:
    """Mistral-DNA: a mixture of experts over byte pairs."""
    _decoder(folder, "Mixtral", _bpe(folder, ["[PAD]", "[UNK]"], False), num_local_experts=4)


def mistral_of_bpe(folder: Path) -> None:
    """GenomeOcean: a Mistral over byte pairs."""
    _decoder(folder, "Mistral", _bpe(folder, ["[PAD]", "[UNK]"], False))


GENERATOR = ("<oov>", "<s>", "</s>", "<pad>", "<mask>")


def llama_of_words(folder: Path, special: tuple[str, ...] = GENERATOR) -> None:
    """GENERator: a Llama of 6-mers, whose tokenizer comes as code, which does not run here."""
    words = {word: i for i, word in enumerate([*special, *_words(6)])}
    _decoder(folder, "Llama", len(words))
    (folder / "vocab.json").write_text(json.dumps(words))
    code = {"AutoTokenizer": ["tokenizer.DNAKmerTokenizer", None]}
    settings = {"auto_map": code, "tokenizer_class": "DNAKmerTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.py").write_text("raise SystemExit('the code of the repository ran')\n")


def carbon(folder: Path) -> None:
    """Carbon: a Llama of 6-mers behind a tag."""
    llama_of_words(folder, ("<unk>", "<s>", "</s>", "<pad>", "<dna>", "</dna>"))


# Family, and what writes a tiny checkpoint of it into a folder.
PUBLISHED: dict[str, Callable[[Path], None]] = {
    "Nucleotide Transformer v1": nucleotide_transformer,
    "GROVER, GENA-LM bert-base": bert_of_bpe,
    "GENERator": llama_of_words,
    "Carbon": carbon,
    "Mistral-DNA": mixtral_of_bpe,
    "GenomeOcean": mistral_of_bpe,
}


def write_checkpoint(family: str, folder: Path, seed: int = 0) -> Path:
    """A tiny checkpoint of a family; the same for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        PUBLISHED[family](folder)
    return folder
