"""How a study scales: two workers here, a scheduler's cost a shard, a driver of 100,000 shards, on paper.

``python benchmarks/scaling.py [--quick] [--json] [--bases N] [--shards N]``.
The two-worker part reads the first N
bases of *E. coli* (../shared) with ``mini``, one thread a worker. The scheduler part needs a Slurm that can
be brought up (root, Debian's packages). The driver part runs the real code over a stage without work.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser  # noqa: E402
from benchmarks.ecoli import prepare  # noqa: E402
from tests import slurm_lab  # noqa: E402
from tests.workbench.small_study import small_config, write_model  # noqa: E402
from workbench import Study  # noqa: E402
from workbench.engines.chain import steps  # noqa: E402
from workbench.engines.local import processes, run  # noqa: E402
from workbench.engines.shards import pending, plan_work, reduce, run_shards  # noqa: E402
from workbench.engines.submission import live, submit  # noqa: E402
from workbench.engines.survey import survey  # noqa: E402
from workbench.files.atomic import write_atomic  # noqa: E402
from workbench.progress import Progress, Silent  # noqa: E402
from workbench.stages.registry import STAGES  # noqa: E402
from workbench.stages.stage import Shard, Stage, shards_of  # noqa: E402
from workbench.study.config import InputConfig, JobConfig, RunConfig, SAEConfig, StudyConfig  # noqa: E402


def two_workers(bases: int, folder: Path) -> float:
    """Efficiency of encoding with two workers of one thread over one such worker."""
    inputs = folder / "inputs"
    inputs.mkdir()
    genome, *tracks = prepare(inputs, bases)
    config = StudyConfig(
        input=InputConfig(genome=str(genome), tracks=[str(t) for t in tracks]),
        sae=replace(SAEConfig(), tokens=100_000),
        run=RunConfig(shard_bases=bases // 8),
    )
    Study.create(folder / "one", config).run(until="quality")
    shutil.copytree(folder / "one", folder / "two")
    seconds = {}
    for name, workers in (("one", 1), ("two", 2)):
        began = time.monotonic()
        run(Study.open(folder / name), processes(workers, threads=1), until="encode")
        seconds[name] = time.monotonic() - began
        print(f"encode {bases:,} bases, {workers} worker(s): {seconds[name]:.1f} s")
    return seconds["one"] / (2 * seconds["two"])


def scheduler_overhead(folder: Path) -> float | None:
    """Seconds that Slurm, starting Python and the ledger add to a shard; None where there is no Slurm.

    Two tasks of one core encode a plasmid in many small shards: the time that both slots were held, less
    the seconds that the shards themselves took, a shard.
    """
    if slurm_lab.unavailable():
        print(f"scheduler_overhead_s_per_shard: skipped ({slurm_lab.unavailable()})")
        return None
    config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
    study = Study.create(folder / "slurm", replace(config, run=replace(config.run, shard_bases=96)))
    study.run(until="quality")
    lab = slurm_lab.SlurmLab(folder / "lab")
    lab.start()
    try:
        setup = [f"export PYTHONPATH={ROOT}"]
        settings = JobConfig(scheduler="slurm", tasks=2, cpus=1, setup=setup)
        began = time.monotonic()
        submit(study, settings, until="encode")
        while live(study) != []:
            time.sleep(0.2)
        wall = time.monotonic() - began
    finally:
        lab.stop()
    standing = next(s for s in survey(study) if s.stage == "encode")
    assert standing.done == standing.shards, standing
    return (2 * wall - standing.seconds) / standing.shards


def fake_stage(shards: int) -> Stage:
    """A stage whose shards write eight bytes, and whose reduction adds them up."""

    def make(study: Study, shard: Shard, progress: Progress) -> int:
        path = study.folder / "work" / "fake" / f"{shard.index:06d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(path) as temporary:
            temporary.write_bytes(shard.index.to_bytes(8, "little"))
        return 1

    def finish(study: Study) -> None:
        total = 0
        for shard in range(shards):
            path = study.folder / "work" / "fake" / f"{shard:06d}"
            total += int.from_bytes(path.read_bytes(), "little")
        study.write_facts("fake", {"sum": total})

    return Stage(
        name="fake",
        title="no work",
        needs=("plan",),
        sections=(),
        run=make,
        shards=lambda study: shards_of(range(shards)),
        finish=finish,
    )


def driver(shards: int, workers: int, folder: Path) -> dict[str, float]:
    """Seconds and peak memory (MB) of the driver's part: planning jobs, status, checking, merging.

    The workers' part runs before, in another process, without flushing to disk.
    """
    study = Study.create(folder / "driver", small_config(ROOT / "data_samples", write_model(folder / "m")))
    study.run(until="plan")
    child = os.fork()
    if child == 0:
        os.fsync = lambda handle: None  # type: ignore[assignment]
        run_shards(study, plan_work(study, fake_stage(shards)), Silent())
        os._exit(0)
    os.waitpid(child, 0)
    program = (
        "import sys, time, json; from pathlib import Path;"
        f"sys.path.insert(0, {str(ROOT)!r}); from benchmarks.scaling import drive;"
        f"print(json.dumps(drive(Path({str(study.folder)!r}), {shards}, {workers})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def drive(folder: Path, shards: int, workers: int) -> dict[str, float]:
    """The driver's part over finished shards; seconds by step, and peak memory."""
    study, stage = Study.open(folder), fake_stage(shards)
    kept = dict(STAGES)
    STAGES.clear()
    STAGES.update({"plan": kept["plan"], "fake": stage})
    base = peak_mb()
    seconds = {}
    began = time.monotonic()
    steps(study, JobConfig(tasks=workers))
    seconds["jobs_s"] = time.monotonic() - began
    began = time.monotonic()
    assert not pending(study, plan_work(study, stage)).shards
    survey(study)
    seconds["status_s"] = time.monotonic() - began
    began = time.monotonic()
    outcome = reduce(study, stage, Silent())
    seconds["reduce_s"] = time.monotonic() - began
    assert outcome.made == 0 and study.facts("fake")["sum"] == shards * (shards - 1) // 2
    peak = peak_mb()
    return seconds | {"mb": peak, "mb_over_imports": peak - base}


