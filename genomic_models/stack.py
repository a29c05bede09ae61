"""A stack of blocks over tokens behind the contract: tapped before its first block and after each.

Taps are ``embedding`` (what the first block reads) and ``blocks.N`` (what block N writes to the residual
stream).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from genomic_models.contract import Edit, Forward, ModelError, Tokens, refuse_empty
from genomic_models.dna import BASES
from genomic_models.hashing import hash_weights
from genomic_models.kmers import KmerTokenizer
from genomic_models.model import Model
from genomic_models.native.network import Network
from genomic_models.taps import Probe, after, hooked, require_gradient

EMBEDDING = "embedding"
# Some DNA with every base in it, to see how a tokenizer and a network behave.
PROBE = "ACGTTGCAAGCTACGTCCGATGCATTGACC"


class StackModel(Model):
    """A network of blocks, and what turns DNA into its tokens.

    Parameters
    ----------
    network : nn.Module
        Takes ``input_ids`` and, if it can be told what padding is, ``attention_mask``; gives an object with
        ``logits``. Its ``config`` makes another of its class.
    tokenizer : object
        A transformers tokenizer, or one of ours.
    name : str
        How the model is asked for.
    blocks : nn.ModuleList
        Those of the network.
    width : int
        Of the stream between the blocks.
    context : int
        Longest sequence, in tokens.
    """

    def __init__(
        self, network: nn.Module, tokenizer: Any, name: str, blocks: nn.ModuleList, width: int, context: int
    ) -> None:
        self.network = network.eval()
        self.tokenizer, self.name = tokenizer, name
        self.blocks, self.width, self.context = blocks, width, context
        self.layers = (EMBEDDING, *(f"blocks.{i}" for i in range(len(blocks))))
        self.causal = self._is_causal()

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

    def untrained(self, seed: int) -> StackModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = type(self.network)(deepcopy(self.network.config))
            if isinstance(network, Network):
                network.initialise()
        network = network.to(device=self.device, dtype=self.dtype).requires_grad_(False)
        name = f"{self.name} (random weights, seed {seed})"
        return StackModel(network, self.tokenizer, name, self._blocks_of(network), self.width, self.context)

    def _blocks_of(self, network: nn.Module) -> nn.ModuleList:
        """The blocks of another network of the same class."""
        place = next(name for name, module in self.network.named_modules() if module is self.blocks)
        found = network.get_submodule(place)
        assert isinstance(found, nn.ModuleList)
        return found

    @cached_property
    def _special(self) -> int:
        """Tokens of no base that are put around a sequence."""
        spans = self.tokenize([PROBE]).spans
        return 0 if spans is None else int((spans[..., 0] == spans[..., 1]).sum())

    @property
    def longest(self) -> int:
        return self.context - self._special

    def base_tokens(self) -> Tensor | None:
        ids = _plain(self.tokenizer, PROBE)
        singles = [_plain(self.tokenizer, base) for base in BASES]
        by_base = {base: single[0] for base, single in zip(BASES, singles, strict=True) if single}
        if ids != [by_base.get(base) for base in PROBE] or self._special:
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
        """Texts of the tokens, with their ids; bases in upper case, as they are read."""
        found = self.tokenizer.get_vocab()
        if set(BASES.lower()) <= set(found) and not set(BASES) & set(found):
            found = {text.upper() if not set(text) - set("acgt") else text: i for text, i in found.items()}
        return tuple(sorted(found.items(), key=lambda entry: entry[1]))

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

        logits = hooked(handles, gradients, say)
        if gradients and edits:
            require_gradient(self.name, logits)
        return Forward(tokens, logits, probe.read())

    def _mask(self, tokens: Tokens, ids: Tensor) -> dict[str, Tensor]:
        """The padding mask, for networks that take one."""
        if "attention_mask" not in inspect.signature(self.network.forward).parameters:
            return {}
        columns = torch.arange(ids.shape[1], device=ids.device)
        return {"attention_mask": (columns < tokens.lengths.to(ids.device)[:, None]).long()}

    def _is_causal(self) -> bool:
        """Whether another last token leaves all states before it as they were; a network of ours knows."""
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
        if isinstance(self.network, Network):
            return self.network.causal
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
