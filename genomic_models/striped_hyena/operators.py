"""Causal filters of the Hyena operators, rotation and attention: pure functions on tensors, no parameters.

Shapes: B batch, L length, C or D channels, G filter groups, K taps, M modes. Filters run in fp32 (or
complex64), whatever the dtype of the activations, as the reference implementations do; in fp64 where that is
the dtype.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Elements of the largest temporary (channels x modes x length).
_BLOCK = 1 << 24
# Elements of the largest attention mask (queries x keys).
_MASK = 1 << 22


def at_least_fp32(x: Tensor) -> Tensor:
    """fp64 as it is, every other dtype as fp32."""
    return x if x.dtype == torch.float64 else x.float()


def short_convolution(x: Tensor, weight: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
    """Depthwise causal filter of a few taps, the last tap on the current sample.

    Parameters
    ----------
    x : Tensor
        ``(B, C, L)``.
    weight : Tensor
        ``(C, K)``.
    past : Tensor or None
        ``(B, C, K - 1)``, the samples before ``x``; zeros when None.

    Returns
    -------
    y : Tensor
        ``(B, C, L)`` fp32, contiguous.
    past : Tensor
        ``(B, C, K - 1)`` for the next call.
    """
    length, taps = x.shape[2], weight.shape[1]
    if past is None:
        past = x.new_zeros(x.shape[0], x.shape[1], taps - 1)
    if length == 1:
        # Sample after sample in memory, so that one more costs no copy of single numbers.
        columns = torch.cat([past.permute(2, 0, 1), x.permute(2, 0, 1)])
        seen = columns.permute(1, 2, 0)
    else:
        seen = torch.cat([past, x], dim=2)
    wide, w = at_least_fp32(seen), at_least_fp32(weight)[:, :, None]
    y = wide[..., taps - 1 : taps - 1 + length] * w[:, taps - 1]
    for tap in range(taps - 1):
        y.addcmul_(wide[..., tap : tap + length], w[:, tap])
    return y, seen[..., length:]


_ODD_SMOOTH = (1, 3, 5, 9, 15, 25, 27, 45, 75, 81, 125, 135, 225, 243)


def fast_size(n: int) -> int:
    """Smallest ``m 2**a >= n`` with ``m`` odd and without prime factors over 5: FFTs are fast there."""
    return min(m << max(0, (-(-n // m) - 1).bit_length()) for m in _ODD_SMOOTH)


def fft_convolution(x: Tensor, kernel: Tensor, length: int | None = None) -> Tensor:
    """Causal convolution ``y[t] = sum_j kernel[j] x[t - j]`` along the last axis, in fp32.

    ``x`` is ``(B, D, L)``, ``kernel`` ``(D, K)``; returns ``(B, D, L)``, or its last ``length``
    columns.
    """
    size = x.shape[-1] + min(kernel.shape[-1], x.shape[-1]) - 1
    n = fast_size(size)
    wide, taps = at_least_fp32(x), at_least_fp32(kernel[..., : x.shape[-1]])
    spectrum = torch.fft.rfft(wide, n=n) * torch.fft.rfft(taps, n=n)
    y = torch.fft.irfft(spectrum, n=n)[..., : x.shape[-1]]
    return y if length is None else y[..., x.shape[-1] - length :]


def newest_sum(seen: Tensor, flipped: Tensor) -> Tensor:
    """The last column of ``fft_convolution(seen, kernel)`` as a plain sum, ``(B, D, 1)`` fp32.

    ``seen`` is ``(B, D, K)``, ``flipped`` the kernel ``(D, K)`` backwards, fp32. One small product a
    channel, which reads the history where it lies.
    """
    return torch.bmm(at_least_fp32(seen).transpose(0, 1), flipped[..., None]).transpose(0, 1)


def real_part(x: Tensor) -> Tensor:
    """The real part of a tensor of either kind."""
    return x.real if x.is_complex() else x


def modal_filter(log_poles: Tensor, residues: Tensor, length: int) -> Tensor:
    """Impulse response ``Re sum_m residues[m] exp(log_poles[m] j)`` of each channel.

    ``log_poles`` and ``residues`` are ``(D, M)``, fp32 or complex64; returns ``(D, length)`` fp32.
    Summed mode by mode, so that no ``(D, M, length)`` tensor is made.
    """
    steps = torch.arange(length, device=log_poles.device, dtype=torch.float32)
    total = torch.zeros(log_poles.shape[0], length, device=log_poles.device)
    for mode in range(log_poles.shape[1]):
        term = residues[:, mode : mode + 1] * torch.exp(log_poles[:, mode : mode + 1] * steps)
        total = total + real_part(term)
    return total


def _channel_blocks(log_poles: Tensor, length: int) -> list[slice]:
    step = max(1, _BLOCK // (log_poles.shape[1] * length))
    return [slice(i, i + step) for i in range(0, log_poles.shape[0], step)]


def modal_response(log_poles: Tensor, residues: Tensor, state: Tensor, length: int) -> Tensor:
    """What a modal state still adds to the next ``length`` outputs: ``(B, D, length)`` fp32.

    ``state`` is ``(B, D, M)``: ``S[t] = exp(log_poles) S[t - 1] + x[t]``, up to the last sample read.
    """
    steps = torch.arange(1, length + 1, device=log_poles.device, dtype=torch.float32)
    parts = []
    for block in _channel_blocks(log_poles, length):
        powers = torch.exp(log_poles[block, :, None] * steps)
        part = torch.einsum("bdm,dml->bdl", state[:, block] * residues[block], powers)
        parts.append(real_part(part))
    return torch.cat(parts, dim=1)


def modal_state(log_poles: Tensor, x: Tensor, state: Tensor | None) -> Tensor:
    """Modal state after reading ``x`` ``(B, D, L)``; ``(B, D, M)`` in the dtype of ``log_poles``."""
    length = x.shape[-1]
    steps = torch.arange(length - 1, -1, -1, device=x.device, dtype=torch.float32)
    wide = x.to(log_poles.dtype)
    parts = [
        torch.einsum("bdl,dml->bdm", wide[:, block], torch.exp(log_poles[block, :, None] * steps))
        for block in _channel_blocks(log_poles, length)
    ]
    fresh = torch.cat(parts, dim=1)
    return fresh if state is None else fresh + state * torch.exp(log_poles * length)


def rotation(
    frequencies: Tensor, offset: int, length: int, scale: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``(1, length, 1, d / 2)`` fp32 of rotary positions from ``offset`` on.

    Angles in fp32, their sines rounded to ``dtype`` (the reference's order of rounding). Positions are
    divided by ``scale``.
    """
    positions = torch.arange(offset, offset + length, device=frequencies.device, dtype=torch.float32)
    angles = torch.outer(positions / scale, frequencies.float())[None, :, None]
    return at_least_fp32(angles.cos().to(dtype)), at_least_fp32(angles.sin().to(dtype))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, half-split form, of ``(B, L, H, d)``, in fp32; returned in the dtype of ``x``."""
    first, second = at_least_fp32(x).chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.to(x.dtype)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of the last L of K positions, each to itself and those before it.

    Parameters
    ----------
    q : Tensor
        ``(B, H, L, d)``, ``L <= K``.
    k, v : Tensor
        ``(B, H, K, d)``.

    Returns
    -------
    Tensor
        ``(B, H, L, d)``. No mask of L x K is made: CUDA's kernels know the causal corner, elsewhere a mask
        serves one tile of queries.
    """
    length, seen = q.shape[2], k.shape[2]
    if length in (1, seen):
        return F.scaled_dot_product_attention(q, k, v, is_causal=length == seen)
    if q.is_cuda:
        from torch.nn.attention.bias import causal_lower_right  # PyTorch's compiler, seconds

        return F.scaled_dot_product_attention(q, k, v, causal_lower_right(length, seen))
    parts, first = [], seen - length
    for rows in q.split(max(1, _MASK // seen), dim=2):
        end = first + rows.shape[2]
        mask = torch.ones(rows.shape[2], end, dtype=torch.bool, device=q.device).tril(first)
        parts.append(F.scaled_dot_product_attention(rows, k[:, :, :end], v[:, :, :end], mask))
        first = end
    return torch.cat(parts, dim=2)
