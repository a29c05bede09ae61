"""One file from which training goes on to the same bytes: tensors in safetensors, the rest as JSON in its
header.

One file, so that one rename replaces all of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from feature_mining.sae.model import save_tensors
from feature_mining.sae.scaling import Scaling

if TYPE_CHECKING:
    from feature_mining.sae.trainer import Metrics, Run, TrainConfig

_NUMBERS = ("step", "clipped", "cut_sum", "cut_weight", "final_mse")
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Stored(NamedTuple):
    """What a checkpoint holds beside the scaling."""

    tensors: dict[str, Tensor]
    numbers: dict[str, float]
    history: list[Metrics]
    source: dict[str, int]


def write(path: Path, config: TrainConfig, run: Run, source: dict[str, int]) -> None:
    """Write a checkpoint atomically."""
    tensors = {"mean": run.scaling.mean, "silent": run.silent}
    for name, parameter in run.weights.parameters().items():
        tensors[f"weights.{name}"] = parameter.detach()
        for moment in _MOMENTS:
            tensors[f"{moment}.{name}"] = run.optimiser.state[parameter][moment]
    state = {
        "config": asdict(config),
        "scaling": [run.scaling.scale, run.scaling.longest, run.scaling.variance],
        "numbers": {name: getattr(run, name) for name in _NUMBERS},
        "history": run.history,
        "source": source,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    save_tensors(path, whole, {"training": json.dumps(state)})


def read(path: Path, config: TrainConfig) -> tuple[Scaling, Stored]:
    """Read a checkpoint; raises ``ValueError`` if it is damaged or of another configuration."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = json.loads((file.metadata() or {})["training"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a checkpoint of SAE training ({error}); delete it") from None
    asked = asdict(config)
    different = sorted(k for k in asked if state["config"].get(k) != asked[k])
    if different:
        raise ValueError(
            f"{path}: a checkpoint of another configuration (differs in {', '.join(different)});"
            " delete it to start afresh"
        )
    scale, longest, variance = state["scaling"]
    scaling = Scaling(scale, longest, tensors.pop("mean"), variance)
    return scaling, Stored(tensors, state["numbers"], state["history"], state["source"])


def restore(run: Run, stored: Stored) -> None:
    """Bring a fresh run to where the checkpoint was written."""
    for name, parameter in run.weights.parameters().items():
        with torch.no_grad():
            parameter.copy_(stored.tensors[f"weights.{name}"])
        run.optimiser.state[parameter] = {
            moment: stored.tensors[f"{moment}.{name}"].to(
                device=parameter.device, dtype=torch.float32
            )
            for moment in _MOMENTS
        }
    run.silent.copy_(stored.tensors["silent"])
    run.history = stored.history
    for name in _NUMBERS:
        setattr(run, name, stored.numbers[name])
