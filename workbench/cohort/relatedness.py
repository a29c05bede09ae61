"""How samples are related: a kinship or distance matrix, or a tree in Newick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.cohort.newick import read_newick
from workbench.errors import InputError
from workbench.files.tables import read_table
from workbench.wording import listed


@dataclass(frozen=True)
class Relatedness:
    """Similarity and distance of samples, in one order of samples.

    kinship, distance : float64 (n, n), symmetric, or None
    source : file
    """

    kinship: np.ndarray | None
    distance: np.ndarray | None
    source: str

    def take(self, rows: np.ndarray) -> Relatedness:
        """The same for some samples, in the order of ``rows``."""
        kinship, distance = (
            None if m is None else m[np.ix_(rows, rows)] for m in (self.kinship, self.distance)
        )
        return Relatedness(kinship, distance, self.source)


def _in_order(path: Path, found: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Places of ``wanted`` in ``found``; ``InputError`` naming those that are not there."""
    where = {name: i for i, name in enumerate(found)}
    if len(where) < len(found):
        twice = next(n for i, n in enumerate(found) if where[n] != i)
        raise InputError(f"{path}: sample {twice} is there twice; keep one")
    absent = [name for name in wanted if name not in where]
    if absent:
        raise InputError(
            f"{path}: {len(absent):,} samples of the cohort are not in it: {listed(absent)}; add them, or"
            " leave them out of the phenotypes"
        )
    return np.array([where[name] for name in wanted])


def read_matrix(path: Path, samples: Sequence[str]) -> np.ndarray:
    """A square table with sample names in its header and first column, as float64 in that order.

    Raises ``InputError`` for a ragged, non-numeric, asymmetric table or absent samples.
    """
    table = read_table(path)
    header, names = list(table.columns[1:]), list(table.iloc[:, 0])
    if names != header or not names:
        raise InputError(
            f"{path}: the header and the first column name other samples; expected a square matrix"
        )
    matrix = table.iloc[:, 1:].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    strange = np.argwhere(~np.isfinite(matrix))
    if len(strange):
        row, column = strange[0]
        raise InputError(
            f"{path}: line {table.index[row]:,}: column {names[column]} is {table.iat[row, column + 1]!r};"
            " expected a number in each cell"
        )
    gap = np.abs(matrix - matrix.T)
    if gap.max() > 1e-6 * max(1.0, np.abs(matrix).max()):
        i, j = np.unravel_index(gap.argmax(), gap.shape)
        raise InputError(
            f"{path}: not symmetric: {names[i]}, {names[j]} is {matrix[i, j]:g} one way and"
            f" {matrix[j, i]:g} the other; give one value for each pair"
        )
    order = _in_order(path, names, samples)
    return (matrix / 2 + matrix.T / 2)[np.ix_(order, order)]


def read_tree(path: Path, samples: Sequence[str]) -> Relatedness:
    """Kinship and distance from a Newick tree with branch lengths.

    Kinship of two samples is the length of the path from the root to their last common ancestor (its diagonal
    the depth of a leaf), so the root matters; distance is the path from one to the other.

    Raises ``InputError`` for a file that is not Newick, branches without length, or absent samples.
    """
    tree = read_newick(path)
    depth = np.zeros(len(tree.parent))
    inner = set(tree.parent)
    wanted = set(samples)
    # Leaves of samples in order; those below a node are lo to hi of them.
    leaves: list[str] = []
    lo, hi = (np.zeros(len(tree.parent), np.int64) for _ in range(2))
    for node, (parent, length, label) in enumerate(zip(*tree, strict=True)):
        depth[node] = length + (depth[parent] if node else 0)
        lo[node] = len(leaves)
        if node not in inner and label in wanted:
            leaves.append(label)
        hi[node] = len(leaves)
    for node in range(len(tree.parent) - 1, 0, -1):
        parent = tree.parent[node]
        hi[parent] = max(hi[parent], hi[node])
    rows = _in_order(path, leaves, samples)
    shared = np.zeros((len(leaves), len(leaves)))
    for node, parent in enumerate(tree.parent):
        own, before = slice(lo[node], hi[node]), slice(lo[parent], lo[node])
        if node not in inner:
            shared[own, own] = depth[node]
        if node:
            # With what is left of it below the same parent, it shares the way to there.
            shared[own, before] = depth[parent]
            shared[before, own] = depth[parent]
    shared = shared[np.ix_(rows, rows)]
    diagonal = np.diag(shared)
    return Relatedness(shared, diagonal[:, None] + diagonal[None, :] - 2 * shared, str(path))
