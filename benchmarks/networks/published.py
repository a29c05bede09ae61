"""Tiny checkpoints of random weights in the form in which families of DNA models are published.

No weights can be had without a network: these have the file names, keys, settings and vocabularies of the
real ones, and go through the same code.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

from genomic_models.native.caduceus import Caduceus
from genomic_models.native.dnabert2 import DNABert2
from genomic_models.native.gena import GENA
from genomic_models.native.gpn import GPN
from genomic_models.native.hyenadna import HyenaDNA
from genomic_models.native.network import Network
from genomic_models.native.nucleotide_transformer import NucleotideTransformer2
from genomic_models.native.registry import FAMILIES

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
    """GROVER: a BERT of byte pairs, special tokens on both sides."""
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


# What stands in a repository whose code must not run.
TRAP = "raise SystemExit('the code of the repository ran')\n"


def nucleotide_transformer_2(folder: Path) -> None:
    """v2: an ESM with rotary positions and a gated feed-forward; its class is code of the repository."""
    nucleotide_transformer(folder)
    config = json.loads((folder / "config.json").read_text()) | {
        "add_bias_fnn": False,
        "position_embedding_type": "rotary",
        "token_dropout": False,
        "emb_layer_norm_before": False,
        "tie_word_embeddings": False,
        "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"},
    }
    del config["model_type"]
    _own(folder, NucleotideTransformer2(config), ESM, config, "modeling_esm.py")


ESM = (
    (r"^lm_head\.decoder\.bias", "lm_head.bias"),
    (r"^embeddings\.", "esm.embeddings."),
    (r"^blocks\.", "esm.encoder.layer."),
    (r"^emb_layer_norm_after", "esm.encoder.emb_layer_norm_after"),
)


def _own(
    folder: Path,
    network: Network,
    names: tuple[tuple[str, str], ...],
    config: dict[str, Any],
    code: str | None = None,
    tied: str = "$^",
    binary: bool = False,
) -> None:
    """Settings and fresh weights under published names, those left out that the file shares; and a trap."""
    network.initialise()
    state = {}
    for name, values in network.state_dict().items():
        if re.search(tied, name):
            continue
        for pattern, other in names:
            name = re.sub(pattern, other, name)
        state[name] = values.contiguous()
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").unlink(missing_ok=True)
    if binary:
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if code:
        (folder / code).write_text(TRAP)


def dnabert_2(folder: Path) -> None:
    """A gated BERT of byte pairs in which distance costs attention; weights as PyTorch saves them."""
    size = _bpe(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], around=True)
    config = SMALL | {
        "alibi_starting_size": 512,
        "auto_map": {"AutoModelForMaskedLM": "bert_layers.BertForMaskedLM"},
        "hidden_act": "gelu",
        "model_type": "bert",
        "type_vocab_size": 2,
        "vocab_size": size,
    }
    _own(folder, DNABert2(config), BERT, config, "bert_layers.py", binary=True)


BERT = (
    (r"^head\.", "cls.predictions."),
    (r"^embeddings\.", "bert.embeddings."),
    (r"^blocks\.", "bert.encoder.layer."),
    (r"^last_layer_ln\.", "bert.encoder.last_layer_ln."),
)


def gena_lm(folder: Path) -> None:
    """A BERT with norms before its parts, whose class is code under the name of transformers' own."""
    size = _bpe(folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], around=True)
    config = SMALL | {
        "architectures": ["BertForMaskedLM"],
        "auto_map": {"AutoModel": "modeling_bert.BertForMaskedLM"},
        "hidden_act": "gelu",
        "model_type": "bert",
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "pre_layer_norm": True,
        "type_vocab_size": 2,
        "vocab_size": size,
    }
    _own(folder, GENA(config), BERT, config, "modeling_bert.py", binary=True)


def _letters(folder: Path, kind: str, longest: int) -> None:
    """Settings of a tokenizer of letters that comes as code."""
    code = {"AutoTokenizer": [f"tokenization_{kind.lower()}.{kind}Tokenizer", None]}
    settings = {"auto_map": code, "tokenizer_class": f"{kind}Tokenizer", "model_max_length": longest}
    settings["characters"] = list("ACGTN")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / f"tokenization_{kind.lower()}.py").write_text(TRAP)


def hyenadna(folder: Path) -> None:
    """Hyena operators over bases; the head shares the embedding, the sines one frequency."""
    config = {
        "architectures": ["HyenaDNAForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_hyena.HyenaDNAForCausalLM"},
        "d_inner": 48,
        "d_model": 24,
        "emb_dim": 5,
        "filter_order": 8,
        "hyena_order": 2,
        "layer_norm_epsilon": 1e-5,
        "max_seq_len": 200,
        "model_type": "hyenadna",
        "n_layer": 3,
        "num_inner_mlps": 2,
        "pad_vocab_size_multiple": 8,
        "short_filter_order": 3,
        "train_freq": True,
        "vocab_size": 12,
    }
    names = (
        (r"filter_fn\.freq", "filter_fn.implicit_filter.1.freq"),
        (r"^(embeddings|ln_f)\.", r"hyena.backbone.\1."),
        (r"^blocks\.", "hyena.backbone.layers."),
    )
    _own(folder, HyenaDNA(config), names, config, "modeling_hyena.py", tied=r"^lm_head\.")
    _letters(folder, "HyenaDNA", 200)


