"""Which architectures can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor

from feature_mining.sae.batch_topk import BatchTopK
from feature_mining.sae.gated import Gated
from feature_mining.sae.jump_relu import JumpReLU
from feature_mining.sae.matryoshka import Matryoshka
from feature_mining.sae.objective import Outcome
from feature_mining.sae.relu_l1 import ReLUL1
from feature_mining.sae.start import Start
from feature_mining.sae.tied import Tied
from feature_mining.sae.topk import TopK
from feature_mining.sae.transcoder import SkipTranscoder, Transcoder


class Architecture(Protocol):
    """The training form of an autoencoder, on inputs scaled to mean square norm ``d_in``."""

    def parameters(self) -> dict[str, Tensor]:
        """Trained tensors by name."""

    def buffers(self) -> dict[str, Tensor]:
        """Tensors that change while training without being trained; a checkpoint holds them."""

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        """Set ``.grad`` of all parameters for a batch ``(B, d_in)``; ``dead`` is bool ``(d_sae,)``.

        Where several processes train together, gradients and the figures of the outcome are of this
        process's part of the batch, in units of the whole batch, so that their sums are those of one process
        with all of it.
        """

    def constrain(self) -> None:
        """Bring parameters back to where they must lie, after a step of the optimiser."""

    def folded(self, scale: float, threshold: float) -> dict[str, Tensor]:
        """Tensors of the inference form for raw inputs; ``threshold`` is in training units."""


class Kind(NamedTuple):
    """An architecture.

    form : makes its training form
    threshold : what calibration does: ``equal`` sets one threshold for all so that ``k`` are active;
        ``proportional`` multiplies the learnt ones by one factor for that; ``own`` leaves them
    centred : whether the bias of the decoder is taken off the input
    by_row : whether a row keeps its ``k`` largest values at inference, too
    penalised : whether it has a penalty that ``l1`` weighs
    """

    form: Callable[[Start], Architecture]
    threshold: str = "equal"
    centred: bool = True
    penalised: bool = False
    by_row: bool = False


ARCHITECTURES: dict[str, Kind] = {
    "batch_topk": Kind(BatchTopK),
    "topk": Kind(TopK, threshold="own", by_row=True),
    "matryoshka": Kind(Matryoshka),
    "jump_relu": Kind(JumpReLU, threshold="proportional"),
    "relu_l1": Kind(ReLUL1, threshold="own", penalised=True),
    "gated": Kind(Gated, threshold="own", penalised=True),
    "transcoder": Kind(Transcoder, centred=False),
    "skip_transcoder": Kind(SkipTranscoder, centred=False),
}


def kind_of(architecture: str) -> Kind:
    """The architecture of a name. Raises ``ValueError`` for an unknown one."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"unknown SAE architecture {architecture!r}; expected one of {known}")
    return ARCHITECTURES[architecture]


def start(architecture: str, given: Start, tied: bool = False) -> Architecture:
    """A fresh training form.

    Raises ``ValueError`` for an unknown name, a penalty where there is none to weigh, or a ``k`` that does
    not fit.
    """
    kind = kind_of(architecture)
    if given.l1 and not kind.penalised:
        penalised = ", ".join(sorted(n for n, k in ARCHITECTURES.items() if k.penalised))
        raise ValueError(
            f"l1 {given.l1} has no meaning for {architecture}, whose sparsity is k; only {penalised} use it"
        )
    form = kind.form(given)
    return Tied(form) if tied else form
