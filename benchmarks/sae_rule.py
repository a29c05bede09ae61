"""The default learning rate among multiples of it: several widths, batches and lengths. Simulated data.

A small planted dictionary (512 true features in 64 dimensions, about 5 active), so that it takes minutes. A
cell is a width, a batch and a number of steps; in each BatchTopK is trained with the default rate and with
multiples of it, and judged on held-out rows after calibration.
"""

from __future__ import annotations

from itertools import product

from benchmarks.planted import batches, judge, plant
from benchmarks.sae_results import Results, Score
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.train_config import TrainConfig
from feature_mining.sae.training.trainer import Trainer

TRUE, D_IN, ACTIVE, K = 512, 64, 5.0, 8
WIDTHS, BATCHES, STEPS = (256, 1_024, 4_096), (256, 1_024), (200, 1_000)
MULTIPLES = (0.5, 1.0, 2.0)
ANCHOR_MULTIPLES = (0.75, 1.0, 1.5)
ROWS, HELD_OUT = 100_000, 14_000


def measure_rule(results: Results) -> dict[str, object]:
    """Explained variance and matched cosine by cell and multiple; what the default loses against the best."""
    planted = plant(0, ROWS, HELD_OUT, TRUE, D_IN, ACTIVE)
    cells: dict[str, object] = {}
    for width, batch, steps in product(WIDTHS, BATCHES, STEPS):
        found: dict[float, Score] = {}
        for multiple in MULTIPLES:

            def score(
                width: int = width, batch: int = batch, steps: int = steps, by: float = multiple
            ) -> Score:
                rate = by * TrainConfig(width, K, steps, batch).peak_rate(D_IN)
                config = TrainConfig(width, K, steps, batch, learning_rate=rate)
                try:
                    trained = Trainer(config).fit(batches(planted.train, batch, steps, 0))
                except ValueError:
                    # Rates that diverge lose against all others.
                    return {"rate": rate, "ev": -1.0, "mcc": 0.0, "dead": 1.0, "l0": 0.0}
                sae, _ = set_thresholds(trained.sae, [planted.held_out[10_000:]])
                judged = judge(planted, sae.encode, sae.decode, sae.W_dec, 10_000)
                kept = {name: round(judged[name], 4) for name in ("ev", "mcc", "dead", "l0")}
                return {"rate": rate} | kept

            name = f"width {width}, batch {batch}, {steps} steps"
            found[multiple] = results.get(("rule", name, f"times {multiple}"), score)
        best = max(found, key=lambda m: found[m]["ev"])
        own = found[1.0]
        shown = "  ".join(f"x{m:g} {f['ev']:.3f}/{f['mcc']:.3f}" for m, f in found.items())
        print(
            f"rule  {name:38s} rate {own['rate']:.2g}  ev/mcc: {shown}  best x{best:g}"
            f"  dead {own['dead']:.3f}  L0 {own['l0']:.2f}",
            flush=True,
        )
        cells[name] = {
            "rate": own["rate"],
            "best_multiple": best,
            "ev_lost": round(found[best]["ev"] - own["ev"], 4),
            "mcc_lost": round(max(f["mcc"] for f in found.values()) - own["mcc"], 4),
            "dead": own["dead"],
            "l0": own["l0"],
        }
    return {"rule": cells}


def measure_anchor(results: Results) -> dict[str, object]:
    """TopK and BatchTopK at multiples of the default rate where it is anchored: the data of ``quality``."""
    planted = plant(0)
    found: dict[str, object] = {}
    for architecture, multiple in product(("topk", "batch_topk"), ANCHOR_MULTIPLES):

        def score(architecture: str = architecture, by: float = multiple) -> Score:
            rate = by * TrainConfig(2_048, 32, 1_000).peak_rate(256)
            config = TrainConfig(2_048, 32, 1_000, 2_048, architecture, learning_rate=rate)
            trained = Trainer(config).fit(batches(planted.train, 2_048, 1_000, 0))
            sae, _ = set_thresholds(trained.sae, [planted.held_out[20_000:]])
            return {"rate": rate} | judge(planted, sae.encode, sae.decode, sae.W_dec)

        name = f"{architecture} times {multiple:g}"
        kept = results.get(("anchor", architecture, f"times {multiple:g}"), score)
        print(f"anchor  {name:22s} {'  '.join(f'{n} {v:.4f}' for n, v in kept.items())}", flush=True)
        found[name] = kept
    return {"anchor": found}
