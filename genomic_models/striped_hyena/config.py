"""What distinguishes one StripedHyena from another.

Figures of the released models are in ``genomic_models.released``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

# Rows of the embedding; only ids 0..255 (bytes) are ever text.
VOCABULARY = 512

Generation = Literal["evo1", "evo2"]


@dataclass(frozen=True)
class StripedHyenaConfig:
    """Architecture of a StripedHyena (Evo 1) or StripedHyena 2 (Evo 2) network.

    Attributes
    ----------
    generation : {"evo1", "evo2"}
        Fixes the layout of projections, the filters and the activation functions.
    pattern : str
        One letter a block: for Evo 2 ``S`` short (hcs), ``D`` medium (hcm), ``H`` long (hcl) Hyena
        operator, ``*`` attention; for Evo 1 ``H`` and ``*``.
    width : int
        Channels of the residual stream.
    heads : int
        Attention heads; ``width // heads`` channels each.
    inner : int
        Inner width of the gated MLP.
    groups : int
        Filters of an hcs block; each serves ``width // groups`` neighbouring channels.
    state : int
        Modes of the long filter: 16 real (Evo 2) or 8 complex (Evo 1).
    short_filter, medium_filter : int
        Taps of the hcs and hcm filters.
    medium_groups : int or None
        Filters of an hcm block; None where they are as many as ``groups`` (all released models).
    rotary_base : float
        Base of the rotary frequencies.
    position_scale : float
        Positions are divided by it before rotation.
    context : int
        Longest sequence in tokens.
    fp8_projections : bool
        The weights were trained for, and need, FP8 input projections.
    """

    generation: Generation
    pattern: str
    width: int
    heads: int
    inner: int
    groups: int
    state: int = 16
    short_filter: int = 7
    medium_filter: int = 128
    medium_groups: int | None = None
    rotary_base: float = 10000.0
    position_scale: float = 1.0
    context: int = 8192
    fp8_projections: bool = False

    def __post_init__(self) -> None:
        kinds = "SDH*" if self.generation == "evo2" else "H*"
        if not self.pattern or set(self.pattern) - set(kinds):
            raise ValueError(f"pattern {self.pattern!r}: expected letters of {kinds} for {self.generation}")
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} over {self.heads} heads: head width must be whole and even")
        for groups in (self.groups, self.medium_groups or self.groups):
            if self.width % groups:
                raise ValueError(f"width {self.width} is not a multiple of {groups} filter groups")

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.pattern)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StripedHyenaConfig:
        """Inverse of ``to_dict``; unknown keys raise ``ValueError``."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown configuration keys {sorted(unknown)}")
        return cls(**values)
