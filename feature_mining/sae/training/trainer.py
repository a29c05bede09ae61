"""Training autoencoders on a stream of activation batches.

Adam with warm-up, a flat stretch and linear decay; inputs scaled to mean square norm ``d_in`` (folded away on
export); dead features revived by the auxiliary loss; checkpoints from which a run resumes to the same bytes.
Several autoencoders (seeds, widths, ``k``, architectures) train off one stream, and several processes on
parts of each batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from feature_mining.sae.architectures.ranks import Ranks
from feature_mining.sae.model import require_finite
from feature_mining.sae.training import checkpoint as checkpoints
from feature_mining.sae.training.sites import Batch, SiteScaling, measure_sites, rows_of
from feature_mining.sae.training.train_config import TrainConfig, default_learning_rate
from feature_mining.sae.training.training_run import Metrics, TrainingRun, TrainResult

__all__ = ["Metrics", "Resumable", "TrainConfig", "TrainResult", "Trainer", "default_learning_rate"]

# Batches that scale and centre are taken from; they are trained on as well.
_FIRST_BATCHES = 10


@runtime_checkable
class Resumable(Protocol):
    """A source of batches whose state is saved as JSON values and restored."""

    def state_dict(self) -> dict[str, int]: ...

    def load_state_dict(self, state: dict[str, int]) -> None: ...


class Trainer:
    """Trains one autoencoder, ``Trainer(config).fit(source)``, or several off one stream with ``fit_all``.

    Parameters
    ----------
    configs : TrainConfig
        One for each autoencoder. They share steps, batch and sites; each reads all sites, or the ``part``
        that it names, so that autoencoders, or transcoders, of several layers train off one pass of the
        model.
    ranks : Ranks, optional
        The processes that train together. Each gives its part of every batch, ``batch / count`` rows; the
        result is that of one process with the whole batches. Process 0 writes the checkpoint, which all read.

    Raises
    ------
    ValueError
        Configurations that cannot share a stream; a batch that the processes cannot share evenly.
    """

    def __init__(self, *configs: TrainConfig, ranks: Ranks | None = None) -> None:
        self.configs, self.ranks = configs, ranks or Ranks()
        if len({(c.steps, c.batch, c.sites) for c in configs}) != 1:
            raise ValueError("autoencoders that train together need the same steps, batch and sites")
        self.config = configs[0]
        if self.config.batch % self.ranks.count:
            raise ValueError(
                f"a batch of {self.config.batch} cannot be shared by {self.ranks.count} processes"
            )

    def fit(
        self,
        source: Iterator[Batch],
        progress: Callable[[int, Metrics], None] | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: int = 100,
        should_stop: Callable[[], bool] | None = None,
    ) -> TrainResult:
        """Train, and return the first autoencoder; see ``fit_all``."""
        return self.fit_all(source, progress, checkpoint, checkpoint_every, should_stop)[0]

    def fit_all(
        self,
        source: Iterator[Batch],
        progress: Callable[[int, Metrics], None] | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: int = 100,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[TrainResult]:
        """Train every autoencoder; one that trains with others ends with the same bytes as one alone.

        Parameters
        ----------
        source : iterator of batches, float32
            ``(batch, d_in)``, or as ``sites`` describes. Training runs where its tensors are. It needs
            ``state_dict`` and ``load_state_dict`` where a ``checkpoint`` is given.
        progress : callable, optional
            Called with (steps done, metrics of the first) after each step.
        checkpoint : Path, optional
            File to resume from if it exists, and to write every ``checkpoint_every`` steps and at the end.
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
        waiting: list[Tensor] = []
        if checkpoint is not None and checkpoint.exists():
            scaling, stored = checkpoints.read(checkpoint, self.configs)
            runs = self._new_runs(scaling)
            checkpoints.restore(runs, stored)
            assert isinstance(source, Resumable)
            source.load_state_dict(stored.sources[self.ranks.rank])
        else:
            waiting = self._first_batches(source)
            together = [self.ranks.join(rows) for rows in waiting]
            scaling = measure_sites(together, self.config.sites)
            runs = self._new_runs(scaling)
        stopped = False
        step = runs[0].state.step
        with torch.no_grad(), _denormals_flushed():
            while step < self.config.steps and not stopped:
                rows = waiting.pop(0) if waiting else self._next(source, step)
                metrics = self._step(runs, scaling, rows)
                step += 1
                if progress is not None:
                    progress(step, metrics[0])
                stop = should_stop is not None and should_stop()
                stopped = self.ranks.total(float(stop)) > 0
                due = step % checkpoint_every == 0 or step == self.config.steps or stopped
                # The source is past the first batches already: its state is no point to resume from.
                if checkpoint is not None and due and not waiting:
                    assert isinstance(source, Resumable)
                    states = self.ranks.collect(source.state_dict())
                    if self.ranks.rank == 0:
                        checkpoints.write(checkpoint, scaling, runs, states)
        return [run.result() for run in runs]

    # -- steps --------------------------------------------------------------------------------

    def _new_runs(self, scaling: SiteScaling) -> list[TrainingRun]:
        return [TrainingRun(config, scaling, self.ranks) for config in self.configs]

    def _step(self, runs: list[TrainingRun], scaling: SiteScaling, rows: Tensor) -> list[Metrics]:
        """Train every autoencoder on its part of a batch."""
        parts = scaling.apply(rows)
        counts = [int(self.ranks.total(clipped)) for _, clipped in parts]
        whole: dict[tuple[int, ...], Tensor] = {}
        for own in {run.config.parts for run in runs}:
            pieces = [parts[part][0] for part in own]
            whole[own] = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
        return [
            run.step(whole[own], sum(counts[i] for i in own)) for run in runs for own in [run.config.parts]
        ]

    def _first_batches(self, source: Iterator[Batch]) -> list[Tensor]:
        count = min(_FIRST_BATCHES, self.config.steps)
        waiting = [self._own(batch) for batch in islice(source, count)]
        if len(waiting) < count:
            raise ValueError(f"the source ended after {len(waiting)} of {self.config.steps} batches")
        return waiting

    def _next(self, source: Iterator[Batch], step: int) -> Tensor:
        batch = next(source, None)
        if batch is None:
            raise ValueError(f"the source ended after {step} of {self.config.steps} batches")
        rows = self._own(batch)
        require_finite(rows)
        return rows

    def _own(self, batch: Batch) -> Tensor:
        rows = rows_of(batch, self.config.sites)
        own = self.config.batch // self.ranks.count
        if self.ranks.count > 1 and len(rows) != own:
            raise ValueError(f"a batch of {len(rows)} rows; each process must give {own}")
        return rows


class _denormals_flushed:
    """Moments of rare features decay to denormal numbers, on which a CPU is many times slower."""

    def __enter__(self) -> None:
        self.before = float(torch.tensor(1e-39) * 1) == 0.0
        torch.set_flush_denormal(True)

    def __exit__(self, *_: object) -> None:
        torch.set_flush_denormal(self.before)
