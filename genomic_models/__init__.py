"""DNA models behind one contract: sequences to tokens to logits, with taps to read and edit.

``load("mini")`` gives the model that ships with the project; see ``genomic_models.contract`` for what a
model can do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomic_models.contract import DNAModel, Edit, Forward, Outputs, TapContext, Tokens
    from genomic_models.errors import ModelError
    from genomic_models.module import Columns, ModuleModel
    from genomic_models.registry import load

__all__ = [
    "Columns",
    "DNAModel",
    "Edit",
    "Forward",
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
    homes = {"load": "registry", "ModelError": "errors", "Columns": "module", "ModuleModel": "module"}
    home = homes.get(name, "contract")
    return getattr(import_module(f"{__name__}.{home}"), name)
