"""In which order parts go, and how small the network is after each."""

from __future__ import annotations

import numpy as np

from feature_mining.pruning.parts import KINDS, Parts

_BLOCK = KINDS.index("block")


class Removal:
    """Parts that are taken out one after another.

    The last filter or head of a block's mixer and the last channel of its MLP stay while the block is there,
    and so does the last block. What goes with a block counts as gone.

    Attributes
    ----------
    order : list of int
        Parts in the order in which they went.
    parameters : list of int
        Of the network before the first of them and after each.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.kept = parts.everything()
        self.order: list[int] = []
        self.parameters = [parts.parameters(self.kept)]
        self._left = {
            (block, where): run.stop - run.start
            for where, runs in enumerate((parts.mixers, parts.inners))
            for block, run in runs.items()
        }
        self._of_block = {block: int(size) for block, size in zip(parts.present, parts.size, strict=False)}

    def take(self, rank: np.ndarray, most: int) -> None:
        """Take parts out, lowest ``rank`` first, until no more than ``most`` parameters are left.

        ``rank`` is float64 ``(parts,)``; parts of infinite rank stay. Ends before where nothing may go.
        """
        parts = self.parts
        first_channel = min(run.start for run in parts.inners.values())
        for part in np.argsort(rank, kind="stable").tolist():
            if self.parameters[-1] <= most or not np.isfinite(rank[part]):
                return
            block = int(parts.block[part])
            if not self.kept[part] or block not in self._of_block:
                continue
            if parts.kind[part] == _BLOCK:
                if len(self._of_block) == 1:
                    continue
                size = self._of_block.pop(block)
                self.kept[parts.block == block] = False
            else:
                where = (block, int(part >= first_channel))
                if self._left[where] == 1:
                    continue
                self._left[where] -= 1
                size = int(parts.size[part])
                self._of_block[block] -= size
                self.kept[part] = False
            self.order.append(part)
            self.parameters.append(self.parameters[-1] - size)

    def after(self, count: int) -> np.ndarray:
        """What is left after the first ``count`` parts went, bool ``(parts,)``."""
        kept = self.parts.everything()
        kept[self.order[:count]] = False
        return self.parts.settle(kept)

    def steps_to(self, most: int) -> int:
        """How many parts must go until at most ``most`` parameters are left; all where none is enough."""
        enough = np.flatnonzero(np.array(self.parameters) <= most)
        return int(enough[0]) if len(enough) else len(self.order)


def by_worth(parts: Parts, worth: np.ndarray) -> np.ndarray:
    """Rank by worth a parameter; parts that cannot go alone have none (infinite)."""
    return np.divide(worth, parts.size, out=np.full(parts.count, np.inf), where=parts.size > 0)


def without_blocks(parts: Parts, rank: np.ndarray) -> np.ndarray:
    """The same rank, whole blocks staying."""
    return np.where(parts.kind == _BLOCK, np.inf, rank)
