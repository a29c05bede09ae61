"""Edits of features that act at once: new values of many features in a handful of operations.

All but two kinds make a feature's new value of its old one by a line, so that edits of different features are
one product and one sum, whatever their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from feature_mining.edits.edit import Ablate, Clamp, Edit, Patch, Project, Push, Scale, Steer, Swap
from feature_mining.edits.places import Where, strength_at

FeatureEdit = Steer | Clamp | Scale | Ablate | Swap | Patch


class Step:
    """Edits of one plan at one layer, each of features that no other one of them has.

    Attributes
    ----------
    edits : tuple of edits
    columns : list of int
        Columns of their features.
    everywhere : bool
        Whether all of them act at every position.
    acted : Tensor or float
        ``(edits, 2)``: positions at which each changed something, and the summed size of its changes there.
    """

    def __init__(
        self, edits: Sequence[FeatureEdit], columns: Sequence[int], unit: Tensor, mean: Tensor
    ) -> None:
        self.edits, self.columns = tuple(edits), list(columns)
        self.everywhere = all(edit.where == Where() for edit in edits)
        self.acted: Tensor | float = 0.0
        self._unit, self._mean = unit, mean
        self._ramps = any(not isinstance(getattr(edit, "strength", 0.0), float) for edit in edits)
        self._line: tuple[Tensor, Tensor] | None = None

    def values(self, f: Tensor, offset: int) -> Tensor:
        """New values ``(rows, L, columns)`` of the features where the edits act."""
        if isinstance(self.edits[0], Swap):
            return self._swapped(self.edits[0], f)
        if isinstance(self.edits[0], Patch):
            return _patched(self.edits[0], f, offset)
        if self._line is None or self._ramps:
            self._line = self._lines(f, offset)
        factor, summand = self._line
        return torch.addcmul(summand, f, factor)

    def count(self, moved: Tensor, sizes: Tensor) -> None:
        """Add up changes ``(rows, L, columns)``, as shares of the sizes ``(rows, L)`` of activations."""
        if isinstance(self.edits[0], Swap):
            moved = moved.norm(dim=-1, keepdim=True)
        shares = moved.abs() / sizes[..., None]
        self.acted = self.acted + torch.stack([(shares > 0).sum((0, 1)), shares.sum((0, 1))], dim=1)

    def _lines(self, f: Tensor, offset: int) -> tuple[Tensor, Tensor]:
        """Factors and summands, ``(columns,)``, or ``(L, columns)`` where a strength is a ramp."""
        shape = (f.shape[1],) if self._ramps else ()
        lines = []
        for edit in self.edits:
            assert not isinstance(edit, Swap | Patch)
            unit, mean = float(self._unit[edit.feature]), float(self._mean[edit.feature])
            strength = getattr(edit, "strength", 0.0)
            given = strength if isinstance(strength, float) else strength_at(strength, offset, f.shape[1])
            lines.append(
                [torch.as_tensor(v, dtype=f.dtype).expand(shape) for v in edit.line(given, unit, mean)]
            )
        factors, summands = zip(*lines, strict=True)
        return torch.stack(factors, -1).to(f.device), torch.stack(summands, -1).to(f.device)

    def _swapped(self, edit: Swap, f: Tensor) -> Tensor:
        one, other = (max(float(self._unit[feature]), 1e-12) for feature in edit.features)
        return torch.stack([f[..., 1] * (one / other), f[..., 0] * (other / one)], dim=-1)


def _patched(edit: Patch, f: Tensor, offset: int) -> Tensor:
    new, first = f.clone(), edit.start - offset
    begin, end = max(0, first), min(f.shape[1], first + len(edit.values))
    if begin < end:
        new[:, begin:end, 0] = torch.tensor(edit.values[begin - first : end - first]).to(f)
    return new


def steps_of(edits: Sequence[Edit], names: Sequence[int], unit: Tensor, mean: Tensor) -> list[Step]:
    """The edits of features among these, in their order, in few steps.

    Parameters
    ----------
    edits : sequence of Edit
        Of one plan and layer; projections, which act on the activation, are left out.
    names : sequence of int
        Feature of each column.
    unit, mean : Tensor
        ``(d_sae,)``, see ``Dictionary``.
    """
    groups: list[list[FeatureEdit]] = []
    for edit in edits:
        if isinstance(edit, Project | Push):
            continue
        taken = {feature for own in groups[-1] for feature in own.features} if groups else set()
        alone = any(isinstance(each, Swap | Patch) for each in (edit, *(groups[-1] if groups else ())))
        if alone or not groups or taken & set(edit.features):
            groups.append([])
        groups[-1].append(edit)
    return [Step(group, [names.index(f) for e in group for f in e.features], unit, mean) for group in groups]
