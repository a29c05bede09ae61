"""What a study costs: a probe over a few cells with the real code, scaled up.

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
from typing import Protocol

import torch

from workbench.analysis.throughput import bases_per_second
from workbench.engines.local import run
from workbench.engines.shards import fingerprint
from workbench.engines.survey import survey
from workbench.errors import InputError
from workbench.files.arrays import read_arrays
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.stages.tree import group_shards, has_groups
from workbench.study.feature_store import MOST_FILES
from workbench.study.ledger import Ledger
from workbench.study.study import Study

# What the probe's encoding should take, about.
SECONDS = 20.0
# Training steps of the probe.
STEPS = 40
# Bases of a probe at most that does not run the model itself.
MOST = 250_000
# Shards of a stage that run the model, the first ones, where not all of them do.
SAMPLED = {"audit": 1}
# Records that reading a ledger is timed on.
RECORDS = 200


@dataclass(frozen=True)
class StageCost:
    """One stage: units of the whole study, units a second here, shards, and whether the model runs in it.

    A stage that works on tables has no rate (0); its ``seconds`` are the probe's, as they are. ``merge`` is
    the seconds of the job after its shards, ``files`` and ``disk`` what it leaves in the study's folder.
    """

    stage: str
    units: int
    unit: str
    rate: float
    seconds: float
    shards: int
    model: bool
    merge: float
    files: int
    disk: int


@dataclass(frozen=True)
class Estimate:
    """Cost of a study: by stage; peak memory of a worker, bytes; seconds that the probe took."""

    stages: list[StageCost]
    memory: int
    gpu_memory: int
    probe_seconds: float

    @property
    def seconds(self) -> float:
        """Work of one worker."""
        return sum(s.seconds for s in self.stages)

    @property
    def disk(self) -> int:
        """Bytes of the study's folder."""
        return sum(s.disk for s in self.stages)

    @property
    def files(self) -> int:
        """Files of the study's folder."""
        return sum(s.files for s in self.stages)

    def hours(self, tasks: int) -> float:
        """Hours with ``tasks`` workers where a stage has several shards, with no waiting in the queue."""
        spread = sum(s.seconds / min(tasks, max(1, s.shards)) + s.merge for s in self.stages)
        return spread / 3600


class Device(Progress, Protocol):
    """Another device than that of the probe: told what the probe does, it says how long it would take."""

    def seconds(self, stage: str, bases: int, scale: float) -> float:
        """Seconds of a stage: of so many bases that it trains on, or of what it read of the probe, scaled."""


def estimate(
    study: Study, tasks: int, progress: Progress | None = None, device: Device | None = None
) -> Estimate:
    """Measure a probe of a planned study, and scale it up to the whole, run as ``tasks`` tasks a stage.

    Stages that run the model are measured here, or take what ``device`` says. Raises ``InputError`` for what
    would stop the study itself.
    """
    progress = progress or Silent()
    began = time.monotonic()
    bases = round(bases_per_second(study, study.layer) * SECONDS)
    with _probe(study, min(bases, MOST) if device else bases) as probe:
        progress.begin("probing", 1, "probe")
        run(probe, progress=device or Silent())
        progress.end()
        standings = {s.stage: s for s in survey(probe)}
        record = _record_seconds()
        stages = []
        for name, standing in standings.items():
            if name == "plan":
                continue
            stage = STAGES[name]
            units, shards = _units(study, name)
            seconds = units / standing.rate if standing.rate and units else standing.seconds
            if device and stage.model:
                part = slice(SAMPLED.get(name))
                size = _size(study, name, part)
                seconds = device.seconds(name, size, size / max(1, _size(probe, name, part)))
            files, disk = _left(study, probe, stage, tasks)
            merge = record * shards + _merging(study, probe, stage)
            shards = 1 if stage.ordered else shards
            cost = StageCost(
                name, units, stage.unit, standing.rate, seconds, shards, stage.model, merge, files, disk
            )
            stages.append(cost)
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Estimate(stages, peak, gpu, time.monotonic() - began)


def _units(study: Study, name: str) -> tuple[int, int]:
    """Units and shards of a stage; 0 and 1 where they are known only once the stage before it is done."""
    try:
        return _size(study, name, slice(None)), len(STAGES[name].shards(study))
    except InputError:
        return 0, 1


def _size(study: Study, name: str, part: slice) -> int:
    return sum(shard.size for shard in STAGES[name].shards(study)[part])


def _left(study: Study, probe: Study, stage: Stage, tasks: int) -> tuple[int, int]:
    """Files and bytes that a stage leaves, from what it left of the probe: by shard, or as they are."""
    shards, few = _units(study, stage.name)[1], _units(probe, stage.name)[1]
    outputs: dict[str, int] = {}
    for _, record in probe.ledger.finished(stage.name, fingerprint(probe, stage)):
        outputs |= {name: int(entry[0]) for name, entry in record.outputs.items()}
    disk, written = sum(outputs.values()), len(outputs)
    if few > 1:
        disk, written = round(disk * shards / few), round(written * shards / few)
    if stage.name == "encode":
        bases, read = (_units(each, stage.name)[0] for each in (study, probe))
        disk = round(sum(outputs.values()) * bases / read)
        written = written if shards <= MOST_FILES else min(tasks, shards)
    whole = probe.ledger.done(stage.name, None, fingerprint(probe, stage))
    merged = whole.outputs if whole else {}
    groups = len(group_shards(shards)) if has_groups(stage, shards) else 0
    # Each task writes its records into a file, and so does the merge.
    return written + len(merged) + groups + min(tasks, shards) + 1, disk + sum(
        int(e[0]) for e in merged.values()
    )


def _merging(study: Study, probe: Study, stage: Stage) -> float:
    """Seconds of the merge of a stage: of its last step, where its sums are added up in a tree."""
    whole = probe.ledger.done(stage.name, None, fingerprint(probe, stage))
    shards, few = _units(study, stage.name)[1], _units(probe, stage.name)[1]
    own = whole.cpu if whole else 0.0
    if stage.sums is None:
        return own * shards / few if stage.name == "audit" else own
    path = stage.sums.path(probe, 0)
    began = time.monotonic()
    stage.sums.add(read_arrays(path), read_arrays(path))
    each = (time.monotonic() - began) / 2
    return each * (len(group_shards(shards)) if has_groups(stage, shards) else shards) + own


def _record_seconds() -> float:
    """Seconds to read one record of a ledger."""
    with tempfile.TemporaryDirectory(prefix="workbench-probe-") as name:
        ledger = Ledger(Path(name) / "ledger")
        for shard in range(RECORDS):
            ledger.mark("encode", shard, "", 1.0)
        began = time.monotonic()
        assert sum(1 for _ in Ledger(ledger.folder).finished("encode", "")) == RECORDS
        return (time.monotonic() - began) / RECORDS


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
        # A probe is so small that training reads all of it: what is kept would spare it what it times.
        config = replace(config, activations=replace(config.activations, kept=0))
        probe = Study.create(
            Path(name) / "study", replace(config, input=given, sae=replace(config.sae, tokens=tokens))
        )
        # Read once: a genome of 3 Gb takes minutes.
        probe.__dict__ |= {name: getattr(study, name) for name in ("model", "genome", "annotation")}
        yield probe
