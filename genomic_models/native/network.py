"""What a network of ours is: settings and tensors of a published file in, logits out."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from genomic_models.errors import ModelError


class Said(NamedTuple):
    """What a pass gives: float ``(B, L, vocabulary)``."""

    logits: Tensor


class Network(nn.Module, ABC):
    """A network of a family.

    Attributes
    ----------
    blocks : nn.ModuleList
        Each takes the stream and the mask ``(B, L, 1)`` or what else its network gives, and gives the stream.
    causal : bool
        Whether a place sees no token after it. In bfloat16 rounding would look like sight.
    width, context : int
        Of the stream; longest sequence in tokens.
    renamed : sequence of (str, str)
        Regular expressions that turn names in the published file into ours, one after the other.
    tied : mapping of str to str
        Names of weights that may be missing in the file, as regular expressions, and whose they are then.
    unused : str
        Regular expression of (our) names that the file may hold and that say nothing here.
    """

    renamed: ClassVar[tuple[tuple[str, str], ...]] = ()
    tied: ClassVar[Mapping[str, str]] = {}
    unused: ClassVar[str] = "$^"
    causal: ClassVar[bool] = False

    blocks: nn.ModuleList
    width: int
    context: int

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)

    @abstractmethod
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        """Read tokens ``(B, L)``; the mask is 1 at tokens and 0 at padding."""

    def initialise(self) -> None:
        """Fresh weights as the published settings have them; what a family does otherwise, it overrides."""
        spread = float(self.config.get("initializer_range", 0.02))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d):
                nn.init.normal_(module.weight, std=spread)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def fill(self, state: Mapping[str, Tensor], name: str) -> None:
        """Take the weights of a published file; ``ModelError`` that names what does not fit."""
        ours = {}
        for key, values in state.items():
            for pattern, other in self.renamed:
                key = re.sub(pattern, other, key)
            if not re.search(self.unused, key):
                ours[key] = values
        for key in self.state_dict():
            for pattern, other in self.tied.items():
                if key not in ours and re.search(pattern, key):
                    source = re.sub(pattern, other, key)
                    if source in ours:
                        ours[key] = ours[source]
        try:
            missing, unexpected = self.load_state_dict(ours, strict=False, assign=True)
        except RuntimeError as error:
            raise ModelError(
                f"model {name}: its weights do not fit its config.json ({last_line(error)})"
            ) from error
        if missing or unexpected:
            raise ModelError(
                f"model {name}: its weights do not fit its config.json"
                f" ({len(missing)} missing: {', '.join(missing[:3]) or 'none'};"
                f" {len(unexpected)} of no use: {', '.join(unexpected[:3]) or 'none'})"
            )


class Exact(nn.Module):
    """A part whose numbers stay float32 where the network is moved to another dtype."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Exact:
        return super()._apply(lambda values: values.to(fn(values[:0]).device, torch.float32), recurse)


def require(config: Mapping[str, Any], name: str, expected: Mapping[str, Any]) -> None:
    """Raise ``ModelError`` where a setting is there and has another value than this code computes."""
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ModelError(
                f"{name}: config.json has {key} = {config[key]!r}, of which nothing is known here: expected"
                f" {value!r}"
            )


def figure(config: Mapping[str, Any], key: str) -> int:
    """A whole number of the settings; ``ModelError`` where it is none."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config.json: {key} is {value!r}, expected a whole number above 0")
    return value


class Parts(nn.ModuleDict):
    """Modules under their published names."""

    def __init__(self, /, **parts: nn.Module) -> None:
        super().__init__(parts)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name)


def masked(x: Tensor, mask: Tensor) -> Tensor:
    """The stream ``(B, L, d)`` with padding at 0; the mask is ``(B, L)``."""
    return torch.where(mask[..., None] > 0, x, 0.0)


def last_line(error: Exception) -> str:
    """The telling line of an error of a library."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
