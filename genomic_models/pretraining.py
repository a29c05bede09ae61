"""Training of a small Evo-style model on a corpus of genomes.

Next-base cross-entropy on windows of both strands, each epoch cut at a fresh phase; held-out blocks of
every record never enter a step. Hidden matrices are trained with Muon (Jordan et al. 2024, as shipped
in ``torch.optim`` from 2.9; AdamW before), everything else with AdamW. The rate rises, stays, and falls
at the end (warm-up-stable-decay), so that a run can be lengthened or ended early: until the fall begins,
nothing depends on how long the run will be. What a step does depends on the seed and the step's number
alone, so a stopped run continues as if it had not stopped. A run begins with fresh weights, or with those
of a network that exists, under fresh optimisers and a schedule of its own.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from genomic_models.contract import ModelError
from genomic_models.corpus import Corpus
from genomic_models.dna import BASES
from genomic_models.files import write_whole
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.layers import LongFilter
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from genomic_models.striped_hyena.network import StripedHyena, initialise

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_STATE = "trainer.safetensors"
_PROGRESS = "progress.json"
_BASES = torch.tensor([ord(b) for b in BASES])


@dataclass(frozen=True)
class PretrainConfig:
    """How a model is trained.

    Attributes
    ----------
    tokens : int
        Bases to read in all; fixes the number of steps and where the learning rate begins to fall.
    length, batch : int
        Bases of a window, windows of a step.
    learning_rate, weight_decay : float
        Peak rate; decay of matrices.
    warmup : int
        Bases over which the rate rises, but a tenth of the run at most.
    decay : float
        Share of the run, at its end, over which the rate falls to zero.
    holdout, block : float, int
        Share of each record held out, in blocks of ``block`` bases.
    reach : float
        Longest time constant of a long filter, in bases; 0 for any. A filter that forgets slowly tells how
        far into its window a base is, and gains next to nothing in bits; attention sees the whole window.
        A run that begins with the weights of another model begins with that model's filters within it.
    seed : int
    autocast, compile : bool
        bf16 matrix products; ``torch.compile`` (1.4 times faster on a CPU after a minute or two).
    checkpoint_every : float
        Seconds from one saved state to the next.
    evaluate_every : int
        Steps.
    """

    tokens: int
    length: int = 2048
    batch: int = 4
    learning_rate: float = 4e-3
    warmup: int = 500_000
    decay: float = 0.2
    weight_decay: float = 0.05
    holdout: float = 0.01
    block: int = 32768
    reach: float = 128.0
    seed: int = 0
    autocast: bool = True
    compile: bool = False
    checkpoint_every: float = 120.0
    evaluate_every: int = 250

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return max(1, self.tokens // (self.length * self.batch))


@dataclass(frozen=True)
class Progress:
    """Where a run is: step, tokens read, training and held-out bits a base."""

    step: int
    steps: int
    tokens: int
    bits: float
    heldout_bits: float | None


class _Decay(nn.Module):
    """``log_poles = -exp(q) - slowest``: poles stay in the unit circle, slow and fast modes learn alike."""

    def __init__(self, reach: float) -> None:
        super().__init__()
        self.slowest = 1 / reach if reach else 0.0

    def forward(self, q: Tensor) -> Tensor:
        return -torch.exp(q) - self.slowest

    def right_inverse(self, log_poles: Tensor) -> Tensor:
        # What is slower begins next to the bound: at the bound itself nothing would be learnt.
        return torch.log(torch.clamp(-log_poles - self.slowest, min=self.slowest / 16))


def _is_poles(name: str) -> bool:
    """Whether a tensor of a network in training is the ``q`` of `_Decay`."""
    return "parametrizations" in name


def _optimizers(network: nn.Module, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    matrices: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, p in network.named_parameters():
        if p.ndim == 2 and name.startswith("blocks.") and name.endswith(".weight"):
            matrices.append(p)
        else:
            (plain if "embedding" in name or name.endswith("h") else kept).append(p)
    groups = [{"params": plain, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    if not hasattr(torch.optim, "Muon"):
        groups.append({"params": matrices, "weight_decay": config.weight_decay})
        return [torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))]
    muon = torch.optim.Muon(
        matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))]


def learning_rate_at(step: int, config: PretrainConfig) -> float:
    """Share of the peak rate at a step: a linear rise, a plateau, and ``1 - sqrt`` down to zero.

    Hägele et al. 2024 (arXiv:2405.18392) found this fall the best of a schedule with a plateau.
    """
    rise = max(1, min(config.warmup // (config.length * config.batch), config.steps // 10))
    fall = max(1, round(config.decay * config.steps))
    fallen = max(0, step - (config.steps - fall)) / fall
    return min(1.0, (step + 1) / rise) * (1 - math.sqrt(fallen))


class Pretrainer:
    """Trains a network on a corpus and keeps its state in a folder.

    Parameters
    ----------
    architecture : StripedHyenaConfig
    config : PretrainConfig
    corpus : Corpus
    folder : Path
        Receives ``model.safetensors``, ``config.json`` and the trainer's state. A run that finds state
        of the same architecture and origin there is resumed.
    device : str
    origin : StripedHyenaModel or None
        Whose weights the run begins with, of this architecture (but for the context); None for fresh ones.
    """

    def __init__(
        self,
        architecture: StripedHyenaConfig,
        config: PretrainConfig,
        corpus: Corpus,
        folder: Path,
        device: str = "cpu",
        origin: StripedHyenaModel | None = None,
    ) -> None:
        self.config, self.corpus, self.folder = config, corpus, folder
        self.device = torch.device(device)
        self.origin = origin and origin.weights_hash
        network = StripedHyena(architecture)
        if origin is None:
            initialise(network, config.seed)
        else:
            network.load_state_dict(own_network(origin, "trained here").state_dict())
        network.to(self.device)
        self.decay = _Decay(config.reach)
        for block in network.blocks:
            inner = getattr(block, "filter", None)
            if isinstance(inner, LongFilter):
                parametrize.register_parametrization(inner, "log_poles", self.decay)
        self.network = network
        self.optimizers = _optimizers(network, config)
        self.step = 0
        self._epoch: tuple[int, np.ndarray] | None = None
        self._heldout = self._heldout_windows()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _PROGRESS).exists():
            self._resume()

    # -- data ---------------------------------------------------------------------------------

    def _starts(self, phase: int) -> tuple[np.ndarray, np.ndarray]:
        c = self.config
        return self.corpus.window_starts(c.length, c.block, c.holdout, c.seed, phase)

    def _heldout_windows(self, most: int = 32) -> Tensor:
        starts = self._starts(0)[1]
        if not len(starts):
            return torch.empty(0, self.config.length, dtype=torch.long)
        order = np.random.default_rng(self.config.seed).permutation(len(starts))[:most]
        reverse = np.arange(len(order)) % 2 == 1
        return torch.from_numpy(self.corpus.read(starts[order], self.config.length, reverse)).long()

    def batch(self, step: int) -> Tensor:
        """Windows of a step: ``(batch, length)`` int64, each strand with even odds."""
        c = self.config
        rows: list[int] = []
        done = step * c.batch
        epoch, size = 0, 0
        while len(rows) < c.batch:
            order = self._order(epoch)
            if not len(order):
                raise ModelError(
                    f"no training window of {c.length} bases: the records are too short, or all held out"
                )
            if size + len(order) > done:
                rows.extend(order[done - size :][: c.batch - len(rows)])
                done = size + len(order)
            size += len(order)
            epoch += 1
        reverse = np.random.default_rng([c.seed, 1, step]).random(c.batch) < 0.5
        letters = self.corpus.read(np.array(rows), c.length, reverse)
        return torch.from_numpy(letters).long().to(self.device)

    def _order(self, epoch: int) -> np.ndarray:
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng([self.config.seed, 2, epoch])
            starts = self._starts(int(rng.integers(self.config.length)))[0]
            self._epoch = (epoch, rng.permutation(starts))
        return self._epoch[1]

    # -- steps --------------------------------------------------------------------------------

    def _nats(self, run: Callable[[Tensor], tuple[Tensor, list]], ids: Tensor) -> tuple[Tensor, Tensor]:
        """Nats of all bases of windows under ``run``, and how many bases these are: ACGT alone count."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.autocast):
            logits, _ = run(ids)
        targets = ids[:, 1:].clone()
        known = torch.isin(targets, _BASES.to(ids.device))
        targets[~known] = -100
        nats = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), targets.flatten(), reduction="sum")
        return nats, known.sum()

    def loss(self, run: Callable[[Tensor], tuple[Tensor, list]], ids: Tensor) -> Tensor:
        """Nats a base of windows under ``run``, the network or its compiled form; 0 where all are N."""
        nats, known = self._nats(run, ids)
        return nats / known.clamp(min=1)

    def update(self) -> None:
        """Clip the gradients, take the optimisers' step at the rate of now, and count it."""
        rate = self.config.learning_rate * learning_rate_at(self.step, self.config)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1

    def evaluate(self) -> float | None:
        """Bits a base on the held-out windows; None where no base is held out."""
        with torch.no_grad():
            rows = self._heldout.to(self.device).split(self.config.batch)
            found = [self._nats(self.network, ids) for ids in rows if len(ids)]
        known = sum(int(count) for _, count in found)
        return sum(float(nats) for nats, _ in found) / known / math.log(2) if known else None

    def run(
        self,
        report: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train to the end, or until ``should_stop``; either way the folder holds the state."""
        c = self.config
        run = torch.compile(self.network) if c.compile else self.network
        # Tiny filter values become denormal, which slows CPUs many times over.
        torch.set_flush_denormal(True)
        try:
            self._run(run, report, should_stop)
        finally:
            torch.set_flush_denormal(False)
        self.save()

    def _run(
        self,
        run: Callable[[Tensor], tuple[Tensor, list]],
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        c = self.config
        saved = time.monotonic()
        while self.step < c.steps and not should_stop():
            loss = self.loss(run, self.batch(self.step))
            loss.backward()
            self.update()
            if not math.isfinite(loss.item()):
                raise ModelError(f"the loss is {loss.item()} at step {self.step}: lower the learning rate")
            due = self.step % c.evaluate_every == 0 or self.step == c.steps
            heldout = self.evaluate() if due else None
            if time.monotonic() - saved >= c.checkpoint_every:
                self.save()
                saved = time.monotonic()
            tokens = self.step * c.batch * c.length
            report(Progress(self.step, c.steps, tokens, loss.item() / math.log(2), heldout))

    # -- state --------------------------------------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """The network's tensors under their published names, fp32."""
        state = {}
        for name, tensor in self.network.state_dict().items():
            if _is_poles(name):
                name = name.replace("parametrizations.", "").replace(".original", "")
                tensor = self.decay(tensor)
            state[name] = tensor.detach().cpu().contiguous()
        return state

    def save(self) -> None:
        """Write weights, optimiser state and progress; progress last, so that a kill loses nothing."""
        state = {f"net.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        for i, optimizer in enumerate(self.optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                for key, value in values.items():
                    state[f"opt.{i}.{index}.{key}"] = torch.as_tensor(value).contiguous()
        stamp = {
            "step": self.step,
            "architecture": self.network.config.to_dict(),
            "training": asdict(self.config),
            "reach": self.config.reach,
            "corpus": [r.sha256 for r in self.corpus.records],
            "origin": self.origin,
        }
        with write_whole(self.folder / f"{self.step}.{_STATE}") as temporary:
            save_file(state, temporary)
        with write_whole(self.folder / WEIGHTS) as temporary:
            save_file(self.weights(), temporary)
        with write_whole(self.folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(self.network.config.to_dict(), indent=1))
        with write_whole(self.folder / _PROGRESS) as temporary:
            temporary.write_text(json.dumps(stamp, indent=1))
        for old in self.folder.glob(f"*.{_STATE}"):
            if old.name != f"{self.step}.{_STATE}":
                old.unlink()

    def _resume(self) -> None:
        stamp = json.loads((self.folder / _PROGRESS).read_text())
        architecture = dict(stamp["architecture"], context=self.network.config.context)
        records = [r.sha256 for r in self.corpus.records]
        same = architecture == self.network.config.to_dict() and stamp["corpus"] == records
        if not same or stamp.get("origin") != self.origin:
            raise ModelError(
                f"{self.folder} holds a run of another architecture or corpus, or from another model: choose"
                " another folder"
            )
        self.step = stamp["step"]
        state = load_file(self.folder / f"{self.step}.{_STATE}", device=str(self.device))
        # Before this was kept, runs that began with a model had no bound, whatever their settings say.
        unbound = 0.0 if self.origin else stamp["training"].get("reach", 0.0)
        before = _Decay(stamp.get("reach", unbound))
        if before.slowest != self.decay.slowest:
            for name in filter(_is_poles, state):
                state[name] = self.decay.right_inverse(before(state[name]))
        self.network.load_state_dict(
            {k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")}
        )
        for i, optimizer in enumerate(self.optimizers):
            held: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                if key.startswith(f"opt.{i}."):
                    index, field = key.removeprefix(f"opt.{i}.").split(".", 1)
                    held.setdefault(int(index), {})[field] = value
            packed = optimizer.state_dict()
            packed["state"] = held
            optimizer.load_state_dict(packed)
