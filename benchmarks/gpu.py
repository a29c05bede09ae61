"""One card against its own limits: a network of the shape of Evo 2 7B with random weights.

``python benchmarks/gpu.py [--quick] [--json] [--device cuda] [--tiny]``: under eight minutes on one card.
Measured are the card's own rates first (the fastest of a few bf16 products, a copy in its memory), then, with
the peak memory of each:

* ``forward``: whole passes over 8,192 bases; ``compute_fraction`` is the share of their time that their
  products would take at the card's rate.
* ``extraction``: passes to a layer, an SAE of 32,768 features there, and what it finds brought to the host;
  ``extraction_fraction`` over the bare pass to that layer.
* ``training``: steps of a TopK autoencoder of that width on activations at hand; ``training_over_bound``, the
  time of the five dense products of a step over that of a step, and dictionary_learning's TopK where it is
  installed.
* ``writing``: sequences written side by side from carried state; ``writing_fraction``, the time in which the
  weights and the state could be read once a step, over that of a step.
* ``attribution``: one base to all features, over passes of the same input.

``--quick`` takes the first eight blocks. ``--tiny`` cuts every size, to try the script where there is no
card. Random weights take the time of trained ones; what they say is noise.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.attribution.features import attribute_features
from feature_mining.attribution.target import BaseProbability
from feature_mining.edits.apply import Dictionary
from feature_mining.sae.calibrate import calibrate
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.train_config import TrainConfig
from feature_mining.sae.training.trainer import Trainer
from feature_mining.sae.training.training_run import Metrics
from feature_mining.writing.write import write
from genomic_models.released import EVO2_7B_BASE, parameter_count
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.layers import Grown
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena
from genomic_models.striped_hyena.placement import place

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser, skip  # noqa: E402

# Steps of training before the clock starts.
WARM = 3


class Sizes(NamedTuple):
    """What is run: the network, bases of a pass, features, rows of a batch, sequences and bases written."""

    config: StripedHyenaConfig
    length: int
    d_sae: int
    k: int
    batch: int
    steps: int
    rows: int
    written: int


def sizes(quick: bool, tiny: bool) -> Sizes:
    """Sizes of the run that was asked for."""
    if tiny:
        config = replace(
            EVO2_7B_BASE, pattern="SDH*", width=64, heads=2, inner=128, groups=16, medium_groups=16
        )
        return Sizes(config, 256, 256, 8, 64, 6, 2, 8)
    config = replace(EVO2_7B_BASE, pattern=EVO2_7B_BASE.pattern[:8]) if quick else EVO2_7B_BASE
    return Sizes(config, 8192, 32_768, 64, 8192, 30, 64, 64)


class Card:
    """The device: its clock, its memory, and what it can do."""

    def __init__(self, device: torch.device, tiny: bool) -> None:
        self.device, self.cuda = device, device.type == "cuda"
        size = 256 if tiny else 8192
        a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
        self.flops = 2 * size**3 / self.seconds(lambda: a @ b, 10)
        block = torch.empty((1 << 20) if tiny else (1 << 30), dtype=torch.uint8, device=device)
        other = torch.empty_like(block)
        # A copy reads and writes every byte.
        self.bytes = 2 * block.numel() / self.seconds(lambda: other.copy_(block), 10)

    def seconds(self, work: Callable[[], object], turns: int = 3) -> float:
        """Median seconds of some work, after one run to warm up."""
        work()
        found = []
        for _ in range(turns):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            found.append(time.perf_counter() - began)
        return median(found)

    def wait(self) -> None:
        """Until all that was asked of it is done."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def peak(self) -> int:
        """Most memory since the last question, MiB; 0 where nobody counts."""
        if not self.cuda:
            return 0
        found = torch.cuda.max_memory_allocated(self.device) >> 20
        torch.cuda.reset_peak_memory_stats(self.device)
        return int(found)


def random_model(config: StripedHyenaConfig, device: torch.device) -> StripedHyenaModel:
    """A network with random weights in bf16, made where it runs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            network = StripedHyena(config)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        for name, values in network.named_parameters():
            if name.endswith("log_poles"):
                values.uniform_(-3, -0.01)
            elif name.endswith("scale"):
                values.fill_(1)
            else:
                values.normal_(0, 0.02)
    return StripedHyenaModel(place(network, torch.bfloat16, [device]), "random")


def random_sae(layer: str, x: Tensor, d_sae: int, k: int) -> tuple[SparseAutoencoder, Dictionary]:
    """An autoencoder of random directions that is active ``k`` times a row of ``x``."""
    rows = torch.randn(d_sae, x.shape[1], device=x.device)
    rows /= rows.norm(dim=1, keepdim=True)
    nothing = torch.zeros(d_sae, device=x.device)
    tensors = {"W_enc": rows.T.contiguous(), "b_enc": nothing, "W_dec": rows, "b_dec": x.mean(0)}
    config = SAEConfig("random", x.shape[1], d_sae, k)
    made = SparseAutoencoder(**tensors, threshold=nothing.clone(), config=config)
    sae, calibration = calibrate(made, [x])
    return sae, Dictionary.at(layer, sae, calibration)


def dense_step(x: Tensor, d_sae: int) -> None:
    """The five dense products of a step of training."""
    encoder = torch.randn(d_sae, x.shape[1], device=x.device, dtype=x.dtype)
    codes = x @ encoder.T
    back = codes @ encoder
    grad = back @ encoder.T
    codes.T @ back, grad.T @ x


def train(card: Card, x: Tensor, run: Sizes) -> float:
    """Seconds of a step of our TopK; the first steps warm up."""
    precision = "bfloat16" if card.cuda else "float32"
    config = TrainConfig(run.d_sae, run.k, run.steps, len(x), "topk", precision=precision)
    times: list[float] = []

    def told(step: int, metrics: Metrics) -> None:
        card.wait()
        times.append(time.perf_counter())

    Trainer(config).fit(repeat(x, run.steps), told)
    return (times[-1] - times[WARM]) / (run.steps - 1 - WARM)


def train_peer(card: Card, x: Tensor, run: Sizes) -> float:
    """Seconds of a step of dictionary_learning's TopK."""
    from dictionary_learning import trainers

    made = trainers.top_k.TopKTrainer(
        steps=run.steps,
        activation_dim=x.shape[1],
        dict_size=run.d_sae,
        k=run.k,
        layer=0,
        lm_name="random",
        warmup_steps=0,
        seed=0,
        device=str(x.device),
    )
    times = []
    for step in range(run.steps):
        made.update(step, x)
        card.wait()
        times.append(time.perf_counter())
    return (times[-1] - times[WARM]) / (run.steps - 1 - WARM)


