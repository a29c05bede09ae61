"""Training speed and quality on a planted dictionary, beside the peer libraries, in one run. Simulated data.

``python benchmarks/sae.py [PART ...] [--quick] [--json] [--seeds 3] [--steps 1000] [--only LIBRARY ...]
[--variants topk batch_topk] [--results FILE]`` (peers: extra ``peers``). Parts:

* ``speed``: all libraries interleaved with the five matrix products of a dense step.
* ``quality``: each is trained and judged on held-out rows, by seed.
* ``real``: the same on activations of ``mini`` over *E. coli* (../shared), with explained variance and bits a
  base recovered.
* ``memory``: peak memory of training, by formula and measured.
* ``rule``: the default learning rate among multiples of it, for several widths, batches and lengths.
* ``anchor``: the same at the size of ``quality``, where the default is anchored.
* ``compile``: whether ``torch.compile`` pays, for the variants that autograd differentiates.

2,048 true features in 256 dimensions, about 20 active; dictionaries of 2,048 with k = 32, batches of 2,048.
Ours run with their defaults, the peers at their best learning rates. With ``--results FILE`` each score of
``quality``, ``real`` and ``rule`` is written when it is there, and a second run goes on from them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from benchmarks.planted import Planted, batches, judge, plant  # noqa: E402
from benchmarks.sae_peers import PEERS, Trained, installed  # noqa: E402
from benchmarks.sae_results import Results, Score, summarise  # noqa: E402
from feature_mining.sae.pursuit import Pursuit, calibrate_stop  # noqa: E402
from feature_mining.sae.training.thresholds import set_thresholds  # noqa: E402
from feature_mining.sae.training.trainer import TrainConfig, Trainer  # noqa: E402

BATCH, D_SAE, K = 2_048, 2_048, 32
PARTS = ("speed", "quality", "real", "memory", "rule", "anchor", "compile")
OURS = ("topk", "batch_topk")
# Our TopK, encoded by matching pursuit with as many features a row, on average.
PURSUED = "topk_pursuit"
Run = Callable[[Iterator[Tensor], int, int, int, int, int], Trained]


def ours(architecture: str, held_out: Tensor | None) -> Run:
    """Our trainer with its defaults; thresholds calibrated on ``held_out`` rows if given."""

    def run(stream: Iterator[Tensor], d_in: int, d_sae: int, k: int, steps: int, seed: int) -> Trained:
        config = TrainConfig(d_sae=d_sae, k=k, steps=steps, batch=BATCH, architecture=architecture, seed=seed)
        sae = Trainer(config).fit(stream).sae
        if held_out is not None:
            sae, _ = set_thresholds(sae, [held_out])
        return Trained(sae.encode, sae.decode, sae.W_dec)

    return run


def pursued(held_out: Tensor) -> Run:
    """Our TopK, its dictionary encoded with by matching pursuit; ``k`` a row on average of ``held_out``."""

    def run(stream: Iterator[Tensor], d_in: int, d_sae: int, k: int, steps: int, seed: int) -> Trained:
        sae = Trainer(TrainConfig(d_sae, k, steps, BATCH, "topk", seed=seed)).fit(stream).sae
        pursuit = Pursuit(sae, calibrate_stop(sae, [held_out[:5_000]]).level)
        return Trained(pursuit.encode, pursuit.decode, sae.W_dec)

    return run


def dense_step(x: Tensor, steps: int, d_sae: int) -> float:
    """Samples a second of the five matrix products of a dense step."""
    encoder, codes = torch.randn(d_sae, x.shape[1]), torch.empty(len(x), d_sae)
    began = time.perf_counter()
    for _ in range(steps):
        torch.mm(x, encoder.T, out=codes)  # encode
        back = codes @ encoder  # decode
        grad = back @ encoder.T  # to the codes
        codes.T @ back  # decoder
        grad.T @ x  # encoder
    return steps * len(x) / (time.perf_counter() - began)


class Clock:
    """Batches, and when the first and the last were asked for: set-up and saving are not timed."""

    def __init__(self, stream: Iterator[Tensor]) -> None:
        self.stream, self.first, self.last = stream, 0.0, 0.0

    def __iter__(self) -> Iterator[Tensor]:
        for batch in self.stream:
            self.last = time.perf_counter()
            self.first = self.first or self.last
            yield batch


def runners(only: list[str], variants: list[str], held_out: Tensor | None) -> dict[tuple[str, str], Run]:
    """Everything that is installed, ours first."""
    found: dict[tuple[str, str], Run] = {("ours", a): ours(a, held_out) for a in OURS}
    if held_out is not None:
        found["ours", PURSUED] = pursued(held_out)
    for (library, variant), (module, run) in PEERS.items():
        if (not only or library in only) and not installed(module):
            print(f"{library} {variant}: skipped, not installed (extra peers)")
        else:
            found[library, variant] = run
    return {
        key: run
        for key, run in found.items()
        if (not only or key[0] in only) and (not variants or key[1] in variants)
    }


def measure_speed(
    rows: Tensor, steps: int, rounds: int, chosen: dict[tuple[str, str], Run]
) -> dict[str, object]:
    """Samples a second by library, ratios to the fastest peer and to the dense bound; medians of rounds."""
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    bound: list[float] = []
    for turn in range(rounds + 1):
        bound.append(dense_step(rows[:BATCH], 10, D_SAE))
        for key, run in chosen.items():
            # The first turn compiles and warms up, with few steps.
            count = steps if turn else 12
            stream = batches(rows, BATCH, count, turn)
            clock = Clock(stream)
            run(iter(clock), rows.shape[1], D_SAE, K, count, 0)
            rates[key].append((count - 1) * BATCH / (clock.last - clock.first))
    middle = {key: median(values[1:]) for key, values in rates.items()}
    dense = median(bound[1:])
    print(f"{'five dense products':36s} {dense:12,.0f} samples/s")
    for (library, variant), rate in middle.items():
        print(f"{library:22s} {variant:12s} {rate:13,.0f} samples/s")
    ratio = {}
    for variant in OURS:
        peers = [r for (lib, v), r in middle.items() if v == variant and lib != "ours"]
        if peers and ("ours", variant) in middle:
            ratio[variant] = round(middle["ours", variant] / max(peers), 2)
    return {
        "samples_per_s": {f"{lib} {v}": round(r) for (lib, v), r in middle.items()},
        "ratio_to_fastest_peer": ratio,
        "ratio_to_five_gemm": {v: round(middle["ours", v] / dense, 2) for v in OURS if ("ours", v) in middle},
    }


def measure_quality(
    seeds: int, steps: int, only: list[str], variants: list[str], results: Results
) -> dict[str, object]:
    """Held-out quality by library and seed, and how far ours is from the best peer."""
    scores: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for seed in range(seeds):
        planted = plant(seed)
        for key, run in runners(only, variants, planted.held_out[20_000:]).items():

            def score(run: Run = run, planted: Planted = planted, seed: int = seed) -> Score:
                clock = Clock(batches(planted.train, BATCH, steps, seed))
                trained = run(iter(clock), planted.train.shape[1], D_SAE, K, steps, seed)
                rate = (steps - 1) * BATCH / (clock.last - clock.first)
                return judge(planted, *trained) | {"samples_per_s": rate}

            found = results.get(("quality", " ".join(key), f"{steps} steps, seed {seed}"), score)
            scores[key].append(found)
            figures = "  ".join(f"{k} {v:.4f}" for k, v in found.items())
            print(f"seed {seed}  {key[0]:20s} {key[1]:11s} {figures}", flush=True)
    return summarise(scores)


def part(name: str) -> str:
    """One of the parts of this benchmark."""
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"unknown part {name}; expected {', '.join(PARTS)}")
    return name


def main() -> None:
    options = parser(__doc__, "one seed, 50 steps, one round of 20 steps: too few to compare quality")
    options.add_argument("parts", nargs="*", default=["speed", "quality"], metavar="PART", type=part)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--steps", type=int, default=1_000, help="of the runs of quality and real")
    options.add_argument("--speed-steps", type=int, default=100)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", nargs="*", default=[], help="libraries: ours, sae-lens, ...")
    options.add_argument("--variants", nargs="*", default=[], help="variants: topk, batch_topk, ...")
    options.add_argument("--results", type=Path, help="file that scores are kept in")
    args = options.parse_args()
    if args.quick:
        args.seeds, args.steps, args.speed_steps, args.rounds = 1, 50, 20, 1
    kept = Results(args.results)
    results: dict[str, object] = {}
    if "speed" in args.parts:
        rows = plant(0, train=40_000, held_out=1_000).train
        chosen = runners(args.only, args.variants, None)
        results |= measure_speed(rows, args.speed_steps, args.rounds, chosen)
    if "quality" in args.parts:
        print("simulated data: a planted dictionary")
        results |= measure_quality(args.seeds, args.steps, args.only, args.variants, kept)
    if "real" in args.parts:
        from benchmarks.sae_real import measure_real

        def chosen_for(held_out: Tensor) -> dict[tuple[str, str], Run]:
            return runners(args.only, args.variants, held_out)

        results |= measure_real(args.steps, args.seeds, chosen_for, kept)
    if "memory" in args.parts:
        from benchmarks.sae_memory import report_memory

        results |= report_memory()
    if "rule" in args.parts:
        from benchmarks.sae_rule import measure_rule

        results |= measure_rule(kept)
    if "anchor" in args.parts:
        from benchmarks.sae_rule import measure_anchor

        results |= measure_anchor(kept)
    if "compile" in args.parts:
        from benchmarks.sae_compile import measure_compile

        results |= measure_compile(args.rounds)
    finish(args, results)


if __name__ == "__main__":
    main()
