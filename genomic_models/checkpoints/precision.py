"""FP8 input projections: who needs them, and an emulation in plain PyTorch.

Evo 2 1B, 20B and 40B were trained with the input projections of their Hyena blocks in FP8 (E4M3, constant
scales from the checkpoint). Without that rounding they are worse; 20B and 40B moreover depend on the
truncated accumulator of Hopper GPUs, which is not emulated here. Figures: NVIDIA's comparison of Evo 2
on H200 and B300, mean NLL in nats a base at a context of 8,192.

The emulation follows the published description of the arithmetic and is **not verified against real
weights**.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genomic_models.checkpoints.stored import read_archive
from genomic_models.checkpoints.vortex import load_archive
from genomic_models.contract import ModelError
from genomic_models.striped_hyena.config import StripedHyenaConfig

E4M3_LIMIT = 448.0
EXTRA = "._extra_state"
# 20B and 40B, 8,192 channels wide, depend on the truncated accumulator; 1B (1,920) does not.
TRUNCATED_FROM_WIDTH = 8192


def check_precision(name: str, config: StripedHyenaConfig, dtype: torch.dtype, accept: bool) -> None:
    """Refuse or warn where a model is run without the FP8 projections that it needs.

    Parameters
    ----------
    name : str
        For the message.
    config : StripedHyenaConfig
        ``fp8_projections`` and ``width`` decide.
    dtype : torch.dtype
        What the model would be run in.
    accept : bool
        The user has said that a broken model is wanted.

    Raises
    ------
    ModelError
        For 20B and 40B unless accepted.

    Warns
    -----
    UserWarning
        For 1B, and for 20B and 40B when accepted.
    """
    if not config.fp8_projections:
        return
    shown = str(dtype).removeprefix("torch.")
    if emulated(config):
        warnings.warn(
            f"{name} needs FP8 input projections: they are emulated (E4M3 rounding, fp32 accumulator; not"
            " verified against real weights). Published mean NLL: 1.076 nats a base with FP8, 1.243 in"
            " bf16 without; check yours, or use evo2_7b_base, which needs no FP8",
            stacklevel=2,
        )
        return
    text = (
        f"{name} in {shown}: this model needs FP8 input projections and the truncated accumulator of"
        " Hopper GPUs, and is broken without them (40B: mean NLL 1.700 nats a base in bf16 against"
        " 0.922; 20 to 40 % accuracy against 92 %)"
    )
    if not accept:
        raise ModelError(
            f"{text}: use evo2_7b, evo2_7b_262k or evo2_7b_base, or pass accept_precision_loss=True to"
            " run it all the same"
        )
    warnings.warn(f"{text}; run all the same, as asked", stacklevel=2)


def emulated(config: StripedHyenaConfig) -> bool:
    """Whether a model's FP8 projections are emulated when it is loaded: 1B, by its width."""
    return config.fp8_projections and config.width < TRUNCATED_FROM_WIDTH


class Fp8Scale(NamedTuple):
    """Constant scales of one projection: a value is multiplied by its scale, then rounded to E4M3."""

    input: float
    weight: float


def read_scales(path: str | Path) -> dict[str, Fp8Scale]:
    """Scales of every Hyena input projection of an Evo 2 archive, by module name.

    They lie in the ``_extra_state`` entries, archives in byte buffers, at ``scale_fwd`` (input, weight,
    output).

    Raises
    ------
    ModelError
        A file that cannot be read, an entry without scales, or none at all.
    """
    path = Path(path)
    ending = f".projections{EXTRA}"
    scales = {
        name.removesuffix(EXTRA): _scale(value, f"{path}: {name}")
        for name, value in load_archive(path).items()
        if name.endswith(ending)
    }
    if not scales:
        raise ModelError(f"{path}: no FP8 scales: expected entries that end in {ending}")
    return scales


def _scale(value: object, where: str) -> Fp8Scale:
    try:
        if not isinstance(value, io.BytesIO):
            raise TypeError(f"a {type(value).__name__} instead of a byte buffer")
        values: Any = read_archive(io.BytesIO(value.getvalue()))
        scale = Fp8Scale(*(float(v) for v in values["scale_fwd"][:2]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where}: no FP8 scales can be read from it ({error})") from error
    if min(scale) <= 0:
        raise ModelError(f"{where}: FP8 scales {tuple(scale)}: expected numbers above zero")
    return scale


def round_e4m3(x: Tensor, scale: float) -> Tensor:
    """``x`` (any float dtype) through bf16, times ``scale``, clamped to 448, rounded to E4M3; fp32."""
    scaled = (x.bfloat16().float() * scale).clamp(-E4M3_LIMIT, E4M3_LIMIT)
    return scaled.to(torch.float8_e4m3fn).float()


def emulate_fp8_projection(x: Tensor, weight: Tensor, scale_x: float, scale_w: float) -> Tensor:
    """``x @ weight.T`` with both sides rounded to E4M3 and an fp32 accumulator.

    Parameters
    ----------
    x : Tensor
        ``(..., D)``.
    weight : Tensor
        ``(N, D)``.
    scale_x, scale_w : float
        Scales of the checkpoint.

    Returns
    -------
    Tensor
        ``(..., N)`` bf16. Not verified against real weights.
    """
    product = round_e4m3(x, scale_x) @ round_e4m3(weight, scale_w).T
    return (product / (scale_x * scale_w)).bfloat16()


class Fp8Linear(nn.Module):
    """An input projection run as ``emulate_fp8_projection``; its weight keeps its name."""

    def __init__(self, weight: nn.Parameter, scale: Fp8Scale) -> None:
        super().__init__()
        self.weight = weight
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return emulate_fp8_projection(x, self.weight, *self.scale).to(x.dtype)


def emulate_fp8(network: nn.Module, scales: Mapping[str, Fp8Scale]) -> nn.Module:
    """Put the emulation in place of the projections that ``scales`` names; returns the network.

    Good enough for 1B by NVIDIA's figures; not for 20B and 40B. Not verified against real weights.
    Raises ``ModelError`` for a name that is no bias-free linear layer of the network.
    """
    modules = dict(network.named_modules())
    for name, scale in scales.items():
        linear = modules.get(name)
        if not isinstance(linear, nn.Linear) or linear.bias is not None:
            raise ModelError(f"{name}: the network has no such projection: the scales are another's")
        parent, leaf = name.rsplit(".", 1)
        setattr(modules[parent], leaf, Fp8Linear(linear.weight, scale))
    return network
