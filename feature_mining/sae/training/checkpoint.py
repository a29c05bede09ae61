"""Checkpoints from which training resumes to the same bytes: tensors in safetensors, the rest as JSON in its
header.

One file for all autoencoders of a run, so that one rename replaces all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from feature_mining.sae.model import save_tensors
from feature_mining.sae.training.scaling import Scaling
from feature_mining.sae.training.sites import SiteScaling
from feature_mining.sae.training.train_config import TrainConfig
from feature_mining.sae.training.training_run import TrainingRun

_NUMBERS = ("step", "clipped", "cut_sum", "cut_weight", "final_mse")
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class OtherConfiguration(ValueError):
    """A checkpoint of training with other settings; ``differs`` names them."""

    def __init__(self, path: Path, differs: list[str]) -> None:
        self.path, self.differs = path, differs
        super().__init__(
            f"{path}: a checkpoint of another configuration (differs in {', '.join(differs)}); delete it to"
            " start afresh"
        )


class Stored(NamedTuple):
    """Contents of a checkpoint beside the scaling.

    tensors : by name, the number of the autoencoder first
    runs : numbers and history of each autoencoder
    sources : state of each process's source
    """

    tensors: dict[str, Tensor]
    runs: list[dict[str, Any]]
    sources: list[dict[str, int]]


def write(
    path: Path, scaling: SiteScaling, runs: Sequence[TrainingRun], sources: list[dict[str, int]]
) -> None:
    """Write a checkpoint atomically; ``scaling`` is that of all sites of the stream."""
    parts = scaling.parts
    tensors = {f"mean.{i}": part.mean for i, part in enumerate(parts)}
    for i, run in enumerate(runs):
        state = run.state
        tensors[f"{i}.silent"] = state.silent
        for name, buffer in state.weights.buffers().items():
            tensors[f"{i}.buffer.{name}"] = buffer
        for name, parameter in state.weights.parameters().items():
            tensors[f"{i}.weights.{name}"] = parameter.detach()
            for moment in _MOMENTS:
                tensors[f"{i}.{moment}.{name}"] = state.optimiser.state[parameter][moment]
    header = {
        "configs": [asdict(run.config) for run in runs],
        "scaling": [[part.scale, part.longest, part.variance] for part in parts],
        "runs": [
            {"numbers": {name: getattr(run.state, name) for name in _NUMBERS}, "history": run.state.history}
            for run in runs
        ],
        "sources": sources,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
    # In one entry: the library writes several in an order that changes from run to run.
    save_tensors(path, whole, {"training": json.dumps(header | {"digest": _digest(whole, header)})})


def _digest(tensors: dict[str, Tensor], header: dict[str, Any]) -> str:
    """SHA-256 of header and values: nothing else would notice a flipped bit."""
    digest = hashlib.sha256(json.dumps(header).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read(path: Path, configs: Sequence[TrainConfig]) -> tuple[SiteScaling, Stored]:
    """Read a checkpoint; raises ``ValueError`` if it is damaged, `OtherConfiguration` if it is of another."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            state = json.loads((file.metadata() or {})["training"])
        written, digest = state["configs"], state.pop("digest", "")
        # Those of earlier versions have none.
        if digest and digest != _digest(tensors, state):
            raise ValueError("its values are not those that were written")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a checkpoint of SAE training ({error}); delete it") from None
    different = {"number of autoencoders"} if len(written) != len(configs) else set()
    for found, config in zip(written, configs, strict=False):
        asked = json.loads(json.dumps(asdict(config)))
        different |= {key for key in asked if found.get(key) != asked[key]}
    if different:
        raise OtherConfiguration(path, sorted(different))
    parts = [
        Scaling(scale, longest, tensors.pop(f"mean.{i}"), variance)
        for i, (scale, longest, variance) in enumerate(state["scaling"])
    ]
    return SiteScaling(tuple(parts)), Stored(tensors, state["runs"], state["sources"])


def restore(runs: Sequence[TrainingRun], stored: Stored) -> None:
    """Set runs to the state of a checkpoint, in place."""
    for i, run in enumerate(runs):
        state = run.state
        for name, parameter in state.weights.parameters().items():
            with torch.no_grad():
                parameter.copy_(stored.tensors[f"{i}.weights.{name}"])
            state.optimiser.state[parameter] = {
                moment: stored.tensors[f"{i}.{moment}.{name}"].to(
                    device=parameter.device, dtype=torch.float32
                )
                for moment in _MOMENTS
            }
        for name, buffer in state.weights.buffers().items():
            buffer.copy_(stored.tensors[f"{i}.buffer.{name}"])
        state.silent.copy_(stored.tensors[f"{i}.silent"])
        state.history = stored.runs[i]["history"]
        for name in _NUMBERS:
            setattr(state, name, stored.runs[i]["numbers"][name])
