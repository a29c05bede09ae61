"""Single ``.pt`` files: the published autoencoder of Evo 2, and InterProt's, which is refused with the
reason.
"""

from __future__ import annotations

from pathlib import Path

import torch

from feature_mining.sae.evo2 import (
    PUBLISHED_K,
    PUBLISHED_LAYER,
    PUBLISHED_MODEL,
    load_published,
)
from feature_mining.sae.formats.imported import Imported, Parts, assemble, pickled_tensors

_SUFFIXES = (".pt", ".pth", ".ckpt")
_EVO2 = {"W", "b_enc", "b_dec"}
_INTERPROT = {"w_enc", "w_dec", "b_enc", "b_pre"}


def evo2_found(path: Path) -> bool:
    """Whether a file holds exactly the tensors of the published autoencoder."""
    return path.suffix in _SUFFIXES and path.is_file() and _names(path) == _EVO2


def interprot_found(path: Path) -> bool:
    """Whether a file holds InterProt's tensors."""
    return path.suffix in _SUFFIXES and path.is_file() and _names(path) >= _INTERPROT


def read_evo2(path: Path) -> Imported:
    """The published autoencoder; its threshold is yet to be calibrated to 64 features a base."""
    stored = load_published(path)
    parts = Parts(stored.W, stored.b_enc, stored.W.T, stored.b_dec, False, None, PUBLISHED_K)
    read = assemble(
        path, "evo2_published", parts, "Goodfire/Evo 2", PUBLISHED_MODEL, PUBLISHED_LAYER
    )
    norms = stored.W.norm(dim=0)
    return read._replace(shape=torch.where(norms > 0, norms, 1.0))


def read_interprot(path: Path) -> Imported:
    """Always raises ``ValueError``: the layer norm of each activation is part of what was trained."""
    raise ValueError(
        f"{path}: an InterProt autoencoder, which standardises every activation by its own mean and"
        " deviation; that is no linear map, so it cannot be represented"
    )


def _names(path: Path) -> set[str]:
    names = set()
    for name in pickled_tensors(path):
        for prefix in ("_orig_mod.", "module.", "sae_model."):
            name = name.removeprefix(prefix)
        names.add(name)
    return names
