"""Plans turned into what a model takes: a function for each tap, which changes activations as they pass.

Only columns and rows of the features that plans name are computed, so a plan of ten features costs ten dot
products a position. In a batch each row may have a plan of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from feature_mining.edits.edit import Ablate, Edit, Project, Push
from feature_mining.edits.places import strength_at
from feature_mining.edits.plan import EditPlan
from feature_mining.edits.steps import Step, steps_of
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.row_norms import ROW_NORMS
from genomic_models.contract import TapContext

# Quantile of a feature's active values that is its unit of strength.
TOP = 0.999


@dataclass(frozen=True, eq=False)
class Dictionary:
    """An autoencoder, where it reads and writes, and how large its features are.

    Attributes
    ----------
    sae : SparseAutoencoder
    reads, writes : tuple of str
        Taps: one each for an autoencoder (the same) and a transcoder, several for a crosscoder.
    unit : Tensor
        ``(d_sae,)`` float32: 99.9 % of a feature's active values lie at or below it; 0 for a feature that was
        never active.
    mean : Tensor, optional
        ``(d_sae,)`` float32: a feature's mean over all positions, for what is ablated to it.
    """

    sae: SparseAutoencoder
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    unit: Tensor
    mean: Tensor | None = None

    @classmethod
    def at(
        cls,
        layer: str,
        sae: SparseAutoencoder,
        calibration: Calibration,
        mean: Tensor | None = None,
        writes: str = "",
    ) -> Dictionary:
        """The dictionary of one layer, its units from its calibration.

        ``writes`` is the other tap of a transcoder.
        """
        column = int(abs(calibration.levels - TOP).argmin())
        unit = torch.from_numpy(calibration.quantiles[:, column].copy()).nan_to_num(0.0)
        return cls(sae, (layer,), (writes or layer,), unit, mean)

    def part(self, features: Sequence[int]) -> Part:
        """What some features take: their columns and rows alone."""
        index = list(features)
        sae = self.sae
        return Part(
            sae,
            index,
            sae.W_enc[:, index],
            sae.b_enc[index],
            sae.threshold[index].clamp_min(0),
            sae.W_dec[index],
        )

    def encode(self, x: Tensor, features: Sequence[int]) -> Tensor:
        """Values ``(n, m)`` of some features of activations ``(n, d_in)``."""
        return self.part(features).encode(x)


@dataclass(frozen=True, eq=False)
class Part:
    """Some features of an autoencoder: what they are read with ``(d_in, m)`` and written with ``(m, d)``."""

    sae: SparseAutoencoder
    index: list[int]
    columns: Tensor
    bias: Tensor
    threshold: Tensor
    rows: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Values ``(n, m)`` of activations ``(n, d_in)``."""
        if self.sae.config.row_topk:  # which features count depends on all of them
            return self.sae.encode(x)[:, self.index]
        pre = self.pre(x)
        return torch.where(pre > self.threshold, pre, 0.0)

    def pre(self, x: Tensor) -> Tensor:
        """The same before the threshold cuts them off."""
        config = self.sae.config
        inputs = ROW_NORMS[config.row_norm](x).rows if config.row_norm else x
        if config.apply_b_dec_to_input:
            inputs = inputs - self.sae.b_dec
        return torch.addmm(self.bias, inputs, self.columns)

    def write(self, delta: Tensor, x: Tensor) -> Tensor:
        """What a change ``(n, m)`` of the features adds to activations: ``(n, writes)``."""
        written = delta @ self.rows
        norm = self.sae.config.row_norm
        return written * ROW_NORMS[norm](x).size if norm else written


@dataclass
class Shadow:
    """What the untouched model says of the columns that are about to be edited.

    entropy : ``(B, L)`` bits of its prediction of each token, over A, C, G and T
    taps : ``(B, L, d)`` by tap
    """

    entropy: Tensor
    taps: Mapping[str, Tensor] = field(default_factory=dict)


