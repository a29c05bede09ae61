"""Architectures that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from feature_mining.sae.architectures.batch_topk import BatchTopK
from feature_mining.sae.architectures.gated import Gated
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.jump_relu import JumpReLU
from feature_mining.sae.architectures.matryoshka import Matryoshka
from feature_mining.sae.architectures.objective import Architecture
from feature_mining.sae.architectures.relu_l1 import ReLUL1
from feature_mining.sae.architectures.tied import Tied
from feature_mining.sae.architectures.topk import TopK
from feature_mining.sae.architectures.transcoder import SkipTranscoder, Transcoder


class Kind(NamedTuple):
    """An architecture.

    form : its training form
    threshold : how calibration sets thresholds: ``equal``: one for all, so that ``k`` features are active;
        ``proportional`` multiplies the learnt ones by one factor for that; ``own`` leaves them
    centred : whether the decoder's bias is subtracted from the input
    by_row : whether a row keeps its ``k`` largest values at inference, too
    penalised : whether it has a penalty that ``l1`` weighs
    """

    form: Callable[[Initialisation], Architecture]
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


def new_form(architecture: str, init: Initialisation, tied: bool = False) -> Architecture:
    """An untrained training form.

    Raises ``ValueError`` for an unknown name, a penalty where there is none to weigh, or a ``k`` that does
    not fit.
    """
    kind = kind_of(architecture)
    if init.l1 and not kind.penalised:
        penalised = ", ".join(sorted(n for n, k in ARCHITECTURES.items() if k.penalised))
        raise ValueError(
            f"l1 {init.l1} has no meaning for {architecture}, whose sparsity is k; only {penalised} use it"
        )
    form = kind.form(init)
    return Tied(form) if tied else form
