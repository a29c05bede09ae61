"""Control samples: every track has its share, weights add up, shards and genomes stay what they are."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from workbench.analysis.sample import Drawn, deal, draw_cells, sampled_intervals, tracks_in_cells
from workbench.genome.reference import Genome
from workbench.genome.shuffled_genome import BLOCK, ShuffledGenome
from workbench.genome.windows import Cell

CELLS = [Cell("c", 100 * i, 100 * (i + 1), i) for i in range(1000)]


def intervals(*rows: tuple[int, int, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["start", "end", "strand"])
    return table.assign(chrom="c", name="x", score=0.0)


def present() -> np.ndarray:
    """A track in nearly all cells, one in 200, one in 6."""
    out = np.zeros((1000, 3), bool)
    out[:950, 0] = True
    out[100:300, 1] = True
    out[[5, 111, 112, 400, 700, 980], 2] = True
    return out


def test_rare_tracks_are_drawn_whole_and_weights_estimate_the_split():
    drawn = draw_cells(CELLS, present(), 20_000, [0])
    assert 190 <= len(drawn) <= 200
    index = np.array([d.cell.index for d in drawn])
    weight = np.array([d.weight for d in drawn])
    assert (np.diff(index) > 0).all()
    assert present()[index, 2].sum() == 6
    assert weight[present()[index, 2]].tolist() == [1.0] * 6
    # An even sample of a fifth would hold 1.2 of the six, and weights sum to what they stand for.
    assert weight.sum() == pytest.approx(1000)
    assert (weight * present()[index, 1]).sum() == pytest.approx(200, abs=1)
    assert (weight * present()[index, 0]).sum() == pytest.approx(950, abs=1)


def test_the_seed_decides_and_a_small_split_is_taken_whole():
    a, b = (draw_cells(CELLS, present(), 20_000, [seed]) for seed in (1, 1))
    assert a == b
    assert a != draw_cells(CELLS, present(), 20_000, [2])
    assert draw_cells(CELLS, present(), 100_000, [0]) == [Drawn(c, 1.0) for c in CELLS]
    assert len(draw_cells(CELLS, np.zeros((1000, 0), bool), 5_000, [0])) == 50


def test_cells_know_their_tracks():
    tracks = {"a": intervals((90, 110, "+"), (350, 360, "-")), "b": intervals((200, 201, "."))}
    found = tracks_in_cells(CELLS[:5], tracks)
    assert found[:, 0].tolist() == [True, True, False, True, False]
    assert found[:, 1].tolist() == [False, False, True, False, False]


def test_intervals_of_the_sample_are_counted_by_reading():
    tracks = {"a": intervals((90, 110, "+"), (350, 360, "-"), (700, 790, "+"))}
    drawn = [Drawn(CELLS[i], 1.0) for i in (1, 3)]
    columns = [("a", "same"), ("a", "opposite"), ("a", "any")]
    nothing = np.zeros(100_000, bool)
    assert sampled_intervals(drawn, tracks, columns, {"c": nothing}) == [2, 2, 4]
    copied = nothing.copy()
    copied[340:360] = True
    assert sampled_intervals(drawn, tracks, columns, {"c": copied}) == [1, 1, 2]
    copied[359] = False
    assert sampled_intervals(drawn, tracks, columns, {"c": copied}) == [2, 2, 4]


def test_shards_hold_every_cell_once():
    drawn = [Drawn(CELLS[0], float(i)) for i in range(500)]
    for n in (3, 23, 24, 100, 181, 500):
        parts = deal(drawn[:n])
        assert [d for part in parts for d in part] == drawn[:n]
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert len(parts) == 1 or (len(parts) % 2 == 0 and min(sizes) >= 12)
    assert [len(deal(drawn[:n])) for n in (3, 23, 24, 100, 181, 500)] == [1, 1, 2, 8, 14, 16]


def test_the_shuffled_genome_reads_the_same_wherever_one_begins(samples):
    genome = Genome(samples / "yersinia_pPCP1.fa", circular=["NC_005816.1"])
    shuffled = ShuffledGenome(genome, 0)
    name, length = "NC_005816.1", 9609
    whole = shuffled.fetch(name, 0, length)
    assert whole != genome.fetch(name, 0, length)
    assert shuffled.fetch(name, 1000, 2345) == whole[1000:2345]
    assert shuffled.fetch(name, 9600, 9620) == whole[9600:] + whole[:11]
    assert shuffled.fetch(name, -7, 5) == whole[-7:] + whole[:5]
    turned = str.maketrans("ACGT", "TGCA")
    assert shuffled.fetch(name, 300, 900, "-") == whole[300:900].translate(turned)[::-1]
    for start in range(0, length, BLOCK):
        a, b = whole[start : start + BLOCK], genome.fetch(name, start, min(start + BLOCK, length))
        assert sorted(map("".join, itertools.pairwise(a))) == sorted(map("".join, itertools.pairwise(b)))
    assert ShuffledGenome(genome, 1).fetch(name, 0, 500) != whole[:500]
