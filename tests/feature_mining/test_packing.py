"""Packed features against the rows they were made from, and against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.feature_map import Csr, from_dense, pyramid, take_rows
from feature_mining.packing import (
    BLOCK,
    Scale,
    from_codes,
    pack,
    pack_level,
    rounded,
    scale_of,
    sum_error,
    to_codes,
    unpack,
    unpack_features,
    unpack_level,
)

ROWS = 2 * BLOCK + 700


def made(octaves: float, seed: int = 0) -> Csr:
    """Nine features: never, always, once, in runs, and seldom on; values over so many octaves."""
    rng = np.random.default_rng(seed)
    rate = np.array([0.0, 1.0, 0.0, 0.3, 0.02, 0.02, 0.005, 0.1, 0.01])
    on = rng.random((ROWS, rate.size)) < rate
    on[BLOCK, 2] = True
    on[:, 3] = np.repeat(rng.random(ROWS // 50 + 1) < 0.2, 50)[:ROWS]
    values = 2.0 ** rng.uniform(-octaves / 2, octaves / 2, on.shape)
    return from_dense(np.where(on, values, 0).astype(np.float32))


@pytest.mark.parametrize(("octaves", "most"), [(2, 2e-5), (8, 7e-5), (60, 5e-4), (250, 2e-3)])
def test_values_come_back_within_the_error_that_is_stated(octaves: float, most: float) -> None:
    csr = made(octaves)
    scale = scale_of([csr])
    found = rounded(csr, scale).values
    share = np.abs(found.astype(np.float64) - csr.values) / csr.values
    # Stated tightly: nearly reached, never exceeded.
    assert 0.5 * scale.relative_error < share.max() <= scale.relative_error <= most
    assert found.min() > 0
    for feature in range(csr.n_features):
        own = csr.indices == feature
        order = np.argsort(csr.values[own])
        assert (np.diff(found[own][order]) >= 0).all()


def test_values_of_few_bits_and_values_packed_before_are_kept_exactly() -> None:
    csr = made(8)
    half = csr._replace(values=csr.values.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(rounded(half, scale_of([half])).values, half.values)
    once = rounded(csr, scale_of([csr]))
    np.testing.assert_array_equal(rounded(once, scale_of([once])).values, once.values)
    assert scale_of([take_rows(csr, 0, 0)]).relative_error == 0


@pytest.mark.parametrize(
    "window", [(0, ROWS), (0, 0), (0, 1), (BLOCK - 1, BLOCK + 1), (BLOCK, 2 * BLOCK), (5000, ROWS)]
)
def test_rows_and_columns_are_those_that_were_packed(window: tuple[int, int]) -> None:
    csr = made(8)
    scale = scale_of([csr])
    packed, expected = pack(csr, scale), rounded(csr, scale)
    start, stop = window
    first = start // BLOCK
    last = max(first, -(-stop // BLOCK))
    at = slice(int(packed.starts[first]), int(packed.starts[last]))
    part = packed._replace(counts=packed.counts[first:last], gaps=packed.gaps[at], codes=packed.codes[at])
    found, wanted = unpack(part, scale, first * BLOCK, start, stop), take_rows(expected, start, stop)
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    columns = unpack_features(part, scale, [3, 0, 1, 3], first * BLOCK, start, stop)
    np.testing.assert_array_equal(columns, expected.dense()[start:stop, [3, 0, 1, 3]].T)


@pytest.mark.parametrize("size", [64, 4096])
def test_levels_hold_numpys_maxima_and_sums(size: int) -> None:
    csr = made(6)
    scale = scale_of([csr])
    rows = rounded(csr, scale)
    level = unpack_level(pack_level(pyramid(rows, [size])[size], scale, size), scale, size)
    dense = rows.dense()
    left = np.arange(0, ROWS, size)
    top = np.maximum.reduceat(dense, left).T
    total = np.add.reduceat(dense.astype(np.float64), left).T
    feature, bins = np.nonzero(top)
    np.testing.assert_array_equal(np.diff(level.indptr), np.bincount(feature, minlength=csr.n_features))
    np.testing.assert_array_equal(level.bins, bins)
    np.testing.assert_array_equal(level.max, top[feature, bins])
    # Sums were added up in float32.
    np.testing.assert_allclose(level.sum, total[feature, bins], rtol=sum_error(size) + 1e-5)


def test_codes_are_steps_of_the_bits() -> None:
    """1, 1.5 and 2 are half an octave of bits apart: a literal value."""
    scale = Scale(np.array([0x3F80], np.uint16), np.array([8], np.uint8))
    codes = to_codes(np.array([1, 1.5, 2], np.float32), np.zeros(3, np.int64), scale)
    assert codes.tolist() == [0, 1 << 14, 1 << 15] and scale.relative_error == 2.0**-16
    assert from_codes(codes, np.zeros(3, np.int64), scale).tolist() == [1, 1.5, 2]


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    csr = made(2)
    csr.values[7] = value
    with pytest.raises(ValueError, match="finite"):
        scale_of([csr])


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    csr = made(2)
    scale = scale_of([csr])
    packed = pack(csr, scale)
    for broken in (
        packed._replace(gaps=packed.gaps[:-1]),
        packed._replace(counts=packed.counts[:, :-1]),
        packed._replace(codes=packed.codes[:-1], gaps=packed.gaps[:-1]),
    ):
        with pytest.raises(ValueError, match="do not belong together"):
            unpack(broken, scale, 0, 0, ROWS)
        with pytest.raises(ValueError, match="do not belong together"):
            unpack_features(broken, scale, [1], 0, 0, ROWS)
    level = pack_level(pyramid(rounded(csr, scale), [64])[64], scale, 64)
    with pytest.raises(ValueError, match="do not belong together"):
        unpack_level(level._replace(max=level.max[:-1]), scale, 64)
