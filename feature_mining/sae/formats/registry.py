"""Which formats there are; which one a path holds is told from its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from feature_mining.sae.config import CONFIG_FILE, WEIGHTS_FILE
from feature_mining.sae.formats import (
    dictionary_learning,
    interplm,
    published,
    saelens,
    saelens_flat,
    sparsify,
)
from feature_mining.sae.formats.imported import Imported
from feature_mining.sae.model import SparseAutoencoder


class Format(NamedTuple):
    """How to tell, read and (where its library loads it again) write a format.

    ``read`` and ``write`` raise ``ValueError`` for what cannot be represented. ``write_density`` adds how
    often features are active, ``(d_sae,)``, where the library has a file for that.
    """

    found: Callable[[Path], bool]
    read: Callable[[Path], Imported]
    write: Callable[[SparseAutoencoder, Path], None] | None
    write_density: Callable[[np.ndarray, Path], None] | None = None


def _own_found(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


FORMATS = {
    "workbench": Format(_own_found, lambda p: Imported(SparseAutoencoder.load(p)), None),
    # Before the later versions, which are told by the same files.
    "saelens_pre6": Format(saelens_flat.found, saelens.read, saelens_flat.write, saelens.write_density),
    "saelens": Format(saelens.found, saelens.read, saelens.write, saelens.write_density),
    "sparsify": Format(sparsify.found, sparsify.read, sparsify.write),
    "dictionary_learning": Format(
        dictionary_learning.found, dictionary_learning.read, dictionary_learning.write
    ),
    "interplm": Format(interplm.found, interplm.read, interplm.write),
    "evo2": Format(published.evo2_found, published.read_evo2, None),
    "interprot": Format(published.interprot_found, published.read_interprot, None),
}
WRITABLE = tuple(name for name, form in FORMATS.items() if form.write)


def detect(path: str | Path) -> str:
    """Name of the format at ``path``, a folder or a ``.pt`` file.

    Raises ``ValueError`` that names what was found where it is none.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    for name, form in FORMATS.items():
        if form.found(path):
            return name
    if path.is_dir():
        inside = sorted(p.name + "/" * p.is_dir() for p in path.iterdir())
        shown = ", ".join(inside[:8]) + (" ..." if len(inside) > 8 else "")
        held = f"holds {shown}" if inside else "is empty"
    else:
        held = "is a file of another kind"
    raise ValueError(
        f"{path}: {held}; expected the folder of one autoencoder ({', '.join(FORMATS)}) or a .pt file"
        " of Evo 2's published tensors"
    )


def read(path: str | Path) -> Imported:
    """Read an autoencoder of any format; raises ``ValueError`` with the path and the reason."""
    return FORMATS[detect(path)].read(Path(path))


def write(sae: SparseAutoencoder, name: str, folder: str | Path, density: np.ndarray | None = None) -> None:
    """Write the files of a format into an empty or new folder.

    ``density`` is the share of positions at which each feature is active, ``(d_sae,)``, where that is known.

    Raises ``ValueError`` for an unknown format, a folder with something in it, or an autoencoder that the
    format cannot hold.
    """
    folder = Path(folder)
    writer = FORMATS[name].write if name in FORMATS else None
    if writer is None:
        raise ValueError(f"format {name!r} cannot be written; expected {', '.join(WRITABLE)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not an empty folder; choose another")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        writer(sae, folder)
    except ValueError:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    add = FORMATS[name].write_density
    if add is not None and density is not None:
        add(density, folder)
