"""Final thresholds of a newly trained autoencoder, by its architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor

from feature_mining.sae.architectures.registry import kind_of
from feature_mining.sae.calibrate import Calibration, calibrate, describe
from feature_mining.sae.model import SparseAutoencoder

Batches = Iterable[Tensor | np.ndarray]
Calibrated = tuple[SparseAutoencoder, Calibration]


def set_thresholds(sae: SparseAutoencoder, batches: Batches) -> Calibrated:
    """The autoencoder with final thresholds, and its calibration, from held-out activations ``(n, d_in)``.

    Where sparsity was trained as ``k``, mean L0 becomes ``k``: by one threshold for all features, or by one
    factor to all that were learnt. Where it came from a penalty, nothing changes and L0 is what it is.
    """
    method = kind_of(sae.config.architecture).threshold
    # Layers of a crosscoder differ in scale: one threshold in training is many in raw units.
    if sae.config.sites and method == "equal" and bool((sae.threshold > 0).all()):
        method = "proportional"
    return _METHODS[method](sae, batches)


def _proportional(sae: SparseAutoencoder, batches: Batches) -> Calibrated:
    return calibrate(sae, batches, sae.threshold)


_METHODS: dict[str, Callable[[SparseAutoencoder, Batches], Calibrated]] = {
    "equal": calibrate,
    "proportional": _proportional,
    "own": describe,
}
