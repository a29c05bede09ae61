"""Tiles against the dense arrays that the study was made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.workbench.study_factory import Synthetic, make_study
from workbench.browse.tiles import PAGE, TileReader, bin_size, encode
from workbench.errors import InputError
from workbench.genome.interval import Interval


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("tiles"))


@pytest.fixture(scope="module", params=[PAGE, 64])
def reader(made: Synthetic, request: pytest.FixtureRequest) -> Iterator[TileReader]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.browse.tiles.PAGE", request.param)
        yield TileReader(made.study, made.study.table("catalog")["max"].to_numpy())


def test_codes() -> None:
    values = np.array([[np.nan, 0, 1e-6, 1, 2, 4, 9]], np.float32)
    assert encode(values, np.array([4.0])).tolist() == [[0, 1, 2, 65, 128, 255, 255]]


@pytest.mark.parametrize(
    ("bases", "pixels", "size"),
    [(100, 1000, 1), (1999, 1000, 1), (2000, 1000, 2), (70_000, 1000, 64), (4_641_652, 1200, 2048)],
)
def test_bins_are_no_wider_than_a_pixel(bases: int, pixels: int, size: int) -> None:
    assert bin_size(bases, pixels) == size


@pytest.mark.parametrize("size", [1, 4, 64, 128, 512, 4096])
@pytest.mark.parametrize("where", [("chrA", 0, 3000), ("chrA", 777, 2600), ("chrB", 1199, 1201)])
def test_every_bin_is_the_maximum_of_its_bases(
    made: Synthetic, reader: TileReader, size: int, where: tuple[str, int, int]
) -> None:
    features = [3, 7, 11, 19]
    tile = reader.tile(features, Interval(*where), size)
    assert tile.edges[0] <= where[1] and tile.edges[-1] >= where[2]
    assert np.diff(tile.edges).max() <= size and np.diff(tile.edges).min() > 0
    top = made.study.table("catalog")["max"].to_numpy()
    for s, strand in enumerate("+-"):
        values, callable_ = made.dense[where[0], strand]
        for f, feature in enumerate(features):
            known = np.where(callable_, values[:, feature], np.nan)
            for start, end, code in zip(tile.edges, tile.edges[1:], tile.codes[f, s], strict=False):
                part = known[start:end]
                if np.isnan(part).all():
                    assert code == 0
                elif np.nanmax(part) == 0:
                    assert code == 1
                else:
                    share = np.nanmax(part) / top[feature]
                    assert code >= 2 and (code - 2) / 254 - 1e-5 <= share <= (code - 1) / 254 + 1e-5


def test_views_that_overlap_agree(reader: TileReader) -> None:
    left = reader.tile([3], Interval("chrA", 100, 900), 8)
    right = reader.tile([3], Interval("chrA", 303, 1100), 8)
    shared = np.intersect1d(left.edges[:-1], right.edges[:-1])
    assert shared.size > 70
    a = left.codes[0, 0][np.isin(left.edges[:-1], shared)]
    assert np.array_equal(a, right.codes[0, 0][np.isin(right.edges[:-1], shared)])


def test_no_features_are_a_tile_without_rows(reader: TileReader) -> None:
    tile = reader.tile([], Interval("chrA", 5, 900), 4)
    assert tile.codes.shape == (0, 2, 1) and tile.edges.tolist() == [5, 900]


def test_what_is_not_there_is_refused(reader: TileReader) -> None:
    with pytest.raises(InputError, match="expected a number from 0 to 19"):
        reader.tile([20], Interval("chrA", 0, 10), 1)
    with pytest.raises(InputError, match="no contig"):
        reader.tile([1], Interval("chrQ", 0, 10), 1)


def test_memory_is_bounded(made: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.browse.tiles.KEPT_BYTES", 5000)
    monkeypatch.setattr("workbench.browse.tiles.OPEN_FILES", 2)
    reader = TileReader(made.study, made.study.table("catalog")["max"].to_numpy())
    first = reader.tile([1, 2, 3], Interval("chrA", 0, 3000), 1)
    reader.tile([4, 5, 6], Interval("chrA", 0, 3000), 1)
    assert sum(a.nbytes for a in reader._kept.values()) <= 5000 and len(reader._open) == 2
    again = reader.tile([1, 2, 3], Interval("chrA", 0, 3000), 1)
    assert np.array_equal(first.codes, again.codes)
