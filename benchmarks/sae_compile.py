"""Whether ``torch.compile`` pays for the forms whose gradients autograd finds. Simulated data.

Samples a second of loss and gradients at the size of ``quality``, as they are and compiled, taken in turns,
and how long the first compiled step takes. BatchTopK and TopK have written-out gradients over few active
pairs: there is nothing in them to compile. On a GPU where there is one.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from benchmarks.planted import batches, plant
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.ranks import Ranks
from feature_mining.sae.architectures.registry import new_form
from feature_mining.sae.training.scaling import measure_scaling

FORMS = ("relu_l1", "gated", "jump_relu")
D_SAE, K, BATCH, STEPS = 2_048, 32, 2_048, 8


def measure_compile(rounds: int) -> dict[str, object]:
    """Samples a second by form, plain and compiled, medians of ``rounds``; seconds of the first step."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = [batch.to(device) for batch in batches(plant(0, 20_000, 2_000).train, BATCH, STEPS, 0)]
    scaling = measure_scaling(rows)
    inputs = [scaling.apply(batch)[0] for batch in rows]
    dead = torch.zeros(D_SAE, dtype=torch.bool, device=device)
    given = Initialisation(
        D_SAE, K, scaling.mean, scaling.variance, torch.Generator().manual_seed(0), 1_000, 0.0, (),
        Ranks(),
    )  # fmt: skip
    found: dict[str, object] = {}
    for name in FORMS:
        plain, compiled = new_form(name, given), new_form(name, given)
        compiled.loss = torch.compile(compiled.loss)  # type: ignore[attr-defined]
        began = time.perf_counter()
        compiled.gradients(inputs[0], dead)
        first = time.perf_counter() - began
        rates: dict[str, list[float]] = {"plain": [], "compiled": []}
        for _ in range(rounds + 1):
            rates["plain"].append(_rate(plain, inputs, dead))
            rates["compiled"].append(_rate(compiled, inputs, dead))
        middle = {key: round(median(values[1:])) for key, values in rates.items()}
        found[name] = middle | {"first_step_s": round(first, 1)}
        print(f"compile  {name:12s} {device}  {found[name]}", flush=True)
    return {"compile": found}


def _rate(form: Any, inputs: list[torch.Tensor], dead: torch.Tensor) -> float:
    began = time.perf_counter()
    for batch in inputs:
        # The last number is read on the host, so all of it is done.
        form.gradients(batch, dead)
    return len(inputs) * BATCH / (time.perf_counter() - began)
