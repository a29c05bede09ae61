"""The kinds of edits: small frozen objects that say what becomes of one feature.

Strengths are in units of a feature's own 99.9 % activation on the calibration sample. Edits of features act
in delta form, ``x + (f' - f) W_dec``: what the autoencoder does not explain stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from feature_mining.edits.places import Strength, Where, as_text, check_strength

# The same at all positions, or ``(L,)``.
Slope = float | Tensor


@dataclass(frozen=True)
class FeatureEdit:
    """What the edits share.

    Attributes
    ----------
    layer : str
        Tap whose autoencoder the feature is of.
    feature : int
    where : Where
    """

    kind: ClassVar[str]
    layer: str
    feature: int
    where: Where = field(default=Where(), kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str) or not isinstance(self.where, Where):
            raise ValueError(f"layer {self.layer!r}: expected the name of a layer, and places")
        if isinstance(self.feature, bool) or not isinstance(self.feature, int) or self.feature < 0:
            raise ValueError(f"feature {self.feature!r}: expected a number from 0")

    @property
    def features(self) -> tuple[int, ...]:
        """Features that it reads or changes."""
        return (self.feature,)

    def told(self) -> str:
        """What it does, for people."""
        return f"feature {self.feature}"

    def __str__(self) -> str:
        return f"{self.layer}: {self.kind} {self.told()}, {self.where}"


@dataclass(frozen=True)
class _Strong(FeatureEdit):
    strength: Strength

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "strength", check_strength(self.strength, f"{self.kind} strength"))

    def told(self) -> str:
        return f"feature {self.feature} by {as_text(self.strength)}"


@dataclass(frozen=True)
class Steer(_Strong):
    """Adds ``strength`` to a feature, active or not."""

    kind: ClassVar[str] = "steer"

    def line(self, strength: Slope, unit: float, mean: float) -> tuple[Slope, Slope]:
        """Factor and summand that make the feature's new values of those before."""
        return 1.0, strength * unit


@dataclass(frozen=True)
class Clamp(_Strong):
    """Sets a feature to ``strength``."""

    kind: ClassVar[str] = "clamp"

    def told(self) -> str:
        return f"feature {self.feature} to {as_text(self.strength)}"

    def line(self, strength: Slope, unit: float, mean: float) -> tuple[Slope, Slope]:
        """Factor and summand that make the feature's new values of those before."""
        return 0.0, strength * unit


@dataclass(frozen=True)
class Scale(_Strong):
    """Multiplies a feature by ``strength``, a plain factor."""

    kind: ClassVar[str] = "scale"

    def line(self, strength: Slope, unit: float, mean: float) -> tuple[Slope, Slope]:
        """Factor and summand that make the feature's new values of those before."""
        return strength, 0.0


@dataclass(frozen=True)
class Ablate(FeatureEdit):
    """Sets a feature to zero, or to its mean over all positions (``to`` is ``zero`` or ``mean``)."""

    kind: ClassVar[str] = "ablate"
    to: str = "zero"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to not in ("zero", "mean"):
            raise ValueError(f"ablate to {self.to!r}: expected 'zero' or 'mean'")

    def told(self) -> str:
        return f"feature {self.feature} to {'its mean' if self.to == 'mean' else 'zero'}"

    def line(self, strength: Slope, unit: float, mean: float) -> tuple[Slope, Slope]:
        """Factor and summand that make the feature's new values of those before."""
        return 0.0, mean if self.to == "mean" else 0.0


@dataclass(frozen=True)
class Swap(FeatureEdit):
    """Exchanges two features, each in units of its own."""

    kind: ClassVar[str] = "swap"
    other: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.other, int) or self.other == self.feature or self.other < 0:
            raise ValueError(f"swap of {self.feature} and {self.other}: expected two features")

    @property
    def features(self) -> tuple[int, ...]:
        return (self.feature, self.other)

    def told(self) -> str:
        return f"features {self.feature} and {self.other}"


@dataclass(frozen=True)
class Patch(FeatureEdit):
    """Sets a feature to values that it had in another sequence.

    ``values`` are activations, as they are, of consecutive positions from ``start``; nothing happens outside.
    """

    kind: ClassVar[str] = "patch"
    values: tuple[float, ...]
    start: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        if (
            not self.values
            or not isinstance(self.start, int)
            or self.start < 0
            or not torch.isfinite(torch.tensor(self.values)).all()
        ):
            raise ValueError("patch: expected finite values from a position of at least 0")

    def told(self) -> str:
        return f"feature {self.feature} at {self.start}-{self.start + len(self.values)}"


@dataclass(frozen=True)
class Project(_Strong):
    """Acts on the activation along the direction that a feature writes, active or not.

    ``form`` ``orthogonal``: the part along it is multiplied by ``strength``, so 0 takes it out. ``cap``: it
    is held at or below ``strength``.
    """

    kind: ClassVar[str] = "project"
    form: str = "orthogonal"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form not in ("orthogonal", "cap"):
            raise ValueError(f"project {self.form!r}: expected 'orthogonal' or 'cap'")

    def told(self) -> str:
        verb = "times" if self.form == "orthogonal" else "at most"
        return f"feature {self.feature} along its direction, {verb} {as_text(self.strength)}"


@dataclass(frozen=True)
class Push(_Strong):
    """Adds a random direction, as long as what `Steer` of the feature adds: its control.

    ``seed`` draws the direction, even over the sphere, anew for each feature.
    """

    kind: ClassVar[str] = "push"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"push seed {self.seed!r}: expected a number from 0")

    def told(self) -> str:
        return f"random direction {self.seed}, as far as feature {self.feature} by {as_text(self.strength)}"


Edit = Steer | Clamp | Scale | Ablate | Swap | Patch | Project | Push
KINDS: dict[str, type[Edit]] = {
    kind.kind: kind for kind in (Steer, Clamp, Scale, Ablate, Swap, Patch, Project, Push)
}
