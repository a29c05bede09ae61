"""Cells: literal numbers, and that a base has one value whatever is asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from workbench.genome.reference import Genome
from workbench.genome.windows import Cell, Grid, read_sequence


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 50))
    path.write_text(f">line\n{letters[:20]}NN{letters[22:]}\n>ring\n{letters}\n")
    return Genome(path, circular=["ring"], cache=tmp_path / "cache")


def test_cells():
    grid = Grid(window=20, warmup=5)
    assert grid.stride == 15
    cells = grid.cells("c", 50)
    assert [(c.start, c.end, c.index) for c in cells] == [(0, 15, 0), (15, 30, 1), (30, 45, 2), (45, 50, 3)]
    moved = Grid(20, 5, offset=7).cells("c", 50)
    assert [(c.start, c.end) for c in moved] == [(0, 7), (7, 22), (22, 37), (37, 50)]
    regions = pd.DataFrame({"chrom": ["c", "c"], "start": [29, 44], "end": [30, 46]})
    assert [c.index for c in grid.cells_of(regions, {"c": 50, "d": 9})] == [1, 2, 3]


def test_linear_edges(genome):
    grid = Grid(20, 5)
    first, middle, last = (grid.cells("line", 50)[i] for i in (0, 1, 3))
    plus = read_sequence(genome, grid, first, "+")
    assert (plus.sequence, plus.skip) == (genome.fetch("line", 0, 15), 0)
    assert plus.callable.tolist() == [False] * 5 + [True] * 10
    minus = read_sequence(genome, grid, first, "-")
    assert (minus.sequence, minus.skip) == (genome.fetch("line", 0, 20, "-"), 5)
    assert minus.callable.all()
    assert read_sequence(genome, grid, middle, "+").skip == 5
    known = [True] * 5 + [False] * 2 + [True] * 8
    for strand in "+-":
        assert read_sequence(genome, grid, middle, strand).callable.tolist() == known
    end = read_sequence(genome, grid, last, "-")
    assert (len(end.sequence), end.skip, end.callable.any()) == (5, 0, False)


def test_ring_has_context_everywhere(genome):
    grid = Grid(20, 5)
    for cell in grid.cells("ring", 50):
        for strand in "+-":
            part = read_sequence(genome, grid, cell, strand)
            assert part.skip == 5
            assert part.callable.all()
            own = genome.fetch("ring", cell.start, cell.end, strand)
            assert part.sequence[5:] == own
    wrapped = read_sequence(genome, grid, Cell("ring", 0, 15, 0), "+").sequence
    assert wrapped[:5] == genome.fetch("ring", 45, 50)


@pytest.mark.parametrize("warmup", [-1, 20])
def test_refuses_a_warmup_outside_the_window(warmup):
    with pytest.raises(ValueError, match="must be at least 0, less than window 20"):
        Grid(20, warmup)


@pytest.mark.parametrize("offset", [0, 7, 15, 29])
@pytest.mark.parametrize("length", [1, 14, 15, 16, 44, 45, 50, 151])
def test_cells_that_meet_a_stretch(offset: int, length: int) -> None:
    """Against all cells, cut where the grid says: at the offset, then every stride."""
    grid = Grid(20, 5, offset)
    first = offset % 15
    cuts = sorted({0, *range(first, length, 15), length})
    every = [("c", a, b, i) for i, (a, b) in enumerate(pairwise(cuts))]
    assert [tuple(c) for c in grid.cells("c", length)] == every
    for start in range(length):
        for end in range(start + 1, length + 1):
            met = [c for c in every if c[1] < end and c[2] > start]
            assert [tuple(c) for c in grid.cells_between("c", length, start, end)] == met


@pytest.mark.parametrize("contig", ["line", "ring"])
def test_both_ends_of_a_window_are_discarded(genome, contig):
    """Rows of a cell are its own bases on both strands; on a linear contig both ends lack context."""
    grid = Grid(20, 5, lookahead=4)
    assert grid.stride == 11 and grid.kept == slice(5, 16)
    covered = np.zeros(50, int)
    for cell in grid.cells(contig, 50):
        covered[cell.start : cell.end] += 1
        for strand in "+-":
            part = read_sequence(genome, grid, cell, strand)
            assert part.own(part.sequence) == genome.fetch(contig, cell.start, cell.end, strand)
            places = np.arange(cell.start, cell.end)
            behind, ahead = (places, 49 - places) if strand == "+" else (49 - places, places)
            known = ((behind >= 5) & (ahead >= 4)) | (contig == "ring")
            known &= np.array(list(genome.fetch(contig, cell.start, cell.end))) != "N"
            assert part.callable.tolist() == known.tolist()
    assert (covered == 1).all()
    with pytest.raises(ValueError, match="warmup 12 and lookahead 8"):
        Grid(20, 12, lookahead=8)
