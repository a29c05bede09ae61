"""What a study costs on this machine: a probe over a few cells with the real code, scaled up.

The probe is a study of its own in a temporary folder: same inputs, model and settings, a few cells of each
split. Its stages' rates, memory and disk are measured, and multiplied by the size of the whole.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from workbench.analysis.throughput import bases_per_second
from workbench.engines.local import run
from workbench.engines.survey import survey
from workbench.errors import InputError
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.study.study import Study

# What the probe's encoding should take, about.
SECONDS = 20.0
# Training steps of the probe.
STEPS = 40


@dataclass(frozen=True)
class StageCost:
    """One stage: units of the whole study, units a second here, shards, and whether the model runs in it.

    A stage that works on tables has no rate (0); its ``seconds`` are the probe's, as they are.
    """

    stage: str
    units: int
    unit: str
    rate: float
    seconds: float
    shards: int
    model: bool


@dataclass(frozen=True)
class Estimate:
    """Cost of a study: by stage; peak memory of a worker and disk of the features, bytes."""

    stages: list[StageCost]
    memory: int
    gpu_memory: int
    disk: int
    probe_seconds: float

    @property
    def seconds(self) -> float:
        """Work of one worker."""
        return sum(s.seconds for s in self.stages)

    def hours(self, tasks: int) -> float:
        """Hours with ``tasks`` workers where a stage has several shards, with no waiting in the queue."""
        spread = sum(s.seconds / min(tasks, s.shards) for s in self.stages)
        return spread / 3600


def estimate(study: Study, progress: Progress | None = None) -> Estimate:
    """Measure a probe of a planned study, and scale it up.

    Raises ``InputError`` for what would stop the study itself.
    """
    progress = progress or Silent()
    began = time.monotonic()
    rate = bases_per_second(study, study.layer)
    with _probe(study, round(rate * SECONDS)) as probe:
        progress.begin("probing", 1, "probe")
        run(probe, progress=Silent())
        progress.end()
        standings = {s.stage: s for s in survey(probe)}
        encoded = sum(s.size for s in probe.manifest.shards)
        features = sum(p.stat().st_size for p in (probe.folder / "features").rglob("*.h5"))
    stages = []
    for name, standing in standings.items():
        if name == "plan":
            continue
        stage = STAGES[name]
        units, shards = _units(study, name)
        seconds = units / standing.rate if standing.rate and units else standing.seconds
        stages.append(StageCost(name, units, stage.unit, standing.rate, seconds, shards, stage.model))
    whole = sum(s.size for s in study.manifest.shards)

    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Estimate(stages, peak, gpu, features * whole // encoded, time.monotonic() - began)


def _units(study: Study, name: str) -> tuple[int, int]:
    """Units of a stage, and how many shards can run side by side."""
    stage = STAGES[name]
    try:
        shards = stage.shards(study)
        return sum(s.size for s in shards), 1 if stage.ordered else len(shards)
    except InputError:
        # The number of shards is known only once the stage before it is done.
        return 0, 1


@contextmanager
def _probe(study: Study, bases: int) -> Iterator[Study]:
    """A study over about ``bases`` bases, spread over the three splits, in a temporary folder."""
    cells = []
    for name in ("train", "select", "report"):
        found = study.split.cells(study.grid, study.manifest.contigs, name)
        wanted = max(4, bases // 3 // study.grid.stride)
        cells += found[:: max(1, len(found) // wanted)][:wanted]
    config = study.config
    tokens = min(config.sae.tokens, STEPS * config.sae.batch)
    with tempfile.TemporaryDirectory(prefix="workbench-probe-") as name:
        regions = Path(name) / "regions.bed"
        regions.write_text("".join(f"{c.chrom}\t{c.start}\t{c.end}\n" for c in sorted(cells)))
        given = replace(
            config.input,
            genome=str(study.resolve(config.input.genome)),
            tracks=[str(study.resolve(t)) for t in config.input.tracks],
            regions=str(regions),
        )
        probe = Study.create(
            Path(name) / "study", replace(config, input=given, sae=replace(config.sae, tokens=tokens))
        )
        probe.__dict__["model"] = study.model
        yield probe
