"""Training of one autoencoder: its weights, optimiser and counters, and a step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.objective import Architecture
from feature_mining.sae.architectures.ranks import Ranks
from feature_mining.sae.architectures.registry import kind_of, new_form
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.sites import SiteScaling, unscale
from feature_mining.sae.training.train_config import TrainConfig, bias_factor

Metrics = dict[str, float]

_CUT_DECAY = 0.99
# Lines of history a run leaves, at most.
_HISTORY = 200


class TrainResult(NamedTuple):
    """A finished or stopped training state.

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

    def __repr__(self) -> str:
        ended = "" if self.finished else ", stopped"
        return (
            f"TrainResult({self.sae!r}; {self.steps:,} steps, {self.tokens:,} rows{ended}, mse"
            f" {self.final_mse:.3f}, {self.dead:,} dead)"
        )


@dataclass
class RunState:
    """State of one autoencoder that changes in training, all of which a checkpoint holds."""

    weights: Architecture
    optimiser: torch.optim.Adam
    silent: Tensor
    step: int = 0
    clipped: int = 0
    cut_sum: float = 0.0
    cut_weight: float = 0.0
    final_mse: float = math.nan
    history: list[Metrics] = field(default_factory=list)


class TrainingRun:
    """Training of one autoencoder on scaled inputs.

    ``scaling`` is that of all sites of the stream; that of those that it trains on is kept.
    """

    def __init__(self, config: TrainConfig, scaling: SiteScaling, ranks: Ranks) -> None:
        self.config, self.scaling, self.ranks = config, scaling.of(config.parts), ranks
        own = config.parts if config.sites and not isinstance(config.part, int) else ()
        self.sites = tuple(config.sites[part] for part in own)
        scaling = self.scaling
        weights = new_form(
            config.architecture,
            Initialisation(
                config.d_sae,
                config.k,
                scaling.mean,
                scaling.variance,
                torch.Generator().manual_seed(config.seed),
                config.steps,
                config.l1,
                self.sites,
                ranks,
            ),
            config.tied,
        )
        d_in = len(scaling.mean)
        self.peak_rate = config.peak_rate(d_in)
        named = weights.parameters()
        biases = [named[name] for name in named if name == "b_enc"]
        others = [named[name] for name in named if name != "b_enc"]
        # The linear path of a transcoder may explain what features would: a fast bias shuts them.
        fast = kind_of(config.architecture).centred
        factor = bias_factor(d_in, config.k) if fast else 1.0
        groups = [{"params": others, "factor": 1.0}, {"params": biases, "factor": factor}]
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.999), fused=True)
        silent = torch.zeros(config.d_sae, dtype=torch.int64, device=scaling.mean.device)
        self.state = RunState(weights, optimiser, silent)

    def step(self, x: Tensor, clipped: int) -> Metrics:
        """Train on this process's part ``(B, d)`` of a batch, of which ``clipped`` rows were shortened."""
        state, config = self.state, self.config
        half = config.precision == "bfloat16"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            part = state.weights.gradients(x, state.silent >= config.window)
        mse, l0, aux = (self.ranks.total(v) for v in (part.mse, part.l0, part.aux))
        if not math.isfinite(mse):
            raise ValueError(
                f"training diverged at step {state.step + 1}: use a learning rate below {self.peak_rate:.2g}"
            )
        parameters = list(state.weights.parameters().values())
        for parameter in parameters:
            if parameter.grad is not None:
                self.ranks.sum(parameter.grad)
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        for group in state.optimiser.param_groups:
            group["lr"] = self.peak_rate * config.share(state.step) * group["factor"]
        state.optimiser.step()
        # Not held while the next are made, nor while the result is folded.
        state.optimiser.zero_grad(set_to_none=True)
        state.weights.constrain()
        state.silent += len(x) * self.ranks.count
        state.silent[self.ranks.any(part.fired)] = 0
        state.step += 1
        state.clipped += clipped
        cut = self.ranks.least(part.cut)
        state.cut_sum = _CUT_DECAY * state.cut_sum + (1 - _CUT_DECAY) * cut
        state.cut_weight = _CUT_DECAY * state.cut_weight + (1 - _CUT_DECAY)
        state.final_mse = mse
        dead = self.dead()
        every = -(-config.steps // _HISTORY)
        if state.step % every == 0 or state.step == config.steps:
            state.history.append({"step": state.step, "mse": mse, "l0": l0, "dead": dead})
        return {"mse": mse, "aux": aux, "l0": l0, "dead": float(dead)}

    def dead(self) -> int:
        """Features silent over the dead window."""
        return int((self.state.silent >= self.config.window).sum())

    def result(self) -> TrainResult:
        """The autoencoder so far, in the inference form."""
        c, state = self.config, self.state
        tensors = unscale(state.weights, self.scaling, state.cut_sum / max(state.cut_weight, 1e-12))
        kind = kind_of(c.architecture)
        d_in, d_out = tensors["W_enc"].shape[0], tensors["W_dec"].shape[1]
        sae = SparseAutoencoder(
            **{name: tensor.cpu() for name, tensor in tensors.items()},
            config=SAEConfig(
                architecture=c.architecture,
                d_in=d_in,
                d_sae=c.d_sae,
                k=c.k,
                apply_b_dec_to_input=kind.centred,
                model=c.model,
                layer=c.layer,
                weights_hash=c.weights_hash,
                provenance={"steps": state.step, "tokens": state.step * c.batch, "seed": c.seed},
                row_topk=kind.by_row,
                d_out=0 if kind.centred else d_out,
                sites=self.sites if kind.centred else (),
            ),
        )
        return TrainResult(
            sae=sae,
            finished=state.step == c.steps,
            steps=state.step,
            tokens=state.step * c.batch,
            learning_rate=self.peak_rate,
            final_mse=state.final_mse,
            clipped=state.clipped,
            dead=self.dead(),
            history=state.history,
        )