def peak_mb() -> float:
    """Most memory that this process has held (``getrusage`` would give the parent's, where that is more)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def on_paper() -> list[str]:
    """Hours, disk and traffic of whole genomes with Evo 2 7B on 64 GPUs, every assumption in the text."""
    parameters, share = 7e9, 27 / 32
    flops = 2 * parameters * share
    peak, used, gpus = 989e12, 0.35, 64
    window, warmup, k, bytes_each = 8192, 1024, 64, 6
    rate = peak * used / flops
    lines = [
        f"assumed: {flops / 1e9:.1f} GFLOP a token (2 x 7e9 parameters x 27 of 32 blocks, to blocks.26), H100"
        f" at 989 TFLOP/s dense bf16 x {used:.0%} = {rate:,.0f} tokens/s a GPU; windows of {window:,} with"
        f" {warmup:,} warm-up; both strands; {k} active features a base, {bytes_each} bytes each"
    ]
    for name, bases in (("E. coli", 4.64e6), ("human", 3.1e9)):
        tokens = 2 * bases * window / (window - warmup)
        hours = tokens / (rate * gpus) / 3600
        disk = 2 * bases * k * bytes_each
        lines.append(
            f"{name}: {tokens:.3g} tokens, {hours:,.3f} h on {gpus} GPUs ({hours * gpus:,.1f} GPU hours) +"
            f" loading 14 GB of weights a worker; features {disk / 1e9:,.1f} GB written, the same read once"
        )
    return lines


def main() -> None:
    options = parser(__doc__, "60 kb, 5,000 shards")
    options.add_argument("--bases", type=int, default=1_000_000)
    options.add_argument("--shards", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=1_000)
    args = options.parse_args()
    if args.quick:
        args.bases, args.shards, args.workers = 60_000, 5_000, 50
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gone = absent("ecoli")
        results["efficiency_2_workers"] = (
            f"skipped: {gone}" if gone else round(two_workers(args.bases, folder), 3)
        )
        overhead = scheduler_overhead(folder)
        results["scheduler_overhead_s_per_shard"] = overhead and round(overhead, 3)
        costs = driver(args.shards, args.workers, folder)
    for step, value in costs.items():
        print(f"driver, {args.shards:,} shards, {args.workers:,} tasks: {step} {value:,.1f}")
    total = sum(v for k, v in costs.items() if k.endswith("_s"))
    results["driver_shards"] = args.shards
    results["driver_s"] = round(total, 1)
    results["driver_mb"] = round(costs["mb"], 1)
    for line in on_paper():
        print(f"on paper: {line}")
    finish(args, results)


if __name__ == "__main__":
    main()
