"""Blocks of StripedHyena: norm, gated MLP, Hyena mixers, attention mixer.

Parameter names are those of the released checkpoints. Every mixer takes ``(B, L, D)`` and the state left
by what was read before, and returns its output and the state after it; a whole sequence, a chunk and a
single token go through the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomic_models.products import linear
from genomic_models.striped_hyena import operators
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.frozen import held

EPSILON = 1e-6
# From so many positions on oneDNN is the faster one.
LONG = 256
# Positions that a store of keys has room for beyond what it holds, at least.
_ROOM = 256

# Called with a tap's name and its activations; returns the activations to continue with.
Probe = Callable[[str, Tensor], Tensor]


class Grown:
    """What was read so far along one axis, in a store with room for more.

    Appending writes into the store; only where another continuation of the same beginning has done so
    already, or the room is used up, is anything copied.

    Parameters
    ----------
    values : Tensor
    dim : int
        The axis.
    outer : int
        The axis that varies slowest in the store.

    Attributes
    ----------
    values : Tensor
        What is held: a view of the store.
    """

    def __init__(self, values: Tensor, dim: int, outer: int = 0) -> None:
        self.values, self._dim, self._outer = values, dim, outer
        self._store, self._end, self._used = values, values.shape[dim], [values.shape[dim]]

    @property
    def length(self) -> int:
        """Positions that are held."""
        return self.values.shape[self._dim]

    def append(self, more: Tensor) -> Grown:
        """What is held and ``more`` after it; this object keeps what it holds."""
        dim, held, size = self._dim, self.length, more.shape[self._dim]
        store, end, used = self._store, self._end, self._used
        if used[0] != end or end + size > store.shape[dim]:
            shape = list(more.shape)
            shape[dim] = held + size + max(_ROOM, held // 4)
            shape.insert(0, shape.pop(self._outer))
            store, end, used = more.new_empty(shape).movedim(0, self._outer), held, [held]
            store.narrow(dim, 0, held).copy_(self.values)
        store.narrow(dim, end, size).copy_(more)
        used[0] = end + size
        return self._part(store, end + size, used, held + size)

    def last(self, count: int) -> Grown:
        """The last ``count`` positions alone, in the same store."""
        return self._part(self._store, self._end, self._used, count)

    def _part(self, store: Tensor, end: int, used: list[int], count: int) -> Grown:
        part = Grown(store.narrow(self._dim, end - count, count), self._dim, self._outer)
        part._store, part._end, part._used = store, end, used
        return part

    def repeat_interleave(self, times: int, dim: int) -> Grown:
        """Each row several times over, as of a tensor; of one row nothing is copied before it goes on."""
        shape = list(self.values.shape)
        shape.insert(dim + 1, times)
        repeated = self.values.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1)
        return Grown(repeated, self._dim, self._outer)


# What a mixer must remember of the tokens already read.
State = tuple[Tensor | Grown, ...]


class _Empty:
    """Fresh weights are not drawn: on no device (``meta``) that alone imports PyTorch's compiler."""

    def reset_parameters(self) -> None: ...


class Linear(_Empty, nn.Linear):
    """A linear layer; its fresh parameters are uninitialised. Long sequences go through `products.linear`."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3 and x.shape[1] >= LONG:
            return linear(x, self.weight, self.bias)
        return super().forward(x)


class Embedding(_Empty, nn.Embedding):
    """An embedding; its fresh weights are uninitialised."""


class RMSNorm(nn.Module):
    """``scale * x / (||x|| / sqrt(D) + eps)``: eps lies outside the root, as in the reference."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        size = x.norm(2, dim=-1, keepdim=True) * x.shape[-1] ** -0.5
        return self.scale * (x / (held(size) + EPSILON))


class GatedMLP(nn.Module):
    """``l3(act(l1(x)) * l2(x))``, no biases."""

    def __init__(self, width: int, inner: int, gelu: bool) -> None:
        super().__init__()
        self.l1 = Linear(width, inner, bias=False)
        self.l2 = Linear(width, inner, bias=False)
        self.l3 = Linear(inner, width, bias=False)
        self.gelu = gelu

    def forward(self, x: Tensor, probe: Probe, name: str) -> Tensor:
        gate = probe(f"{name}.l1", self.l1(x))
        value = probe(f"{name}.l2", self.l2(x))
        return probe(f"{name}.l3", self.l3(held(F.gelu(gate) if self.gelu else gate) * value))


