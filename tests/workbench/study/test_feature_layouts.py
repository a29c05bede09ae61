"""Feature files of both layouts: the same through every reader, and no damage that goes unseen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.store import write_old
from feature_mining.feature_map import Csr, from_dense
from tests.workbench.study.test_feature_store import damaged
from workbench.errors import InputError
from workbench.study.feature_layouts import ZOOMS
from workbench.study.feature_store import FeatureShard, Origin, StrandMap, write_shard

BASES, WIDTH, START = 9000, 30, 5000
ORIGIN = Origin("model", "blocks.1", "sae")


def features(seed: int) -> Csr:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, 0.5, (BASES, WIDTH)).astype(np.float32)
    values[rng.random(values.shape) > np.linspace(0, 0.2, WIDTH)] = 0
    values[100:5000, 7] = 0
    return from_dense(values)


@pytest.fixture(scope="module")
def written() -> dict[str, tuple[Csr, np.ndarray]]:
    return {"+": (features(0), np.arange(BASES) > 63), "-": (features(1), np.arange(BASES) < BASES - 63)}


@pytest.fixture(scope="module")
def files(
    written: dict[str, tuple[Csr, np.ndarray]], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("layouts")
    found = {layout: folder / f"{layout}.h5" for layout in (1, 2)}
    strands = {strand: StrandMap(*parts) for strand, parts in written.items()}
    write_shard(found[2], "chr1", START, ORIGIN, strands)
    write_old(found[2], found[1])
    return found


def everything(path: Path) -> Iterator[np.ndarray]:
    """All that can be read of a file, a little at a time too."""
    with FeatureShard(path) as shard:
        yield np.array([shard.start, shard.end, shard.n_features])
        yield np.array([shard.chrom, *vars(shard.origin).values()])
        for strand in "+-":
            for start, end in ((START, START + BASES), (START + 4000, START + 4200), (START, START)):
                rows = shard.rows(strand, start, end)
                yield from (*rows.features[:3], rows.callable)
            yield shard.callable(strand, shard.start, shard.end)
            for start, end in ((START, START + BASES), (START + 4000, START + 4200), (START, START)):
                yield shard.columns(strand, [7, 0, WIDTH - 1], start, end)
            for size in ZOOMS:
                zoom = shard.zoom(strand, size)
                yield from (zoom.indptr, zoom.bins, zoom.max)
                for some in ([9], [WIDTH - 1, 0, 7]):
                    yield from (part for pair in shard.maxima(strand, size, some) for part in pair)


def test_both_layouts_read_the_same(files: dict[int, Path]) -> None:
    with FeatureShard(files[1]) as old, FeatureShard(files[2]) as new:
        assert (old.layout, new.layout) == (1, 2)
        for strand in "+-":
            for size in ZOOMS:
                sums = (shard.zoom(strand, size).sum for shard in (old, new))
                np.testing.assert_allclose(*sums, rtol=1.3e-4)
    for old_array, new_array in zip(everything(files[1]), everything(files[2]), strict=True):
        assert old_array.dtype == new_array.dtype
        np.testing.assert_array_equal(old_array, new_array)
    assert files[2].stat().st_size < 0.6 * files[1].stat().st_size


def test_what_is_read_was_written(files: dict[int, Path], written: dict[str, tuple[Csr, np.ndarray]]) -> None:
    with FeatureShard(files[2]) as shard:
        error = shard.relative_error
        assert 0 < error < 2e-4
        for strand, (expected, mask) in written.items():
            found = shard.rows(strand, START, START + BASES)
            np.testing.assert_array_equal(found.features.indptr, expected.indptr)
            np.testing.assert_array_equal(found.features.indices, expected.indices)
            np.testing.assert_allclose(found.features.values, expected.values, rtol=error)
            np.testing.assert_array_equal(found.callable, mask)
            dense = expected.dense()[:, [3, 20]].T
            for start, end in ((0, BASES), (BASES // 3, BASES // 2), (BASES - 1, BASES)):
                columns = shard.columns(strand, [3, 20], START + start, START + end)
                np.testing.assert_allclose(columns, dense[:, start:end], rtol=error)


def test_no_damage_goes_unseen(files: dict[int, Path], tmp_path: Path) -> None:
    """A file whose bytes are changed anywhere is refused, or what is read of it is what was written."""
    whole = list(everything(files[2]))
    image = files[2].read_bytes()
    path = tmp_path / "damaged.h5"
    refused = 0
    for place in range(0, len(image), len(image) // 150):
        path.write_bytes(damaged(image, place))
        try:
            found = list(everything(path))
        except InputError as error:
            assert "damaged feature file" in str(error)
            refused += 1
            continue
        for mine, theirs in zip(found, whole, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert refused > 100


def test_equal_maps_make_equal_files(
    written: dict[str, tuple[Csr, np.ndarray]], files: dict[int, Path], tmp_path: Path
) -> None:
    strands = {strand: StrandMap(*parts) for strand, parts in written.items()}
    write_shard(tmp_path / "again.h5", "chr1", START, ORIGIN, strands)
    assert (tmp_path / "again.h5").read_bytes() == files[2].read_bytes()


def test_a_later_layout_is_refused(files: dict[int, Path], tmp_path: Path) -> None:
    path = tmp_path / "later.h5"
    path.write_bytes(files[2].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["layout"] = 3
    with pytest.raises(InputError, match=r"later\.h5: layout 3 .* reads up to 2: install the version"):
        FeatureShard(path)


def test_values_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    broken = features(0)
    broken.values[5] = np.inf
    with pytest.raises(ValueError, match="must be finite numbers"):
        write_shard(tmp_path / "x.h5", "c", 0, ORIGIN, {"+": StrandMap(broken, np.ones(BASES, bool))})
    assert not list(tmp_path.iterdir())


def test_a_file_decodes_as_the_page_on_formats_says(
    files: dict[int, Path], written: dict[str, tuple[Csr, np.ndarray]]
) -> None:
    """By numpy alone, from the table of ``docs/formats.md``."""
    with h5py.File(files[2]) as file:
        low, shift = (part.astype(np.uint32) for part in file["scale"][:])
        for row, (strand, side) in enumerate((("+", "plus"), ("-", "minus"))):
            counts, gaps, codes = (file[f"{side}/{name}"][:] for name in ("counts", "gaps", "values"))
            values = np.zeros((BASES, WIDTH), np.float32)
            for block, at in enumerate(file["starts"][row][:-1]):
                for feature in range(WIDTH):
                    own = slice(int(at), int(at) + int(counts[block, feature]))
                    bits = (low[feature] << 16) + (codes[own].astype(np.uint32) << shift[feature])
                    places = 4096 * block + np.cumsum(gaps[own], dtype=np.int64)
                    values[places, feature] = bits.astype(np.uint32).view(np.float32)
                    at = own.stop
            expected, mask = written[strand]
            dense = np.zeros((BASES, WIDTH), np.float32)
            rows = np.repeat(np.arange(BASES), np.diff(expected.indptr))
            dense[rows, expected.indices] = expected.values
            np.testing.assert_allclose(values, dense, rtol=float(file.attrs["relative_error"]))
            np.testing.assert_array_equal(values > 0, dense > 0)
            bits_on = np.unpackbits(file[f"{side}/callable"][:], count=BASES).astype(bool)
            np.testing.assert_array_equal(bits_on, mask)
