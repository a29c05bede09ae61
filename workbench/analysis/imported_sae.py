"""An autoencoder of another library, or another study, in place of training one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import tomlkit
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate, describe
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.formats import read
from feature_mining.sae.model import SparseAutoencoder
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.study.input_files import file_hash
from workbench.study.manifest import ModelLock
from workbench.study.study import CONFIG, Study


class Widths(NamedTuple):
    """Features of an autoencoder, and how many are meant to be active at a base (0 where unknown)."""

    d_sae: int
    k: int


def source_files(study: Study) -> dict[str, str]:
    """Hashes of the files at ``[sae] source``, by name; none where the study trains its own."""
    if not study.config.sae.source:
        return {}
    path = study.resolve(study.config.sae.source)
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())
    if not files:
        return {str(path): "absent"}
    return {p.name: file_hash(p) for p in files}


def source_widths(study: Study) -> Widths:
    """What the control of random weights takes over; raises ``InputError`` for what cannot be read."""
    path = study.resolve(study.config.sae.source)
    return _widths(path, tuple(source_files(study).items()))


@lru_cache(maxsize=16)
def _widths(path: Path, files: tuple[tuple[str, str], ...]) -> Widths:
    try:
        config = read(path).sae.config
    except ValueError as error:
        raise InputError(f"[sae] source: {error}") from None
    return Widths(config.d_sae, config.k)


def use_in_study(folder: Path, path: Path) -> None:
    """Set ``[sae] source`` in a study's configuration to ``path``."""
    document = tomlkit.parse((folder / CONFIG).read_text())
    if "sae" not in document:
        document.add("sae", tomlkit.table())
    document["sae"]["source"] = str(path.resolve())
    with write_atomic(folder / CONFIG) as temporary:
        temporary.write_text(tomlkit.dumps(document))


def import_for(
    path: Path, model: ModelLock, batches: Iterable[Tensor]
) -> tuple[SparseAutoencoder, Calibration]:
    """The autoencoder at ``path`` for a model, with its values measured on held-out activations.

    Parameters
    ----------
    path : Path
        Any format that can be read.
    model : ModelLock
        Of the study.
    batches : iterable of Tensor
        Activations ``(n, d_in)``. They set the threshold only where the autoencoder came without one.

    Raises
    ------
    InputError
        What cannot be read, or belongs to another model, layer or width.
    """
    try:
        sae, shape = read(path)
        if sae.config.d_out or sae.W_skip is not None:
            raise ValueError(
                f"{path}: a transcoder or an autoencoder with a skip; the features of a study are of one"
                " that writes what it reads by its features alone"
            )
        locked = lock(path, sae.config, model)
        sae = replace(sae, config=locked)
        return describe(sae, batches) if shape is None else calibrate(sae, batches, shape)
    except ValueError as error:
        raise InputError(f"[sae] source: {error}") from None


def lock(path: Path, config: SAEConfig, model: ModelLock) -> SAEConfig:
    """The configuration with the study's model filled in.

    Raises ``ValueError`` where what the autoencoder says of its model, layer or weights differs; what it
    does not say is not checked, save the width.
    """
    pairs = (
        ("reads activations of width", config.d_in, model.d_model),
        ("was trained on the model", config.model, model.name),
        ("was trained on the layer", config.layer, model.layer),
        ("was trained on the weights", config.weights_hash, model.weights_hash),
    )
    for what, found, expected in pairs:
        if found and found != expected:
            raise ValueError(f"{path}: {what} {found}; the study has {expected}")
    return replace(config, model=model.name, layer=model.layer, weights_hash=model.weights_hash)
