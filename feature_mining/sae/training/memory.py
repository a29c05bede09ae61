"""How much memory training takes, by formula."""

from __future__ import annotations

from typing import NamedTuple

from feature_mining.sae.architectures.registry import kind_of
from feature_mining.sae.model import BLOCK

_FLOAT = 4
_FIRST_BATCHES = 10
_TABLES = {"relu_l1": 4, "matryoshka": 5, "transcoder": 5, "skip_transcoder": 5}
# Tables ``(batch, d_sae)`` that are there at once, autograd's included; the last two on a GPU.
_TABLES |= {"jump_relu": 7, "gated": 8, "batch_topk": 4, "topk": 4}
_SPARSE = ("batch_topk", "topk")


class TrainingMemory(NamedTuple):
    """Bytes held at the same time, all float32 unless said.

    parameters : encoder, decoder, biases
    gradients : one for each parameter
    optimiser : two moments of Adam for each parameter
    batch : scaled and centred rows, the derivative by the reconstruction, the first ten batches
    codes : pre-activations and what is made of them
    """

    parameters: int
    gradients: int
    optimiser: int
    batch: int
    codes: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return sum(self)


def training_memory(
    d_in: int, d_sae: int, batch: int, k: int, architecture: str = "batch_topk", gpu: bool = False
) -> TrainingMemory:
    """Peak memory of training one autoencoder.

    Parameters
    ----------
    d_in, d_sae, batch, k : int
        Widths, positions of a batch, active features a position.
    architecture : str
        A name of ``registry.ARCHITECTURES``.
    gpu : bool
        Whether it trains on a GPU, where all architectures make tables of ``(batch, d_sae)``. On the CPU
        BatchTopK and TopK have pre-activations of a block of 256 rows at a time, with places (int32) and
        values for as many, and active pairs of 64 bytes (candidates, what is kept of them, code gradients,
        the order by features).

    Returns
    -------
    TrainingMemory
        ``P = 2 d_in d_sae + d_sae + d_in``; parameters ``4 P``, gradients ``4 P``, moments ``8 P``; batch
        ``4 · 13 batch d_in``; codes ``4 t batch d_sae`` for ``t`` tables, or ``12 · 256 d_sae + 64 batch k``.

    Notes
    -----
    ``d_sae`` 32,768, ``d_in`` 4,096, ``batch`` 4,096, ``k`` 64: P is 268.5 million, 4.0 GiB of weights,
    gradients and moments, 0.81 GiB of batches, and 0.11 GiB of codes, 4.9 GiB in all; 2.0 GiB of codes and
    6.8 GiB on a GPU. Without the model, the shuffle buffer (of which the ten batches are a part where they
    are views of it) and the auxiliary loss: for ``n`` dead features another ``16 n d_in + 12 batch n`` bytes.

    Measured on the CPU above the program (``python benchmarks/sae.py memory``): for ``d_sae`` 8,192, ``d_in``
    512, ``batch`` 2,048, ``k`` 32 BatchTopK takes 214 MiB, the formula says 208; Gated 696 and 692.
    """
    kind_of(architecture)
    parameters = _FLOAT * (2 * d_in * d_sae + d_sae + d_in)
    if architecture in _SPARSE and not gpu:
        codes = 3 * _FLOAT * BLOCK * d_sae + 64 * batch * k
    else:
        codes = _FLOAT * _TABLES[architecture] * batch * d_sae
    return TrainingMemory(
        parameters=parameters,
        gradients=parameters,
        optimiser=2 * parameters,
        batch=_FLOAT * (3 + _FIRST_BATCHES) * batch * d_in,
        codes=codes,
    )