def caduceus(folder: Path, equivariant: bool = False) -> None:
    """Mamba from both ends over bases (``ph``); ``ps`` reads the reverse complement as well."""
    config = {
        "architectures": ["CaduceusForMaskedLM"],
        "auto_map": {"AutoModelForMaskedLM": "modeling_caduceus.CaduceusForMaskedLM"},
        "bidirectional": True,
        "bidirectional_strategy": "add",
        "bidirectional_weight_tie": True,
        "complement_map": {str(i): {7: 10, 8: 9, 9: 8, 10: 7}.get(i, i) for i in range(16)},
        "d_model": 24,
        "fused_add_norm": True,
        "model_type": "caduceus",
        "n_layer": 3,
        "norm_epsilon": 1e-5,
        "pad_vocab_size_multiple": 8,
        "rcps": equivariant,
        "rms_norm": True,
        "ssm_cfg": {"d_conv": 4, "d_state": 16, "dt_rank": "auto", "expand": 2},
        "vocab_size": 16,
    }
    embedding = r"caduceus.backbone.embeddings.word_embeddings." + "embedding." * equivariant
    names = (
        (r"^embeddings\.word_embeddings\.", embedding),
        (r"\.mixer\.", ".mixer.submodule." if equivariant else ".mixer."),
        (r"^norm_f\.", "caduceus.backbone.norm_f."),
        (r"^blocks\.", "caduceus.backbone.layers."),
    )
    tied = r"^lm_head\.|mamba_rev\.(in|out)_proj"
    _own(folder, Caduceus(config), names, config, "modeling_caduceus.py", tied)
    _letters(folder, "Caduceus", 200)


def caduceus_ps(folder: Path) -> None:
    """The equivariant one."""
    caduceus(folder, True)


def gpn(folder: Path) -> None:
    """Dilated convolutions over bases in lower case, as the package ``gpn`` writes them now."""
    config = {
        "architectures": ["GPNForMaskedLM"],
        "bias": False,
        "dilation_cycle": 3,
        "encoder": "convnet",
        "hidden_size": 24,
        "intermediate_size": 32,
        "model_type": "GPN",
        "num_hidden_layers": 3,
        "vocab_size": 7,
    }
    names = (
        (r"^head\.3\.", "cls.decoder."),
        (r"^head\.", "cls.transform."),
        (r"^blocks\.", "model.encoder.layer."),
        (r"^ln_f\.", "model.ln_f."),
    )
    _own(folder, GPN(config), names, config)
    _lower_case(folder)


def gpn_brassicales(folder: Path) -> None:
    """The form of the first ones (songlab/gpn-brassicales)."""
    config = {
        "architectures": ["ConvNetForMaskedLM"],
        "dilation_cycle": 6,
        "dilation_max": 32,
        "hidden_size": 24,
        "kernel_size": 9,
        "model_type": "ConvNet",
        "n_layers": 3,
        "vocab_size": 7,
    }
    names = ((r"^head\.", "cls.decoder."), (r"^blocks\.", "model.encoder."))
    _own(folder, GPN(config), names, config, binary=True)
    _lower_case(folder)


def _lower_case(folder: Path) -> None:
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[MASK]", "[UNK]", *"acgt"])}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [], unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    named = {"pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(folder)


# Family, and what writes a tiny checkpoint of it into a folder.
PUBLISHED: dict[str, Callable[[Path], None]] = {
    "Nucleotide Transformer v1": nucleotide_transformer,
    "GROVER": bert_of_bpe,
    "GENERator": llama_of_words,
    "Carbon": carbon,
    "Mistral-DNA": mixtral_of_bpe,
    "GenomeOcean": mistral_of_bpe,
    "Nucleotide Transformer v2": nucleotide_transformer_2,
    "DNABERT-2": dnabert_2,
    "GENA-LM": gena_lm,
    "HyenaDNA": hyenadna,
    "Caduceus-ph": caduceus,
    "Caduceus-ps": caduceus_ps,
    "GPN": gpn,
    "GPN (ConvNet)": gpn_brassicales,
}
# Those whose network is ours: transformers has none to compare with.
OWN = tuple(family.name for family in FAMILIES)


def write_checkpoint(family: str, folder: Path, seed: int = 0) -> Path:
    """A tiny checkpoint of a family; the same for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        PUBLISHED[family](folder)
    return folder