class Applied:
    """Plans bound to a model's taps for passes over one batch.

    Parameters
    ----------
    plans : sequence of EditPlan
        One a row of the batch, or a single one for all rows.
    dictionaries : mapping of str to Dictionary
        By the layer that edits name.
    strands : sequence of str
        Strand that each row is a reading of, ``+`` or ``-``; all plus where it is empty.

    Attributes
    ----------
    edits : dict of str to callable
        What ``DNAModel.forward`` takes.

    Raises
    ------
    ValueError
        For a layer without a dictionary, and a feature that it does not have.
    """

    def __init__(
        self, plans: Sequence[EditPlan], dictionaries: Mapping[str, Dictionary], strands: Sequence[str] = ()
    ) -> None:
        self.plans, self.strands = tuple(plans), tuple(strands)
        self.dictionaries = {
            layer: dictionaries[layer] for plan in plans for layer in plan.layers if layer in dictionaries
        }
        self.shadow: Shadow | None = None
        self.edits: dict[str, Callable[[Tensor, TapContext], Tensor]] = {}
        self._projected: dict[Edit, Tensor] = {}
        self._features: dict[str, list[int]] = {}
        self._parts: dict[str, Part] = {}
        self._groups: dict[int, list[tuple[EditPlan, list[int]]]] = {}
        self._steps: dict[tuple[int, str], list[Step]] = {}
        self._pending: dict[str, Tensor] = {}
        hashes = {layer: d.sae.hash for layer, d in dictionaries.items()}
        different = list({id(plan): plan for plan in self.plans}.values())
        for plan in different:
            plan.check(plan.model, hashes)
            for edit in plan.edits:
                self._add(edit)
        for layer, dictionary in self.dictionaries.items():
            self._parts[layer] = dictionary.part(self._features[layer])
            # Only read for edits that `_add` lets pass.
            means = torch.zeros_like(dictionary.unit) if dictionary.mean is None else dictionary.mean
            for plan in different:
                own = [edit for edit in plan.edits if edit.layer == layer]
                self._steps[id(plan), layer] = steps_of(own, self._features[layer], dictionary.unit, means)
            if len(dictionary.reads) == 1 and dictionary.reads == dictionary.writes:
                self.edits[dictionary.reads[0]] = partial(self._change, layer)
            else:
                self._split(layer, dictionary)

    @property
    def shadowed(self) -> tuple[str, ...]:
        """Taps that the untouched model has to be read at first (a crosscoder's)."""
        several = (d.reads for d in self.dictionaries.values() if len(d.reads) > 1)
        return tuple(tap for reads in several for tap in reads)

    @property
    def needs_shadow(self) -> bool:
        """Whether a pass of the untouched model has to come first."""
        gated = any(edit.where.entropy for plan in self.plans for edit in plan.edits)
        return gated or bool(self.shadowed)

    @property
    def acted(self) -> dict[Edit, tuple[int, float]]:
        """Positions at which each edit changed something, and the summed norm of its changes there as a share
        of the activation's.
        """
        found = {edit: (0, 0.0) for plan in self.plans for edit in plan.edits}
        sums: list[tuple[Sequence[Edit], Tensor]] = [
            ((edit,), moved) for edit, moved in self._projected.items()
        ]
        for step in (step for steps in self._steps.values() for step in steps):
            if isinstance(step.acted, Tensor):
                sums.append((step.edits, step.acted))
        for edits, own in sums:
            for edit, (count, share) in zip(edits, own.tolist(), strict=True):
                found[edit] = (found[edit][0] + int(count), found[edit][1] + share)
        return found

    def _add(self, edit: Edit) -> None:
        dictionary = self.dictionaries[edit.layer]
        if isinstance(edit, Ablate) and edit.to == "mean" and dictionary.mean is None:
            raise ValueError(f"{edit}: means of features are not known here; ablate to zero")
        for feature in edit.features:
            if feature >= dictionary.sae.config.d_sae:
                raise ValueError(
                    f"{edit.layer}: no feature {feature}; the autoencoder has 0 to"
                    f" {dictionary.sae.config.d_sae - 1}"
                )
            known = self._features.setdefault(edit.layer, [])
            if feature not in known:
                known.append(feature)

    def _split(self, layer: str, dictionary: Dictionary) -> None:
        """Hooks of a transcoder or crosscoder: features are read at one place, and written at others."""
        if len(dictionary.reads) == 1:
            self.edits[dictionary.reads[0]] = partial(self._read, layer)
        widths = dictionary.sae.config.sites or (dictionary.sae.config.writes,)
        start = 0
        for tap, width in zip(dictionary.writes, widths, strict=True):
            self.edits[tap] = partial(self._write, layer, slice(start, start + width))
            start += width

    # -- hooks ---------------------------------------------------------------------------------

    def _change(self, layer: str, x: Tensor, context: TapContext) -> Tensor:
        """An autoencoder's tap: features read and written in one go."""
        delta = self._delta(layer, x.flatten(0, 1).float(), x.shape[:2], context)
        return self._project(layer, _added(x, delta), context)

    def _read(self, layer: str, x: Tensor, context: TapContext) -> Tensor:
        self._pending[layer] = self._delta(layer, x.flatten(0, 1).float(), x.shape[:2], context)
        return x

    def _write(self, layer: str, part: slice, x: Tensor, context: TapContext) -> Tensor:
        dictionary = self.dictionaries[layer]
        if len(dictionary.reads) > 1:
            if self.shadow is None:
                raise ValueError(f"{layer}: a crosscoder's edits need a pass of the untouched model first")
            sites = [self.shadow.taps[tap].flatten(0, 1).float() for tap in dictionary.reads]
            rows = torch.cat(sites, dim=1)
            delta = self._delta(layer, rows, x.shape[:2], context, count=part.start == 0)
        else:
            delta = self._pending[layer]
        return self._project(layer, _added(x, delta[..., part]), context, part)

    # -- values --------------------------------------------------------------------------------

    def _plan_rows(self, batch: int) -> list[tuple[EditPlan, list[int]]]:
        """Each plan with the rows that have it."""
        if batch not in self._groups:
            plans = self.plans * batch if len(self.plans) == 1 else self.plans
            if len(plans) != batch:
                raise ValueError(f"{len(plans)} plans for {batch} sequences: expected one, or as many")
            groups: dict[int, tuple[EditPlan, list[int]]] = {}
            for row, plan in enumerate(plans):
                groups.setdefault(id(plan), (plan, []))[1].append(row)
            self._groups[batch] = list(groups.values())
        return self._groups[batch]

    def _mask(self, edit: Edit, rows: list[int], f: Tensor, context: TapContext) -> Tensor:
        """Bool ``(rows, L)``: where an edit acts."""
        mask = edit.where.covers(context.offset, f.shape[1]).to(f.device)[None].repeat(len(rows), 1)
        if edit.where.strand:
            own = [(self.strands[row] if self.strands else "+") == edit.where.strand for row in rows]
            mask &= torch.tensor(own, device=f.device)[:, None]
        if edit.where.entropy:
            if self.shadow is None:
                raise ValueError(f"{edit}: a gate of entropy needs a pass of the untouched model first")
            mask &= self.shadow.entropy[rows].to(f.device) >= edit.where.entropy
        if edit.where.active:
            mask &= f > 0
        return mask

    def _delta(
        self, layer: str, x: Tensor, shape: Sequence[int], context: TapContext, count: bool = True
    ) -> Tensor:
        """What the plans add ``(B, L, writes)``, float32, to what a dictionary writes for ``x``."""
        part = self._parts[layer]
        before = part.encode(x).view(*shape, -1)
        after = before.clone()
        sizes = x.norm(dim=1).view(*shape).clamp_min(1e-12) if count else before
        for plan, rows in self._plan_rows(shape[0]):
            whole = len(rows) == shape[0]
            for step in self._steps[id(plan), layer]:
                old = after if whole else after[rows]
                every = step.columns == list(range(after.shape[2]))
                old = old if every else old[..., step.columns]
                new = step.values(old, context.offset)
                if not step.everywhere:
                    names, own = self._features[layer], before[rows]
                    masks = [
                        self._mask(edit, rows, own[..., names.index(edit.feature)], context)
                        for edit in step.edits
                        for _ in edit.features
                    ]
                    new = torch.where(torch.stack(masks, -1), new, old)
                if count:
                    step.count(new - old, sizes if whole else sizes[rows])
                if whole and every:
                    after = new
                elif whole:
                    after[..., step.columns] = new
                else:
                    for i, column in enumerate(step.columns):
                        after[rows, :, column] = new[..., i]
        delta = (after - before).flatten(0, 1)
        return part.write(delta, x).view(*shape, -1)

    def _along(
        self, edit: Project | Push, values: Tensor, offset: int, part: slice
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Unit direction ``(d,)`` of an edit, how far ``(rows, L)`` activations lie along it, and shall."""
        dictionary = self.dictionaries[edit.layer]
        row = dictionary.sae.W_dec[edit.feature]
        strength = strength_at(edit.strength, offset, values.shape[1]).to(values)
        unit = dictionary.unit[edit.feature].to(values)
        if isinstance(edit, Push):
            generator = torch.Generator().manual_seed(edit.seed * 1_000_003 + edit.feature)
            drawn = torch.randn(len(row), generator=generator).to(values)
            own = drawn[part]
            # All of a crosscoder's sites together are as far as its feature writes.
            size = row.norm().to(values) * own.norm() / drawn.norm()
            along = values @ (own / own.norm())
            step = (strength * unit * size).expand_as(along)
            if norm := dictionary.sae.config.row_norm:
                step = step * ROW_NORMS[norm](values.flatten(0, 1)).size.view(values.shape[:2])
            return own / own.norm(), along, along + step
        own = row[part].to(values)
        direction = own / own.norm().clamp_min(1e-12)
        along = values @ direction
        if edit.form == "orthogonal":
            return direction, along, along * strength
        return direction, along, torch.minimum(along, strength * unit)

    def _project(self, layer: str, x: Tensor, context: TapContext, part: slice = slice(None)) -> Tensor:
        """Edits along directions, in the order of the plans, after all edits of features."""
        for plan, rows in self._plan_rows(x.shape[0]):
            for edit in plan.edits:
                if edit.layer != layer or not isinstance(edit, Project | Push):
                    continue
                values = x[rows].float()
                direction, along, wanted = self._along(edit, values, context.offset, part)
                mask = self._mask(edit, rows, along, context)
                moved = torch.where(mask, wanted - along, 0.0)
                shares = moved.abs() / values.norm(dim=-1).clamp_min(1e-12)
                sums = torch.stack([(shares > 0).sum(), shares.sum()])[None]
                self._projected[edit] = self._projected.get(edit, 0.0) + sums
                changed = _added(x[rows], moved[..., None] * direction)
                x = x.clone()
                x[rows] = changed
        return x


def _added(x: Tensor, delta: Tensor) -> Tensor:
    """``x + delta`` in the precision of ``x``; positions without a change keep every bit."""
    touched = (delta != 0).any(dim=-1, keepdim=True)
    return torch.where(touched, (x.float() + delta).to(x.dtype), x)
