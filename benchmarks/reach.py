"""What the slow poles of the long filters are worth, in bits and in how far a base depends on its window.

    python benchmarks/reach.py [--quick] [--json] [--model mini]

A long Hyena filter is a sum of exponentials. Here those whose time constant is longer than a bound are set to
the bound, with no training after it, and the model is scored: bits a base on the first bases of *E. coli*
MG1655, and the relative change (L2) of the activations of blocks at a base that is N bases into a window,
when the window begins 1,024 bases further left. What a bound costs without training after it is the most that
it can cost. Genomes are looked for in ``shared/data`` beside the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from genomic_models import load
from genomic_models.striped_hyena.model import StripedHyenaModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bits_per_base import GENOMES, model_bits, read  # noqa: E402
from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402
from benchmarks.recipes import shifts  # noqa: E402

GENOME = "MG1655"
SCORED, QUICK_SCORED = 150_000, 10_000
# Bases; 0 for none. With ``--quick`` the first and the last.
BOUNDS = (0, 512, 256, 128, 64)


def bounded(name: str, reach: int) -> StripedHyenaModel:
    """A model with no time constant longer than so many bases."""
    model = load(name)
    if not isinstance(model, StripedHyenaModel):
        raise SystemExit(f"model {name} has no long Hyena filters")
    for key, tensor in model.network.state_dict().items():
        if reach and key.endswith("log_poles"):
            tensor.clamp_(max=-1 / reach)
    return model


def main() -> None:
    """Bound, score, print."""
    options = parser(__doc__, "10 kb, two bounds")
    options.add_argument("--model", default="mini", help="an Evo 2-style model")
    given = options.parse_args()
    file, form = GENOMES[GENOME]
    if missing := absent(file):
        skip(given, missing)
        return
    sequence = read(DATA / file, form)
    scored = sequence[: QUICK_SCORED if given.quick else SCORED]
    results: dict[str, object] = {"model": given.model, "bases": len(scored)}
    for reach in BOUNDS[:: len(BOUNDS) - 1] if given.quick else BOUNDS:
        model = bounded(given.model, reach)
        row: dict[str, object] = {"bits": round(float(np.nanmean(model_bits(model, scored))), 4)}
        with torch.inference_mode():
            for layer in model.block_outputs if not reach else [model.default_layer]:
                row[layer] = shifts(model, layer, sequence)
        results[f"reach_{reach or 'any'}"] = row
        print(f"reach {reach or 'any'}: {row}", flush=True)
    finish(given, results)


if __name__ == "__main__":
    main()
