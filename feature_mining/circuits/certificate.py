"""Does a graph predict what the model does? Random interventions, predicted by its edges and then measured.

An intervention scales what a random set of nodes writes, each by a random strength. The graph says what that
does to the output; the model itself, run with those edits and with nothing held, says what it did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.attribution.target import Target, check_finite
from feature_mining.circuits.graph import BASE, FEATURE, Graph, written
from feature_mining.circuits.replaced import Replaced
from genomic_models.contract import Edit, TapContext

# R² from which a graph is to be trusted, and the interventions that it takes to say so.
TRUSTED, FEWEST = 0.8, 1000
# What predicts, beside the graph: see `certify`.
PREDICTORS = ("predicted", "direct", "gradient", "shuffled")


@dataclass(frozen=True)
class CertificatePlan:
    """Which interventions.

    Attributes
    ----------
    interventions : int
    strength : float
        Largest change of a node, as a share of what it writes: 1 from nothing at all to twice as much.
    seed : int
    """

    interventions: int = 1000
    strength: float = 1.0
    seed: int = 0


class Agreement(NamedTuple):
    """How well predictions fit what was measured.

    r2 : 1 less the squared error over the variance of what was measured; NaN where that is 0
    slope : of the measured on the predicted
    tried : interventions
    """

    r2: float
    slope: float
    tried: int


def agreement(measured: np.ndarray, predicted: np.ndarray) -> Agreement:
    """Compare predictions as they are, not fitted, with what was measured; float64 ``(n,)`` both."""
    spread = ((measured - measured.mean()) ** 2).sum()
    own = ((predicted - predicted.mean()) ** 2).sum()
    r2 = 1 - ((measured - predicted) ** 2).sum() / spread if spread else math.nan
    shared = ((measured - measured.mean()) * (predicted - predicted.mean())).sum()
    return Agreement(float(r2), float(shared / own) if own else math.nan, len(measured))


def trusted(r2: float, interventions: int) -> bool:
    """Whether so many interventions bear a graph out."""
    return r2 >= TRUSTED and interventions >= FEWEST


def certify(
    replaced: Replaced,
    target: Target,
    graph: Graph,
    plan: CertificatePlan,
    told: Callable[[int], object] = lambda bases: None,
) -> pd.DataFrame:
    """Predict random interventions on a graph's nodes, and measure them.

    Features and errors are intervened on; a base is what stands there. The size of a set is drawn evenly on a
    logarithmic scale from one to all of them, strengths evenly up to ``plan.strength`` in both directions.

    Parameters
    ----------
    told
        Hears of the bases read.

    Returns
    -------
    DataFrame
        A row an intervention: ``nodes`` that were changed; ``measured``, the change of the output, the model
        run with the edits; ``predicted`` by the edges of the graph; and by what could do as well: ``direct``
        (the edges to the output alone), ``gradient`` (the model's own, nothing held: no linear account can do
        better for small changes) and ``shuffled`` (the graph, its weights dealt anew among the edges to each
        node). No row where the graph has no such node.
    """
    kinds = graph.nodes["kind"].to_numpy()[:-1]
    open_to = np.flatnonzero(kinds != BASE)
    if not len(open_to):
        return pd.DataFrame(columns=["nodes", "measured", *PREDICTORS])
    random = np.random.default_rng([plan.seed, len(open_to)])
    changes = np.zeros((plan.interventions, len(kinds)))
    for row in changes:
        size = round(math.exp(random.uniform(0, math.log(len(open_to)))))
        members = random.choice(open_to, size, replace=False)
        row[members] = random.uniform(-plan.strength, plan.strength, size)
    weights = graph.edges["weight"].to_numpy()
    directions = {int(node): written(replaced, graph, int(node)) for node in open_to}
    return pd.DataFrame(
        {
            "nodes": (changes != 0).sum(axis=1),
            "measured": _measure(replaced, target, graph, directions, changes, told),
            "predicted": predict(graph, weights, changes),
            "direct": changes @ _direct(graph),
            "gradient": changes @ _gradient(replaced, target, graph, directions),
            "shuffled": predict(graph, _dealt(graph, random), changes),
        }
    )


def predict(graph: Graph, weights: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """What the edges say of interventions.

    Parameters
    ----------
    graph : Graph
    weights : ndarray
        ``(edges,)``, those of the graph or others in their place.
    changes : ndarray
        ``(interventions, nodes - 1)``, as shares of what each node writes.

    Returns
    -------
    ndarray
        ``(interventions,)``, in units of the output. A feature passes on what it is changed by and what
        reaches it; whether it is active stays as it is.
    """
    count = len(graph.nodes)
    table = np.zeros((count, count))
    np.add.at(table, (graph.edges["target"].to_numpy(), graph.edges["source"].to_numpy()), weights)
    kinds, values = (graph.nodes[name].to_numpy() for name in ("kind", "activation"))
    moved = np.column_stack([changes, np.zeros(len(changes))])
    # Nodes are in the order of the pass: features last, so that what reaches one is known before it is.
    for node in range(count):
        if kinds[node] == FEATURE:
            moved[:, node] += moved @ table[node] / values[node]
    predicted: np.ndarray = moved @ table[-1]
    return predicted


def _dealt(graph: Graph, random: np.random.Generator) -> np.ndarray:
    """Weights of the edges, dealt anew among those that lead to the same node."""
    weights = graph.edges["weight"].to_numpy(copy=True)
    targets = graph.edges["target"].to_numpy()
    for target in np.unique(targets):
        own = np.flatnonzero(targets == target)
        weights[own] = weights[random.permutation(own)]
    return weights


def _direct(graph: Graph) -> np.ndarray:
    """Weights of the edges to the output, by node."""
    found = np.zeros(len(graph.nodes) - 1)
    own = graph.edges[graph.edges["target"] == len(graph.nodes) - 1]
    found[own["source"]] = own["weight"]
    return found


def _gradient(
    replaced: Replaced, target: Target, graph: Graph, directions: Mapping[int, Tensor]
) -> np.ndarray:
    """Derivative of the output by each node's change, in the model as it is."""
    still = torch.zeros_like(replaced.embedding)[None]
    leaves = {f"{block}.mlp": still.clone().requires_grad_() for block in replaced.blocks}
    edits = {tap: _adding(leaf) for tap, leaf in leaves.items()}
    found = replaced.model.forward([replaced.sequence], target.taps, edits=edits, gradients=True)
    value = check_finite(target.value(replaced.model, found))[0]
    slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    by_tap = dict(zip(leaves, slopes, strict=True))
    result = np.zeros(len(graph.nodes) - 1)
    for node, direction in directions.items():
        slope = by_tap[f"{graph.nodes['block'][node]}.mlp"]
        if slope is not None:
            result[node] = float(slope[0, graph.nodes["position"][node]] @ direction)
    return result


