"""Models of other families through the transformers library: ``hf:OWNER/NAME`` or ``hf:FOLDER``.

Taps are ``embedding`` (what the first block reads) and ``blocks.N`` (what block N writes to the residual
stream). Weights are read from safetensors only, and code of the repository runs only when the caller says
so; a tokenizer of words of k bases that comes as code is replaced by ours (``genomic_models.kmers``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genomic_models.contract import ModelError
from genomic_models.families import architecture_of, check_architecture
from genomic_models.kmers import read_kmer_tokenizer
from genomic_models.stack import StackModel

PREFIX = "hf:"
# Endings of a repository's architecture and the class that loads it; ``AutoModel`` otherwise.
HEADS = (
    ("ForCausalLM", "AutoModelForCausalLM"),
    ("LMHeadModel", "AutoModelForCausalLM"),
    ("ForMaskedLM", "AutoModelForMaskedLM"),
)

# Weights of parts that nothing here reads, which files may lack.
UNREAD = re.compile(r"(^|\.)(pooler|contact_head|position_ids)(\.|$)")

DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
WIDTH_KEYS = ("hidden_size", "d_model", "n_embd")
# Kinds whose places are counted from the id of padding on, so that as many fewer fit.
AFTER_PADDING = ("esm", "roberta", "xlm-roberta", "camembert")
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")


class HFModel(StackModel):
    """A transformers model behind the contract.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode on its device.
    tokenizer : object
        A transformers tokenizer.
    name : str
        How the model is asked for.

    Raises
    ------
    ModelError
        An encoder-decoder, or a network in which no list of blocks can be found.
    """

    def __init__(self, network: nn.Module, tokenizer: Any, name: str) -> None:
        config: Any = network.config
        if getattr(config, "is_encoder_decoder", False):
            raise ModelError(f"model {name}: encoder-decoders have no single stream of blocks to read")
        config.use_cache = False
        blocks = _find_blocks(network, _figure(config, DEPTH_KEYS, name), name)
        limits = [getattr(config, key, None) for key in CONTEXT_KEYS]
        absolute = getattr(config, "position_embedding_type", "absolute") == "absolute"
        if config.model_type in AFTER_PADDING and absolute:
            limits = [limit and limit - config.pad_token_id - 1 for limit in limits]
        limits.append(getattr(tokenizer, "model_max_length", None))
        context = min((int(v) for v in limits if v and v > 0), default=sys.maxsize)
        super().__init__(network, tokenizer, name, blocks, _figure(config, WIDTH_KEYS, name), context)

    @classmethod
    def load(
        cls,
        name: str,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        trust_remote_code: bool = False,
    ) -> HFModel:
        """Load ``hf:OWNER/NAME`` or ``hf:FOLDER``.

        Parameters
        ----------
        name : str
            Repository on the Hugging Face hub, or a folder with ``config.json``, tokenizer and weights.
        device : str
            As PyTorch names it.
        dtype : torch.dtype
            Of weights and activations.
        trust_remote_code : bool
            Let Python code of the repository run. Read that code first.

        Raises
        ------
        ModelError
            transformers not installed, nothing found there (or no network), no safetensors weights or not
            all of them, or code of the repository needed.
        """
        try:
            import transformers
        except ImportError as error:
            raise ModelError(
                f"model {name} needs the transformers library: pip install 'genomics-workbench[hf]'"
            ) from error
        source = name.removeprefix(PREFIX)
        trust = {"trust_remote_code": trust_remote_code}
        try:
            config = transformers.AutoConfig.from_pretrained(source, **trust)
            tokenizer = _tokenizer(source, trust_remote_code)
            loader = getattr(transformers, _loader(config))
            check_architecture(architecture_of(config))
            network, found = loader.from_pretrained(
                source, use_safetensors=True, output_loading_info=True, **trust
            )
        except ModelError:
            raise
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise ModelError(_explain(name, source, error)) from error
        _refuse_missing(found["missing_keys"], type(network).__name__, name)
        check_architecture(type(network).__name__)
        network = network.to(device=device, dtype=dtype).requires_grad_(False)
        return cls(network, tokenizer, name)


def _tokenizer(source: str, trust_remote_code: bool) -> Any:
    """What the repository brings; where that is code which may not run, our own of its vocabulary."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError):

        def find(name: str) -> Path | None:
            found = transformers.utils.cached_file(
                source,
                name,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
            return None if found is None else Path(found)

        own = None if trust_remote_code else read_kmer_tokenizer(find)
        if own is None:
            raise
        return own


def _find_blocks(network: nn.Module, depth: int, name: str) -> nn.ModuleList:
    """The first list of as many modules as the configuration says there are layers."""
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError(f"model {name}: found no list of its {depth} blocks to read from")


def _refuse_missing(missing: Iterable[str], kind: str, name: str) -> None:
    """Raise ``ModelError`` for weights that the library would make up, of parts that are read here."""
    if left := sorted(key for key in missing if not UNREAD.search(key)):
        raise ModelError(
            f"model {name}: its files lack {len(left)} of the weights of {kind} ({', '.join(left[:3])}), so"
            " its network is another: where its repository brings code, read that, then allow it with"
            " trust_remote_code=True"
        )


def _figure(config: Any, keys: tuple[str, ...], name: str) -> int:
    for key in keys:
        if isinstance(value := getattr(config, key, None), int):
            return value
    raise ModelError(f"model {name}: its config.json has none of {', '.join(keys)}")


def _loader(config: Any) -> str:
    return next((auto for ending, auto in HEADS if architecture_of(config).endswith(ending)), "AutoModel")


def _explain(name: str, source: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if "trust_remote_code" in str(error):
        return (
            f"model {name} needs Python code of its repository: read that code, then allow it with"
            " trust_remote_code=True"
        )
    if Path(source).is_dir():
        return (
            f"model {name}: cannot be loaded from this folder ({reason}); expected config.json, tokenizer"
            " files and safetensors weights"
        )
    return (
        f"model {name}: no such folder, and not to be had from the Hugging Face hub ({reason}); check the"
        " name and the network, or download the repository and give its folder; only safetensors"
        " weights are read"
    )
