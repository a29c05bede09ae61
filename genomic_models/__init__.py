"""DNA models behind one contract: sequences to tokens to logits, with taps to read and edit.

``load("mini")`` gives the model that ships with the project: ``score``, ``embed`` and ``generate`` take a
sequence or a list of them (``genomic_models.model``); ``genomic_models.contract`` says what else it can do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomic_models.contract import DNAModel, Edit, Forward, Outputs, TapContext, Tokens
    from genomic_models.errors import ModelError
    from genomic_models.model import Model
    from genomic_models.module import Columns, ModuleModel
    from genomic_models.registry import load

__all__ = [
    "Columns",
    "DNAModel",
    "Edit",
    "Forward",
    "Model",
    "ModelError",
    "ModuleModel",
    "Outputs",
    "TapContext",
    "Tokens",
    "load",
]


def __getattr__(name: str) -> object:
    """Names of the package, imported when asked for, so that ``genomic_models.dna`` needs no PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {
        "load": "registry",
        "Model": "model",
        "ModelError": "errors",
        "Columns": "module",
        "ModuleModel": "module",
    }
    home = homes.get(name, "contract")
    return getattr(import_module(f"{__name__}.{home}"), name)
