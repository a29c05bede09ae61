"""Splits: shares, gaps, alignment, small genomes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import InputError
from workbench.genome.interval import Block, Interval
from workbench.genome.splits import CODES, REPORT, SELECT, TRAIN, UNUSED, Split, make_split
from workbench.genome.windows import Grid

SHARES = {"train": 0.5, "select": 0.25, "report": 0.25}
GRID = Grid(2048, 512)


@pytest.mark.parametrize(
    ("length", "blocks", "gap"),
    [
        (4_641_652, 46, 2048),
        (154_478, 13, 2048),
        (100_000, 13, 512),
        (48_502, 11, 512),
        (9_216, 3, 512),
        (9_609, 3, 512),
    ],
)
@pytest.mark.parametrize("circular", [False, True])
def test_blocks(length, blocks, gap, circular):
    rings = ["c"] if circular else []
    table = pd.DataFrame(make_split({"c": length}, GRID, SHARES, 0, circular=rings).blocks)
    assert abs(len(table) - blocks) <= 1
    assert set(table["split"]) == set(SHARES)
    assert (table["start"] % GRID.stride == 0).all()
    assert ((table["end"] % GRID.stride == 0) | (table["end"] == length)).all()
    gaps = table["start"].to_numpy()[1:] - table["end"].to_numpy()[:-1]
    assert (gaps >= gap).all() and len(set(gaps)) == 1
    # Over the origin: the same, and what fills no cell.
    origin = length - table["end"].iloc[-1] + table["start"].iloc[0]
    assert gaps[0] <= origin < gaps[0] + GRID.stride if circular else origin < GRID.stride


@pytest.mark.parametrize("window", [512, 2048, 4096])
def test_gaps_shrink_with_the_genome(window):
    """The share that gaps take never exceeds a half, nor a third from the length of lambda on."""
    grid = Grid(window, 512 if window > 512 else 64)
    for length in range(9_609, 400_000, 7_919):
        if length <= 4 * window:
            continue
        table = pd.DataFrame(make_split({"c": length}, grid, SHARES, 0).blocks)
        used = (table["end"] - table["start"]).sum() / length
        assert used > (0.65 if length >= 48_502 else 0.45), (length, used)
        gaps = table["start"].to_numpy()[1:] - table["end"].to_numpy()[:-1]
        assert (gaps >= grid.warmup).all()


def test_a_block_that_was_asked_for_keeps_its_size():
    table = pd.DataFrame(make_split({"c": 400_000}, GRID, SHARES, 0, block=3_072).blocks)
    sizes = table["end"] - table["start"]
    assert set(sizes.iloc[:-1]) == {3_072, 4_608} and sizes.iloc[-1] >= 3_072
    gaps = table["start"].to_numpy()[1:] - table["end"].to_numpy()[:-1]
    assert (gaps >= GRID.window).all()


def test_shares_and_determinism():
    split = make_split({"c": 4_641_652}, GRID, SHARES, 3)
    assert split.blocks == make_split({"c": 4_641_652}, GRID, SHARES, 3).blocks
    assert split.blocks != make_split({"c": 4_641_652}, GRID, SHARES, 4).blocks
    codes = split.codes("c", 0, 4_641_652)
    counts = np.bincount(codes, minlength=256)
    used = counts[[TRAIN, SELECT, REPORT]]
    assert used / used.sum() == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    assert counts[UNUSED] / codes.size < 0.04
    assert (split.codes("c", 100_000, 103_000) == codes[100_000:103_000]).all()
    for cell in split.cells(GRID, {"c": 4_641_652}, "report"):
        assert (codes[cell.start : cell.end] == REPORT).all()


def test_whole_contigs_where_they_come_near_the_shares():
    even = {f"c{i}": 900_000 - 30_000 * i for i in range(16)}
    table = pd.DataFrame(make_split(even, GRID, SHARES, 0).blocks)
    assert table["chrom"].tolist() == list(even)
    assert (table["end"] == list(even.values())).all()
    uneven = {"chromosome": 5_000_000} | {f"plasmid{i}": 10_000 for i in range(7)}
    blocks = make_split(uneven, GRID, SHARES, 0).blocks
    assert {block.split for block in blocks if block.chrom == "chromosome"} == set(SHARES)


def test_short_contigs_are_divided_whole():
    short = {f"region{i}": 1_200 for i in range(400)} | {"stub": 1_000}
    table = pd.DataFrame(make_split(short, GRID, SHARES, 0).blocks)
    assert table["chrom"].tolist() == list(short)[:-1]
    assert table["split"].value_counts().to_dict() == {"train": 200, "select": 100, "report": 100}


def test_too_small():
    with pytest.raises(InputError, match=r"too small to be split.*longest contig 5,000 bases, window 2,048"):
        make_split({"c": 5_000}, GRID, SHARES, 0)


def test_regions_are_divided_and_nothing_else():
    few = [Interval("c", 15_360 * (1 + 16 * i), 15_360 * (2 + 16 * i) + 9_216) for i in range(5)]
    split = make_split({"c": 4_411_532}, GRID, SHARES, 0, regions=few)
    table = pd.DataFrame(split.blocks)
    inside = [any(a <= row.start < row.end <= b for _, a, b in few) for row in table.itertuples()]
    assert all(inside) and len(table) >= 12
    used = table.assign(bases=table["end"] - table["start"]).groupby("split")["bases"].sum()
    assert (used / used.sum() - pd.Series(SHARES)).abs().max() < 0.08
    gaps = table["start"].to_numpy()[1:] - table["end"].to_numpy()[:-1]
    assert (gaps >= GRID.window).all()

    many = [Interval("c", 30_720 * i, 30_720 * i + 3_072) for i in range(40)]
    table = pd.DataFrame(make_split({"c": 4_411_532}, GRID, SHARES, 0, regions=many).blocks)
    assert list(zip(table["chrom"], table["start"], table["end"], strict=True)) == many

    # Nearer than a window: read as one, or a reading of one would see the other.
    near = [Interval("c", 0, 1_536), Interval("c", 3_072, 61_440)]
    table = pd.DataFrame(make_split({"c": 90_000}, GRID, SHARES, 0, regions=near).blocks)
    gaps = table["start"].to_numpy()[1:] - table["end"].to_numpy()[:-1]
    assert (gaps >= GRID.warmup).all() and 0 in table["start"].to_numpy()


def test_regions_at_both_ends_of_a_ring_keep_their_distance():
    ends = [Interval("c", 0, 30_720), Interval("c", 61_440, 92_160)]
    table = pd.DataFrame(make_split({"c": 92_160}, GRID, SHARES, 0, circular=["c"], regions=ends).blocks)
    assert 92_160 - table["end"].iloc[-1] + table["start"].iloc[0] == GRID.stride
    # Not even where there are enough of them to be divided whole, or where the ends are not met exactly.
    many = [Interval("c", 15_360 * i, 15_360 * i + 7_680) for i in range(11)] + [
        Interval("c", 167_424, 168_960)
    ]
    for length in (168_960, 169_960):
        table = pd.DataFrame(make_split({"c": length}, GRID, SHARES, 0, circular=["c"], regions=many).blocks)
        assert length - table["end"].iloc[-1] + table["start"].iloc[0] >= GRID.window


def test_regions_too_small():
    with pytest.raises(InputError, match=r"regions are too small.*longest region 1,536 bases"):
        make_split({"c": 90_000}, GRID, SHARES, 0, regions=[Interval("c", 0, 1_536)])


def test_codes_and_cells_against_every_base() -> None:
    """Of random blocks on two contigs, looked up base by base and cell by cell."""
    rng = np.random.default_rng(5)
    lengths, grid = {"a": 900, "b": 400}, Grid(20, 5)
    rows = []
    for chrom, length in lengths.items():
        cuts = np.sort(rng.choice(length + 1, 24, replace=False)).reshape(-1, 2)
        rows += [(chrom, int(lo), int(hi), str(rng.choice(list(SHARES)))) for lo, hi in cuts]
    blocks = pd.DataFrame(rows, columns=["chrom", "start", "end", "split"])
    split = Split([Block(*row) for row in rows])
    for chrom, length in lengths.items():
        bases = np.full(length, UNUSED)
        for row in blocks[blocks["chrom"] == chrom].itertuples():
            bases[row.start : row.end] = CODES[row.split]
        for start, end in ((0, length), (13, 14), (100, 333)):
            assert split.codes(chrom, start, end).tolist() == bases[start:end].tolist()
    for name, code in CODES.items():
        expected = [
            cell
            for chrom, length in lengths.items()
            for cell in grid.cells(chrom, length)
            for row in blocks[blocks["chrom"] == chrom].itertuples()
            if CODES[row.split] == code and row.start <= cell.start and cell.end <= row.end
        ]
        assert split.cells(grid, lengths, name) == expected
    assert split.codes("elsewhere", 0, 3).tolist() == [UNUSED] * 3
