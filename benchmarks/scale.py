"""A study of 100,000 shards over a genome of 3 Gb, with simulated features: what its size costs here.

``python benchmarks/scale.py [--quick] [--json] [--shards N] [--tasks N] [--out DIR]``.

The genome is synthetic and exists as coordinates (24 contigs; its letters follow from their places), the
model is a random network of four blocks, and ``encode`` draws sparse features in place of reading them. All
else is the code of a study: the plan with its split and its shards, the autoencoder, packed feature maps and
the ledger, written by as many tasks as a job array has, two at a time (without flushing each file to the
disk); the first task is killed and run again, and a byte of a pack is turned round, found and made good; then
counting, the merges, the catalog, status, the jobs, and tiles of the browser. What comes out is compared with
what was drawn. ``--quick`` has 60 Mb and 2,000 shards.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from feature_mining.feature_map import Csr
from workbench.analysis.counts import read_summary
from workbench.browse.tiles import TileReader, bin_size
from workbench.engines.chain import steps
from workbench.engines.local import here, run
from workbench.engines.shards import check_outputs, fingerprint, pending, plan_work, reduce, run_shards
from workbench.engines.survey import survey
from workbench.genome.interval import Interval
from workbench.progress import Progress, Silent
from workbench.stages import encode
from workbench.stages.registry import STAGES
from workbench.stages.stage import Shard, Stage
from workbench.stages.tree import group_shards, groups_of
from workbench.study.config import (
    InputConfig,
    JobConfig,
    ModelConfig,
    RunConfig,
    SAEConfig,
    StudyConfig,
    TracksConfig,
)
from workbench.study.feature_store import StrandMap
from workbench.study.study import Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from tests.workbench.small_study import write_model  # noqa: E402

CONTIGS, LENGTH, SHARDS, QUICK = 24, 125_000_000, 100_000, 50
# Features, how many fire on a strand of a shard, and genes with their length.
FEATURES, FIRING, GENES, GENE = 512, 400, 60_000, 2_000
# A feature that fires once, in the middle of the last contig, more strongly than all others.
PLANTED, VALUE = 7, 1_000.0
# Shards whose features are compared with those that were drawn; pixels of a view.
COMPARED, PIXELS = 200, 1_000
RELATIVE = 0.01
"""Of a value on the disk, at most, where it is kept in fewer bits."""


class Coordinates:
    """A genome without a file: its letters follow from their places."""

    circular: frozenset[str] = frozenset()

    def __init__(self, lengths: dict[str, int]) -> None:
        self.lengths = lengths

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Letters of a stretch."""
        mixed = np.arange(start, end, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        codes = (mixed * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(61)).astype(np.int64) & 3
        codes = 3 - codes[::-1] if strand == "-" else codes
        return np.frombuffer(b"ACGT", np.uint8)[codes].tobytes().decode()


def planted(lengths: dict[str, int]) -> tuple[str, int]:
    """Where the planted feature fires, in the plus reading."""
    chrom, length = list(lengths.items())[-1]
    return chrom, length // 2


def drawn(study: Study, shard: Shard) -> dict[str, StrandMap]:
    """Features of a shard: on each strand up to ``FIRING`` bases with one each."""
    chrom, start, end = shard.task
    size = end - start
    firing = min(FIRING, size)
    step = size // firing
    random = np.random.default_rng([7, shard.index])
    strands = {}
    for strand in "+-":
        rows = np.arange(firing) * step + random.integers(0, step, firing)
        features = random.integers(PLANTED + 1, FEATURES, firing).astype(np.int32)
        values = (0.5 + random.exponential(1.0, firing)).astype(np.float32)
        contig, position = planted(study.manifest.contigs)
        if strand == "+" and chrom == contig and start <= position < end:
            at = min((position - start) // step, firing - 1)
            rows[at], features[at], values[at] = position - start, PLANTED, VALUE
        indptr = np.searchsorted(rows, np.arange(size + 1)).astype(np.int64)
        strands[strand] = StrandMap(Csr(indptr, features, values, FEATURES), np.ones(size, bool))
    return strands


def draw(study: Study, shard: Shard, progress: Progress) -> int:
    """What ``encode`` does of a shard, with features that are drawn in place of read ones."""
    encode.keep(study, shard, drawn(study, shard))
    progress.advance(shard.size)
    return shard.size


def prepare(folder: Path, length: int, shard_bases: int) -> Study:
    """A study of genes on a genome of coordinates, not planned yet."""
    random = np.random.default_rng(0)
    (folder / "coordinates.fa").write_text(">chr1\nACGT\n")
    count = max(1_000, GENES * length // LENGTH)
    chosen = zip(random.integers(0, CONTIGS, count), random.integers(0, length - GENE, count), strict=True)
    genes = [(f"chr{c + 1}", int(s), int(s) + GENE, "gene", 0, "+-"[int(s) % 2]) for c, s in sorted(chosen)]
    pd.DataFrame(genes).to_csv(folder / "genes.bed", sep="\t", header=False, index=False)
    config = StudyConfig(
        input=InputConfig(str(folder / "coordinates.fa"), [str(folder / "genes.bed")]),
        tracks=TracksConfig([]),
        model=ModelConfig(name=str(write_model(folder / "model", context=2048)), layer="blocks.2"),
        sae=SAEConfig(width=FEATURES, k=8, tokens=65_536),
        run=RunConfig(shard_bases=shard_bases),
    )
    study = Study.create(folder / "study", config)
    study.__dict__["genome"] = Coordinates({f"chr{i + 1}": length for i in range(CONTIGS)})
    return study


class Costs:
    """Seconds by the clock, and of processors (children too), of every step."""

    def __init__(self) -> None:
        self.clock: dict[str, float] = {}
        self.processor: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Time a block."""
        began, used = time.monotonic(), _processor()
        yield
        self.clock[name] = round(time.monotonic() - began, 2)
        self.processor[name] = round(_processor() - used, 2)
        print(
            f"{name:>28s}{self.clock[name]:10,.2f} s{self.processor[name]:10,.2f} s of processors", flush=True
        )


def _processor() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def run_tasks(study: Study, stage: Stage, count: int, kill: bool = False) -> None:
    """All of a stage as so many tasks of a job array, each a process, two at a time; ``kill`` the first."""
    running: set[int] = set()

    def end_one() -> None:
        child, status = os.wait()
        running.discard(child)
        assert status == 0 or kill, f"a task ended with status {status}"

    for task in range(count):
        if len(running) == 2:
            end_one()
        running.add(_forked(lambda task=task: _task(study, stage, task, count)))
        if kill and task == 0:
            time.sleep(0.5)
            os.kill(next(iter(running)), signal.SIGKILL)
    while running:
        end_one()


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        # Each file would wait for this one disk, where a cluster's have many.
        os.fsync = lambda handle: None
        torch.set_num_threads(1)
        work()
        status = 0
    finally:
        os._exit(status)


def _task(study: Study, stage: Stage, task: int, count: int) -> None:
    work = plan_work(study, stage)
    mine = [shard for shard in pending(study, work).shards if shard.index % count == task]
    outcome = run_shards(study, work._replace(shards=mine), Silent())
    assert not outcome.failed, outcome.failed


def merge(study: Study, stage: Stage) -> None:
    """The job after an array: check all, merge; nothing may be left to make."""
    outcome = reduce(study, stage, Silent())
    assert not outcome.made and not outcome.failed, outcome


def compare(study: Study, shards: list[Shard]) -> None:
    """Features on the disk with those that were drawn, of shards all over the genome."""
    for shard in shards[:: max(1, len(shards) // COMPARED)]:
        for strand, expected in drawn(study, shard).items():
            found = study.features.rows(*shard.task, strand)
            assert (found.features.indptr == expected.features.indptr).all()
            assert (found.features.indices == expected.features.indices).all()
            np.testing.assert_allclose(found.features.values, expected.features.values, rtol=RELATIVE)


def make_good(study: Study, stage: Stage) -> None:
    """Turn a byte of the planted shard round; one shard is found damaged, and made again with its bytes."""
    contig, position = planted(study.manifest.contigs)
    hit = next(s for s in stage.shards(study) if s.task[0] == contig and s.task[1] <= position < s.task[2])
    part, mark = study.ledger.parts(stage.name)[hit.index], fingerprint(study, stage)
    with part.path.open("rb+") as handle:
        handle.seek(part.offset + part.size // 2)
        byte = handle.read(1)[0] ^ 0xFF
        handle.seek(-1, os.SEEK_CUR)
        handle.write(bytes([byte]))
    assert [damage.shard for damage in check_outputs(study, stage, mark)] == [hit.index]
    run_tasks(study, stage, 1)
    assert study.ledger.parts(stage.name)[hit.index] != part
    merge(study, stage)
    compare(study, [hit])


def write_tables(study: Study) -> None:
    """Tables that the catalog reads beside the sums, as stages leave them that read the model or all maps."""
    every = np.arange(FEATURES)
    scores = {name: 0.0 for name in ("ap_select", "base_rate", "q", "ap_lift", "auroc", "f1")}
    table = pd.DataFrame({"feature": every, "track": "genes", "mode": "any", "average_precision": 0.0})
    table = table.assign(**scores)
    study.write_table("associations", table)
    study.write_table("tracks", table.head(1).assign(verdict="not tested", rule=""))
    study.write_table("audit", pd.DataFrame({"feature": every, "flags": ""}))
    study.write_table("quality_features", pd.DataFrame({"feature": every, "density": 0.0}))
    study.write_table("quality_units", pd.DataFrame({"kind": "feature", "unit": every, "tracks": 0}))


def check_catalog(study: Study) -> None:
    """What the catalog says against what was drawn."""
    catalog = study.table("catalog").set_index("feature")
    fired = sum(2 * min(FIRING, stretch.size) for stretch in study.manifest.shards)
    assert int(catalog["n_active"].sum()) == fired == int(read_summary(study).active.sum())
    found, (contig, position) = catalog.loc[PLANTED], planted(study.manifest.contigs)
    assert (found["chrom"], found["position"], found["strand"]) == (contig, position, "+")
    assert found["n_active"] == 1 and abs(found["max"] / VALUE - 1) < RELATIVE


def tiles(study: Study, costs: Costs) -> None:
    """Views of the last contig around the planted base, each read anew, then one again."""
    contig, position = planted(study.manifest.contigs)
    length = study.manifest.contigs[contig]
    views = {"tile_contig": length, "tile_contig_again": length, "tile_1mb": 1_000_000, "tile_10kb": 10_000}
    reader = TileReader(study, np.full(FEATURES, VALUE))
    for name, bases in views.items():
        start = max(0, position - bases // 2)
        locus = Interval(contig, start, min(length, start + bases))
        if not name.endswith("again"):
            reader = TileReader(study, np.full(FEATURES, VALUE))
        with costs.of(name):
            found = reader.tile([PLANTED, 100, 200], locus, bin_size(locus.end - locus.start, PIXELS))
        at = int(np.searchsorted(found.edges, position, side="right")) - 1
        assert found.codes[0, 0, at] == 255 and (np.delete(found.codes[0, 0], at) == 1).all()


def measure(folder: Path, length: int, shard_bases: int, count: int) -> dict[str, object]:
    """Everything, with what it cost."""
    costs, study = Costs(), prepare(folder, length, shard_bases)
    STAGES["encode"] = replace(STAGES["encode"], run=draw)
    with costs.of("plan"):
        run(study, here, until="plan")
    with costs.of("sae"):
        run(study, here, until="sae")
    encoding, counting = STAGES["encode"], STAGES["annotate"]
    shards = encoding.shards(study)
    with costs.of("encode_tasks"):
        run_tasks(study, encoding, count, kill=True)
    with costs.of("encode_task_again"):
        run_tasks(study, encoding, 1)
    with costs.of("encode_merge"):
        merge(study, encoding)
    compare(study, shards)
    with costs.of("damage"):
        make_good(study, encoding)
    with costs.of("annotate_tasks"):
        run_tasks(study, counting, min(count, len(counting.shards(study))))
    with costs.of("annotate_groups"):
        groups = groups_of(counting)
        run_tasks(study, groups, min(count, len(group_shards(len(counting.shards(study))))))
    with costs.of("annotate_merge"):
        merge(study, counting)
    write_tables(study)
    with costs.of("catalog"):
        STAGES["catalog"].run(study, Shard(0, FEATURES), Silent())
    check_catalog(study)
    with costs.of("status"):
        fresh = Study.open(study.folder)
        fresh.__dict__["genome"] = study.genome
        states = {standing.stage: standing for standing in survey(fresh)}
    assert states["encode"].done == len(shards) and states["annotate"].state == "done"
    with costs.of("jobs"):
        steps(fresh, JobConfig(tasks=count))
    tiles(fresh, costs)
    files = [path for path in study.folder.rglob("*") if path.is_file()]
    own, theirs = (resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "bases": length * CONTIGS,
        "shards": len(shards),
        "tasks": count,
        "files": len(files),
        "feature_files": sum(path.parent.name == "features" for path in files),
        "ledger_files": sum("ledger" in path.parts for path in files),
        "gigabytes": round(sum(path.stat().st_size for path in files) / 1e9, 2),
        "driver_mb": own // 1024,
        "task_mb": theirs // 1024,
        "clock_s": costs.clock,
        "processor_s": costs.processor,
        "total_clock_s": round(sum(costs.clock.values()), 1),
        "total_processor_s": round(sum(costs.processor.values()), 1),
    }


def main() -> None:
    options = parser(__doc__, "60 Mb, 2,000 shards")
    options.add_argument("--shards", type=int, default=SHARDS, help="about how many shards")
    options.add_argument("--tasks", type=int, default=200, help="tasks of each stage")
    options.add_argument("--out", type=Path, help="make the study in this folder, and keep it")
    args = options.parse_args()
    part = QUICK if args.quick else 1
    length, shards = LENGTH // part, args.shards // part
    with tempfile.TemporaryDirectory() as name:
        folder = args.out or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, length, length * CONTIGS // shards, max(2, args.tasks // min(part, 10)))
    finish(args, found)


if __name__ == "__main__":
    main()