class HyenaFilter(nn.Module):
    """Featurizer and inner filter of one Hyena operator.

    Subclasses hold the inner filter: ``inner(s, past, keep) -> (c, past)`` with ``s`` ``(B, D, L)``.
    ``keep`` asks for the state after ``s``; without it the second value is of no use.
    """

    _made: dict[str, tuple[tuple[object, ...], Tensor]]

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__()
        width = config.mixer_width(index)
        self.heads = config.heads
        self.interleaved = config.generation == "evo2"
        self.short_filter_weight = nn.Parameter(torch.empty(3 * width, 1, 3))
        if config.generation == "evo1":
            self.short_filter_bias = nn.Parameter(torch.zeros(3 * width))
        self._made = {}

    def made(self, name: str, make: Callable[[], Tensor], *more: object) -> Tensor:
        """A tensor that parameters alone (and ``more``) decide: made once, and again when they change."""
        own = list(self.parameters(recurse=False))
        if torch.is_grad_enabled() and any(p.requires_grad for p in own):
            return make()
        # What inference mode makes cannot be differentiated through.
        key = (torch.is_inference_mode_enabled(), *more, *((p.data_ptr(), p._version) for p in own))
        if name not in self._made or self._made[name][0] != key:
            self._made[name] = (key, make())
        return self._made[name][1]

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.interleaved:
            return z[:, 0::3], z[:, 1::3], z[:, 2::3]
        thirds = z.unflatten(1, (self.heads, 3, -1))
        x2, x1, v = (thirds[:, :, i].flatten(1, 2) for i in range(3))
        return x2, x1, v

    def inner(self, s: Tensor, past: Any, keep: bool) -> tuple[Tensor, Tensor | Grown]:
        """Filter ``s``; subclasses say how."""
        raise TypeError("HyenaFilter is abstract: use ShortFilter, MediumFilter or LongFilter")

    def forward(self, z: Tensor, state: State | None, keep: bool) -> tuple[Tensor, State]:
        """``(B, L, 3D)`` projections to ``(B, L, D)``; inside, the sequence is the last axis."""
        front, past = state if state is not None else (None, None)
        assert not isinstance(front, Grown)
        y, front = operators.short_convolution(z.mT, self.short_filter_weight[:, 0], front)
        y = y.to(z.dtype)
        if not self.interleaved:
            y = y + self.short_filter_bias[:, None]
        x2, x1, v = self._split(y)
        c, past = self.inner(held(x1) * v, past, keep)
        return (held(x2) * c).mT, (front, past)


class ShortFilter(HyenaFilter):
    """hcs: an explicit filter of 7 taps, last tap on the current sample."""

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__(config, index)
        self.repeat = config.width // config.whole_mixer(index)
        self.h = nn.Parameter(torch.empty(config.mixer(index), 1, config.short_filter))

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        weight = self.made("weight", lambda: self.h[:, 0].repeat_interleave(self.repeat, dim=0))
        y, past = operators.short_convolution(s, weight, past)
        return y.to(s.dtype), past


class MediumFilter(HyenaFilter):
    """hcm: an explicit filter of 128 taps, first tap on the current sample, and a skip."""

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__(config, index)
        self.repeat = config.width // config.whole_mixer(index)
        self.h = nn.Parameter(torch.empty(config.mixer(index), 1, config.medium_filter))
        self.D = nn.Parameter(torch.empty(config.mixer_width(index)))

    def _kernel(self) -> Tensor:
        return operators.at_least_fp32(self.h[:, 0].repeat_interleave(self.repeat, dim=0))

    def inner(self, s: Tensor, past: Grown | None, keep: bool) -> tuple[Tensor, Tensor | Grown]:
        kernel = self.made("kernel", self._kernel)
        remembered = kernel.shape[1] - 1
        grown = None
        if past is not None or keep:
            # Channel by channel, as the sum over one more base reads it.
            before = past or Grown(s.new_zeros(*s.shape[:2], remembered), 2, outer=1)
            grown = before.append(s)
        seen = s if past is None or grown is None else grown.values
        if s.shape[2] == 1 and past is not None:
            c = operators.newest_sum(seen, self.made("flipped", lambda: kernel.flip(-1)))
        else:
            c = operators.fft_convolution(seen, kernel, length=s.shape[2])
        skip, wide = operators.at_least_fp32(self.D), operators.at_least_fp32(s)
        y = torch.addcmul(c, skip[:, None], wide).to(s.dtype)
        return y, s if grown is None else grown.last(remembered)


