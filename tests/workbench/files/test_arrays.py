"""Work files of arrays come back as they were, or are refused in a sentence."""

from __future__ import annotations

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


def test_what_is_not_there(tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", {"a": np.zeros(1)})
    with pytest.raises(InputError, match="not a readable work file"):
        read_arrays(tmp_path / "x.npz", ["b"])
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "y.npz")
