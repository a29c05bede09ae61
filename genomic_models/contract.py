"""The one contract every DNA model meets: sequences in, logits and tapped activations out.

A *tap* is a named place in the network (``blocks.26``, ``blocks.28.mlp.l3``). Its activations can be
read, or replaced by an *edit* before the network continues. Names follow the module names that the
Evo 2 publication and package use, so that published features and embeddings can be found again.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genomic_models.dna import refuse_string
from genomic_models.errors import ModelError


@dataclass(frozen=True)
class TapContext:
    """Where in the input an edit is being applied.

    Attributes
    ----------
    tap : str
        Name of the tap.
    offset : int
        Position (in tokens, 0-based) of the first column of the activations. Larger than zero when a
        sequence is read in chunks or generated token by token.
    ids : Tensor
        ``(B, L)`` int64, the tokens of these columns.
    """

    tap: str
    offset: int
    ids: Tensor


# Takes activations ``(B, L, d)`` and their context; returns a tensor of the same shape and dtype.
Edit = Callable[[Tensor, TapContext], Tensor]


@dataclass(frozen=True)
class Tokens:
    """A right-padded batch of tokens.

    Attributes
    ----------
    ids : Tensor
        ``(B, L)`` int64.
    lengths : Tensor
        ``(B,)`` int64, tokens of each sequence before padding.
    spans : Tensor or None
        ``(B, L, 2)`` int64, the bases ``[start, end)`` of each token (0-based half-open; start == end
        for special tokens and padding). None when token ``i`` is base ``i``.
    """

    ids: Tensor
    lengths: Tensor
    spans: Tensor | None = None


@dataclass(frozen=True)
class Outputs:
    """What a model says of places, where that is not which token stands there.

    Column ``j`` is of the bases ``[offset + j * stride, offset + (j + 1) * stride)`` of the sequence.

    Attributes
    ----------
    kind : {"classes", "tracks"}
        ``classes``: log-probabilities of what a place is, one of them being true; ``tracks``: numbers, each
        by itself, in units of its own.
    names : tuple of str
        Of the classes or tracks.
    offset, stride : int
        Bases.
    """

    kind: str
    names: tuple[str, ...]
    offset: int = 0
    stride: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("classes", "tracks"):
            raise ModelError(f"outputs {self.kind!r}: expected classes or tracks")
        if self.stride < 1 or not self.names or len(set(self.names)) < len(self.names):
            raise ModelError("outputs: expected names, each once, and a stride of at least 1 base")

    def column(self, base: int) -> int:
        """The column that is of a base; below 0 for bases before the first."""
        return (base - self.offset) // self.stride

    def index(self, name: str) -> int:
        """Place of a class or track among the names; ``ModelError`` for another name."""
        if name not in self.names:
            raise ModelError(f"no output {name!r}: the model's {self.kind} are {', '.join(self.names)}")
        return self.names.index(name)


@dataclass(frozen=True)
class Forward:
    """What one pass through a model gives.

    Attributes
    ----------
    tokens : Tokens
        The input, as the model read it.
    logits : Tensor or None
        ``(B, L, vocabulary)``; position ``p`` predicts token ``p + 1`` for a causal model, and token ``p``
        for one that sees both sides. Of a model with ``outputs`` it is ``(B, columns, names)``, what they
        say. None when the pass stopped early.
    taps : dict of str to Tensor
        ``(B, L, d)`` each, in the model's dtype. For a causal one-token-a-base model position ``p``
        is the state after reading base ``p``. Rows past ``tokens.lengths`` are padding.
    offset : int
        Position of the first column in the whole sequence (chunked passes).
    """

    tokens: Tokens
    logits: Tensor | None
    taps: dict[str, Tensor] = field(default_factory=dict)
    offset: int = 0


def refuse_empty(sequences: Sequence[str]) -> None:
    """Raise ``ModelError`` for no sequence or one without a base, ``TypeError`` for one string."""
    refuse_string(sequences)
    if not sequences:
        raise ModelError("no sequence to read: expected at least one")
    for i, sequence in enumerate(sequences):
        if not sequence:
            raise ModelError(f"sequence {i} is empty: expected at least one base")


class DNAModel(ABC):
    """A DNA model behind one contract.

    Attributes
    ----------
    name : str
        How the model is asked for (``mini``, ``evo2_7b``, ``hf:OWNER/NAME``).
    weights_hash : str
        Hash over parameter names, shapes and values; the provenance lock of studies and SAEs.
    layers : tuple of str
        Names of all taps, in the order in which a pass meets them.
    context : int
        Longest sequence (tokens) that the model was made for.
    causal : bool
        Whether position ``p`` sees only tokens ``<= p``.
    outputs : Outputs or None
        What the model says where that is not which token stands at a place.
    """

    name: str
    weights_hash: str
    layers: tuple[str, ...]
    context: int
    causal: bool = True
    outputs: Outputs | None = None

    def __repr__(self) -> str:
        context = f"context {self.context:,}" if self.context < sys.maxsize else "any context"
        dtype = str(self.dtype).removeprefix("torch.")
        return (
            f"{type(self).__name__}({self.name}, {len(self.layers)} taps, {context}, {self.device}, {dtype})"
        )

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Dtype of activations."""

    @abstractmethod
    def d_model(self, layer: str) -> int:
        """Width of a tap. Raises ``ModelError`` for an unknown one."""

    @abstractmethod
    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        """Upper-case, encode and right-pad sequences, a row each.

        Raises ``ModelError`` for an empty one, ``TypeError`` for one string in place of several: write
        ``[sequence]``. So do all that read a batch.
        """

    @abstractmethod
    def base_tokens(self) -> Tensor | None:
        """``(4,)`` int64, ids of A, C, G, T; None where token ``i`` is not base ``i``."""

    @property
    def longest(self) -> int:
        """Bases that always fit into the context, also where each is a token; special tokens count."""
        return self.context

    @property
    def block_outputs(self) -> list[str]:
        """Taps after whole blocks, in their order; empty for a model that has none."""
        return [name for name in self.layers if name.startswith("blocks.") and name.count(".") == 1]

    @property
    def default_layer(self) -> str:
        """The tap after the block at 70 % of the depth: past the letters, before the output."""
        blocks = self.block_outputs
        return blocks[int(0.7 * len(blocks))] if blocks else self.layers[len(self.layers) // 2]

    @property
    def predicts_bases(self) -> bool:
        """Whether the model gives each base's probability from the bases before it."""
        return self.causal and self.outputs is None and self.base_tokens() is not None

    def require_bases(self, what: str) -> None:
        """Raise ``ModelError`` that says why not, for a model that does not predict base after base.

        ``what``: what cannot be done then.
        """
        if self.predicts_bases:
            return
        if self.outputs is not None:
            gives = f"gives {self.outputs.kind} ({', '.join(self.outputs.names[:6])})"
        elif not self.causal:
            gives = "sees both sides of a base"
        else:
            gives = "reads other tokens than single bases"
        raise ModelError(f"model {self.name} {gives} and does not predict base after base: {what}")

    def spans(self, layer: str, tokens: Tokens) -> Tensor | None:
        """Bases ``[start, end)`` of each column of a tap, int64 ``(B, L, 2)``; None where column i is base i.

        Those of the tokens, unless a tap has columns of its own.
        """
        return tokens.spans

    def untrained(self, seed: int) -> DNAModel:
        """The same architecture with fresh weights; ``ModelError`` for a model that cannot be built anew."""
        raise ModelError(f"model {self.name}: its architecture cannot be built with fresh weights")

    @abstractmethod
    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        """Run a batch.

        Parameters
        ----------
        sequences : sequence of str
            DNA; case is ignored.
        taps : sequence of str
            Layers whose activations are returned.
        until : str or None
            Stop right after this tap (no logits). None runs to the logits.
        edits : mapping of str to Edit, optional
            Functions that replace activations at taps; what comes later sees the replacement, and
            so does a tap of the same name.
        gradients : bool
            Whether the values can be differentiated by tensors that edits put in. Without it nothing is kept
            for that. Raises ``ModelError`` for a model that cannot be differentiated.
        frozen : bool
            Whether gates, attention patterns and sizes of norms are constants to these gradients, which are
            then those of the direct effect. Raises ``ModelError`` for a model that cannot hold them.
        """

    def forward_chunks(
        self,
        sequences: Sequence[str],
        chunk: int,
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> Iterator[Forward]:
        """Yield the same values as ``forward`` piece by piece, in memory that ``chunk`` bounds.

        A model that carries no state from one piece to the next gives everything in one piece.
        """
        yield self.forward(sequences, taps, until, edits)

    def read(
        self,
        ids: Tensor,
        state: object | None = None,
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> tuple[Forward, object]:
        """Read more tokens after those that ``state`` stands for; return values and the new state.

        ``ids`` is ``(B, L)`` int64 without padding; ``state`` None starts afresh. Any number of calls
        gives the values of one call over all tokens. Raises ``ModelError`` for a model that cannot.
        """
        raise ModelError(f"model {self.name} cannot resume from where it stopped: it carries no state")

    def repeat(self, state: object, times: int) -> object:
        """The state that ``read`` gave, each row of the batch ``times`` times over."""
        raise ModelError(f"model {self.name} cannot resume from where it stopped: it carries no state")

    def resolve(self, layer: str) -> str:
        """Return ``layer`` if the model has that tap; raise ``ModelError`` naming those it has."""
        if layer not in self.layers:
            blocks = [n for n in self.layers if n.count(".") < 2]
            raise ModelError(
                f"model {self.name} has no layer {layer!r}; it has {', '.join(blocks)}"
                " and their parts (see `workbench models " + self.name + "`)"
            )
        return layer
