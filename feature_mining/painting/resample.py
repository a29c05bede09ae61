"""Redesign in place by resampling: some bases at a time are drawn anew from what both strands predict there.

Bases are proposed from the product of the two readings' predictions, each under the painting's plan, and a
proposal is taken by how much nearer it brings the reading of the model as it is to what is painted. It is
Gibbs-like, and no exact sampler: several bases are drawn at once, each given the others as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.goals import Goal, missed
from feature_mining.painting.painting import STRANDS
from feature_mining.painting.scene import Scene
from genomic_models.dna import base_codes, base_letters

# Share of the bases that may change which is drawn anew at a step.
SHARE = 1 / 8
# Chance of a step that misses by one more squared unit of level: exp(-PULL).
PULL = 4.0


class Redesigned(NamedTuple):
    """Canvases that were redesigned.

    canvases : the best seen of each
    missed : float32 ``(B,)``, squared difference from the goals, summed over bases
    before : the same of what each began with
    """

    canvases: list[str]
    missed: np.ndarray
    before: np.ndarray


def resample(
    scene: Scene,
    canvases: Sequence[str],
    goals: Sequence[Goal],
    plans: Mapping[str, EditPlan],
    dictionaries: dict[str, Dictionary],
    free: np.ndarray,
    steps: int,
    streams: Sequence[tuple[int, ...]],
    keeps: Callable[[Sequence[str]], np.ndarray] = lambda texts: np.ones(len(texts), bool),
) -> Redesigned:
    """Resample canvases towards goals.

    Parameters
    ----------
    scene : Scene
    canvases : sequence of str
        What each begins with; as many at each place.
    goals : sequence of Goal
        None: all that is proposed, and kept to, is taken, and the last is given.
    plans : mapping of str to EditPlan
        By strand; a strand without one is read as the model is.
    dictionaries : dict of str to Dictionary
        By layer, for the plans.
    free : ndarray
        Bool ``(L,)``: the bases that may change.
    steps : int
    streams : sequence of tuple of int
        The seed and numbers of each canvas, whose draws depend on these alone.
    keeps : callable
        Says of canvases whether each keeps to what is asked for; what does not is never taken.
    """
    size, sites = len(canvases[0]), np.flatnonzero(free)
    number = max(1, round(SHARE * sites.size))
    drawn = [np.random.default_rng(each).random((steps, 2 * size + 1)) for each in streams]
    chances = np.stack(drawn, axis=1)  # steps, rows, draws
    current = np.stack([base_codes(text) for text in canvases])
    rows = np.arange(len(current))[:, None]
    energy = before = _missed(scene, canvases, goals)
    best, least = current.copy(), energy.copy()
    for step in range(steps):
        texts = [base_letters(row) for row in current]
        logs = _predicted(scene, texts, plans, dictionaries)
        order = sites[np.argsort(chances[step][:, sites], axis=1)[:, :number]]
        sums = np.exp(logs - logs.max(-1, keepdims=True)).cumsum(-1)[rows, order]
        chosen = (sums <= (chances[step][:, size : 2 * size][rows, order] * sums[..., -1])[..., None]).sum(-1)
        proposed = current.copy()
        proposed[rows, order] = chosen.clip(0, 3)
        texts = [base_letters(row) for row in proposed]
        allowed = keeps(texts)
        found = _missed(scene, texts, goals)
        taken = allowed & (np.log(chances[step][:, -1] + 1e-300) < -PULL * (found - energy))
        current[taken], energy = proposed[taken], np.where(taken, found, energy)
        better = taken & ((energy < least) if goals else True)
        best[better], least = current[better], np.where(better, energy, least)
    return Redesigned([base_letters(row) for row in best], least, before)


def _missed(scene: Scene, texts: Sequence[str], goals: Sequence[Goal]) -> np.ndarray:
    if not goals:
        return np.zeros(len(texts), np.float32)
    strands = {goal.strand for goal in goals}
    readings = {strand: scene.read(texts, strand, predictions=False).x for strand in strands}
    values: np.ndarray = missed(goals, readings).cpu().numpy()
    return values


def _predicted(
    scene: Scene, texts: Sequence[str], plans: Mapping[str, EditPlan], dictionaries: dict[str, Dictionary]
) -> np.ndarray:
    """Summed log-probabilities ``(B, L, 4)`` of both strands' readings."""
    logs = [scene.read(texts, strand, plans.get(strand, EditPlan()), dictionaries).logs for strand in STRANDS]
    found: np.ndarray = torch.stack(logs).double().sum(0).cpu().numpy()
    return found