def _measure(
    replaced: Replaced,
    target: Target,
    graph: Graph,
    directions: Mapping[int, Tensor],
    changes: np.ndarray,
    told: Callable[[int], object],
) -> np.ndarray:
    """The change of the output under each intervention, the model run with it: float64 ``(n,)``.

    What lies before the first place that is changed is read once, and its state carried on.
    """
    model = replaced.model
    ids = model.tokenize([replaced.sequence]).ids
    places = graph.nodes["position"].to_numpy()
    taps = {node: f"{graph.nodes['block'][node]}.mlp" for node in directions}
    first = np.where(changes != 0, places[:-1], len(replaced.sequence)).min(axis=1)
    order, found = np.argsort(first, kind="stable"), np.empty(len(changes))
    state: object | None = None
    read = 0
    for start in range(0, len(changes), replaced.together):
        group = order[start : start + replaced.together]
        begin = int(first[group[0]])
        if begin > read:
            _, state = model.read(ids[:, read:begin], state)
            told(begin - read)
            read = begin
        # The first row is the model as it is, read beside the others.
        rows = ids[:, begin:].repeat(len(group) + 1, 1)
        added = {tap: replaced.embedding.new_zeros(*rows.shape, model.d_model(tap)) for tap in taps.values()}
        for node, direction in directions.items():
            if places[node] >= begin:
                sizes = torch.from_numpy(changes[group, node]).to(direction)
                added[taps[node]][1:, int(places[node]) - begin] += sizes[:, None] * direction
        carried = None if state is None else model.repeat(state, len(rows))
        edits = {tap: _adding(more) for tap, more in added.items()}
        passed, _ = model.read(rows, carried, target.taps, edits=edits)
        values = check_finite(target.value(model, passed)).double()
        found[group] = (values[1:] - values[0]).cpu().numpy()
        told(rows.numel())
    return found


def _adding(more: Tensor) -> Edit:
    def edit(own: Tensor, context: TapContext) -> Tensor:
        return own + more

    return edit
