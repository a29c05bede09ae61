"""Models of other families through the transformers library: ``hf:OWNER/NAME`` or ``hf:FOLDER``.

Taps are ``embedding`` (what the first block reads) and ``blocks.N`` (what block N writes to the residual
stream). Weights are read from safetensors only, and code of the repository runs only when the caller says
so; a tokenizer of words of k bases that comes as code is replaced by ours (``genomic_models.kmers``).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genomic_models.contract import DNAModel, Edit, Forward, ModelError, Tokens, refuse_empty
from genomic_models.dna import BASES
from genomic_models.families import architecture_of, check_architecture
from genomic_models.hashing import hash_weights
from genomic_models.kmers import KmerTokenizer, read_kmer_tokenizer
from genomic_models.taps import Probe, after, hooked

PREFIX = "hf:"
EMBEDDING = "embedding"
# Endings of a repository's architecture and the class that loads it; ``AutoModel`` otherwise.
HEADS = (
    ("ForCausalLM", "AutoModelForCausalLM"),
    ("LMHeadModel", "AutoModelForCausalLM"),
    ("ForMaskedLM", "AutoModelForMaskedLM"),
)

DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
WIDTH_KEYS = ("hidden_size", "d_model", "n_embd")
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")
# Some DNA with every base in it, to see how a tokenizer and a network behave.
PROBE = "ACGTTGCAAGCTACGTCCGATGCATTGACC"


class HFModel(DNAModel):
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
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.name = name
        config: Any = network.config
        if getattr(config, "is_encoder_decoder", False):
            raise ModelError(f"model {name}: encoder-decoders have no single stream of blocks to read")
        config.use_cache = False
        self.blocks = _find_blocks(network, _figure(config, DEPTH_KEYS, name), name)
        self.width = _figure(config, WIDTH_KEYS, name)
        self.layers = (EMBEDDING, *(f"blocks.{i}" for i in range(len(self.blocks))))
        limits = [getattr(config, key, None) for key in CONTEXT_KEYS]
        limits.append(getattr(tokenizer, "model_max_length", None))
        self.context = min((int(v) for v in limits if v and v > 0), default=sys.maxsize)
        self.causal = self._is_causal()

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
            transformers not installed, nothing found there (or no network), no safetensors weights, or
            code of the repository needed.
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
            network = loader.from_pretrained(source, use_safetensors=True, **trust)
        except ModelError:
            raise
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(_explain(name, source, error)) from error
        network = network.to(device=device, dtype=dtype).requires_grad_(False)
        return cls(network, tokenizer, name)

    @cached_property
    def weights_hash(self) -> str:  # type: ignore[override]
        return hash_weights(self.network.state_dict())

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def d_model(self, layer: str) -> int:
        self.resolve(layer)
        return self.width

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        refuse_empty(sequences)
        rows, spans = [], []
        for sequence in sequences:
            ids, span = encode(self.tokenizer, sequence.upper(), self.name)
            rows.append(torch.tensor(ids))
            spans.append(torch.tensor(span))
        pad = getattr(self.tokenizer, "pad_token_id", None) or 0
        lengths = torch.tensor([len(row) for row in rows])
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
        if all(_is_identity(span) for span in spans):
            return Tokens(padded, lengths)
        return Tokens(padded, lengths, torch.nn.utils.rnn.pad_sequence(spans, batch_first=True))

    def untrained(self, seed: int) -> HFModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = type(self.network)(deepcopy(self.network.config))
        network = network.to(device=self.device, dtype=self.dtype).requires_grad_(False)
        return HFModel(network, self.tokenizer, f"{self.name} (random weights, seed {seed})")

    def base_tokens(self) -> Tensor | None:
        ids = _plain(self.tokenizer, PROBE)
        singles = [_plain(self.tokenizer, base) for base in BASES]
        by_base = {base: single[0] for base, single in zip(BASES, singles, strict=True) if single}
        if ids != [by_base.get(base) for base in PROBE]:
            return None
        return torch.tensor([by_base[base] for base in BASES])

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        if frozen:
            raise ModelError(f"model {self.name} cannot hold its gates: no direct effect of it is known")
        tokens = self.tokenize(sequences)
        self._check_length(tokens)
        return self._run(tokens, taps, until, edits or {}, gradients)

    def forward_tokens(self, tokens: Tokens) -> Forward:
        """A pass over tokens as they are; ``ModelError`` for more than the model reads."""
        self._check_length(tokens)
        return self._run(tokens, (), None, {})

    def _check_length(self, tokens: Tokens) -> None:
        longest = tokens.ids.shape[1]
        if longest > self.context:
            raise ModelError(
                f"model {self.name} reads at most {self.context} tokens, this batch has {longest}: use a"
                " smaller window"
            )

    @cached_property
    def vocabulary(self) -> tuple[tuple[str, int], ...]:
        """Texts of the tokens, with their ids."""
        return tuple(sorted(self.tokenizer.get_vocab().items(), key=lambda entry: entry[1]))

    @property
    def mask_token(self) -> int | None:
        """Id of what stands in place of a token that is asked for; None where the model has none."""
        token = getattr(self.tokenizer, "mask_token_id", None)
        return None if token is None else int(token)

    def _run(
        self,
        tokens: Tokens,
        taps: Sequence[str],
        until: str | None,
        edits: Mapping[str, Edit],
        gradients: bool = False,
    ) -> Forward:
        for name in (*taps, *edits, *([until] if until else [])):
            self.resolve(name)
        ids = tokens.ids.to(self.device)
        probe = Probe(ids, 0, taps, until, edits)
        handles = []
        if EMBEDDING in probe.watched:
            hook = _before(probe)
            handles.append(self.blocks[0].register_forward_pre_hook(hook, with_kwargs=True))
        for i, block in enumerate(self.blocks):
            if f"blocks.{i}" in probe.watched:
                handles.append(block.register_forward_hook(after(probe, f"blocks.{i}")))

        def say() -> Tensor | None:
            output = self.network(input_ids=ids, **self._mask(tokens, ids))
            return getattr(output, "logits", None)

        return Forward(tokens, hooked(handles, gradients, say), probe.read())

    def _mask(self, tokens: Tokens, ids: Tensor) -> dict[str, Tensor]:
        """The padding mask, for networks that take one."""
        if "attention_mask" not in inspect.signature(self.network.forward).parameters:
            return {}
        columns = torch.arange(ids.shape[1], device=ids.device)
        return {"attention_mask": (columns < tokens.lengths.to(ids.device)[:, None]).long()}

    def _is_causal(self) -> bool:
        """Whether another last token leaves all states before it as they were."""
        ids = torch.tensor([_plain(self.tokenizer, PROBE * 4)])
        if ids.shape[1] < 2 or ids.shape[1] > self.context:
            raise ModelError(f"model {self.name}: its tokenizer gives {ids.shape[1]} tokens for DNA")
        other = ids.clone()
        other[0, -1] = ids[0][ids[0] != ids[0, -1]][0] if ids.unique().numel() > 1 else ids[0, -1] + 1
        last = self.layers[-1]
        states = [
            self._run(Tokens(row, torch.tensor([row.shape[1]])), [last], last, {}).taps[last]
            for row in (ids, other)
        ]
        change = (states[0] - states[1])[0, :-1].abs().max()
        return bool(change <= 1e-5 * states[0].abs().max())


def encode(tokenizer: Any, sequence: str, name: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Token ids of a sequence and the bases ``[start, end)`` of each; special tokens have none.

    Offsets come from the tokenizer where it keeps them (the fast ones), else from the lengths of the
    tokens' texts, which must then add up to the sequence.

    Raises
    ------
    ModelError
        If the tokens cannot be laid on the bases.
    """
    if isinstance(tokenizer, KmerTokenizer):
        return tokenizer.encode(sequence)
    if getattr(tokenizer, "is_fast", False):
        coded = tokenizer(sequence, return_offsets_mapping=True)
        return list(coded["input_ids"]), [(int(a), int(b)) for a, b in coded["offset_mapping"]]
    ids = list(tokenizer(sequence)["input_ids"])
    texts = tokenizer.convert_ids_to_tokens(ids)
    spans, at = [], 0
    for token, text in zip(ids, texts, strict=True):
        size = 0 if token in tokenizer.all_special_ids else len(text)
        if size and sequence[at : at + size] != text:
            break
        spans.append((at, at + size))
        at += size
    if at != len(sequence) or len(spans) != len(ids):
        raise ModelError(
            f"model {name}: its tokens cannot be laid on the bases (token {len(spans)} of {len(ids)}, base"
            f" {at} of {len(sequence)}): expected tokens that spell the sequence; letters other than ACGT"
            " may be unknown to it"
        )
    return ids, spans


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


def _plain(tokenizer: Any, sequence: str) -> list[int]:
    if isinstance(tokenizer, KmerTokenizer):
        return tokenizer.words(sequence)[0]
    return list(tokenizer(sequence, add_special_tokens=False)["input_ids"])


def _is_identity(spans: Tensor) -> bool:
    starts = torch.arange(len(spans))
    return bool((spans[:, 0] == starts).all() and (spans[:, 1] == starts + 1).all())


def _before(visit: Any) -> Any:
    """Hook on the first block's input, given by position or by name."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (visit(EMBEDDING, args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": visit(EMBEDDING, kwargs["hidden_states"])}

    return hook


def _find_blocks(network: nn.Module, depth: int, name: str) -> nn.ModuleList:
    """The first list of as many modules as the configuration says there are layers."""
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError(f"model {name}: found no list of its {depth} blocks to read from")


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
