"""DNA models behind one contract: sequences to tokens to logits, with taps to read and edit.

``load("mini")`` gives the model that ships with the project; see ``genomic_models.contract`` for what a
model can do.
"""

from genomic_models.contract import DNAModel, Edit, Forward, ModelError, TapContext, Tokens
from genomic_models.registry import load

__all__ = ["DNAModel", "Edit", "Forward", "ModelError", "TapContext", "Tokens", "load"]