def step_bytes(model: StripedHyenaModel, rows: int, bases: int) -> int:
    """Bytes of weights, and of the state of some rows after some bases, that a step of writing reads."""
    _, state = model.read(torch.full((rows, bases), ord("A")))
    blocks = state[1]  # type: ignore[index]
    parts = [part.values if isinstance(part, Grown) else part for block in blocks for part in block]
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    return weights + sum(part.numel() * part.element_size() for part in parts)


def measure(card: Card, run: Sizes) -> dict[str, object]:
    """Every figure."""
    model = random_model(run.config, card.device)
    weights = parameter_count(run.config)
    letters = "".join("ACGT"[i] for i in torch.randint(0, 4, (run.length,)).tolist())
    layer = f"blocks.{int(0.8 * run.config.depth)}"
    found: dict[str, object] = {
        "device": torch.cuda.get_device_name(card.device) if card.cuda else str(card.device),
        "card_tflops_bf16": round(card.flops / 1e12, 3),
        "card_gb_per_s": round(card.bytes / 1e9, 1),
        "parameters": weights,
        "blocks": run.config.depth,
    }
    card.peak()

    forward = card.seconds(lambda: model.forward([letters]))
    # Two operations a weight and base; attention meets half of all pairs, twice.
    attention = 2 * run.length**2 * run.config.width * run.config.pattern.count("*")
    products = 2 * weights * run.length + attention
    found["forward_bases_per_s"] = round(run.length / forward)
    found["compute_fraction"] = round(products / card.flops / forward, 4)
    found["forward_peak_mib"] = card.peak()

    x = model.forward([letters], taps=[layer], until=layer).taps[layer][0].float()
    sae, dictionary = random_sae(layer, x, run.d_sae, run.k)
    bare = card.seconds(lambda: model.forward([letters], until=layer))

    def extract() -> None:
        tapped = model.forward([letters], taps=[layer], until=layer).taps[layer][0]
        sae.encode_sparse(tapped.float())

    whole = card.seconds(extract)
    found["extraction_bases_per_s"] = round(run.length / whole)
    found["extraction_fraction"] = round(bare / whole, 4)
    found["extraction_peak_mib"] = card.peak()

    batch = x[torch.arange(run.batch, device=x.device) % len(x)]
    dense = batch.to(torch.bfloat16) if card.cuda else batch
    bound = card.seconds(lambda: dense_step(dense, run.d_sae))
    step = train(card, batch, run)
    found["training_rows_per_s"] = round(run.batch / step)
    found["training_over_bound"] = round(bound / step, 4)
    found["training_peak_mib"] = card.peak()
    if importlib.util.find_spec("dictionary_learning"):
        found["training_over_dictionary_learning"] = round(train_peer(card, batch, run) / step, 4)
    else:
        found["training_over_dictionary_learning"] = "not measured: dictionary_learning is not installed"

    writing = card.seconds(
        lambda: write(model, [letters[:24]], run.written, number=run.rows, together=run.rows), 1
    )
    least = step_bytes(model, run.rows, 24 + run.written // 2) / card.bytes
    found["writing_bases_per_s"] = round(run.rows * run.written / writing)
    found["writing_fraction"] = round(least * run.written / writing, 4)
    found["writing_peak_mib"] = card.peak()

    target = BaseProbability(run.length - 1, letters[-1])
    attributed = card.seconds(lambda: attribute_features(model, letters, target, dictionary, "gradient"), 1)
    found["attribution_passes"] = round(attributed / forward, 3)
    found["attribution_peak_mib"] = card.peak()
    return found


def main() -> None:
    options = parser(__doc__, "the first eight blocks of the network")
    options.add_argument("--device", default="cuda", help="cuda, cuda:1; with --tiny also cpu")
    options.add_argument("--tiny", action="store_true", help="every size cut, to try the script")
    given = options.parse_args()
    device = torch.device(given.device)
    if device.type == "cpu" and not given.tiny:
        options.error("--device cpu is for trying the script: give --tiny as well")
    if device.type == "cuda" and not torch.cuda.is_available():
        skip(given, "no GPU here")
        return
    finish(given, measure(Card(device, given.tiny), sizes(given.quick, given.tiny)))


if __name__ == "__main__":
    main()
