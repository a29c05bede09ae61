"""A whole study of *E. coli* MG1655, all controls included: what each stage costs, and what no design avoids.

``python benchmarks/study.py [--quick] [--json] [--bases N] [--tokens N] [--workers N] [--out DIR]``.

Seconds of every stage as the clock has them, seconds of processors (all processes; what counts on a machine
with other work), and those a megabase; then the bare passes of the model over both strands to the study's
layer, with nothing read off, and their share. With ``--out`` the study is kept: the command goes on where it
was stopped, and prints the table of a finished one. ``--quick`` is 250 kb with a fifteenth of the training.
Annotation: the RefSeq GFF3, and the promoters (40 bases around +1) and terminators of EcoCyc, from ../shared.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

from workbench.engines.memory import keep_freed_memory
from workbench.engines.shards import fingerprint
from workbench.genome.windows import read_sequence
from workbench.stages.registry import STAGES
from workbench.study.study import Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser, skip  # noqa: E402
from benchmarks.ecoli import create, workbench  # noqa: E402

# Windows that the bare passes are timed on, and that run together.
WINDOWS = 16
COLUMNS = ("stage", "clock s", "processor s", "processor s/Mb")


def costs(study: Study) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of processors of every finished stage, from the ledger."""
    found = {}
    for name, stage in STAGES.items():
        mark = fingerprint(study, stage)
        whole = study.ledger.done(name, None, mark)
        if whole is not None and stage.wanted(study):
            shards = [record for _, record in study.ledger.finished(name, mark)]
            found[name] = whole.seconds, whole.cpu + sum(record.cpu for record in shards)
    return found


def bare_passes(study: Study) -> float:
    """Seconds of processors a base for both strands through the model to the layer, windows overlapping."""
    grid, model, chrom = study.grid, study.model, next(iter(study.manifest.contigs))
    cells = grid.cells(chrom, study.manifest.contigs[chrom])[1 : 1 + WINDOWS // 2]
    texts = [read_sequence(study.genome, grid, cell, strand).sequence for cell in cells for strand in "+-"]

    def once() -> float:
        began = time.process_time()
        with torch.inference_mode():
            for i in range(0, len(texts), study.batch):
                model.forward(texts[i : i + study.batch], taps=[study.layer], until=study.layer)
        return time.process_time() - began

    once()
    return min(once() for _ in range(3)) / sum(cell.end - cell.start for cell in cells)


def main() -> None:
    options = parser(__doc__, "250 kb, a fifteenth of the training")
    options.add_argument("--bases", type=int, help="only the first N bases")
    options.add_argument("--tokens", type=int, default=2_000_000, help="bases the SAE is trained on")
    options.add_argument("--workers", type=int, default=2, help="worker processes")
    options.add_argument("--until", help="stop after this stage")
    options.add_argument("--out", type=Path, help="keep the study here, and go on with it")
    args = options.parse_args()
    if gone := absent("ecoli"):
        return skip(args, gone)
    bases, tokens = (250_000, args.tokens // 15) if args.quick else (args.bases, args.tokens)
    with tempfile.TemporaryDirectory() as name:
        out = args.out or Path(name) / "study"
        create(out, bases, tokens)
        until = ["--until", args.until] if args.until else []
        began = time.monotonic()
        workbench("run", str(out), "--workers", str(args.workers), *until)
        seconds = time.monotonic() - began
        study = Study.open(out)
        megabases = sum(study.manifest.contigs.values()) / 1e6
        torch.set_num_threads(1)
        keep_freed_memory()  # as shards do
        passes = bare_passes(study) * megabases * 1e6
        stages = costs(study)
    clock, used = (sum(cost[i] for cost in stages.values()) for i in (0, 1))
    print("".join(f"{word:>16s}" for word in COLUMNS))
    for stage, (own, processor) in stages.items():
        print(f"{stage:>16s}{own:16,.1f}{processor:16,.1f}{processor / megabases:16,.1f}")
    print(f"{'all':>16s}{clock:16,.1f}{used:16,.1f}{used / megabases:16,.1f}")
    print(f"this run {seconds:,.0f} s; bare passes over both strands {passes:,.1f} s of one processor")
    finish(
        args,
        {
            "bases": round(megabases * 1e6),
            "tokens": tokens,
            "workers": args.workers,
            "clock_s": round(clock, 1),
            "processor_s": round(used, 1),
            "processor_s_per_megabase": {k: round(v / megabases, 2) for k, (_, v) in stages.items()},
            "clock_s_by_stage": {k: v for k, (v, _) in stages.items()},
            "bare_passes_s": round(passes, 1),
            "share_of_bare_passes": round(passes / used, 3),
        },
    )


if __name__ == "__main__":
    main()
