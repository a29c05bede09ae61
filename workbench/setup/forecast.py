"""What a run of handed files will take on this machine, roughly: measured reading speed, scaled up."""

from __future__ import annotations

from typing import NamedTuple

from workbench.setup.uploads import Handed, trial
from workbench.study.config import StudyConfig

# What every run takes besides reading sequence, and how long all stages take against reading for training
# and for the feature maps alone: from runs of the demo, E. coli and a plasmid (benchmarks/RESULTS.md).
FIXED = 60.0
LEAST, MOST = 1.2, 2.5
# Memory of a run of `mini`: libraries and buffers, and a base of genome.
BASE_BYTES, BYTES_A_BASE = 1_100_000_000, 180
# Copies of each weight that training holds: itself, its gradient, and two moments.
COPIES, FLOAT = 4, 4


class Forecast(NamedTuple):
    """Seconds at least and at most, memory in bytes, and bases a second (both strands) that were measured."""

    least: float
    most: float
    memory: int
    rate: float


def forecast(files: list[Handed], config: StudyConfig) -> Forecast:
    """Measure the model on the first windows of the genome, and scale up.

    Raises ``InputError`` for files that a run would refuse.
    """
    from workbench.analysis.throughput import bases_per_second  # PyTorch

    with trial(files, config) as (study, found):
        model = study.model
        layer = config.model.layer or model.default_layer
        rate = bases_per_second(study, layer)
    bases = sum(found.contigs.values())
    # A training base is a base read on one strand; the control trains a second autoencoder.
    trainings = 2 if config.controls.random_weights else 1
    reading = (bases + trainings * config.sae.tokens / 2) / rate
    d = model.d_model(layer)
    width = config.sae.width or 8 * d
    weights = 2 * width * d * COPIES * FLOAT * config.sae.seeds
    network = getattr(model, "network", None)
    loaded = sum(p.numel() * p.element_size() for p in network.parameters()) if network else 0
    memory = BASE_BYTES + BYTES_A_BASE * bases + weights + loaded
    return Forecast(FIXED + LEAST * reading, FIXED + MOST * reading, memory, rate)
