"""What reaching into a model costs, next to plain passes of the same model in the same run.

``python benchmarks/interventions.py [--quick] [--json]``, with ``mini`` on the embedded *E. coli* and an
autoencoder of the demo's width with random directions (timing needs no training). ``steered_rate_fraction``:
bases a second of writing under a plan of ten features, over those without. ``attribution_passes``: seconds of
attributing the log-probability of one base to all features over 8 kb, in forward passes of the same input.
``ism_speedup``: every substitution of the last 200 bases of a 2 kb context, against a pass a mutant.
``write_fraction``: bases a second of writing 64 sequences of 1 kb from carried state, over those of passes
over the same bases. Runs that are compared take turns; ratios are medians over the turns. ``step_bytes`` says
what a step of writing has to read at least: the weights once, and each row's state half way.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from feature_mining.attribution.bases import saturate
from feature_mining.attribution.features import attribute_features
from feature_mining.attribution.target import BaseProbability, Likelihood
from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Steer
from feature_mining.edits.plan import EditPlan
from feature_mining.sae.calibrate import calibrate
from feature_mining.writing.write import write
from genomic_models import DNAModel, load
from genomic_models.striped_hyena.layers import Grown
from workbench.genome.reference import Genome
from workbench.setup.demo import GENOME, samples_folder

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from benchmarks.extraction import random_sae  # noqa: E402

ROWS, LENGTH, PROMPT = 64, 1000, 24
FEATURES = 10
ATTRIBUTED, CONTEXT, MUTATED = 8192, 2048, 200


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratios(
    first: Callable[[], object], second: Callable[[], object], turns: int
) -> tuple[float, float, float]:
    """Median seconds of each, taken in turns, and of their ratio."""
    pairs = [(seconds(first), seconds(second)) for _ in range(turns)]
    one, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return one, other, statistics.median(a / b for a, b in pairs)


def dictionary(model: DNAModel, layer: str, sequence: str) -> Dictionary:
    """An autoencoder of random directions, calibrated on a stretch."""
    x = model.forward([sequence], taps=[layer], until=layer).taps[layer][0].float()
    sae = random_sae(model, layer, np.ascontiguousarray(x.numpy()), k=16)
    return Dictionary.at(layer, *calibrate(sae, [x]))


def step_bytes(model: DNAModel) -> dict[str, int]:
    """Bytes of weights, and of the state of ``ROWS`` rows half way, that a step reads."""
    _, state = model.read(torch.full((ROWS, PROMPT + LENGTH // 2), ord("A")))
    blocks = state[1]  # type: ignore[index]
    parts = [part.values if isinstance(part, Grown) else part for block in blocks for part in block]
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())  # type: ignore[attr-defined]
    return {"weights": weights, "state": sum(part.numel() * part.element_size() for part in parts)}


def main() -> None:
    options = parser(__doc__, "one turn where a run is long, 200 bases where steering is timed, 24 mutants")
    given = options.parse_args()
    model = load("mini")
    read = step_bytes(model)
    layer = model.default_layer
    turns, few, steered, mutants = (5, 1, 200, 24) if given.quick else (5, 3, LENGTH, 3 * MUTATED)
    with tempfile.TemporaryDirectory() as cache:
        genome = Genome(samples_folder() / f"{GENOME}.fa", cache=Path(cache))
        (chrom,) = genome.lengths
        letters = genome.fetch(chrom, 20_000, 20_000 + ATTRIBUTED)
    at = dictionary(model, layer, letters[:CONTEXT])
    active = (at.unit > 0).nonzero()[:FEATURES, 0].tolist()
    plan = EditPlan(tuple(Steer(layer, feature, 0.5) for feature in active))
    prompt = letters[:PROMPT]

    def writing(plans: EditPlan, length: int) -> Callable[[], object]:
        return lambda: write(model, [prompt], length, [plans], {layer: at}, number=ROWS, together=ROWS)

    writing(plan, 20)(), writing(EditPlan(), 20)()  # warm
    plain, edited, fraction = ratios(writing(EditPlan(), steered), writing(plan, steered), turns)
    texts = [letters[i : i + LENGTH] for i in range(0, ROWS * 100, 100)]

    def passes() -> None:
        for start in range(0, ROWS, 16):
            model.forward(texts[start : start + 16])

    passes()
    whole, cached, written = ratios(passes, writing(EditPlan(), LENGTH), few)
    target = BaseProbability(ATTRIBUTED - 1, letters[-1])
    attributed, forward, attribution = ratios(
        lambda: attribute_features(model, letters, target, at, "gradient"),
        lambda: model.forward([letters]),
        turns,
    )
    context = letters[:CONTEXT]
    likelihood = Likelihood(CONTEXT - MUTATED, CONTEXT)

    def naive() -> None:
        for start in range(0, mutants, 8):
            likelihood.value(model, model.forward([context] * min(8, mutants - start)))

    _, quick, ism = ratios(
        naive, lambda: saturate(model, context, CONTEXT - MUTATED, CONTEXT, likelihood), few
    )
    finish(
        given,
        {
            "steered_rate_fraction": round(fraction, 4),
            "plain_bases_per_s": round(ROWS * steered / plain),
            "steered_bases_per_s": round(ROWS * steered / edited),
            "write_fraction": round(written, 4),
            "write_bases_per_s": round(ROWS * LENGTH / cached),
            "pass_bases_per_s": round(ROWS * LENGTH / whole),
            "attribution_passes": round(attribution, 3),
            "attribution_s": round(attributed, 3),
            "pass_8kb_s": round(forward, 3),
            "ism_speedup": round(ism * 3 * MUTATED / mutants, 3),
            "ism_s": round(quick, 3),
            "mutants_timed": mutants,
            "step_bytes": read,
            "threads": torch.get_num_threads(),
        },
    )


if __name__ == "__main__":
    main()
