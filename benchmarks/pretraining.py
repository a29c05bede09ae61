"""Speed of a training step of ``mini`` against its arithmetic bound, and where the time goes.

The bound: all matrix products of a step (optimiser included, the causal half of attention, nothing
computed twice) at the rate of the fastest of a few bf16 products on this machine. Steps and products are
timed in turns, so that other load slows both; figures are medians. The steps are those of a real run on
the sample of *E. coli*, so that bits a base after the same steps tell whether bf16 costs anything.

    python benchmarks/pretraining.py [--quick] [--json]
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from Bio.SeqIO.FastaIO import SimpleFastaParser
from torch.utils.flop_counter import FlopCounterMode

from genomic_models.corpus import write_corpus
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.striped_hyena.config import StripedHyenaConfig

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402

SAMPLE = ROOT / "data_samples" / "ecoli_k12_250kb.fa"
MINI = ROOT / "genomic_models" / "weights" / "mini" / "config.json"
PARTS = ("batch", "forward", "backward", "update")
PRODUCTS = ((8192, 192, 192), (8192, 512, 192), (8192, 192, 576), (2048, 2048, 2048))
REPEATS = 4


class Run:
    """A training run that keeps the seconds of every part of a step, and its bits a base."""

    def __init__(self, trainer: Pretrainer) -> None:
        self.trainer = trainer
        self.network = torch.compile(trainer.network) if trainer.config.compile else trainer.network
        self.seconds: list[np.ndarray] = []
        self.bits: list[float] = []

    def step(self) -> None:
        """One step."""
        trainer = self.trainer
        times = [time.perf_counter()]
        ids = trainer.batch(trainer.step)
        times.append(time.perf_counter())
        loss = trainer.loss(self.network, ids)
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        trainer.update()
        times.append(time.perf_counter())
        self.seconds.append(np.diff(times))
        self.bits.append(loss.item() / math.log(2))


def count_flops(run: Run) -> float:
    """Floating-point operations of the matrix products of a step, which is taken."""
    config, architecture = run.trainer.config, run.trainer.network.config
    with FlopCounterMode(display=False) as counter:
        run.step()
    # The counter knows no attention on a CPU: two products forwards, four backwards, half of each.
    attention = 6 * config.batch * config.length**2 * architecture.width
    return counter.get_total_flops() + attention * architecture.pattern.count("*")


def product_rates(dtype: torch.dtype) -> list[float]:
    """Operations a second of every product of ``PRODUCTS``, in three layouts each."""
    rates = []
    for m, k, n in PRODUCTS:
        x, w, y = (torch.randn(*shape).to(dtype) for shape in ((m, k), (n, k), (m, n)))
        for a, b in ((x, w.T), (y, w), (y.T, x)):
            began = time.perf_counter()
            for _ in range(REPEATS):
                torch.mm(a, b)
            rates.append(REPEATS * 2 * m * k * n / (time.perf_counter() - began))
    return rates


def measure(kinds: dict[str, PretrainConfig], rounds: int) -> dict[str, object]:
    """Speeds of every kind of run, the first of which is plain bf16, and the bound."""
    architecture = StripedHyenaConfig.from_dict(json.loads(MINI.read_text()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with SAMPLE.open() as handle:
            corpus = write_corpus(SimpleFastaParser(handle), folder / "corpus")
        runs = {
            kind: Run(Pretrainer(architecture, config, corpus, folder / kind))
            for kind, config in kinds.items()
        }
    plain = next(iter(runs.values()))
    flops = count_flops(plain)
    for run in runs.values():
        while len(run.bits) < 2:
            run.step()
    rates: dict[str, list[list[float]]] = {"bf16": [], "fp32": []}
    for _ in range(rounds):
        for run in runs.values():
            run.step()
        rates["bf16"].append(product_rates(torch.bfloat16))
        rates["fp32"].append(product_rates(torch.float32))
    peaks = {kind: max(np.median(found, axis=0)) for kind, found in rates.items()}
    tokens = plain.trainer.config.batch * plain.trainer.config.length
    parts = {kind: np.median(run.seconds[-rounds:], axis=0) for kind, run in runs.items()}
    speeds = {
        kind: tokens / median(step.sum() for step in run.seconds[-rounds:]) for kind, run in runs.items()
    }
    bound = peaks["bf16"] / flops * tokens
    return {
        "tokens_per_s_over_bound": round(max(speeds.values()) / bound, 3),
        "bound_tokens_per_s": round(bound),
        "tokens_per_s": {kind: round(speed) for kind, speed in speeds.items()},
        "step_s": {
            kind: dict(zip(PARTS, seconds.round(3).tolist(), strict=True)) for kind, seconds in parts.items()
        },
        "products_gflop_per_s": {kind: round(rate / 1e9) for kind, rate in peaks.items()},
        "mflop_per_token": round(flops / tokens / 1e6, 2),
        "bits_of_last_step": {kind: round(run.bits[-1], 4) for kind, run in runs.items()},
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Time, count, print."""
    options = parser(__doc__.splitlines()[0], "three steps, torch.compile left out")
    arguments = options.parse_args()
    bf16 = PretrainConfig(tokens=10_000_000)
    kinds = {"bf16": bf16, "fp32": replace(bf16, autocast=False)}
    if not arguments.quick:
        kinds["compiled"] = replace(bf16, compile=True)
    began = time.perf_counter()
    torch.set_flush_denormal(True)
    found = measure(kinds, 3 if arguments.quick else 12)
    finish(arguments, found | {"seconds": round(time.perf_counter() - began, 1)})


if __name__ == "__main__":
    main()
