"""A model at one locus, its MLPs taken apart: what features write, what a skip passes on, what is missed.

Gates, attention patterns and sizes of norms are held as the model has them there. All that a feature reads is
then linear in what was written before it, the embedding included, and the parts of a sum are exact. Not held,
they move with what they are made of: parts are derivatives, which add up to nothing in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from feature_mining.attribution.target import Target, check_finite
from feature_mining.circuits.transcoders import require_fit
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import DNAModel, Edit, Forward, ModelError, TapContext


class Head(NamedTuple):
    """A feature at a place.

    block : whose MLP's transcoder it is of
    position : 0-based, in the direction of the reading
    feature : its number
    """

    block: str
    position: int
    feature: int


@dataclass(frozen=True, eq=False)
class Taken:
    """One MLP at the locus; tensors in the model's dtype.

    Attributes
    ----------
    encoder, decoder : Tensor
        ``(d, m)`` and ``(m, d)``.
    encoder_bias, decoder_bias : Tensor
        ``(m,)`` and ``(d,)``.
    skip : Tensor or None
        ``(d, d)``.
    read, written : Tensor
        ``(L, d)``, what the MLP reads and writes.
    codes : Tensor
        ``(L, m)``, activations of the features.
    """

    encoder: Tensor
    decoder: Tensor
    encoder_bias: Tensor
    decoder_bias: Tensor
    skip: Tensor | None
    read: Tensor
    written: Tensor
    codes: Tensor

    @classmethod
    def of(cls, sae: SparseAutoencoder, read: Tensor, written: Tensor) -> Taken:
        """Take one apart."""
        encoder, decoder, b_enc, b_dec, floor = (
            each.to(read) for each in (sae.W_enc, sae.W_dec, sae.b_enc, sae.b_dec, sae.threshold.clamp_min(0))
        )
        pre = read @ encoder + b_enc
        codes = torch.where(pre > floor, pre, 0.0)
        skip = None if sae.W_skip is None else sae.W_skip.to(read)
        return cls(encoder, decoder, b_enc, b_dec, skip, read, written, codes)

    @property
    def given(self) -> Tensor:
        """What is written but for the skip's part, ``(L, d)``."""
        return self.written if self.skip is None else self.written - self.read @ self.skip

    @property
    def missed(self) -> Tensor:
        """What neither features nor the skip write, ``(L, d)``."""
        return self.given - self.decoder_bias - self.codes @ self.decoder


