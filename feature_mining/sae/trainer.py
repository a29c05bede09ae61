"""Training an autoencoder on a stream of activation batches.

Adam with warm-up, a flat stretch and linear decay; inputs scaled to mean square norm ``d_in`` (folded away on
export); dead features helped by the auxiliary loss; checkpoints from which a run goes on to the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae import checkpoint as checkpoints
from feature_mining.sae.model import SAEConfig, SparseAutoencoder, require_finite
from feature_mining.sae.registry import Architecture, start
from feature_mining.sae.scaling import Scaling, measure_scaling
from feature_mining.sae.start import Start

Metrics = dict[str, float]
Batch = Tensor | np.ndarray

_FIRST_LOOK = 10
"""Batches that scale and centre are taken from; they are trained on as well."""
_LONGEST_WINDOW = 10_000_000
_WINDOW_SHARE = 0.05
_CUT_DECAY = 0.99
_HISTORY = 200
"""Lines of history a run leaves, at most."""


def default_learning_rate(d_sae: int, batch: int, steps: int) -> float:
    """Peak rate of Adam for decoder rows of norm 1 and inputs of mean square norm ``d_in``.

    ``8e-3 · √(2048 / d_sae) · √(batch / 2048) · √(1000 / steps)``, the last factor at most 1, and all of it
    between ``2e-4 · √(2¹⁴ / d_sae)`` and 1.6e-2.

    Notes
    -----
    The anchor is measured: 8e-3 was best of 5.7e-4 ... 1.6e-2 for 2,048 features, batches of 2,048 and
    1,000 steps. The fall with width, and the floor that long runs reach, are the rule of Gao et al. 2024
    (arXiv 2406.04093), which by itself is ten times too low for runs of a few million positions.
    """
    width = math.sqrt(2048 / d_sae)
    rate = 8e-3 * width * math.sqrt(batch / 2048) * min(1.0, math.sqrt(1000 / steps))
    return min(max(rate, 2e-4 * math.sqrt(2**14 / d_sae)), 1.6e-2)


@dataclass(frozen=True)
class TrainConfig:
    """What is trained, and for how long.

    Attributes
    ----------
    d_sae, k : int
        Features; how many are active at a base on average.
    steps, batch : int
        Batches, and positions in each.
    architecture : str
        A name of ``registry.ARCHITECTURES``.
    learning_rate : float
        Peak rate; 0 for ``default_learning_rate``.
    seed : int
        Of the initial dictionary.
    warmup, decay : float
        Shares of the steps at the start and the end in which the rate rises and falls linearly.
    clip : float
        Largest norm of the gradient.
    dead_window : int
        Positions without firing after which a feature is dead; 0 for 5 % of all, at most ten million.
    model, layer, weights_hash : str
        Where the activations come from, for the provenance lock.
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

    @property
    def peak_rate(self) -> float:
        """Learning rate after the warm-up."""
        return self.learning_rate or default_learning_rate(self.d_sae, self.batch, self.steps)

    @property
    def window(self) -> int:
        """Positions without firing after which a feature is dead."""
        planned = int(self.steps * self.batch * _WINDOW_SHARE)
        return self.dead_window or max(self.batch, min(_LONGEST_WINDOW, planned))

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
        rise = max(1, round(self.steps * self.warmup))
        fall = max(1, round(self.steps * self.decay))
        return self.peak_rate * min(1.0, (step + 1) / rise, (self.steps - step) / fall)


@runtime_checkable
class Resumable(Protocol):
    """A source of batches that can tell where it is, in JSON values, and go on from there."""

    def state_dict(self) -> dict[str, int]: ...

    def load_state_dict(self, state: dict[str, int]) -> None: ...


class TrainResult(NamedTuple):
    """A finished or stopped training run.

    sae : with the running mean of batch cuts as threshold; ``calibrate`` sets the final one
    finished : False when ``should_stop`` ended it
    history : {step, mse, l0, dead} of up to 200 steps
    clipped : positions with outlying norms that were shortened
    dead : features silent over the dead window at the end
    """

    sae: SparseAutoencoder
    finished: bool
    steps: int
    tokens: int
    learning_rate: float
    final_mse: float
    clipped: int
    dead: int
    history: list[Metrics]


@dataclass
class Run:
    """All that changes while training, and so all that a checkpoint holds."""

    scaling: Scaling
    weights: Architecture
    optimiser: torch.optim.Adam
    silent: Tensor
    step: int = 0
    clipped: int = 0
    cut_sum: float = 0.0
    cut_weight: float = 0.0
    final_mse: float = math.nan
    history: list[Metrics] = field(default_factory=list)


