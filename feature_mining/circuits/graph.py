"""The attribution graph of one output: bases, features of all blocks and errors, with exact edges.

An edge's weight is how much of what the target reads, in the target's units, comes straight from the source:
through mixers and skips, but through no other feature. For each target the weights of all sources and the
constants (biases) add up to what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.attribution.target import Target
from feature_mining.circuits.influence import Scores, influence, prune, scores
from feature_mining.circuits.replaced import Head, Replaced
from genomic_models.contract import ModelError

BASE, ERROR, FEATURE, OUTPUT = "base", "error", "feature", "output"


@dataclass(frozen=True)
class GraphPlan:
    """How large a graph is.

    Attributes
    ----------
    features : int
        Features at places that are traced, those with the largest total effect.
    nodes, edges : float
        Shares of the influence that is kept.
    """

    features: int = 256
    nodes: float = 0.8
    edges: float = 0.98


@dataclass(frozen=True, eq=False)
class Graph:
    """What an output comes from.

    Attributes
    ----------
    nodes : DataFrame
        ``node, kind, block, position`` (0-based, in the direction of the reading), ``feature`` (-1 for other
        kinds), ``activation`` (value of the output, norm of an error, 1 of a base), ``influence``. The output
        is the last.
    edges : DataFrame
        ``source, target`` (nodes), ``weight`` in units of what the target reads, ``share`` of the influence.
    value : float
        The output.
    sums : DataFrame
        By target traced, the pruned ones too: ``block, position, feature, value, bases, errors, features,
        constants``: what it reads and where it comes from; ``rest`` is what is left, of the mixers' biases
        (and of an output's logarithm).
    scores : Scores
        Before pruning.
    active : int
        Features active at the locus, of which the traced ones were chosen.
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    value: float
    sums: pd.DataFrame
    scores: Scores
    active: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "value": self.value,
            "replacement": self.scores.replacement,
            "completeness": self.scores.completeness,
            "active": self.active,
            "nodes": self.nodes.to_dict("records"),
            "edges": self.edges.to_dict("records"),
        }


def trace(replaced: Replaced, target: Target, position: int, plan: GraphPlan) -> Graph:
    """Trace an output to the bases of the locus.

    Parameters
    ----------
    replaced : Replaced
    target : Target
        Of the model at this locus.
    position : int
        The last that the output is read from: of a base's probability the one before it.
    plan : GraphPlan

    Raises
    ------
    ModelError
        Where nothing that was written reaches the output, such as a feature that is not active there.
    """
    heads = _choose(replaced, target, plan.features)
    weights = np.zeros((len(heads) + 1, _sources(replaced) + len(heads)))
    constants = np.zeros(len(heads) + 1)
    errors = _errors(replaced, heads)
    for start in range(0, len(heads), replaced.together):
        group = heads[start : start + replaced.together]
        rows = slice(start, start + len(group))
        weights[rows], constants[rows] = _read(replaced, replaced.pull(group), heads, errors)
        for row, head in enumerate(group, start):
            constants[row] += float(replaced.parts[head.block].encoder_bias[head.feature])
    (weights[-1],), (constants[-1],) = _read(replaced, replaced.pull_target(target), heads, errors)
    found = influence(weights, len(heads))
    if not found.sources.any():
        raise ModelError("nothing of the locus reaches the output: there is no circuit to trace")
    kept, lines = prune(found, len(heads), plan.nodes, plan.edges)
    value = _value(replaced, target)
    activation = np.array([float(replaced.parts[h.block].codes[h.position, h.feature]) for h in heads])
    table = _table(replaced, heads, errors, np.append(activation, value), position)
    table["influence"] = np.append(found.sources, 1.0)
    is_error = table["kind"].to_numpy()[:-1] == ERROR
    old = np.flatnonzero(np.append(kept, True))
    new = np.full(len(table), -1)
    new[old] = np.arange(len(old))
    target_rows, source_columns = np.nonzero(lines)
    of_target = np.append(np.arange(len(heads)) + len(kept) - len(heads), len(kept))
    edges = pd.DataFrame(
        {
            "source": new[source_columns],
            "target": new[of_target[target_rows]],
            "weight": weights[lines],
            "share": found.shares[lines] * found.targets[target_rows],
        }
    )
    nodes = table.iloc[old].reset_index(drop=True).rename_axis("node").reset_index()
    sums = _sums(weights, constants, np.append(activation, value), heads, table["kind"].to_numpy()[:-1])
    active = sum(int((part.codes > 0).sum()) for part in replaced.parts.values())
    return Graph(nodes, edges, value, sums, scores(found, is_error, len(heads)), active)


def written(replaced: Replaced, graph: Graph, node: int) -> Tensor:
    """What a node that is no output writes at its place, ``(d,)``."""
    row = graph.nodes.loc[node]
    kind, block, position = row["kind"], str(row["block"]), int(row["position"])
    if kind == BASE:
        return replaced.embedding[position]
    part = replaced.parts[block]
    if kind == FEATURE:
        return part.codes[position, row["feature"]] * part.decoder[row["feature"]]
    traced = graph.sums[(graph.sums["block"] == block) & (graph.sums["position"] == position)]
    own = traced["feature"].tolist()
    missed = part.given[position] - part.decoder_bias
    return missed - part.codes[position, own] @ part.decoder[own]


