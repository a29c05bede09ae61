"""Single ``.pt`` files: the published autoencoder of Evo 2, and those of InterProt.

InterProt's standardises every activation by its own mean and deviation and keeps the ``k`` largest of a row;
its decoder rows are of any norm. A file of weights alone does not hold ``k``: it is that of the settings in a
checkpoint, else of the file's name (``..._k64.pt``), else the 128 that InterProt's own server takes.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from feature_mining.sae.formats.evo2 import PUBLISHED_K, PUBLISHED_LAYER, PUBLISHED_MODEL, load_published
from feature_mining.sae.formats.imported import Imported, Parts, assemble, pickled, pickled_tensors, take

_SUFFIXES = (".pt", ".pth", ".ckpt")
_EVO2 = {"W", "b_enc", "b_dec"}
_INTERPROT = {"w_enc", "w_dec", "b_enc", "b_pre"}
_INTERPROT_K = 128


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
    read = assemble(path, "evo2_published", parts, "Goodfire/Evo 2", PUBLISHED_MODEL, PUBLISHED_LAYER)
    norms = stored.W.norm(dim=0)
    return read._replace(shape=torch.where(norms > 0, norms, 1.0))


def read_interprot(path: Path) -> Imported:
    """An autoencoder of InterProt; raises ``ValueError`` for a damaged one."""
    tensors = {_short(name): tensor for name, tensor in pickled_tensors(path).items()}
    W_enc, b_enc, W_dec, b_dec = take(path, tensors, "w_enc", "b_enc", "w_dec", "b_pre")
    parts = Parts(W_enc, b_enc, W_dec, b_dec, True, None, _interprot_k(path), row_topk=True)
    return assemble(path, "topk", parts._replace(row_norm="standardised"), "InterProt")


def _interprot_k(path: Path) -> int:
    stored = pickled(path)
    settings = stored.get("hyper_parameters") if isinstance(stored, dict) else None
    given = settings.get("args", settings) if isinstance(settings, dict) else settings
    k = given.get("k") if isinstance(given, dict) else getattr(given, "k", None)
    if isinstance(k, int) and k > 0:
        return k
    named = re.search(r"_k(\d+)", path.stem)
    return int(named[1]) if named else _INTERPROT_K


def _names(path: Path) -> set[str]:
    return {_short(name) for name in pickled_tensors(path)}


def _short(name: str) -> str:
    for prefix in ("_orig_mod.", "module.", "sae_model."):
        name = name.removeprefix(prefix)
    return name
