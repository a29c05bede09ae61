"""What is trained, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from feature_mining.sae.architectures.registry import kind_of

_LONGEST_WINDOW = 10_000_000
_WINDOW_SHARE = 0.05
PRECISIONS = ("float32", "bfloat16")


def default_learning_rate(d_in: int, d_sae: int, batch: int, steps: int) -> float:
    """Peak rate of Adam for decoder rows of norm 1 and inputs of mean square norm ``d_in``.

    ``8e-3 · √(256 / d_in) · (batch / 2048)^¼ · √(1000 / steps)``, the last factor at most 1, and all of it
    between ``2e-4 · √(2¹⁴ / d_sae)`` and 1.6e-2.

    Notes
    -----
    Adam moves every number by about the rate, and numbers of a row of norm 1 are about ``1 / √d_in`` large.
    Measured by ``benchmarks/sae.py rule`` and ``anchor``. Explained variance alone would hardly ask for less
    with small batches, but features die then: of 1,536 on ``mini`` with batches of 256, 360 at 4.6e-3
    (explained variance 0.909) and 916 at 9.2e-3 (0.911). The floor that long runs reach is the rule of Gao
    et al. 2024 (arXiv 2406.04093), by itself ten times too low for runs of a few million positions.
    """
    rate = 8e-3 * math.sqrt(256 / d_in) * (batch / 2048) ** 0.25
    rate *= min(1.0, math.sqrt(1000 / steps))
    return min(max(rate, 2e-4 * math.sqrt(2**14 / d_sae)), 1.6e-2)


def bias_factor(d_in: int, k: int) -> float:
    """How much faster the encoder's bias learns than all else: ``√(2 · d_in / k)``.

    Notes
    -----
    Adam moves every number by about the rate, whatever it is for. Inputs of mean square norm ``d_in`` give
    active values of about ``√(d_in / k)``, so a bias that is to hold features back has that far to go; the
    weights see the same inputs and have not. On the planted dictionary of ``benchmarks/sae.py`` (256, 32,
    factor 4) a TopK of 1,000 steps recovers 93 % of the true features with it, 89 % without, and F1 of
    their activity is 0.60 (0.59 with a factor of 2.8). A factor 1.4 times as large is no better there and
    leaves more features dead on ``mini`` (209 of 1,536 after 1,000 steps, instead of 141).
    """
    return math.sqrt(2 * d_in / k)


@dataclass(frozen=True)
class TrainConfig:
    """What is trained, and for how long.

    Attributes
    ----------
    d_sae, k : int
        Features; how many are active at a position on average.
    steps, batch : int
        Batches, and positions in each (over all processes that train together).
    architecture : str
        A name of ``registry.ARCHITECTURES``; another raises ``ValueError``.
    learning_rate : float
        Peak rate; 0 for ``default_learning_rate``.
    seed : int
        Of the initial dictionary.
    warmup, decay : float
        Shares of the steps at the start and the end in which the rate rises and falls linearly.
    clip : float
        Largest norm of the gradient.
    dead_window : int
        Positions without activation after which a feature is dead; 0 for 5 % of all, at most ten million.
    model, layer, weights_hash : str
        Where the activations come from, for the provenance lock.
    tied : bool
        Whether the encoder is the transpose of the decoder.
    l1 : float
        Weight of the penalty of ``relu_l1`` and ``gated``; 0 adapts it until ``k`` features are active.
    sites : tuple of int
        Widths of the parts of an input: layers of a crosscoder, input and target of a transcoder; empty for
        an autoencoder of one layer.
    part : int or tuple of int, optional
        Which of the ``sites`` an autoencoder trains on, where the batches hold more: one of them, or several,
        as the input and the target of a transcoder.
    precision : str
        ``float32``, or ``bfloat16`` for products on a GPU with weights kept in float32.
    """

    d_sae: int
    k: int
    steps: int
    batch: int = 2048
    architecture: str = "batch_topk"
    learning_rate: float = 0.0
    seed: int = 0
    warmup: float = 0.05
    decay: float = 0.2
    clip: float = 1.0
    dead_window: int = 0
    model: str = ""
    layer: str = ""
    weights_hash: str = ""
    tied: bool = False
    l1: float = 0.0
    sites: tuple[int, ...] = ()
    precision: str = "float32"
    part: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        kind_of(self.architecture)
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"{self.steps} steps of {self.batch}: both must be at least 1")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.part is not None and not set(self.parts) <= set(range(len(self.sites))):
            raise ValueError(f"part {self.part} of {len(self.sites)} sites")

    @property
    def parts(self) -> tuple[int, ...]:
        """Numbers of the sites that it trains on; one where there are no sites."""
        if self.part is None:
            return tuple(range(max(1, len(self.sites))))
        return (self.part,) if isinstance(self.part, int) else self.part

    def peak_rate(self, d_in: int) -> float:
        """Learning rate after the warm-up, for inputs of this width."""
        return self.learning_rate or default_learning_rate(d_in, self.d_sae, self.batch, self.steps)

    @property
    def window(self) -> int:
        """Positions without activation after which a feature is dead."""
        planned = int(self.steps * self.batch * _WINDOW_SHARE)
        return self.dead_window or max(self.batch, min(_LONGEST_WINDOW, planned))

    def share(self, step: int) -> float:
        """Share of the peak rate in step 0, 1, ..."""
        rise = max(1, round(self.steps * self.warmup))
        fall = max(1, round(self.steps * self.decay))
        return min(1.0, (step + 1) / rise, (self.steps - step) / fall)
