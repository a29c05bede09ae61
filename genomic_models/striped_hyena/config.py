"""What distinguishes one StripedHyena from another.

Figures of the released models are in ``genomic_models.released``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

# Rows of the embedding; only ids 0..255 (bytes) are ever text.
VOCABULARY = 512

Generation = Literal["evo1", "evo2"]
_CUTS = ("mixers", "inners")


@dataclass(frozen=True)
class StripedHyenaConfig:
    """Architecture of a StripedHyena (Evo 1) or StripedHyena 2 (Evo 2) network.

    Attributes
    ----------
    generation : {"evo1", "evo2"}
        Fixes the layout of projections, the filters and the activation functions.
    pattern : str
        One letter a block: for Evo 2 ``S`` short (hcs), ``D`` medium (hcm), ``H`` long (hcl) Hyena
        operator, ``*`` attention; for Evo 1 ``H`` and ``*``. ``-`` is a block that was taken out: its number
        stays, and the stream passes it as it is.
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
    mixers : tuple of int or None
        Of a network that was cut: what is left of each block's mixer, filters (hcl: one a channel) or heads;
        0 of a block that was taken out. None where all are whole.
    inners : tuple of int or None
        Of a network that was cut: the inner width of each block's MLP.
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
    mixers: tuple[int, ...] | None = None
    inners: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        kinds = "SDH*-" if self.generation == "evo2" else "H*"
        if not self.pattern or set(self.pattern) - set(kinds):
            raise ValueError(f"pattern {self.pattern!r}: expected letters of {kinds} for {self.generation}")
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} over {self.heads} heads: head width must be whole and even")
        for groups in (self.groups, self.medium_groups or self.groups):
            if self.width % groups:
                raise ValueError(f"width {self.width} is not a multiple of {groups} filter groups")
        self._check_cut("mixers", self.mixers, [self.whole_mixer(i) for i in range(self.depth)])
        self._check_cut("inners", self.inners, [self.inner * (letter != "-") for letter in self.pattern])

    def _check_cut(self, name: str, given: tuple[int, ...] | None, most: list[int]) -> None:
        if given is None:
            return
        if self.generation != "evo2":
            raise ValueError(f"{name}: only a network of evo2 can be cut")
        fits = [type(n) is int and min(m, 1) <= n <= m for n, m in zip(given, most, strict=False)]
        if len(given) != self.depth or not all(fits):
            raise ValueError(f"{name} {list(given)}: expected a number for every block, from 1 to {most}")

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.pattern)

    def whole_mixer(self, index: int) -> int:
        """Filters or heads of a block's mixer before any cut; 0 of a block that was taken out."""
        counts = {"S": self.groups, "D": self.medium_groups or self.groups, "H": self.width}
        return (counts | {"*": self.heads, "-": 0})[self.pattern[index]]

    def mixer(self, index: int) -> int:
        """Filters or heads of a block's mixer."""
        return self.whole_mixer(index) if self.mixers is None else self.mixers[index]

    def mixer_width(self, index: int) -> int:
        """Channels within a block's mixer."""
        whole = self.whole_mixer(index)
        return self.mixer(index) * (self.width // whole) if whole else 0

    def inner_width(self, index: int) -> int:
        """Inner width of a block's MLP."""
        if self.inners is not None:
            return self.inners[index]
        return 0 if self.pattern[index] == "-" else self.inner

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``config.json``; nothing of cuts where there are none."""
        values = asdict(self)
        for name in _CUTS:
            cut = values.pop(name)
            if cut is not None:
                values[name] = list(cut)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StripedHyenaConfig:
        """Inverse of ``to_dict``; unknown keys raise ``ValueError``."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown configuration keys {sorted(unknown)}")
        return cls(**values | {name: tuple(values[name]) for name in _CUTS if values.get(name) is not None})