def _value(replaced: Replaced, target: Target) -> float:
    found = replaced.model.forward([replaced.sequence], taps=target.taps)
    return float(target.value(replaced.model, found)[0])


def _choose(replaced: Replaced, target: Target, most: int) -> list[Head]:
    """Active features with the largest total effect, in the order of the pass."""
    slopes = replaced.pull_target(target, through=True)
    found = []
    for number, block in enumerate(replaced.blocks):
        if block not in slopes:
            continue
        part = replaced.parts[block]
        effects = (part.codes * (slopes[block][0] @ part.decoder.T)).abs()
        places, features = torch.nonzero(effects, as_tuple=True)
        sizes = effects[places, features].tolist()
        found += [
            (size, number, place, feature)
            for size, place, feature in zip(sizes, places.tolist(), features.tolist(), strict=True)
        ]
    chosen = sorted(found, key=lambda each: (-each[0], *each[1:]))[:most]
    return [
        Head(replaced.blocks[number], place, feature)
        for _, number, place, feature in sorted(chosen, key=lambda each: each[1:])
    ]


def _sources(replaced: Replaced) -> int:
    """Bases and errors."""
    return len(replaced.sequence) * (1 + len(replaced.blocks))


def _errors(replaced: Replaced, heads: list[Head]) -> dict[str, Tensor]:
    """What an MLP writes beside the traced features, the skip and its bias: ``(L, d)`` by block."""
    errors = {}
    for block, part in replaced.parts.items():
        left = part.given - part.decoder_bias
        own = [head for head in heads if head.block == block]
        if own:
            at, which = [head.position for head in own], [head.feature for head in own]
            writes = part.codes[at, which, None] * part.decoder[which]
            left = left.index_add(0, torch.tensor(at, device=left.device), -writes)
        errors[block] = left
    return errors


def _read(
    replaced: Replaced, slopes: Mapping[str, Tensor], heads: list[Head], errors: Mapping[str, Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """What targets read of each source (bases, errors block by block, features), and of decoders' biases."""
    rows, length = len(slopes[replaced.letters]), len(replaced.sequence)
    found = np.zeros((rows, _sources(replaced) + len(heads)))
    constants = np.zeros(rows)
    found[:, :length] = _numbers((slopes[replaced.letters] * replaced.embedding).sum(-1))
    first = _sources(replaced)
    for number, block in enumerate(replaced.blocks, 1):
        if block not in slopes:
            continue
        slope, part = slopes[block], replaced.parts[block]
        found[:, number * length : (number + 1) * length] = _numbers((slope * errors[block]).sum(-1))
        constants += _numbers(slope.sum(1) @ part.decoder_bias)
        own = [i for i, head in enumerate(heads) if head.block == block]
        if own:
            at, which = [heads[i].position for i in own], [heads[i].feature for i in own]
            writes = part.codes[at, which, None] * part.decoder[which]
            found[:, [first + i for i in own]] = _numbers((slope[:, at] * writes).sum(-1))
    return found, constants


def _numbers(x: Tensor) -> np.ndarray:
    numbers: np.ndarray = x.detach().double().cpu().numpy()
    return numbers


def _table(
    replaced: Replaced, heads: list[Head], errors: Mapping[str, Tensor], values: np.ndarray, position: int
) -> pd.DataFrame:
    """All nodes, in the order of sources; the output last."""
    places = np.arange(len(replaced.sequence))
    tables = [pd.DataFrame({"kind": BASE, "block": replaced.letters, "position": places, "activation": 1.0})]
    for block in replaced.blocks:
        sizes = _numbers(errors[block].norm(dim=-1))
        tables.append(pd.DataFrame({"kind": ERROR, "block": block, "position": places, "activation": sizes}))
    if heads:
        rows = pd.DataFrame(heads, columns=["block", "position", "feature"])
        tables.append(rows.assign(kind=FEATURE, activation=values[:-1]))
    output = {"kind": OUTPUT, "block": OUTPUT, "position": position, "activation": values[-1]}
    table = pd.concat([*tables, pd.DataFrame([output])], ignore_index=True)
    table["feature"] = table["feature"].fillna(-1).astype(int) if heads else -1
    return table[["kind", "block", "position", "feature", "activation"]]


def _sums(
    weights: np.ndarray, constants: np.ndarray, values: np.ndarray, heads: list[Head], kinds: np.ndarray
) -> pd.DataFrame:
    rows = [*heads, Head(OUTPUT, -1, -1)]
    table = pd.DataFrame(rows, columns=["block", "position", "feature"]).assign(value=values)
    for name, kind in (("bases", BASE), ("errors", ERROR), ("features", FEATURE)):
        table[name] = weights[:, kinds == kind].sum(axis=1)
    table["constants"] = constants
    parts = ["bases", "errors", "features", "constants"]
    return table.assign(rest=table["value"] - table[parts].sum(axis=1))
