"""Small models for tests: the official implementations' fixtures, and a random one."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise
from genomic_models.striped_hyena.placement import place

EVO2 = StripedHyenaConfig(
    "evo2", "SDH*SDH*", 64, 4, 176, groups=8, medium_groups=16, position_scale=4, context=1024
)
EVO1 = StripedHyenaConfig("evo1", "HH*HH*", 64, 4, 176, groups=64, state=8, position_scale=16, context=512)
FILES = {"evo2": "evo2_tiny.state_dict.safetensors", "evo1": "evo1_tiny.hf_state_dict.safetensors"}


def golden(generation: str, shared: Path) -> dict[str, torch.Tensor]:
    """Outputs of the official implementation."""
    return load_file(shared / "fixtures" / "evo" / f"{generation}_tiny.golden.safetensors")


def official(generation: str, shared: Path, dtype: torch.dtype) -> StripedHyenaModel:
    """The fixture's weights in our network."""
    config = EVO2 if generation == "evo2" else EVO1
    network = StripedHyena(config)
    state = load_file(shared / "fixtures" / "evo" / FILES[generation])
    state = {k.removeprefix("backbone."): v.float() for k, v in state.items()}
    wanted = network.state_dict()
    if generation == "evo1":  # the reference recomputes these frequencies
        state |= {k: v for k, v in wanted.items() if k.endswith("inv_freq")}
    network.load_state_dict({k: v for k, v in state.items() if k in wanted})
    return StripedHyenaModel(place(network, dtype, [torch.device("cpu")]), generation)


def random_model(seed: int = 0, pattern: str = "SDH*") -> StripedHyenaModel:
    """A two-minute-old network: nothing learnt, everything in place."""
    config = StripedHyenaConfig("evo2", pattern, 32, 2, 64, groups=8, context=256)
    return StripedHyenaModel(initialise(StripedHyena(config), seed), f"random-{seed}")
