"""Blocks of StripedHyena: norm, gated MLP, Hyena mixers, attention mixer.

Parameter names are those of the released checkpoints. Every mixer takes ``(B, L, D)`` and the state left
by what was read before, and returns its output and the state after it; a whole sequence, a chunk and a
single token go through the same code.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomic_models.striped_hyena import operators
from genomic_models.striped_hyena.config import StripedHyenaConfig

EPSILON = 1e-6

Probe = Callable[[str, Tensor], Tensor]
"""Called with a tap's name and its activations; returns the activations to go on with."""

State = tuple[Tensor, ...]
"""What a mixer must remember of the tokens already read."""


class RMSNorm(nn.Module):
    """``scale * x / (||x|| / sqrt(D) + eps)``: eps lies outside the root, as in the reference."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        size = x.norm(2, dim=-1, keepdim=True) * x.shape[-1] ** -0.5
        return self.scale * (x / (size + EPSILON))


class GatedMLP(nn.Module):
    """``l3(act(l1(x)) * l2(x))``, no biases."""

    def __init__(self, width: int, inner: int, gelu: bool) -> None:
        super().__init__()
        self.l1 = nn.Linear(width, inner, bias=False)
        self.l2 = nn.Linear(width, inner, bias=False)
        self.l3 = nn.Linear(inner, width, bias=False)
        self.gelu = gelu

    def forward(self, x: Tensor, probe: Probe, name: str) -> Tensor:
        gate = probe(f"{name}.l1", self.l1(x))
        value = probe(f"{name}.l2", self.l2(x))
        return probe(f"{name}.l3", self.l3((F.gelu(gate) if self.gelu else gate) * value))


class HyenaFilter(nn.Module):
    """Featurizer and inner filter of one Hyena operator.

    Subclasses hold the inner filter: ``inner(s, past, keep) -> (c, past)`` with ``s`` ``(B, D, L)``.
    ``keep`` asks for the state after ``s``; without it the second value is of no use.
    """

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.interleaved = config.generation == "evo2"
        self.short_filter_weight = nn.Parameter(torch.empty(3 * width, 1, 3))
        if config.generation == "evo1":
            self.short_filter_bias = nn.Parameter(torch.zeros(3 * width))

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.interleaved:
            return z[:, 0::3], z[:, 1::3], z[:, 2::3]
        thirds = z.unflatten(1, (self.heads, 3, -1))
        x2, x1, v = (thirds[:, :, i].flatten(1, 2) for i in range(3))
        return x2, x1, v

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        """Filter ``s``; subclasses say how."""
        raise TypeError("HyenaFilter is abstract: use ShortFilter, MediumFilter or LongFilter")

    def forward(self, z: Tensor, state: State | None, keep: bool) -> tuple[Tensor, State]:
        """``(B, L, 3D)`` projections to ``(B, L, D)``; inside, the sequence is the last axis."""
        front, past = state if state is not None else (None, None)
        y, front = operators.short_convolution(z.mT, self.short_filter_weight[:, 0], front)
        y = y.to(z.dtype)
        if not self.interleaved:
            y = y + self.short_filter_bias[:, None]
        x2, x1, v = self._split(y)
        c, past = self.inner(x1 * v, past, keep)
        return (x2 * c).mT, (front, past)


class ShortFilter(HyenaFilter):
    """hcs: an explicit filter of 7 taps, last tap on the current sample."""

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__(config)
        self.repeat = config.width // config.groups
        self.h = nn.Parameter(torch.empty(config.groups, 1, config.short_filter))

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        weight = self.h[:, 0].repeat_interleave(self.repeat, dim=0)
        y, past = operators.short_convolution(s, weight, past)
        return y.to(s.dtype), past


class MediumFilter(HyenaFilter):
    """hcm: an explicit filter of 128 taps, first tap on the current sample, and a skip."""

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__(config)
        groups = config.medium_groups or config.groups
        self.repeat = config.width // groups
        self.h = nn.Parameter(torch.empty(groups, 1, config.medium_filter))
        self.D = nn.Parameter(torch.empty(config.width))

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        kernel = self.h[:, 0].repeat_interleave(self.repeat, dim=0)
        remembered = kernel.shape[1] - 1
        seen = s if past is None else torch.cat([past, s], dim=2)
        c = operators.fft_convolution(seen, kernel, length=s.shape[2])
        y = torch.addcmul(c, self.D.float()[:, None], s.float()).to(s.dtype)
        if keep and past is None:
            seen = torch.cat([s.new_zeros(*s.shape[:2], remembered), s], dim=2)
        return y, seen[..., -remembered:]


class LongFilter(HyenaFilter):
    """hcl: an implicit filter as long as the sequence, a sum of decaying modes, and a skip.

    Evo 2 keeps real poles as logarithms, Evo 1 complex poles as (real, imaginary) pairs.
    """

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__(config)
        width, modes = config.width, config.state
        self.D = nn.Parameter(torch.empty(width))
        if config.generation == "evo2":
            self.log_poles = nn.Parameter(torch.empty(width, modes, 1))
            self.residues = nn.Parameter(torch.empty(width, modes))
        else:
            self.poles = nn.Parameter(torch.empty(width, modes, 1, 2))
            self.residues = nn.Parameter(torch.empty(width, modes, 1, 2))
        self._kernel: tuple[tuple[object, ...], Tensor] | None = None

    def modes(self) -> tuple[Tensor, Tensor]:
        """Logarithms of poles, and residues: ``(D, M)``, fp32 or complex64."""
        if self.interleaved:
            return self.log_poles[..., 0].float(), self.residues.float()
        poles = torch.view_as_complex(self.poles.float())[..., 0]
        return poles.log(), torch.view_as_complex(self.residues.float())[..., 0]

    def _impulse(self, log_poles: Tensor, residues: Tensor, length: int) -> Tensor:
        if torch.is_grad_enabled():
            return operators.modal_filter(log_poles, residues, length)
        key = (length, *((p.data_ptr(), p._version) for p in self.parameters()))
        if self._kernel is None or self._kernel[0] != key:
            self._kernel = (key, operators.modal_filter(log_poles, residues, length))
        return self._kernel[1]

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        log_poles, residues = self.modes()
        length = s.shape[2]
        if length == 1:
            state = operators.modal_state(log_poles, s, past)
            summed = (residues * state).sum(-1)
            c = (summed.real if summed.is_complex() else summed)[..., None]
        else:
            c = operators.fft_convolution(s, self._impulse(log_poles, residues, length))
            if past is not None:
                c = c + operators.modal_response(log_poles, residues, past, length)
            state = operators.modal_state(log_poles, s, past) if keep else s
        return c.to(s.dtype) + s * self.D[:, None], state


class Rotary(nn.Module):
    """Holder of the rotary frequencies, under the name that the checkpoints use."""

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__()
        half = config.width // config.heads // 2
        exponents = torch.arange(half, dtype=torch.float32) / half
        self.register_buffer("inv_freq", config.rotary_base**-exponents)
        self.inv_freq: Tensor


class Attention(nn.Module):
    """Causal multi-head attention with rotary positions and a key/value cache."""

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.scale = config.position_scale
        self.head_major = config.generation == "evo2"
        self.Wqkv = nn.Linear(width, 3 * width, bias=config.generation == "evo1")
        self.out_proj = nn.Linear(width, width)
        self.rotary_emb = Rotary(config)

    def _heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.head_major:
            return qkv.unflatten(-1, (self.heads, 3, -1)).unbind(-2)
        return qkv.unflatten(-1, (3, self.heads, -1)).unbind(-3)

    def forward(
        self, x: Tensor, state: State | None, probe: Probe, name: str
    ) -> tuple[Tensor, State]:
        offset = 0 if state is None else state[0].shape[2]
        q, k, v = self._heads(probe(f"{name}.Wqkv", self.Wqkv(x)))
        q = operators.rotate(q, self.rotary_emb.inv_freq, offset, self.scale).transpose(1, 2)
        k = operators.rotate(k, self.rotary_emb.inv_freq, offset, self.scale).transpose(1, 2)
        v = v.transpose(1, 2)
        if state is not None:
            k, v = torch.cat([state[0], k], dim=2), torch.cat([state[1], v], dim=2)
        mask = None
        if offset and x.shape[1] > 1:
            mask = torch.ones(x.shape[1], k.shape[2], dtype=torch.bool, device=x.device)
            mask = mask.tril(diagonal=offset)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=offset == 0)
        y = y.transpose(1, 2).flatten(-2)
        return probe(f"{name}.out_proj", self.out_proj(y)), (k, v)
