"""What readings of a canvas shall show: a level along a strand, and how far a reading is from it.

The level is that of a concept in the reading of the model as it is, in units of the concept's ``top``: what
is painted is compiled into bases, and not forced onto the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from feature_mining.concepts.concept import Concept
from feature_mining.edits.apply import Dictionary
from feature_mining.painting.painting import Painting, strengths


@dataclass(frozen=True, eq=False)
class Goal:
    """A level that a strand's reading shall have.

    Attributes
    ----------
    strand : str
    target : Tensor
        ``(L,)`` float32, in the direction of the plus strand.
    inside : Tensor
        Bool ``(L,)``: where it counts.
    level : callable
        Levels ``(B, L)`` of activations ``(B, L, d)``, differentiable.
    """

    strand: str
    target: Tensor
    inside: Tensor
    level: Callable[[Tensor], Tensor]

    def missed(self, x: Tensor) -> Tensor:
        """Squared difference from the target, summed over the bases that count: ``(B,)``."""
        return (self.level(x) - self.target).square()[:, self.inside].sum(1)


def level_of(concept: Concept, dictionary: Dictionary) -> Callable[[Tensor], Tensor]:
    """Levels ``(B, L)`` of activations ``(B, L, d)``, in units of the concept's ``top``.

    Their slope is that of the features before the threshold, so that one that is not active is seen too.
    """
    part = dictionary.part(concept.features)
    weights = torch.from_numpy(concept.coefficients(dictionary.unit.numpy())).float() / concept.top

    def level(x: Tensor) -> Tensor:
        rows = x.flatten(0, 1).float()
        values = part.encode(rows)
        if x.requires_grad:
            before = part.pre(rows)
            values = before + (values - before).detach()
        return (values @ weights.to(values)).view(x.shape[:2])

    return level


def direction_level(direction: Tensor, centre: float) -> Callable[[Tensor], Tensor]:
    """Levels along a direction ``(d,)``: adding it once to an activation adds 1; ``centre`` is level 0."""
    along = direction / direction.square().sum()

    def level(x: Tensor) -> Tensor:
        return x.float() @ along.to(x.device) - centre

    return level


def written_by(concept: Concept, dictionary: Dictionary) -> Tensor:
    """What painting a concept at strength 1 adds to an activation, ``(d,)`` (without a row norm's size)."""
    features = list(concept.features)
    amounts = torch.tensor([concept.weights[f] for f in features]) * dictionary.unit[features]
    return concept.top * (amounts.to(dictionary.sae.W_dec) @ dictionary.sae.W_dec[features]).float()


def goals_of(painting: Painting, dictionaries: dict[str, Dictionary]) -> list[Goal]:
    """A goal for each concept and strand of what shows."""
    found = []
    for strand in "+-":
        for name, values in strengths(painting, strand).items():
            concept = painting.concept(name)
            target = torch.from_numpy(values)
            level = level_of(concept, dictionaries[concept.layer])
            found.append(Goal(strand, target, target != 0, level))
    return found


def missed(goals: Sequence[Goal], readings: dict[str, Tensor]) -> Tensor:
    """How far readings ``(B, L, d)`` by strand are from all goals: ``(B,)``."""
    return torch.stack([goal.missed(readings[goal.strand]) for goal in goals]).sum(0)
