"""Sparse autoencoders: one frozen inference form, trainers behind a registry, calibration, quality.

``train_sae`` makes one of an array of activations in one call; ``SparseAutoencoder`` encodes, ``save`` and
``load`` keep it; ``read_sae`` and ``write_sae`` are of other libraries' formats. What is below:

``config`` and ``model`` the inference form; ``calibrate`` its thresholds; ``pursuit`` another encoder;
``architectures`` what can be trained; ``training`` activations from a model, the training loop and final
thresholds; ``measures`` held-out quality; ``formats`` files of other libraries; ``train`` all of it together.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feature_mining.sae.architectures.registry import ARCHITECTURES
    from feature_mining.sae.calibrate import Calibration
    from feature_mining.sae.config import SAEConfig
    from feature_mining.sae.formats.registry import read as read_sae
    from feature_mining.sae.formats.registry import write as write_sae
    from feature_mining.sae.measures.quality import Quality, measure, summarise
    from feature_mining.sae.model import SparseAutoencoder
    from feature_mining.sae.train import Trained, train_sae
    from feature_mining.sae.training.source import ShuffledActivations, Window
    from feature_mining.sae.training.thresholds import set_thresholds
    from feature_mining.sae.training.train_config import TrainConfig
    from feature_mining.sae.training.trainer import Trainer, TrainResult

# Where each name is from; imported when asked for, so that ``feature_mining.sae.config`` needs no PyTorch.
_HOMES = {
    "ARCHITECTURES": "architectures.registry",
    "Calibration": "calibrate",
    "Quality": "measures.quality",
    "SAEConfig": "config",
    "ShuffledActivations": "training.source",
    "SparseAutoencoder": "model",
    "TrainConfig": "training.train_config",
    "TrainResult": "training.trainer",
    "Trained": "train",
    "Trainer": "training.trainer",
    "Window": "training.source",
    "measure": "measures.quality",
    "read_sae": "formats.registry:read",
    "set_thresholds": "training.thresholds",
    "summarise": "measures.quality",
    "train_sae": "train",
    "write_sae": "formats.registry:write",
}

__all__ = [
    "ARCHITECTURES",
    "Calibration",
    "Quality",
    "SAEConfig",
    "ShuffledActivations",
    "SparseAutoencoder",
    "TrainConfig",
    "TrainResult",
    "Trained",
    "Trainer",
    "Window",
    "measure",
    "read_sae",
    "set_thresholds",
    "summarise",
    "train_sae",
    "write_sae",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, other = _HOMES[name].partition(":")
    return getattr(import_module(f"{__name__}.{home}"), other or name)
