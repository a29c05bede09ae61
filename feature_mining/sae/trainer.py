"""Training an autoencoder on a stream of activations.

Adam with warm-up and linear decay; activations scaled to a mean square of 1 a channel; outlier positions
clipped and counted; decoder gradients projected and rows renormalised; dead features revived. A run resumes
bit for bit from its checkpoint.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from feature_mining.sae.model import SAEConfig, SparseAutoencoder, save_tensors
from feature_mining.sae.registry import architecture
from feature_mining.sae.source import Source

_STATE = "trainer.safetensors"
_PROGRESS = "trainer.json"
_WARMUP, _DECAY = 0.05, 0.2
_OUTLIER = 10.0
_STATISTICS_BATCHES = 10


@dataclass(frozen=True)
class TrainConfig:
    """How an autoencoder is trained.

    Attributes
    ----------
    architecture : str
    d_sae, k : int
    tokens, batch : int
        Positions in all, and of a step.
    learning_rate : float
        Peak; 0 for ``default_learning_rate``.
    seed : int
    checkpoint_every : int
        Steps.
    """

    d_sae: int
    k: int
    tokens: int
    batch: int = 2048
    architecture: str = "batch_topk"
    learning_rate: float = 0.0
    seed: int = 0
    checkpoint_every: int = 100

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return max(1, self.tokens // self.batch)

    @property
    def dead_after(self) -> int:
        """Positions without firing after which a feature counts as dead: 5 % of the run, at most 10 M."""
        return max(4 * self.batch, min(10_000_000, self.tokens // 20))


def default_learning_rate(d_sae: int, batch: int) -> float:
    """8e-3 at 2,048 features and batches of 2,048 (best of a sweep), falling with the root of the width.

    The root follows Gao et al. 2024; the constant was measured with unit-norm decoders on a planted
    dictionary of 256 channels.
    """
    return 8e-3 * math.sqrt(2048 / max(2048, d_sae)) * math.sqrt(min(batch, 4096) / 2048)


class Metrics(NamedTuple):
    """Where training is: step, steps, mean squared error (of unit variance scale), L0, dead features."""

    step: int
    steps: int
    mse: float
    l0: float
    dead: int


class Trainer:
    """Trains one autoencoder; its state lives in ``folder``.

    Raises ``ValueError`` for activations that are not finite, constant or all zero.
    """

    def __init__(self, config: TrainConfig, source: Source, folder: Path) -> None:
        self.config, self.source, self.folder = config, source, folder
        self.step, self.clipped = 0, 0
        self.history: list[list[float]] = []
        start = source.state()
        sample = torch.cat([source.next_batch() for _ in range(_STATISTICS_BATCHES)])
        source.restore(start)
        _check(sample)
        norms = sample.norm(dim=1)
        self.limit = float(_OUTLIER * norms.median())
        kept = sample[norms <= self.limit]
        self.scale = float(kept.square().mean().sqrt())
        centre = kept.mean(dim=0) / self.scale
        build = architecture(config.architecture)
        self.sae = build(sample.shape[1], config.d_sae, config.k, centre, config.seed)
        self.rate = config.learning_rate or default_learning_rate(config.d_sae, config.batch)
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=self.rate, fused=True)
        self.silent = torch.zeros(config.d_sae, dtype=torch.long)
        if (folder / _PROGRESS).exists():
            self._resume()

    def _rate_at(self, step: int) -> float:
        steps = self.config.steps
        rise, fall = max(1, round(_WARMUP * steps)), max(1, round(_DECAY * steps))
        return self.rate * min((step + 1) / rise, (steps - step) / fall, 1.0)

    def _train_step(self) -> Metrics:
        x = self.source.next_batch()
        norms = x.norm(dim=1, keepdim=True)
        outlying = norms > self.limit
        self.clipped += int(outlying.sum())
        x = torch.where(outlying, x * (self.limit / norms), x) / self.scale
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate_at(self.step)
        result = self.sae(x, self.silent >= self.config.dead_after)
        if not torch.isfinite(result.loss):
            raise ValueError(
                f"the loss is {result.loss.item()} at step {self.step}: activations are not finite, or the"
                " learning rate is too high"
            )
        self.optimizer.zero_grad()
        result.loss.backward()
        self.sae.project_gradient()
        torch.nn.utils.clip_grad_norm_(self.sae.parameters(), 1.0)
        self.optimizer.step()
        self.sae.normalise()
        self.silent = torch.where(result.fired, 0, self.silent + len(x))
        self.step += 1
        dead = int((self.silent >= self.config.dead_after).sum())
        return Metrics(self.step, self.config.steps, float(result.mse), result.l0, dead)

    def run(
        self,
        report: Callable[[Metrics], None] = lambda metrics: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end; false if ``should_stop`` ended it first. Either way the state is on disk."""
        every = max(1, self.config.steps // 200)
        while self.step < self.config.steps and not should_stop():
            metrics = self._train_step()
            if self.step % every == 0:
                self.history.append([metrics.step, metrics.mse, metrics.l0, metrics.dead])
            if self.step % self.config.checkpoint_every == 0:
                self.save()
            report(metrics)
        self.save()
        return self.step >= self.config.steps

    def export(self, model: str = "", layer: str = "", weights_hash: str = "") -> SparseAutoencoder:
        """The inference form, not yet calibrated (threshold 0)."""
        tensors = self.sae.export(self.scale)
        config = SAEConfig(
            self.config.architecture,
            tensors["W_enc"].shape[0],
            self.config.d_sae,
            self.config.k,
            True,
            model,
            layer,
            weights_hash,
        )
        return SparseAutoencoder(config, tensors)

    # -- state --------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state; the small file that names the large one is renamed last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {f"sae.{k}": v for k, v in self.sae.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            for key, value in values.items():
                tensors[f"adam.{index}.{key}"] = value
        tensors["silent"] = self.silent
        name = f"{self.step}.{_STATE}"
        save_tensors({k: v.detach().clone() for k, v in tensors.items()}, self.folder / name)
        stamp = {
            "step": self.step,
            "clipped": self.clipped,
            "scale": self.scale,
            "limit": self.limit,
            "source": self.source.state(),
            "config": asdict(self.config),
            "history": self.history,
        }
        temporary = self.folder / f".{_PROGRESS}.tmp-{os.getpid()}"
        temporary.write_text(json.dumps(stamp))
        temporary.replace(self.folder / _PROGRESS)
        for old in self.folder.glob(f"*.{_STATE}"):
            if old.name != name:
                old.unlink()

    def _resume(self) -> None:
        stamp = json.loads((self.folder / _PROGRESS).read_text())
        if stamp["config"] != asdict(self.config):
            raise ValueError(
                f"{self.folder} holds the state of a run with other settings: remove it or restore them"
            )
        self.step, self.clipped = stamp["step"], stamp["clipped"]
        self.scale, self.limit = stamp["scale"], stamp["limit"]
        self.history = stamp["history"]
        self.source.restore(stamp["source"])
        tensors = load_file(self.folder / f"{self.step}.{_STATE}")
        self.sae.load_state_dict(
            {k.removeprefix("sae."): v for k, v in tensors.items() if k.startswith("sae.")}
        )
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, field = key.split(".", 2)
                held.setdefault(int(index), {})[field] = value
        packed = self.optimizer.state_dict()
        packed["state"] = held
        self.optimizer.load_state_dict(packed)
        self.silent = tensors["silent"]


def _check(sample: Tensor) -> None:
    if not torch.isfinite(sample).all():
        raise ValueError("the activations hold NaN or infinite values: check the model and its dtype")
    if not sample.any():
        raise ValueError("the activations are all zero: choose another layer")
    if (sample - sample[0]).abs().max() == 0:
        raise ValueError("the activations are the same at every position: choose another layer")
