"""A painting put on canvases, and everything beside it that could do the same.

Every canvas is filled in, in the same way and under the same draws, as painted and: unpainted; with a random
direction as strong as the concept in its place; with another concept, of features of the same density; with
the strokes elsewhere, a canvas before while writing and half a canvas further on in a redesign; and unpainted
but held to the GC of what was painted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import torch

from feature_mining.concepts.concept import Concept
from feature_mining.edits.edit import Push, Steer
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.compiler import put_at
from feature_mining.painting.design import design
from feature_mining.painting.goals import Goal, direction_level, goals_of, written_by
from feature_mining.painting.painting import STRANDS, Painting, Sheet, Stroke, plan_of, strengths
from feature_mining.painting.resample import resample
from feature_mining.painting.scene import Scene
from feature_mining.painting.write import write_canvases
from feature_mining.writing.constraints import Constraint, GCRange, Mask
from feature_mining.writing.guide import lattice_of
from feature_mining.writing.measures import gc_share
from genomic_models.dna import base_codes, reverse_complement
from genomic_models.generation import Sampling
from workbench.errors import InputError
from workbench.experiments.arms import GC_SLACK, others_of_density, write_same_gc
from workbench.experiments.canvases import Canvas
from workbench.experiments.settings import PaintSettings
from workbench.models.write import Wish
from workbench.study.study import Study

PAINTED, UNPAINTED, NATURAL = "painted", "unpainted", "as it was"
RANDOM, WRONG, SHIFTED, SAME_GC = "random direction", "wrong concept", "shifted place", "same GC"
CONTROLS = (UNPAINTED, RANDOM, WRONG, SHIFTED, SAME_GC)
# How far strokes are shifted, as a share of the canvas.
SHIFT = 0.5


def constraints_of(given: PaintSettings) -> list[Constraint]:
    """Constraints of a canvas. Raises ``InputError`` with the words that are wrong."""
    return Wish(
        given.mask, given.avoid, given.gc, given.longest_run, given.open_frame, given.protein
    ).constraints()


def written_strand(painting: Painting) -> str:
    """The strand on which a painting is written; ``InputError`` where strokes lie on both."""
    strands = {stroke.strand for stroke in painting.strokes}
    if len(strands) > 1:
        raise InputError(
            "the painting has strokes on both strands, and writing goes along one: fill it in by resample or"
            " gradient, or paint one strand"
        )
    return next(iter(strands), "+")


def other_concept(study: Study, concept: Concept) -> Concept:
    """Other features of the same density with the same weights, and the same strength at strength 1."""
    others = others_of_density(study, concept.features)
    weights = dict(zip(others, concept.weights.values(), strict=True))
    return replace(concept, weights=weights, model="", autoencoder="")


def shifted(painting: Painting) -> Painting:
    """With every stroke half a canvas further on, around its end."""
    length, by = painting.length, round(SHIFT * painting.length)

    def moved(stroke: Stroke) -> list[Stroke]:
        values = stroke.values()
        places = (np.arange(stroke.start, stroke.end) + by) % length
        parts = []
        for run in (places[places >= stroke.start + by], places[places < by]):
            if run.size:
                own = values[np.isin(places, run)]
                ramp = tuple((int(at), float(value)) for at, value in zip(run, own, strict=True))
                parts.append(replace(stroke, start=int(run[0]), end=int(run[-1]) + 1, strength=ramp))
        return parts

    sheets = [
        Sheet(sheet.name, tuple(part for stroke in sheet.strokes for part in moved(stroke)))
        for sheet in painting.sheets
    ]
    return replace(painting, sheets=tuple(sheets))


class Easel:
    """Canvases of one size, ready to be filled in.

    Parameters
    ----------
    study : Study
    given : PaintSettings
    painting : Painting
        Its strokes; its own canvas is not read.
    canvases : sequence of Canvas
    told : callable
        Of bases read or written.
    """

    def __init__(
        self,
        study: Study,
        given: PaintSettings,
        painting: Painting,
        canvases: Sequence[Canvas],
        told: Callable[[int], object],
    ) -> None:
        self.study, self.given, self.canvases, self.told = study, given, list(canvases), told
        # All canvases have surroundings of one length, to which positions of plans are counted.
        self.painting = replace(
            painting,
            sequence="",
            before=canvases[0].before,
            after=canvases[0].after,
            model="",
            autoencoders={},
        )
        self.dictionaries = {study.layer: study.dictionary}
        self.scene = Scene(
            study.model, study.layer, [c.before for c in canvases], [c.after for c in canvases], told
        )
        self.constraints = constraints_of(given)
        self.free = painting.may_change()

    def fill(self, asked: Collection[str] = (PAINTED, *CONTROLS)) -> dict[str, list[str]]:
        """Canvases by arm, place by place and copy by copy, of `PAINTED` and of the other arms asked for."""
        other = replace(
            self.painting, palette=tuple(other_concept(self.study, c) for c in self.painting.palette)
        )
        arms = {PAINTED: self.painting, WRONG: other, SHIFTED: shifted(self.painting)}
        arms = {arm: painting for arm, painting in arms.items() if arm in asked}
        if self.given.fill == "write":
            return self._written(arms, asked)
        return self._redesigned(arms, asked)

    # -- writing -------------------------------------------------------------------------------

    def _written(self, arms: dict[str, Painting], asked: Collection[str]) -> dict[str, list[str]]:
        strand = written_strand(self.painting)
        plans = {UNPAINTED: EditPlan(), RANDOM: self._pushed(strand)}
        plans = {arm: plan for arm, plan in plans.items() if arm in asked}
        plans |= {arm: plan_of(painting, strand) for arm, painting in arms.items()}
        if SHIFTED in asked and (earlier := self._earlier(plans[PAINTED])) is not None:
            plans[SHIFTED] = earlier
        found = dict(zip(plans, self._write(strand, list(plans.values()), self.constraints), strict=True))
        if SAME_GC in asked:
            found[SAME_GC] = self._same_gc(strand, found[PAINTED])
        return found

    def _earlier(self, plan: EditPlan) -> EditPlan | None:
        """The plan a canvas before: what is written is changed by what was read, and not by what comes."""
        first = min(edit.where.intervals[0][0] for edit in plan.edits)
        return put_at(plan, -self.painting.length) if first >= self.painting.length else None

    def _same_gc(self, strand: str, painted: Sequence[str]) -> list[str]:
        """Unpainted, held to the GC of what was painted, piece by piece between the ends of strokes.

        A limit on the whole would bind at its end alone. Where there are limits of other kinds, or fixed
        bases, which do not lie within pieces, the whole is what is held.
        """
        if self.constraints or not self.free.all():
            return self._write(strand, [EditPlan()], [*self.constraints, self._held(painted)])[0]
        length = self.painting.length
        ends = {0, length, *(end for stroke in self.painting.strokes for end in (stroke.start, stroke.end))}
        if strand == "-":
            painted = [reverse_complement(text) for text in painted]
            ends = {length - end for end in ends}
        heads = [head for head in self.scene.heads(strand) for _ in range(self.given.copies)]
        found = write_same_gc(
            self.study.model, heads, painted, sorted(ends - {0}), self._sampling(self.canvases[0]), self.told
        )
        return found if strand == "+" else [reverse_complement(text) for text in found]

    def _sampling(self, first: Canvas) -> Sampling:
        """Draws belong to the first canvas that is written, whatever shard it is in."""
        return Sampling(self.given.temperature, seed=self.given.seed + 1_000_003 * first.number)

    def _write(
        self, strand: str, plans: Sequence[EditPlan], constraints: Sequence[Constraint]
    ) -> list[list[str]]:
        """Canvases by plan, place by place and copy by copy."""
        given, heads, texts = self.given, self.scene.heads(strand), [list[str]() for _ in plans]
        # Each canvas has fixed bases of its own.
        numbers = range(len(self.canvases))
        for group in [[*numbers]] if self.free.all() else [[number] for number in numbers]:
            first = self.canvases[group[0]]
            fixed = [] if self.free.all() else [self._fixed(first)]
            found = write_canvases(
                self.study.model, [heads[i] for i in group], self.painting.length, strand, plans,
                self.dictionaries, [*constraints, *fixed], self._sampling(first), given.copies, self.told,
            )  # fmt: skip
            for own, plan in zip(texts, found, strict=True):
                own += [text for place in plan for text in place]
        return texts

    def _fixed(self, canvas: Canvas) -> Mask:
        """The bases that may not change."""
        pairs = zip(canvas.sequence, self.free, strict=True)
        return Mask("".join("N" if free else base for base, free in pairs))

    def _held(self, painted: Sequence[str]) -> GCRange:
        gc = float(np.mean([gc_share(text) for text in painted]))
        return GCRange(max(0.0, gc - GC_SLACK), min(1.0, gc + GC_SLACK))

    def _pushed(self, strand: str) -> EditPlan:
        """A random direction in place of each concept, as long as what the concept adds."""
        palette = []
        for concept in self.painting.palette:
            feature = max(concept.weights, key=lambda f: abs(concept.weights[f]))
            alone = Concept(concept.name, concept.layer, {feature: 1.0}, 1.0)
            size = self._size(concept) / self._size(alone)
            palette.append(replace(alone, top=size))
        plan = plan_of(replace(self.painting, palette=tuple(palette)), strand)
        edits = [
            Push(edit.layer, edit.feature, edit.strength, seed=self.given.seed, where=edit.where)
            for edit in plan.edits
            if isinstance(edit, Steer)
        ]
        return EditPlan(tuple(edits))

    def _size(self, concept: Concept) -> float:
        return float(written_by(concept, self.study.dictionary).norm())

    # -- redesign ------------------------------------------------------------------------------

    def _redesigned(self, arms: dict[str, Painting], asked: Collection[str]) -> dict[str, list[str]]:
        starts = self._starts(self.constraints, natural=True)
        found = {UNPAINTED: self._redesign(starts, [], {}, self.constraints)} if UNPAINTED in asked else {}
        for arm, painting in arms.items():
            goals = goals_of(painting, self.dictionaries)
            plans = {strand: plan_of(painting, strand) for strand in STRANDS}
            found[arm] = self._redesign(starts, goals, plans, self.constraints)
        if RANDOM in asked:
            plans = {strand: self._pushed(strand) for strand in STRANDS}
            goals = self._random_goals(starts)
            found[RANDOM] = self._redesign(starts, goals, plans, self.constraints)
        if SAME_GC in asked:
            held = [*self.constraints, self._held(found[PAINTED])]
            found[SAME_GC] = self._redesign(self._starts(held, natural=False), [], {}, held)
        return found

    def _starts(self, constraints: Sequence[Constraint], natural: bool) -> list[str]:
        """What a redesign begins with: what stands there, or what the model writes where that cannot stay."""
        fixed = [canvas.sequence for canvas in self.canvases for _ in range(self.given.copies)]
        if natural and all(fixed) and self._keeps(constraints)(fixed).all():
            return fixed
        return self._write("+", [EditPlan()], constraints)[0]

    def _keeps(self, constraints: Sequence[Constraint]) -> Callable[[Sequence[str]], np.ndarray]:
        if not constraints:
            return lambda texts: np.ones(len(texts), bool)
        lattice = lattice_of(constraints, self.painting.length, self.scene.befores)
        places = np.repeat(np.arange(len(self.canvases)), self.given.copies)
        return lambda texts: lattice.kept(np.stack([base_codes(text) for text in texts]), places)

    def _redesign(
        self,
        starts: Sequence[str],
        goals: Sequence[Goal],
        plans: dict[str, EditPlan],
        constraints: Sequence[Constraint],
    ) -> list[str]:
        given = self.given
        streams = [
            (given.seed, canvas.number, copy) for canvas in self.canvases for copy in range(given.copies)
        ]
        keeps = self._keeps(constraints)
        if given.fill == "resample":
            found = resample(
                self.scene, starts, goals, plans, self.dictionaries, self.free, given.steps, streams, keeps
            )
        elif not goals:  # no gradient to follow
            return list(starts)
        else:
            found = design(self.scene, starts, goals, self.free, given.steps, streams, keeps)
        return found.canvases

    def _random_goals(self, starts: Sequence[str]) -> list[Goal]:
        """A level along a random direction in place of each concept's, 0 at the mean of what stands there."""
        found = []
        for strand in STRANDS:
            for name, values in strengths(self.painting, strand).items():
                concept = self.painting.concept(name)
                drawn = torch.Generator().manual_seed(self.given.seed * 1_000_003 + concept.features[0])
                direction = torch.randn(self.study.model.d_model(self.study.layer), generator=drawn)
                direction *= self._size(concept) / direction.norm()
                along = direction_level(direction, 0.0)
                centre = float(along(self.scene.read(starts, strand, predictions=False).x).mean())
                target = torch.from_numpy(values)
                found.append(Goal(strand, target, target != 0, direction_level(direction, centre)))
        return found
