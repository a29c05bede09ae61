"""The families whose networks are ours: how their settings are recognised, and their cards.

A card's logits are those that the published code gives for a network of known weights; before a model is
loaded, ours has to give them. They come from one run of standalone_hyenadna.py (HazyResearch/hyena-dna,
d553021), caduceus (kuleshov-group, 0060a6d) over the reference functions of mamba_ssm (e9594ce), gpn
(songlab-cal, 99293f8), the parts of modeling_bert.py (AIRI-Institute/GENA_LM, 4a88463) and MosaicBERT's
bert_layers.py (mosaicml/examples, daddaeff), which DNABERT-2 took over; for Nucleotide Transformer v2 of
transformers' ESM (5.23.0) with its feed-forward gated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genomic_models.native.caduceus import Caduceus
from genomic_models.native.dnabert2 import DNABert2
from genomic_models.native.gena import GENA
from genomic_models.native.gpn import GPN
from genomic_models.native.hyenadna import HyenaDNA
from genomic_models.native.network import Network
from genomic_models.native.nucleotide_transformer import NucleotideTransformer2


@dataclass(frozen=True, eq=False)
class Family:
    """A family.

    Attributes
    ----------
    name : str
    network : callable
        Makes the network of the settings of a ``config.json``.
    reads : callable
        Whether settings are of this family.
    tokenizer : str or None
        Class of transformers that reads the published tokenizer; None where a token is a letter, of the
        vocabulary of HyenaDNA.
    tiny : mapping
        Settings of the card's network, whose vocabulary has 16 tokens.
    logits : tuple of float
        The first ones at the last of ``families.TOKENS``.
    """

    name: str
    network: type[Network]
    reads: Callable[[Mapping[str, Any]], bool]
    tokenizer: str | None
    tiny: Mapping[str, Any]
    logits: tuple[float, ...]


_MAMBA = {
    "model_type": "caduceus",
    "d_model": 16,
    "n_layer": 3,
    "vocab_size": 12,
    "pad_vocab_size_multiple": 8,
    "complement_map": {str(i): {7: 10, 8: 9, 9: 8, 10: 7}.get(i, i) for i in range(16)},
    "ssm_cfg": {"d_state": 4, "d_conv": 4, "expand": 2, "dt_rank": "auto"},
    "fused_add_norm": True,
    "rms_norm": True,
}
_BERT = {
    "vocab_size": 16,
    "hidden_size": 18,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 64,
}

FAMILIES = (
    Family(
        "Nucleotide Transformer v2",
        NucleotideTransformer2,
        lambda config: "add_bias_fnn" in config and config.get("architectures") == ["EsmForMaskedLM"],
        "EsmTokenizer",
        _BERT | {"hidden_size": 12, "add_bias_fnn": False, "position_embedding_type": "rotary"},
        (0.20544, 0.224726, 0.322527, 0.098755, -0.179233, -0.194972, -0.29606, -0.251982),
    ),
    Family(
        "DNABERT-2",
        DNABert2,
        lambda config: "alibi_starting_size" in config,
        "PreTrainedTokenizerFast",
        _BERT | {"type_vocab_size": 2},
        (0.297709, 0.244313, 0.063764, -0.174638, -0.37435, -0.456977, -0.399125, -0.243385),
    ),
    Family(
        "GENA-LM",
        GENA,
        lambda config: config.get("model_type") == "bert" and bool(config.get("pre_layer_norm")),
        "PreTrainedTokenizerFast",
        _BERT | {"type_vocab_size": 2, "pre_layer_norm": True},
        (0.371711, 0.32341, 0.147864, -0.085628, -0.280531, -0.358456, -0.296012, -0.135798),
    ),
    Family(
        "HyenaDNA",
        HyenaDNA,
        lambda config: config.get("model_type") == "hyenadna",
        None,
        {
            "d_model": 16,
            "d_inner": 32,
            "n_layer": 2,
            "vocab_size": 12,
            "max_seq_len": 40,
            "emb_dim": 5,
            "filter_order": 8,
        },
        (0.470071, -0.462506, -0.657853, 0.195411, 0.737192, 0.103895, -0.695009, -0.386076),
    ),
    Family(
        "Caduceus-ph",
        Caduceus,
        lambda config: _is_caduceus(config, False),
        None,
        _MAMBA,
        (0.317895, 0.015565, -0.311575, -0.142067, 0.253894, 0.245151, -0.154361, -0.307823),
    ),
    Family(
        "Caduceus-ps",
        Caduceus,
        lambda config: _is_caduceus(config, True),
        None,
        _MAMBA | {"rcps": True},
        (0.382084, -0.085189, -0.416671, -0.083983, 0.382573, 0.239312, -0.28541, -0.160401),
    ),
    Family(
        "GPN",
        GPN,
        lambda config: config.get("model_type") == "GPN",
        "PreTrainedTokenizerFast",
        {
            "model_type": "GPN",
            "vocab_size": 16,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 4,
            "dilation_cycle": 3,
        },
        (0.329803, 0.422966, -0.158075, -0.487145, -0.039711, 0.471022, 0.230951, -0.377254),
    ),
    Family(
        "GPN (ConvNet)",
        GPN,
        lambda config: config.get("model_type") == "ConvNet",
        "PreTrainedTokenizerFast",
        {"model_type": "ConvNet", "vocab_size": 16, "hidden_size": 16, "n_layers": 3},
        (0.816565, -0.459594, -1.091323, 0.158689, 1.461405, 0.760025, -0.960767, -1.181684),
    ),
)


def _is_caduceus(config: Mapping[str, Any], equivariant: bool) -> bool:
    return config.get("model_type") == "caduceus" and bool(config.get("rcps", False)) == equivariant
