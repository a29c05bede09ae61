"""Causal filters of the Hyena operators: pure functions on tensors, no parameters.

Shapes: B batch, L length, C or D channels, G filter groups, K taps, M modes. Filters run in fp32 (or
complex64), whatever the dtype of the activations, as the reference implementations do.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1 << 24
"""Elements of the largest temporary (channels x modes x length)."""


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
    seen = torch.cat([past, x], dim=2)
    wide, w = seen.float(), weight.float()[:, :, None]
    y = wide[..., taps - 1 : taps - 1 + length] * w[:, taps - 1]
    for tap in range(taps - 1):
        y = torch.addcmul(y, wide[..., tap : tap + length], w[:, tap])
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
    spectrum = torch.fft.rfft(x.float(), n=n) * torch.fft.rfft(
        kernel[..., : x.shape[-1]].float(), n=n
    )
    y = torch.fft.irfft(spectrum, n=n)[..., : x.shape[-1]]
    return y if length is None else y[..., x.shape[-1] - length :]


def modal_filter(log_poles: Tensor, residues: Tensor, length: int) -> Tensor:
    """Impulse response ``Re sum_m residues[m] exp(log_poles[m] j)`` of each channel.

    ``log_poles`` and ``residues`` are ``(D, M)``, fp32 or complex64; returns ``(D, length)`` fp32.
    Summed mode by mode, so that no ``(D, M, length)`` tensor is made.
    """
    steps = torch.arange(length, device=log_poles.device, dtype=torch.float32)
    total = torch.zeros(log_poles.shape[0], length, device=log_poles.device)
    for mode in range(log_poles.shape[1]):
        term = residues[:, mode : mode + 1] * torch.exp(log_poles[:, mode : mode + 1] * steps)
        total = total + (term.real if term.is_complex() else term)
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
        parts.append(part.real if part.is_complex() else part)
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


def rotate(x: Tensor, frequencies: Tensor, offset: int, scale: float) -> Tensor:
    """Rotary embedding, half-split form, of ``(B, L, H, d)`` whose first position is ``offset``.

    Angles in fp32, their sines rounded to the dtype of ``x``, the rotation in fp32 (the reference's
    order of rounding). Positions are divided by ``scale``.
    """
    positions = torch.arange(offset, offset + x.shape[1], device=x.device, dtype=torch.float32)
    angles = torch.outer(positions / scale, frequencies.float())
    cos = angles.cos().to(x.dtype).float()[None, :, None]
    sin = angles.sin().to(x.dtype).float()[None, :, None]
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.to(x.dtype)
