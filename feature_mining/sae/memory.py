"""How much memory training takes, by formula."""

from __future__ import annotations

from typing import NamedTuple

from feature_mining.sae.model import BLOCK

_FLOAT = 4


class TrainingMemory(NamedTuple):
    """Bytes held at the same time, all float32 unless said.

    parameters : encoder, decoder, biases
    gradients : one for each parameter
    optimiser : two moments of Adam for each parameter
    batch : raw, scaled and centred rows, and the derivative by the reconstruction
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


def training_memory(d_in: int, d_sae: int, batch: int, k: int, dense: bool) -> TrainingMemory:
    """Peak memory of a training step of one autoencoder.

    Parameters
    ----------
    d_in, d_sae, batch, k : int
        Widths, positions of a batch, active features a position.
    dense : bool
        Products over all features (every form on a GPU, all but BatchTopK on the CPU): four tables of
        ``(batch, d_sae)`` (pre-activations, codes, their mask and their gradient). Otherwise pre-activations
        exist a block of 256 rows at a time, with places (int32) and values for as many, and codes as active
        pairs of 28 bytes (places and values twice, code gradient, row, place in feature order).

    Returns
    -------
    TrainingMemory
        ``P = 2 d_in d_sae + d_sae + d_in``; parameters ``4 P``, gradients ``4 P``, moments ``8 P``; batch
        ``16 batch d_in``; codes ``16 batch d_sae``, or ``12 · 256 d_sae + 28 batch k``.

    Notes
    -----
    ``d_sae`` 32,768, ``d_in`` 4,096, ``batch`` 4,096, ``k`` 64: P is 268.5 million, 4.0 GiB of weights,
    gradients and moments, 0.25 GiB of batch, and 2.0 GiB of codes dense or 0.10 GiB sparse. Without the
    model, the shuffle buffer, and the dead features of the auxiliary loss (``8 batch`` bytes for each).

    A whole run takes more. Measured for BatchTopK with ``d_sae`` 8,192, ``d_in`` 512, ``batch`` 2,048, ``k``
    32 on the CPU, above the program: 262 to 317 MiB in a step and 338 MiB at the end, where this formula
    gives 170 MiB. It leaves out the gradients of the step before, which are held while the next are made, the
    ten batches of the first look, and the folding at the end, which is in float64.
    """
    parameters = _FLOAT * (2 * d_in * d_sae + d_sae + d_in)
    sparse = 3 * _FLOAT * BLOCK * d_sae + 28 * batch * k
    return TrainingMemory(
        parameters=parameters,
        gradients=parameters,
        optimiser=2 * parameters,
        batch=4 * _FLOAT * batch * d_in,
        codes=4 * _FLOAT * batch * d_sae if dense else sparse,
    )