class Trainer:
    """Trains one autoencoder; ``Trainer(config).fit(source)``."""

    def __init__(self, config: TrainConfig) -> None:
        if config.steps < 1 or config.batch < 1:
            raise ValueError(f"{config.steps} steps of {config.batch}: both must be at least 1")
        self.config = config

    def fit(
        self,
        source: Iterator[Batch],
        progress: Callable[[int, Metrics], None] | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: int = 100,
        should_stop: Callable[[], bool] | None = None,
    ) -> TrainResult:
        """Train.

        Parameters
        ----------
        source : iterator of ``(batch, d_in)`` float32
            Training runs where its tensors are. It needs ``state_dict`` and ``load_state_dict`` where a
            ``checkpoint`` is given.
        progress : callable, optional
            Called with (steps done, metrics) after each step.
        checkpoint : Path, optional
            File to go on from if it is there, and to write every ``checkpoint_every`` steps and at the end.
        should_stop : callable, optional
            Asked after each step; True ends the run after a checkpoint.

        Raises
        ------
        ValueError
            Activations that are zero, constant or not finite; a source that ends early; a checkpoint of
            another configuration.
        """
        if checkpoint is not None and not isinstance(source, Resumable):
            raise ValueError("a checkpoint needs a source with state_dict and load_state_dict")
        resumed = checkpoint is not None and checkpoint.exists()
        waiting: list[Tensor] = []
        if resumed:
            assert checkpoint is not None
            run = self._resume(checkpoint, source)
        else:
            look = min(_FIRST_LOOK, self.config.steps)
            waiting = [_tensor(b) for b in islice(source, look)]
            if len(waiting) < look:
                raise ValueError(
                    f"the source ended after {len(waiting)} of {self.config.steps} batches"
                )
            run = self._begin(measure_scaling(waiting))
        stopped = False
        with torch.no_grad(), _denormals_flushed():
            while run.step < self.config.steps and not stopped:
                rows = waiting.pop(0) if waiting else self._next(source, run.step)
                metrics = self._step(run, rows)
                if progress is not None:
                    progress(run.step, metrics)
                stopped = should_stop is not None and should_stop()
                due = run.step % checkpoint_every == 0 or run.step == self.config.steps or stopped
                # Batches of the first look are behind the source already: nothing to go on from.
                if checkpoint is not None and due and not waiting:
                    assert isinstance(source, Resumable)
                    checkpoints.write(checkpoint, self.config, run, source.state_dict())
        return self._result(run)

    # -- parts --------------------------------------------------------------------------------

    def _begin(self, scaling: Scaling) -> Run:
        generator = torch.Generator().manual_seed(self.config.seed)
        given = Start(self.config.d_sae, self.config.k, scaling.mean, scaling.variance, generator)
        weights = start(self.config.architecture, given)
        parameters = list(weights.parameters().values())
        optimiser = torch.optim.Adam(parameters, betas=(0.9, 0.999), fused=True)
        silent = torch.zeros(self.config.d_sae, dtype=torch.int64, device=scaling.mean.device)
        return Run(scaling, weights, optimiser, silent)

    def _resume(self, path: Path, source: Iterator[Batch]) -> Run:
        scaling, stored = checkpoints.read(path, self.config)
        run = self._begin(scaling)
        checkpoints.restore(run, stored)
        assert isinstance(source, Resumable)
        source.load_state_dict(stored.source)
        return run

    def _next(self, source: Iterator[Batch], step: int) -> Tensor:
        batch = next(source, None)
        if batch is None:
            raise ValueError(f"the source ended after {step} of {self.config.steps} batches")
        rows = _tensor(batch)
        require_finite(rows)
        return rows

    def _step(self, run: Run, rows: Tensor) -> Metrics:
        x, clipped = run.scaling.apply(rows)
        outcome = run.weights.gradients(x, run.silent >= self.config.window)
        if not math.isfinite(outcome.mse):
            raise ValueError(
                f"training diverged at step {run.step + 1}: use a learning rate below"
                f" {self.config.peak_rate:.2g}"
            )
        parameters = list(run.weights.parameters().values())
        torch.nn.utils.clip_grad_norm_(parameters, self.config.clip)
        run.optimiser.param_groups[0]["lr"] = self.config.rate(run.step)
        run.optimiser.step()
        run.weights.constrain()
        run.silent += len(x)
        run.silent[outcome.fired] = 0
        run.step += 1
        run.clipped += clipped
        run.cut_sum = _CUT_DECAY * run.cut_sum + (1 - _CUT_DECAY) * outcome.cut
        run.cut_weight = _CUT_DECAY * run.cut_weight + (1 - _CUT_DECAY)
        run.final_mse = outcome.mse
        dead = int((run.silent >= self.config.window).sum())
        metrics = {"mse": outcome.mse, "aux": outcome.aux, "l0": outcome.l0, "dead": float(dead)}
        every = -(-self.config.steps // _HISTORY)
        if run.step % every == 0 or run.step == self.config.steps:
            line = {"step": run.step, "mse": outcome.mse, "l0": outcome.l0, "dead": dead}
            run.history.append(line)
        return metrics

    def _result(self, run: Run) -> TrainResult:
        c = self.config
        tensors = run.weights.folded(run.scaling.scale, run.cut_sum / max(run.cut_weight, 1e-12))
        sae = SparseAutoencoder(
            **{name: tensor.cpu() for name, tensor in tensors.items()},
            config=SAEConfig(
                architecture=c.architecture,
                d_in=len(run.scaling.mean),
                d_sae=c.d_sae,
                k=c.k,
                apply_b_dec_to_input=True,
                model=c.model,
                layer=c.layer,
                weights_hash=c.weights_hash,
                provenance={"steps": run.step, "tokens": run.step * c.batch, "seed": c.seed},
            ),
        )
        return TrainResult(
            sae=sae,
            finished=run.step == c.steps,
            steps=run.step,
            tokens=run.step * c.batch,
            learning_rate=c.peak_rate,
            final_mse=run.final_mse,
            clipped=run.clipped,
            dead=int((run.silent >= c.window).sum()),
            history=run.history,
        )


def _tensor(batch: Batch) -> Tensor:
    rows = torch.from_numpy(batch) if isinstance(batch, np.ndarray) else batch
    if rows.ndim != 2:
        raise ValueError(f"a batch of shape {tuple(rows.shape)}; expected (batch, d_in)")
    return rows.float().contiguous()


class _denormals_flushed:
    """Moments of rare features decay to denormal numbers, on which a CPU is many times slower."""

    def __enter__(self) -> None:
        self.before = float(torch.tensor(1e-39) * 1) == 0.0
        torch.set_flush_denormal(True)

    def __exit__(self, *_: object) -> None:
        torch.set_flush_denormal(self.before)
