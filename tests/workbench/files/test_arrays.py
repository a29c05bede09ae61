"""Work files of arrays come back as they were, or are refused in a sentence."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import InputError
from workbench.files.arrays import read_arrays, write_arrays


def test_a_byte_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    values = np.arange(200) % 7
    write_arrays(path, {"a": values})
    whole = path.read_bytes()
    np.testing.assert_array_equal(read_arrays(path, ["a"])["a"], values)
    refused = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            np.testing.assert_array_equal(read_arrays(path, ["a"])["a"], values)
        except InputError as error:
            refused += str(path) in str(error)
    assert refused > len(whole) / 3


def test_equal_arrays_make_equal_files_that_numpy_reads(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.zeros(0, bool), "c": np.float32(2.5)}
    for name in ("x.npz", "y.npz"):
        write_arrays(tmp_path / name, arrays)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()
    values = np.random.default_rng(0).integers(0, 9, 20_000)
    write_arrays(tmp_path / "z.npz", {"a": values})
    with zipfile.ZipFile(tmp_path / "z.npz") as entries:
        (entry,) = entries.infolist()
        data, sizes = entries.read(entry), {}
        for level in (1, 6):
            stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
            sizes[level] = len(stream.compress(data)) + len(stream.flush())
        assert entry.compress_size == sizes[1] > sizes[6]
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert set(file.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(file[name], array)
            assert file[name].dtype == array.dtype and file[name].shape == array.shape


def test_what_is_not_there(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", {"a": np.zeros(1)})
    with pytest.raises(InputError, match="not a readable work file"):
        read_arrays(tmp_path / "x.npz", ["b"])
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "y.npz")
