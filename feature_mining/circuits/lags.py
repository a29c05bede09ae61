"""Which filter or head carried an edge, over which distance.

Every path from a source to a target either stays where it is or passes mixers (Hyena operators, attention).
After the *last* one it passes nothing moves: what that mixer reads at a distance from the target is split by
that distance. The parts of all mixers and distances, and of the way that passes none, add up to the edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from feature_mining.attribution.target import Target
from feature_mining.circuits.graph import Graph, written
from feature_mining.circuits.replaced import Head, Replaced

# Parts of an edge that have a row of their own: so many, and no smaller than this share of the largest.
MOST, LEAST = 6, 0.01


class _Reads(NamedTuple):
    """What a target reads: ``(L, d)`` at mixers' inputs, each the last on the way, and ``(d,)`` in place."""

    mixers: dict[str, Tensor]
    still: dict[str, Tensor]


def split_by_lag(replaced: Replaced, target: Target, graph: Graph) -> pd.DataFrame:
    """The edges of a graph by mixer and distance.

    Returns
    -------
    DataFrame
        ``source, target`` (nodes), ``block`` of the mixer that was the last on the way (empty for no mixer:
        in place), ``lag`` in bases from what it read to the target (-1: all smaller parts together),
        ``weight``. Largest parts first; those of an edge add up to its weight.
    """
    places, blocks = graph.nodes["position"].tolist(), graph.nodes["block"].tolist()
    reads = _reads(replaced, target, graph)
    found = []
    sources = sorted(graph.edges["source"].unique().tolist())
    for start in range(0, len(sources), replaced.together):
        group = sources[start : start + replaced.together]
        writes = [written(replaced, graph, source) for source in group]
        arrived = replaced.push([(blocks[s], places[s], x) for s, x in zip(group, writes, strict=True)])
        for row, source in enumerate(group):
            for node in graph.edges.loc[graph.edges["source"] == source, "target"].tolist():
                parts = []
                for block, slope in reads[node].mixers.items():
                    values = (slope * arrived[block][row]).sum(-1).double().cpu().numpy()
                    at = np.flatnonzero(values[places[source] : places[node] + 1]) + places[source]
                    parts += [(block, places[node] - int(i), float(values[i])) for i in at]
                if places[source] == places[node] and blocks[source] in reads[node].still:
                    parts.append(("", 0, float(reads[node].still[blocks[source]] @ writes[row])))
                found += [(source, node, *part) for part in _leading(parts)]
    return pd.DataFrame(found, columns=["source", "target", "block", "lag", "weight"])


def _reads(replaced: Replaced, target: Target, graph: Graph) -> dict[int, _Reads]:
    """By node that is a target."""
    places, output = graph.nodes["position"].tolist(), len(graph.nodes) - 1
    features = sorted(set(graph.edges["target"].tolist()) - {output})
    heads = [Head(*graph.nodes.loc[node, ["block", "position", "feature"]]) for node in features]
    reads = {output: _row(replaced.pull_target(target, cut=True), 0, places[output])}
    for start in range(0, len(heads), replaced.together):
        slopes = replaced.pull(heads[start : start + replaced.together], cut=True)
        for row, node in enumerate(features[start : start + replaced.together]):
            reads[node] = _row(slopes, row, places[node])
    return reads


def _row(slopes: dict[str, Tensor], row: int, place: int) -> _Reads:
    mixers = {
        name.removesuffix(".pre_norm"): slope[row]
        for name, slope in slopes.items()
        if name.endswith(".pre_norm")
    }
    return _Reads(mixers, {name: slope[row, place] for name, slope in slopes.items()})


def _leading(parts: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    """The leading parts of an edge, and the others as one."""
    parts = sorted(parts, key=lambda part: -abs(part[2]))
    large = [part for part in parts[:MOST] if abs(part[2]) >= LEAST * abs(parts[0][2])]
    rest = sum(size for _, _, size in parts[len(large) :])
    return large + ([("", -1, rest)] if len(large) < len(parts) else [])
