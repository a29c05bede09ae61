"""The one inference form of every sparse autoencoder.

``f = relu(pre) where pre > threshold, else 0`` with ``pre = (x - b_dec) @ W_enc + b_enc`` and
``x_hat = f @ W_dec + b_dec``. Decoder rows have unit norm; the scale of the activations is folded into the
biases and thresholds. A feature's value at a position depends on that position's activations alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from feature_mining.feature_map import Csr, concatenate

WEIGHTS = "sae.safetensors"
CONFIG = "config.json"
_BLOCK = 1 << 22
"""Pre-activations held at once."""


@dataclass(frozen=True)
class SAEConfig:
    """What an autoencoder is and what it was trained on.

    Attributes
    ----------
    architecture : str
        Of the trainer that made it.
    d_in, d_sae : int
        Channels of the activations; features.
    k : int
        Mean active features a position that the threshold was calibrated for.
    apply_b_dec_to_input : bool
        Whether ``b_dec`` is taken off before encoding (the published Evo 2 SAE does not).
    model, layer, weights_hash : str
        The model and tap it belongs to: the provenance lock.
    """

    architecture: str
    d_in: int
    d_sae: int
    k: int
    apply_b_dec_to_input: bool = True
    model: str = ""
    layer: str = ""
    weights_hash: str = ""


def tensor_shapes(config: SAEConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of an autoencoder."""
    return {
        "W_enc": (config.d_in, config.d_sae),
        "b_enc": (config.d_sae,),
        "W_dec": (config.d_sae, config.d_in),
        "b_dec": (config.d_in,),
        "threshold": (config.d_sae,),
    }


class SparseAutoencoder:
    """An autoencoder for inference; its tensors do not change.

    Parameters
    ----------
    config : SAEConfig
    tensors : mapping of str to Tensor
        ``W_enc (d_in, d_sae)``, ``b_enc (d_sae)``, ``W_dec (d_sae, d_in)``, ``b_dec (d_in)``,
        ``threshold (d_sae)``, fp32.

    Raises
    ------
    ValueError
        Missing, unexpected, misshapen or non-finite tensors.
    """

    def __init__(self, config: SAEConfig, tensors: Mapping[str, Tensor]) -> None:
        shapes = tensor_shapes(config)
        missing, extra = set(shapes) - set(tensors), set(tensors) - set(shapes)
        if missing or extra:
            raise ValueError(
                f"autoencoder tensors: missing {sorted(missing)}, unexpected {sorted(extra)}"
            )
        for name, shape in shapes.items():
            found = tuple(tensors[name].shape)
            if found != shape:
                raise ValueError(f"autoencoder tensor {name} has shape {found}, expected {shape}")
            if torch.isnan(tensors[name]).any():
                raise ValueError(f"autoencoder tensor {name} holds NaN")
        self.config = config
        fixed = {name: tensors[name].detach().float().contiguous() for name in shapes}
        self.W_enc, self.b_enc = fixed["W_enc"], fixed["b_enc"]
        self.W_dec, self.b_dec = fixed["W_dec"], fixed["b_dec"]
        self.threshold = fixed["threshold"]
        centre = self.b_dec @ self.W_enc if config.apply_b_dec_to_input else 0
        self._bias = self.b_enc - centre

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {name: getattr(self, name) for name in tensor_shapes(self.config)}

    @cached_property
    def hash(self) -> str:
        """SHA-256 of configuration and tensors."""
        digest = hashlib.sha256(json.dumps(asdict(self.config), sort_keys=True).encode())
        for name, tensor in self.tensors.items():
            digest.update(name.encode())
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def pre_activations(self, x: Tensor) -> Tensor:
        """``(N, d_sae)`` before threshold."""
        return torch.addmm(self._bias, x.float(), self.W_enc)

    def encode(self, x: Tensor) -> Tensor:
        """Features ``(N, d_sae)`` of activations ``(N, d_in)``."""
        pre = self.pre_activations(x)
        return torch.where(pre > self.threshold, pre.relu(), 0.0)

    def decode(self, features: Tensor) -> Tensor:
        """Activations ``(N, d_in)`` of features."""
        return features @ self.W_dec + self.b_dec

    def encode_sparse(self, x: np.ndarray) -> Csr:
        """Features of float32 activations ``(N, d_in)`` as sparse rows, in bounded memory."""
        step = max(1, _BLOCK // self.config.d_sae)
        parts = []
        with torch.inference_mode():
            for start in range(0, max(1, len(x)), step):
                f = self.encode(torch.from_numpy(np.ascontiguousarray(x[start : start + step])))
                rows, columns = f.nonzero(as_tuple=True)
                counts = torch.bincount(rows, minlength=len(f)).cumsum(0).numpy()
                indptr = np.concatenate([[0], counts]).astype(np.int64)
                values = f[rows, columns].numpy()
                parts.append(Csr(indptr, columns.numpy().astype(np.int32), values, f.shape[1]))
        return concatenate(parts)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``sae.safetensors``, each atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(self.tensors, folder / WEIGHTS)
        temporary = folder / f".{CONFIG}.tmp-{os.getpid()}"
        temporary.write_text(json.dumps(asdict(self.config), indent=1))
        temporary.replace(folder / CONFIG)

    @classmethod
    def load(cls, folder: Path) -> SparseAutoencoder:
        """Read what ``save`` wrote. Raises ``ValueError`` where it is missing or damaged."""
        try:
            config = SAEConfig(**json.loads((folder / CONFIG).read_text()))
            tensors = load_file(folder / WEIGHTS)
        except (OSError, TypeError, json.JSONDecodeError, SafetensorError) as error:
            raise ValueError(f"{folder}: not a readable autoencoder ({error})") from error
        return cls(config, tensors)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