class LongFilter(HyenaFilter):
    """hcl: an implicit filter as long as the sequence, a sum of decaying modes, and a skip.

    Evo 2 keeps real poles as logarithms, Evo 1 complex poles as (real, imaginary) pairs.
    """

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__(config, index)
        width, modes = config.mixer_width(index), config.state
        self.D = nn.Parameter(torch.empty(width))
        if config.generation == "evo2":
            self.log_poles = nn.Parameter(torch.empty(width, modes, 1))
            self.residues = nn.Parameter(torch.empty(width, modes))
        else:
            self.poles = nn.Parameter(torch.empty(width, modes, 1, 2))
            self.residues = nn.Parameter(torch.empty(width, modes, 1, 2))

    def modes(self) -> tuple[Tensor, Tensor]:
        """Logarithms of poles, and residues: ``(D, M)``, fp32 or complex64."""
        if self.interleaved:
            return operators.at_least_fp32(self.log_poles[..., 0]), operators.at_least_fp32(self.residues)
        poles = torch.view_as_complex(self.poles.float())[..., 0]
        return poles.log(), torch.view_as_complex(self.residues.float())[..., 0]

    def inner(self, s: Tensor, past: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
        log_poles, residues = self.modes()
        length = s.shape[2]
        if length == 1:
            state = s.to(log_poles.dtype)
            if past is None:
                state = state.repeat(1, 1, log_poles.shape[1])
            else:
                state = torch.addcmul(state, past, self.made("poles", log_poles.exp))
            c = operators.real_part((residues * state).sum(-1))[..., None]
        else:
            impulse = self.made(
                "impulse", lambda: operators.modal_filter(log_poles, residues, length), length
            )
            c = operators.fft_convolution(s, impulse)
            if past is not None:
                c = c + operators.modal_response(log_poles, residues, past, length)
            state = operators.modal_state(log_poles, s, past) if keep else s
        return c.to(s.dtype) + s * self.D[:, None], state


class Rotary(nn.Module):
    """Holder of the rotary frequencies, under the name that the checkpoints use."""

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__()
        half = config.width // config.heads // 2
        # Values that no checkpoint need hold: they are there also in a network on no device.
        exponents = torch.arange(half, dtype=torch.float32, device="cpu") / half
        self.register_buffer("inv_freq", config.rotary_base**-exponents)
        self.inv_freq: Tensor


class Attention(nn.Module):
    """Causal multi-head attention with rotary positions and a key/value cache."""

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__()
        width, inside = config.width, config.mixer_width(index)
        self.heads = config.mixer(index)
        self.scale = config.position_scale
        self.head_major = config.generation == "evo2"
        self.Wqkv = Linear(width, 3 * inside, bias=config.generation == "evo1")
        self.out_proj = Linear(inside, width)
        self.rotary_emb = Rotary(config)

    def _heads(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.head_major:
            return qkv.unflatten(-1, (self.heads, 3, -1)).unbind(-2)
        return qkv.unflatten(-1, (3, self.heads, -1)).unbind(-3)

    def forward(
        self, x: Tensor, state: tuple[Grown, Grown] | None, probe: Probe, name: str
    ) -> tuple[Tensor, tuple[Grown, Grown]]:
        offset = 0 if state is None else state[0].length
        q, k, v = self._heads(probe(f"{name}.Wqkv", self.Wqkv(x)))
        turn = operators.rotation(self.rotary_emb.inv_freq, offset, x.shape[1], self.scale, x.dtype)
        q, k = (held(operators.rotate(each, *turn)).transpose(1, 2) for each in (q, k))
        v = v.transpose(1, 2)
        keys, values = (
            (Grown(k, 2), Grown(v, 2)) if state is None else (state[0].append(k), state[1].append(v))
        )
        y = operators.causal_attention(q, keys.values, values.values).transpose(1, 2).flatten(-2)
        return probe(f"{name}.out_proj", self.out_proj(y)), (keys, values)
