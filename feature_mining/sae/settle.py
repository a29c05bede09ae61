"""What is done to the thresholds of a freshly trained autoencoder, by its architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate, describe
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.registry import kind_of

Batches = Iterable[Tensor | np.ndarray]
Settled = tuple[SparseAutoencoder, Calibration]


def settle(sae: SparseAutoencoder, batches: Batches) -> Settled:
    """Set the final thresholds on held-out activations ``(n, d_in)`` and say where values lie.

    Where sparsity was trained as ``k``, mean L0 becomes ``k``: by one threshold for all features, or by one
    factor to all that were learnt. Where it came from a penalty, nothing changes and L0 is what it is.
    """
    way = kind_of(sae.config.architecture).threshold
    # Layers of a crosscoder differ in scale: one threshold in training is many in raw units.
    if sae.config.sites and way == "equal" and bool((sae.threshold > 0).all()):
        way = "proportional"
    return _WAYS[way](sae, batches)


def _proportional(sae: SparseAutoencoder, batches: Batches) -> Settled:
    return calibrate(sae, batches, sae.threshold)


_WAYS: dict[str, Callable[[SparseAutoencoder, Batches], Settled]] = {
    "equal": calibrate,
    "proportional": _proportional,
    "own": describe,
}
