"""The hash that says which weights a model has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values (as float32) of a network's parameters and buffers, hex."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        raw = tensor.detach().float().cpu().contiguous()
        digest.update(f"{name}{tuple(raw.shape)}".encode())
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()
