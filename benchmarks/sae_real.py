"""The comparison of ``benchmarks/sae.py`` on activations of ``mini`` over *E. coli*.

Rows of layer blocks.4 from the first 400,000 bases, both strands, kept in memory: all libraries read the same
batches. Judged on 40 windows from the second megabase: explained variance with the pooled mean, L0, and bits
a base with the reconstruction in the layer's place, recovered between the clean model and the layer at its
mean.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.planted import batches
from benchmarks.sae_results import Results, Score
from genomic_models import load

GENOME = Path(__file__).resolve().parents[2] / "shared" / "data" / "ecoli" / "NC_000913.3.fna.gz"
LAYER, WINDOW, WARMUP, BATCH = "blocks.4", 2_048, 512, 2_048
WIDTH, K = 1_536, 16


def measure_real(
    steps: int, seeds: int, runners: Callable[[torch.Tensor], dict], kept: Results
) -> dict[str, object]:
    """Explained variance, L0 and recovered bits by library and seed, at equal steps.

    ``runners`` gives what trains, told rows to calibrate on.
    """
    if not GENOME.exists():
        print("real: skipped, no ../shared/data/ecoli beside the checkout")
        return {}
    with gzip.open(GENOME, "rt") as handle:
        handle.readline()
        text = handle.read().replace("\n", "")
    model = load("mini")
    rows = _rows(model, [text[i : i + WINDOW] for i in range(0, 400_000, WINDOW - WARMUP)])
    held = [text[i : i + WINDOW] for i in range(1_000_000, 2_000_000, 25_000)]
    target = _rows(model, held)
    # Peers have no scaling of their own that all share: every library gets rows of mean square norm d.
    scale = (rows.shape[1] / rows.square().sum(dim=1).mean()).sqrt()
    mean = rows.mean(dim=0)
    variance = (target - target.mean(dim=0)).square().sum()
    clean = _bits(model, held, None)
    ablated = _bits(model, held, lambda x: mean.expand_as(x))
    results: dict[str, object] = {}
    for seed in range(seeds):
        for key, run in runners(target[:20_000] * scale).items():

            def score(run=run, seed: int = seed) -> Score:
                stream = batches(rows * scale, BATCH, steps, seed)
                trained = run(stream, rows.shape[1], WIDTH, K, steps, seed)

                def through(x: torch.Tensor) -> torch.Tensor:
                    return trained.decode(trained.encode(x * scale)) / scale

                error = sum(float((through(p) - p).square().sum()) for p in target.split(4_096))
                l0 = sum(float((trained.encode(p * scale) > 0).sum()) for p in target.split(4_096))
                bits = _bits(model, held, through)
                return {
                    "ev": round(1 - error / float(variance), 4),
                    "l0": round(l0 / len(target), 2),
                    "bits": round(bits, 4),
                    "bits_recovered": round((ablated - bits) / (ablated - clean), 4),
                }

            name = f"{key[0]} {key[1]}, seed {seed}"
            found = kept.get(("real", " ".join(key), f"{steps} steps, seed {seed}"), score)
            results[name] = found
            print(f"real  {name:40s} {found}", flush=True)
    print(f"real  clean {clean:.4f} bits a base, layer at its mean {ablated:.4f}")
    return {"real": results}


def _rows(model, sequences: list[str]) -> torch.Tensor:
    parts = []
    for start in range(0, len(sequences), 4):
        group = [s for s in sequences[start : start + 4] if len(s) == WINDOW]
        taps = model.forward(group, taps=[LAYER], until=LAYER).taps[LAYER]
        parts.append(taps[:, WARMUP:].flatten(0, 1).float())
    return torch.cat(parts)


def _bits(model, sequences: list[str], replace: Callable | None) -> float:
    """Bits a base after the warm-up, with the layer's activations replaced there."""

    def edit(x: torch.Tensor, context: object) -> torch.Tensor:
        assert replace is not None
        x = x.clone()
        x[:, WARMUP:] = replace(x[:, WARMUP:].flatten(0, 1)).view_as(x[:, WARMUP:])
        return x

    total = count = 0.0
    for start in range(0, len(sequences), 4):
        group = sequences[start : start + 4]
        passed = model.forward(group, edits={LAYER: edit} if replace else None)
        logits = passed.logits[:, WARMUP:-1]
        targets = passed.tokens.ids[:, WARMUP + 1 :]
        nats = F.cross_entropy(
            logits.flatten(0, 1).float(), targets.to(logits.device).flatten(), reduction="sum"
        )
        total += float(nats) / math.log(2)
        count += targets.numel()
    return total / count
