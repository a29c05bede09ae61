"""Products of float32 matrices on a CPU by oneDNN, which PyTorch has and asks for narrower types alone.

MKL, which it asks for these, takes 1.14 to 1.25 times as long on an AMD processor.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# The operator is that of PyTorch's compiler, not everyone's.
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` for ``x`` (..., d), ``weight`` (m, d) and ``bias`` (m), as ``F.linear``.

    By oneDNN for float32 on a CPU where nothing is to be differentiated; by PyTorch's own choice elsewhere.
    """
    learns = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    plain = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    if ONEDNN and plain and not learns:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return F.linear(x, weight, bias)
