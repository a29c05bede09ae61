"""An autoencoder of another library, or another study, in place of training one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import tomlkit
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate, describe
from feature_mining.sae.formats import read
from feature_mining.sae.model import SAEConfig, SparseAutoencoder
from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.study import CONFIG


def use_in_study(folder: Path, path: Path) -> None:
    """Set ``[sae] source`` in a study's configuration to ``path``."""
    document = tomlkit.parse((folder / CONFIG).read_text())
    if "sae" not in document:
        document.add("sae", tomlkit.table())
    document["sae"]["source"] = str(path.resolve())
    with write_atomic(folder / CONFIG) as temporary:
        temporary.write_text(tomlkit.dumps(document))


def import_for(
    path: Path, model: dict, weights_hash: str, batches: Iterable[Tensor]
) -> tuple[SparseAutoencoder, Calibration]:
    """The autoencoder at ``path`` for a model, with its values measured on held-out activations.

    Parameters
    ----------
    path : Path
        Any format that can be read.
    model : dict
        ``name``, ``layer``, ``d_model`` of the study's manifest.
    weights_hash : str
        Of the study's model.
    batches : iterable of Tensor
        Activations ``(n, d_in)``. They set the threshold only where the autoencoder came without one.

    Raises
    ------
    InputError
        What cannot be read, or belongs to another model, layer or width.
    """
    try:
        sae, shape = read(path)
        locked = lock(path, sae.config, model, weights_hash)
        sae = replace(sae, config=locked)
        return describe(sae, batches) if shape is None else calibrate(sae, batches, shape)
    except ValueError as error:
        raise InputError(f"[sae] source: {error}") from None


def lock(path: Path, config: SAEConfig, model: dict, weights_hash: str) -> SAEConfig:
    """The configuration with the study's model filled in.

    Raises ``ValueError`` where what the autoencoder says of its model, layer or weights differs; what it
    does not say is not checked, save the width.
    """
    pairs = (
        ("reads activations of width", config.d_in, model["d_model"]),
        ("was trained on the model", config.model, model["name"]),
        ("was trained on the layer", config.layer, model["layer"]),
        ("was trained on the weights", config.weights_hash, weights_hash),
    )
    for what, found, expected in pairs:
        if found and found != expected:
            raise ValueError(f"{path}: {what} {found}; the study has {expected}")
    return replace(config, model=model["name"], layer=model["layer"], weights_hash=weights_hash)
