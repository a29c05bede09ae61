"""The parts of a network that can be taken out, and what is left when some are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genomic_models.released import block_parameters, parameter_count
from genomic_models.striped_hyena.config import StripedHyenaConfig

KINDS = ("block", "head", "filter", "channel")


@dataclass(frozen=True)
class Parts:
    """All parts of an architecture, numbered: first the blocks, then mixers and MLPs block by block.

    Attributes
    ----------
    config : StripedHyenaConfig
        Of ``evo2``; it may be of a network that was cut before.
    """

    config: StripedHyenaConfig

    @cached_property
    def present(self) -> list[int]:
        """Blocks that are there."""
        return [i for i, letter in enumerate(self.config.pattern) if letter != "-"]

    @cached_property
    def mixers(self) -> dict[int, slice]:
        """By block, the numbers of its filters or heads."""
        return self._runs(len(self.present), [self.config.mixer(i) for i in self.present])

    @cached_property
    def inners(self) -> dict[int, slice]:
        """By block, the numbers of its MLP's inner channels."""
        first = max(run.stop for run in self.mixers.values())
        return self._runs(first, [self.config.inner_width(i) for i in self.present])

    def _runs(self, first: int, sizes: list[int]) -> dict[int, slice]:
        ends = first + np.cumsum(sizes)
        return {
            i: slice(int(end) - size, int(end))
            for i, end, size in zip(self.present, ends, sizes, strict=True)
        }

    @property
    def count(self) -> int:
        """How many parts there are."""
        return max(run.stop for run in self.inners.values())

    @cached_property
    def block(self) -> np.ndarray:
        """Block of every part, int64 ``(parts,)``."""
        out = np.empty(self.count, np.int64)
        out[: len(self.present)] = self.present
        for runs in (self.mixers, self.inners):
            for i, run in runs.items():
                out[run] = i
        return out

    @cached_property
    def index(self) -> np.ndarray:
        """Number of every part among those of its kind in its block, int64 ``(parts,)``; 0 of a block."""
        out = np.zeros(self.count, np.int64)
        for run in (*self.mixers.values(), *self.inners.values()):
            out[run] = np.arange(run.stop - run.start)
        return out

    @cached_property
    def kind(self) -> np.ndarray:
        """Index into `KINDS` of every part, int64 ``(parts,)``."""
        out = np.full(self.count, KINDS.index("channel"))
        out[: len(self.present)] = KINDS.index("block")
        for i, run in self.mixers.items():
            out[run] = KINDS.index("head" if self.config.pattern[i] == "*" else "filter")
        return out

    @cached_property
    def size(self) -> np.ndarray:
        """Parameters that go with every part, int64 ``(parts,)``.

        0 of the only filter or head, or channel, of a block: it goes with the block.
        """
        config = self.config
        mixers = [config.mixer(i) for i in range(config.depth)]
        inners = [config.inner_width(i) for i in range(config.depth)]
        out = np.zeros(self.count, np.int64)
        for place, i in enumerate(self.present):
            out[place] = block_parameters(config, i)
            if mixers[i] > 1:
                fewer = replace(config, mixers=_less(mixers, i))
                out[self.mixers[i]] = out[place] - block_parameters(fewer, i)
            if inners[i] > 1:
                fewer = replace(config, inners=_less(inners, i))
                out[self.inners[i]] = out[place] - block_parameters(fewer, i)
        return out

    def everything(self) -> np.ndarray:
        """Bool ``(parts,)``, all there."""
        return np.ones(self.count, bool)

    def settle(self, kept: np.ndarray) -> np.ndarray:
        """What is left: nothing of a block that is gone; ``kept`` itself is not changed."""
        gone = np.array(self.present)[~kept[: len(self.present)]]
        return kept & ~np.isin(self.block, gone)

    def configuration(self, kept: np.ndarray) -> StripedHyenaConfig:
        """The architecture of what is left, ``kept`` bool ``(parts,)``.

        A block that stays must keep a part of its mixer and a channel of its MLP.
        """
        kept, config = self.settle(kept), self.config
        there = {i for i, stays in zip(self.present, kept, strict=False) if stays}
        pattern = "".join(letter if i in there else "-" for i, letter in enumerate(config.pattern))
        counts = [
            [int(kept[runs[i]].sum()) if i in there else 0 for i in range(config.depth)]
            for runs in (self.mixers, self.inners)
        ]
        return replace(config, pattern=pattern, mixers=tuple(counts[0]), inners=tuple(counts[1]))

    def parameters(self, kept: np.ndarray) -> int:
        """Trained values of what is left."""
        return parameter_count(self.configuration(kept))


def _less(counts: list[int], index: int) -> tuple[int, ...]:
    return tuple(count - (i == index) for i, count in enumerate(counts))
