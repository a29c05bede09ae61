"""A file appears whole or not at all."""

from __future__ import annotations

import errno

import pytest

from workbench.errors import InputError
from workbench.files.atomic import write_atomic


def test_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), write_atomic(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]
    with write_atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_full_disk(tmp_path):
    with (
        pytest.raises(InputError, match="cannot be written: the disk is full; free space"),
        write_atomic(tmp_path / "x") as temporary,
    ):
        temporary.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EROFS, "read-only"), "the folder is read-only; choose another"),
        (OSError("can't write (errno = 28, error message = 'x')"), "the disk is full"),
        (PermissionError(errno.EACCES, "no"), "no permission to write there"),
    ],
)
def test_causes(tmp_path, error, says):
    with pytest.raises(InputError, match=says), write_atomic(tmp_path / "x"):
        raise error
