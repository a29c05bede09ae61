"""One pass through a network: its taps are read and edited, and it ends at the last one needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from genomic_models.contract import Edit, TapContext
from genomic_models.errors import ModelError


class Reached(Exception):
    """The tap at which a pass was to stop has been read."""


@dataclass(frozen=True)
class Put:
    """An edit that puts activations ``(B, L, d)`` in, whatever stood there.

    A network that can begin at its tap leaves out what only leads to it.
    """

    values: Tensor

    def __call__(self, x: Tensor, context: TapContext) -> Tensor:
        return self.values.to(x)


class Probe:
    """Is called with each tap's activations; gives what the network goes on with.

    Raises ``Reached`` at ``until``, and ``ModelError`` for an edit that changes the shape.
    """

    def __init__(
        self, ids: Tensor, offset: int, taps: Sequence[str], until: str | None, edits: Mapping[str, Edit]
    ) -> None:
        self.ids, self.offset, self.taps, self.until, self.edits = ids, offset, taps, until, edits
        self.watched = {*taps, *edits, until}
        self._read: dict[str, Tensor] = {}

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name in self.edits:
            edited = self.edits[name](x, TapContext(name, self.offset, self.ids))
            if edited.shape != x.shape:
                raise ModelError(
                    f"edit at {name} returned shape {tuple(edited.shape)}, expected {tuple(x.shape)}"
                )
            x = edited.to(x.dtype)
        if name in self.taps:
            self._read[name] = x
        if name == self.until:
            raise Reached
        return x

    def begin(self, layers: Sequence[str]) -> str:
        """The first tap of the pass, of those of a network in order, where a `Put` is there; else ""."""
        first = next((name for name in layers if name in self.watched), "")
        return first if isinstance(self.edits.get(first), Put) else ""

    def read(self) -> dict[str, Tensor]:
        """Activations of the taps; ``ModelError`` where the pass stopped before one of them."""
        if missed := [name for name in self.taps if name not in self._read]:
            raise ModelError(f"the pass was to stop at {self.until}, before {', '.join(missed)}")
        return self._read


def hooked(
    handles: Iterable[RemovableHandle], gradients: bool, say: Callable[[], Tensor | None]
) -> Tensor | None:
    """What ``say`` gives of a hooked network; None where the pass stopped at a tap. Hooks end with it."""
    try:
        with torch.enable_grad() if gradients else torch.inference_mode():
            return say()
    except Reached:
        return None
    finally:
        for handle in handles:
            handle.remove()


def require_gradient(model: str, logits: Tensor | None) -> None:
    """Raise ``ModelError`` where what a network says carries no gradient of what edits put into it."""
    if logits is not None and not logits.requires_grad:
        raise ModelError(
            f"model {model} cannot be differentiated: its network switches gradients off; expected one whose"
            " output carries them"
        )


def after(visit: Callable[[str, Tensor], Tensor], name: str) -> Any:
    """Hook on a module's output: a tensor, or a tuple that begins with it."""

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return (visit(name, output[0]), *output[1:])
        return visit(name, output)

    return hook
