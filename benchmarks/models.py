"""Families of DNA models through the contract: tiny checkpoints in the published form, and one real network.

    python benchmarks/models.py [--quick] [--json]

``families``: what went through; ``max_error_vs_reference``: largest difference of a logit or of a block's
output between the contract and transformers' own class of the family, all sequences padded into one batch
here and each alone there. ``openspliceai_top1``: share of yeast donors that the network trained on honeybee
puts first among all GT within 500 bases (real weights, a species that it never saw), and ``..._random`` with
fresh ones.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

from genomic_models import load

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser  # noqa: E402
from benchmarks.networks.published import PUBLISHED, write_checkpoint  # noqa: E402
from benchmarks.openspliceai import DONORS, donors  # noqa: E402

NETWORK = "honeybee_400nt_rs10"


def error_of(family: str, folder: Path, bases: int) -> float:
    """Largest difference of a logit or a block's output from transformers' own class."""
    model = load(f"hf:{write_checkpoint(family, folder)}")
    draws = np.random.default_rng(0)
    sequences = ["".join(draws.choice(list("ACGT"), size)) for size in (bases, bases // 2, bases // 3)]
    found = model.forward(sequences, taps=model.layers)
    assert found.logits is not None
    network = getattr(transformers, type(model.network).__name__).from_pretrained(folder).eval()  # type: ignore[attr-defined]
    worst = 0.0
    for row, sequence in enumerate(sequences):
        ids = model.tokenize([sequence]).ids
        n = ids.shape[1]
        with torch.inference_mode():
            expected = network(input_ids=ids, output_hidden_states=True)
        pairs = [(found.logits[row, :n], expected.logits[0])]
        # The last hidden state is after the last norm.
        for name, hidden in zip(model.layers[:-1], expected.hidden_states[:-1], strict=True):
            pairs.append((found.taps[name][row, :n], hidden[0]))
        worst = max(worst, *(float((a - b).abs().max()) for a, b in pairs))
    return worst


def main() -> None:
    """Print the figures."""
    given = parser(__doc__, "60 bases, 40 donors").parse_args()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bases = 60 if given.quick else 150
        errors = {family: error_of(family, folder / str(i), bases) for i, family in enumerate(PUBLISHED)}
        results: dict[str, object] = {"families": errors, "max_error_vs_reference": max(errors.values())}
        if why := absent("yeast", "models/openspliceai"):
            results["openspliceai_skipped"] = why
        else:
            found = donors(folder / "network", NETWORK, 40 if given.quick else DONORS)
            results |= {
                "openspliceai_top1": found["first"],
                "openspliceai_top1_random": found["random_first"],
            }
    finish(given, results)


if __name__ == "__main__":
    main()
