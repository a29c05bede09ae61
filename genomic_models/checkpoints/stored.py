"""PyTorch archives read as data: no code is run, and no more memory than the file has may be asked for."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import torch
from torch import Tensor


class Unsafe(ValueError):
    """An archive holds objects that could run code; says which."""


def read_archive(
    file: Path | IO[bytes], allowed: Sequence[Callable[..., object]] = (), mmap: bool = False
) -> object:
    """What ``torch.save`` wrote, on the CPU: tensors, plain values, and objects of the classes ``allowed``.

    Raises ``Unsafe`` for other objects, ``ValueError`` for a file that cannot be read; both say why.
    """
    try:
        if isinstance(file, Path):
            check_archive(file)
        with torch.serialization.safe_globals(list(allowed)):
            found: object = torch.load(file, map_location="cpu", mmap=mmap, weights_only=True)
    # Damage ends PyTorch in errors of many classes.
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, pickle.UnpicklingError):
            named = re.search(r"GLOBAL (\S+)", said)
            what = f"{named[1]}, which could run code" if named else "objects other than tensors"
            raise Unsafe(f"it holds {what}") from None
        raise ValueError(said[:200]) from None
    return found


def check_archive(path: Path) -> None:
    """Raise ``ValueError`` where the parts of an archive, unpacked, are larger than the file, or not listed.

    PyTorch stores them as they are; it reads compressed ones too, of which a small file can hold any amount.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(str(error)) from None
    if size > path.stat().st_size:
        raise ValueError(f"{path.stat().st_size:,} bytes that unpack to {size:,}")


def check_tensor(name: str, tensor: Tensor) -> None:
    """Raise ``ValueError`` for a tensor whose values do not all lie in its storage.

    A few stored bytes can stand for any number of values (a stride of 0, a sparse tensor, one without data).
    """
    if tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized:
        size = tensor.numel() * tensor.element_size()
        if size <= tensor.untyped_storage().nbytes():
            return
    raise ValueError(
        f"tensor {name} of shape {tuple(tensor.shape)} is not stored whole; save its .contiguous()"
    )
