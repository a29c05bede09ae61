"""The files of Evo 2: PyTorch archives in the vortex layout, whole or cut into ``.partN`` pieces.

Archives are read with ``weights_only=True``: tensors and byte buffers come in, anything else is refused
before it can run. A whole file is mapped, not copied; pieces are read through one seekable stream that
runs over all of them, so that neither disk nor memory ever holds the model twice.
"""

from __future__ import annotations

import io
import os
import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, cast

from torch import Tensor

from genomic_models.checkpoints.layout import is_ignorable
from genomic_models.checkpoints.stored import Unsafe, check_tensor, read_archive
from genomic_models.contract import ModelError

ARCHIVE = b"PK\x03\x04"
PIECE = re.compile(r"(?P<whole>.+)\.part(?P<number>\d+)$")


class Pieces(io.RawIOBase):
    """Several files read as if they were one after the other in a single file.

    Parameters
    ----------
    paths : list of Path
        In order.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        sizes = [path.stat().st_size for path in paths]
        self._starts = [0, *accumulate(sizes)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} lies before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        # fills the buffer across borders: PyTorch takes a short read for the end of the file
        while filled < len(view) and self._at < self._starts[-1]:
            which = bisect_right(self._starts, self._at) - 1
            room = min(len(view) - filled, self._starts[which + 1] - self._at)
            self._files[which].seek(self._at - self._starts[which])
            got = self._files[which].readinto(view[filled : filled + room])
            if not got:
                break
            filled += got
            self._at += got
        return filled

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def find_pieces(path: Path) -> list[Path]:
    """All pieces of the file that ``path`` names: ``NAME.pt`` or one of ``NAME.pt.partN``.

    Returns an empty list where there are none. Raises ``ModelError`` if a number is left out.
    """
    match = PIECE.match(path.name)
    whole = match["whole"] if match else path.name
    found = {
        int(piece["number"]): other
        for other in path.parent.glob(f"{whole}.part*")
        if (piece := PIECE.match(other.name))
    }
    absent = [n for n in range(max(found, default=-1) + 1) if n not in found]
    if absent:
        raise ModelError(
            f"{path.parent / whole}.part{absent[0]}: this piece of the checkpoint is missing, found"
            f" {', '.join(p.name for p in found.values())}: download all pieces into one folder"
        )
    return [found[n] for n in sorted(found)]


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a PyTorch archive, a piece of one, or the missing whole of its pieces."""
    if find_pieces(path) and (PIECE.match(path.name) or not path.exists()):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(ARCHIVE)) == ARCHIVE


def load_archive(path: Path) -> dict[str, object]:
    """Content of a PyTorch archive, or of its pieces, on the CPU: names to tensors and buffers.

    Parameters
    ----------
    path : Path
        ``NAME.pt``, or any of its pieces ``NAME.pt.partN``.

    Raises
    ------
    ModelError
        A damaged or cut file, a missing piece, content that is no dictionary, or a pickle that would
        make other objects than tensors (which could run code).
    """
    pieces = find_pieces(path) if PIECE.match(path.name) or not path.exists() else []
    stream = Pieces(pieces) if pieces else None
    try:
        content = read_archive(cast(IO[bytes], stream) if stream else path, [io.BytesIO], mmap=stream is None)
    except Unsafe as error:
        raise ModelError(
            f"{path}: refused, because {error}, where only tensors are expected: take the weights from"
            " their publisher"
        ) from None
    except ValueError as error:
        raise ModelError(
            f"{path}: cannot be read as a PyTorch archive ({error}); it is cut or damaged: compare its"
            " size with the published one and download it again"
        ) from None
    finally:
        if stream:
            stream.close()
    if not isinstance(content, dict):
        raise ModelError(f"{path}: holds a {type(content).__name__}, expected a dictionary of named tensors")
    return content


def tensors_only(content: Mapping[str, object], source: str) -> dict[str, Tensor]:
    """Drop ignorable entries; raise ``ModelError`` for others that are no tensors, or not stored whole."""
    state: dict[str, Tensor] = {}
    for name, value in content.items():
        if isinstance(value, Tensor):
            try:
                check_tensor(name, value)
            except ValueError as error:
                raise ModelError(f"{source}: {error}") from None
            state[name] = value
        elif not is_ignorable(name):
            raise ModelError(
                f"{source}: entry {name!r} is a {type(value).__name__}, expected a tensor: this is"
                " not a checkpoint of weights"
            )
    return state


def is_vortex(names: set[str]) -> bool:
    """Whether these are names of the vortex layout."""
    return "embedding_layer.weight" in names


def from_vortex(content: Mapping[str, object], source: str) -> dict[str, Tensor]:
    """Tensors under the network's names, from a file that uses the same."""
    return tensors_only(content, source)
