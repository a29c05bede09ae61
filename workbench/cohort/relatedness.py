"""How samples are related: a kinship or distance matrix, or a tree in Newick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.errors import InputError
from workbench.text import read_lines, suffix_of


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
        from workbench.cohort.cohort import listed

        raise InputError(
            f"{path}: {len(absent):,} samples of the cohort are not in it: {listed(absent)}; add them, or"
            " leave them out of the phenotypes"
        )
    return np.array([where[name] for name in wanted])


def read_matrix(path: Path, samples: Sequence[str]) -> np.ndarray:
    """A square table with sample names in its header and first column, as float64 in that order.

    Raises ``InputError`` for a ragged, non-numeric, asymmetric table or absent samples.
    """
    cut = "," if suffix_of(path) == ".csv" else "\t"
    lines = [(n, line.split(cut)) for n, line in read_lines(path) if line.strip()]
    if not lines:
        raise InputError(f"{path}: empty; expected a square table with sample names")
    header = [h.strip() for h in lines[0][1][1:]]
    rows = []
    for number, fields in lines[1:]:
        if len(fields) != len(header) + 1:
            raise InputError(
                f"{path}: line {number:,}: {len(fields)} columns, expected {len(header) + 1}"
            )
        try:
            rows.append([float(f) for f in fields[1:]])
        except ValueError as error:
            raise InputError(f"{path}: line {number:,}: {error}; expected numbers") from None
    names = [fields[0].strip() for _, fields in lines[1:]]
    if names != header:
        raise InputError(
            f"{path}: the header and the first column name other samples; expected a square matrix"
        )
    matrix = np.array(rows)
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: missing or infinite entries; expected a number in each cell")
    gap = np.abs(matrix - matrix.T)
    if gap.max() > 1e-6 * max(1.0, np.abs(matrix).max()):
        i, j = np.unravel_index(gap.argmax(), gap.shape)
        raise InputError(
            f"{path}: not symmetric: {names[i]}, {names[j]} is {matrix[i, j]:g} one way and"
            f" {matrix[j, i]:g} the other; give one value for each pair"
        )
    order = _in_order(path, names, samples)
    return (matrix + matrix.T)[np.ix_(order, order)] / 2


def read_tree(path: Path, samples: Sequence[str]) -> Relatedness:
    """Kinship and distance from a Newick tree with branch lengths.

    Kinship of two samples is the length of the path from the root to their last common ancestor (its diagonal
    the depth of a leaf), so the root matters; distance is the path from one to the other.

    Raises ``InputError`` for a file that is not Newick, branches without length, or absent samples.
    """
    from Bio import Phylo
    from Bio.Phylo.NewickIO import NewickError

    text = "".join(line for _, line in read_lines(path)).strip()
    try:
        from io import StringIO

        trees = list(Phylo.parse(StringIO(text), "newick"))
    except (NewickError, ValueError) as error:
        raise InputError(f"{path}: not Newick ({error}); expected (A:1,B:2);") from None
    if len(trees) != 1 or not trees[0].count_terminals() > 1:
        raise InputError(f"{path}: {len(trees)} trees of several leaves found; expected one tree")
    root = trees[0].root
    depth: dict[int, float] = {id(root): 0.0}
    leaves: list[str] = []
    spans: dict[int, tuple[int, int]] = {}
    order = []
    stack = [(root, False)]
    while stack:
        node, seen = stack.pop()
        if seen:
            spans[id(node)] = (spans[id(node.clades[0])][0], spans[id(node.clades[-1])][1])
            order.append(node)
            continue
        for child in node.clades:
            if child.branch_length is None:
                raise InputError(
                    f"{path}: a branch without length; expected name:length throughout"
                )
            depth[id(child)] = depth[id(node)] + child.branch_length
        if node.clades:
            stack.append((node, True))
            stack += [(child, False) for child in reversed(node.clades)]
        else:
            spans[id(node)] = (len(leaves), len(leaves) + 1)
            leaves.append(str(node.name))
            order.append(node)
    shared = np.zeros((len(leaves), len(leaves)))
    # Ancestors come after what is below them, so a deeper value is never overwritten: fill from the root.
    for node in reversed(order):
        lo, hi = spans[id(node)]
        shared[lo:hi, lo:hi] = depth[id(node)]
    rows = _in_order(path, leaves, samples)
    shared = shared[np.ix_(rows, rows)]
    own = np.diag(shared)
    return Relatedness(shared, own[:, None] + own[None, :] - 2 * shared, str(path))
