"""A file appears whole or not at all, as anybody may read it, and a full disk is told apart."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from genomic_models.files import write_whole

# 4 MiB that no library makes small.
VALUES = np.random.default_rng(0).random(1 << 19)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = VALUES


def _torch(path: Path) -> None:
    with path.open("wb") as handle:
        torch.save(torch.from_numpy(VALUES), handle)


def _numpy(path: Path) -> None:
    with path.open("wb") as handle:
        np.save(handle, VALUES)


WRITERS: dict[str, Callable[[Path], object]] = {
    "safetensors": lambda path: save_file({"x": torch.from_numpy(VALUES)}, path),
    "hdf5": _hdf5,
    "pytorch": _torch,
    "numpy": _numpy,
    "parquet": lambda path: pd.DataFrame({"x": VALUES}).to_parquet(path),
    "text": lambda path: path.write_text(str(VALUES.tolist())),
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk with room for 400 KiB."""
    disk = tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a tmpfs here (needs root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("library", WRITERS)
def test_a_full_disk_is_the_systems_error_whatever_library_writes(library: str, full: Path) -> None:
    path = full / "x"
    path.write_text("old")
    with pytest.raises(OSError) as caught, write_whole(path) as temporary:
        WRITERS[library](temporary)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old" and [p.name for p in full.iterdir()] == ["x"]


@pytest.mark.parametrize("umask", [0o022, 0o007, 0o077])
@pytest.mark.parametrize("library", WRITERS)
def test_permissions_are_what_the_umask_leaves(library: str, umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with write_whole(tmp_path / "x") as temporary:
            WRITERS[library](temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_not_the_disk_comes_through_as_it_is(tmp_path: Path) -> None:
    for error in (ValueError("errno = 2"), FileNotFoundError(errno.ENOENT, "no", "input.fa")):
        with pytest.raises(type(error)) as caught, write_whole(tmp_path / "x"):
            raise error
        assert caught.value is error
    with pytest.raises(KeyboardInterrupt), write_whole(tmp_path / "x"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "x"
    with pytest.raises(FileNotFoundError) as caught, write_whole(path):
        pass
    assert caught.value.filename == str(path)
