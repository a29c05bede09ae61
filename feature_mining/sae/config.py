"""What an autoencoder is, without its weights: quick to read, since nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from genomic_models.files import read_json

CONFIG_FILE, WEIGHTS_FILE = "config.json", "sae.safetensors"
CALIBRATION_FILE = "calibration.safetensors"


@dataclass(frozen=True)
class SAEConfig:
    """What an autoencoder is and what it belongs to.

    Attributes
    ----------
    architecture : str
        How it was trained (``batch_topk``, ``evo2_published``).
    d_in, d_sae : int
        Widths of the layer and of the features.
    k : int
        Features meant to be active at a base, on average; 0 where unknown.
    row_topk : bool
        Whether only the ``k`` largest values of a base count; the threshold holds for these as well.
    apply_b_dec_to_input : bool
        Whether ``b_dec`` is subtracted from the input before the encoder.
    model, layer, weights_hash : str
        Provenance lock: ``DNAModel.name``, tap, ``DNAModel.weights_hash``; empty where unknown.
    provenance : dict
        Further facts (steps, tokens, calibration sample); plain JSON values.
    d_out : int
        Width of what a transcoder writes; 0 for an autoencoder, which writes what it reads.
    sites : tuple of int
        Widths of the layers that a crosscoder reads and writes side by side; empty for one layer.
    row_norm : str
        How each activation is normalised by itself first, a name of ``row_norms.ROW_NORMS``; empty for not at
        all, as everything trained here.
    """

    architecture: str
    d_in: int
    d_sae: int
    k: int
    apply_b_dec_to_input: bool = True
    model: str = ""
    layer: str = ""
    weights_hash: str = ""
    provenance: dict[str, str | int | float] = field(default_factory=dict)
    row_topk: bool = False
    d_out: int = 0
    sites: tuple[int, ...] = ()
    row_norm: str = ""

    @property
    def writes(self) -> int:
        """Width of what is written: ``d_out``, or ``d_in`` where that is 0."""
        return self.d_out or self.d_in


def read_hash(path: Path) -> str:
    """The hash that a file of weights was saved with, empty where it has none.

    Raises ``ValueError`` for a file that is missing or not whole.
    """
    try:
        with safe_open(path, framework="numpy") as handle:
            return (handle.metadata() or {}).get("hash", "")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None


def read_quantiles(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Levels float64 (q) and quantiles of active values float64 (d_sae, q), as `Calibration` has them.

    Raises ``ValueError`` for a folder without a calibration, or one that is not whole.
    """
    path = folder / CALIBRATION_FILE
    try:
        with safe_open(path, framework="numpy") as handle:
            levels, quantiles = (handle.get_tensor(name) for name in ("levels", "quantiles"))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a whole calibration ({error})") from None
    return levels.astype(np.float64), quantiles.astype(np.float64)


# Key that says whether a tensor is there.
_OPTIONAL = {"skip": "W_skip", "choice": "choice"}
# Keys that older folders lack.
_LATER: dict[str, Any] = {
    "row_topk": False,
    "d_out": 0,
    "sites": [],
    "row_norm": "",
    "skip": False,
    "choice": False,
}
# What JSON has for each key.
_KINDS = {f.name: str(f.type).split("[")[0].replace("tuple", "list") for f in fields(SAEConfig)}
_KINDS |= dict.fromkeys(_OPTIONAL, "bool")


def read_config(path: Path) -> tuple[SAEConfig, set[str]]:
    """The configuration in a folder's ``config.json``, and the optional tensors that there are.

    Raises ``ValueError`` for a file that is missing or holds anything else.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected a folder written by this program")
    values = read_json(path)
    if isinstance(values, dict):
        values = _LATER | values
    if not isinstance(values, dict) or set(values) != set(_KINDS):
        found = ", ".join(sorted(values)) if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"{path}: found {found}; expected exactly {', '.join(sorted(_KINDS))}")
    for name, kind in _KINDS.items():
        if type(values[name]).__name__ != kind:
            raise ValueError(f"{path}: {name} is {str(values[name])[:40]}; expected {kind}")
    if any(type(width) is not int for width in values["sites"]):
        raise ValueError(f"{path}: sites is {values['sites']}; expected widths of layers")
    optional = {tensor for key, tensor in _OPTIONAL.items() if values.pop(key)}
    return SAEConfig(**values | {"sites": tuple(values["sites"])}), optional