class Replaced:
    """A model at a locus with its MLPs taken apart.

    Parameters
    ----------
    model : DNAModel
        One that can hold its gates.
    sequence : str
        In the direction of the reading.
    transcoders : mapping of str to SparseAutoencoder
        By block, of every MLP of the model.
    together : int
        Copies of the sequence that run at once.
    held : bool
        Whether gates, patterns and norms are held.

    Attributes
    ----------
    blocks : list of str
        In the order of a pass.
    embedding : Tensor
        ``(L, d)``.
    parts : dict of str to Taken
        By block.

    Raises
    ------
    ModelError
        For a model without MLPs that are tapped or an embedding of single bases, and for transcoders of
        another one.
    """

    def __init__(
        self,
        model: DNAModel,
        sequence: str,
        transcoders: Mapping[str, SparseAutoencoder],
        together: int = 16,
        held: bool = True,
    ) -> None:
        self.model, self.sequence, self.together, self.held = model, sequence, together, held
        self.blocks = require_fit(model, transcoders)
        self.letters = model.layers[0]
        if model.base_tokens() is None or self.letters != "embedding_layer":
            raise ModelError(f"model {model.name} has no embedding of single bases")
        taps = [self.letters, *(f"{b}.{part}" for b in self.blocks for part in ("post_norm", "mlp"))]
        found = model.forward([sequence], taps=taps).taps
        self.embedding, *rest = (found[tap][0].clone() for tap in taps)
        self.parts = {
            block: Taken.of(transcoders[block], *pair)
            for block, pair in zip(self.blocks, zip(rest[::2], rest[1::2], strict=True), strict=True)
        }

    # -- backwards: what is read, by what was written ------------------------------------------------

    def pull(self, heads: Sequence[Head], cut: bool = False) -> dict[str, Tensor]:
        """Gradients of what features read (before the threshold) by all that was written before.

        Parameters
        ----------
        heads : sequence of Head
            A row each; they run at once.
        cut : bool
            Whether no path leads through a mixer (Hyena operator or attention) but from its input, so that
            the gradient at ``N.pre_norm`` is of the paths on which that mixer is the last one.

        Returns
        -------
        dict of str to Tensor
            ``(heads, L, d)`` by block (what its MLP writes beside the skip), for ``embedding_layer``, and by
            ``N.pre_norm`` where ``cut``. Names that nothing was read of are left out.
        """
        last = max(heads, key=lambda head: self.blocks.index(head.block)).block

        def value(_: Forward, seen: Mapping[str, Tensor]) -> Tensor:
            read = [
                seen[head.block][row, head.position] @ self.parts[head.block].encoder[:, head.feature]
                for row, head in enumerate(heads)
            ]
            return torch.stack(read).sum()

        return self._pull(len(heads), value, (), f"{last}.post_norm", False, cut)

    def pull_target(self, target: Target, through: bool = False, cut: bool = False) -> dict[str, Tensor]:
        """Gradients of an output, ``(1, L, d)`` as of `pull`; ``through``: by way of active features too."""

        def value(found: Forward, _: Mapping[str, Tensor]) -> Tensor:
            return check_finite(target.value(self.model, found)).sum()

        return self._pull(1, value, target.taps, None, through, cut)

    def _pull(
        self,
        rows: int,
        value: Callable[[Forward, Mapping[str, Tensor]], Tensor],
        taps: Sequence[str],
        until: str | None,
        through: bool,
        cut: bool,
    ) -> dict[str, Tensor]:
        leaves = self._written()
        if cut:
            leaves |= {f"{b}.pre_norm": torch.zeros_like(self.embedding) for b in self.blocks}
        leaves = {name: x.expand(rows, -1, -1).clone().requires_grad_() for name, x in leaves.items()}
        seen: dict[str, Tensor] = {}
        edits = self._edits(leaves, seen, through)
        if cut:
            for block in self.blocks:
                edits[f"{block}.pre_norm"] = _cutting(leaves[f"{block}.pre_norm"])
        found = self.model.forward(
            [self.sequence] * rows, taps, until, edits, gradients=True, frozen=self.held
        )  # fmt: skip
        whole = value(found, seen)
        slopes = torch.autograd.grad(whole, list(leaves.values()), allow_unused=True)
        return {name: slope for name, slope in zip(leaves, slopes, strict=True) if slope is not None}

    def _written(self) -> dict[str, Tensor]:
        """The embedding, and by block what its MLP writes beside the skip, ``(L, d)``."""
        return {self.letters: self.embedding} | {block: self.parts[block].given for block in self.blocks}

    def _edits(
        self, written: Mapping[str, Tensor], seen: dict[str, Tensor], through: bool = False
    ) -> dict[str, Edit]:
        """Edits that put in the embedding and what MLPs write beside skips; ``seen`` is what they read."""
        edits: dict[str, Edit] = {self.letters: lambda own, context: written[self.letters].to(own)}
        for block in self.blocks:
            edits[f"{block}.post_norm"] = _watching(block, seen)
            edits[f"{block}.mlp"] = self._writing(block, written[block], seen, through)
        return edits

    def _writing(self, block: str, given: Tensor, seen: Mapping[str, Tensor], through: bool) -> Edit:
        part = self.parts[block]

        def edit(own: Tensor, context: TapContext) -> Tensor:
            x, y = seen[block], given
            if part.skip is not None:
                y = y + x @ part.skip
            if through:
                y = y + ((x - part.read) @ part.encoder * (part.codes > 0)) @ part.decoder
            return y

        return edit

    # -- forwards: what is written, at the mixers' inputs --------------------------------------------

    def push(self, sources: Sequence[tuple[str, int, Tensor]]) -> dict[str, Tensor]:
        """How what was written somewhere arrives at the input of every mixer.

        Parameters
        ----------
        sources : sequence of (str, int, Tensor)
            Block, or ``embedding_layer``; position; what is written there, ``(d,)``. A row each.

        Returns
        -------
        dict of str to Tensor
            ``(sources, L, d)`` by block: derivative of its ``pre_norm``, features held.
        """
        from torch.nn.attention import SDPBackend, sdpa_kernel  # PyTorch's compiler, seconds

        rows = len(sources)
        arrived: dict[str, Tensor] = {}
        with forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
            written = {}
            for name, x in self._written().items():
                moved = x.new_zeros(rows, *x.shape)
                for row, (block, position, direction) in enumerate(sources):
                    if block == name:
                        moved[row, position] = direction
                written[name] = forward_ad.make_dual(x.expand(rows, -1, -1).clone(), moved)
            edits = self._edits(written, {})
            for block in self.blocks:
                edits[f"{block}.pre_norm"] = _arriving(block, arrived)
            last = f"{self.blocks[-1]}.post_norm"
            self.model.forward([self.sequence] * rows, (), last, edits, gradients=True, frozen=self.held)
        return arrived


def _watching(block: str, seen: dict[str, Tensor]) -> Edit:
    def edit(own: Tensor, context: TapContext) -> Tensor:
        seen[block] = own
        return own

    return edit


def _cutting(leaf: Tensor) -> Edit:
    def edit(own: Tensor, context: TapContext) -> Tensor:
        return own.detach() + leaf

    return edit


def _arriving(block: str, arrived: dict[str, Tensor]) -> Edit:
    def edit(own: Tensor, context: TapContext) -> Tensor:
        tangent = forward_ad.unpack_dual(own).tangent
        arrived[block] = torch.zeros_like(own) if tangent is None else tangent.clone()
        return own

    return edit
