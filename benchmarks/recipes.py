"""Small pretraining runs, one a recipe, all scored alike: what to change of the recipe of a long run.

    python benchmarks/recipes.py [--quick] [--json] [--recipe NAME ...] [--out DIR]

Each recipe differs from ``base`` in one thing. All read as many bases of the genomes beside the checkout
(``base`` and most others all of them, ``twelve`` the corpus of `mini`), with one seed, and are scored on the
same bases of genomes that none was trained on: bits a base on the first 150 kb of *E. coli* MG1655 and of
*M. tuberculosis* H37Rv, and the relative change (L2) of the activations past the middle of the network at a
base that is N bases into a window, when the window begins 1,024 bases further left. One run a recipe: a
difference of a few thousandths may be the seed's. Seconds are of the processor. Runs are kept in ``--out``;
those that are there already are scored and not run again.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from Bio.SeqIO.FastaIO import SimpleFastaParser

from genomic_models import load
from genomic_models.contract import DNAModel
from genomic_models.corpus import Corpus, write_corpus
from genomic_models.dna import reverse_complement_bytes
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.striped_hyena.config import StripedHyenaConfig

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bits_per_base import GENOMES, model_bits, read  # noqa: E402
from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

TOKENS, QUICK_TOKENS = 2_000_000, 60_000
SCORED, QUICK_SCORED = 150_000, 20_000
# Bases into a window, how many around each, how much further left the other window begins; places read.
INTO, AROUND, LEFT, PLACES = (256, 512, 900), 32, 1024, 24
MINI = {
    "BX571856.1", "GCF_000006945.2", "GCF_000016305.1", "GCF_000017205.1", "GCF_000148585.2",
    "GCF_000392875.1", "GCF_001457455.1_NCTC11397_genomic", "GCF_001457655.1", "GCF_006742205.1",
    "GCF_009759685.1", "NC_010655.1", "NC_011916",
}  # fmt: skip
"""Files of the twelve genomes of `mini`, without their endings."""


class BrokenWindows(Pretrainer):
    """Windows begin with the end of another: an early base does not tell how much was read."""

    def batch(self, step: int) -> torch.Tensor:
        """A window and what comes before it, cut at random."""
        ids, other = super().batch(step), super().batch(self.config.steps + step)
        random = np.random.default_rng([self.config.seed, 5, step])
        for row, before in zip(ids, other, strict=True):
            cut = int(random.integers(1, len(row)))
            row[:] = torch.cat([before[-cut:], row[:-cut]])
        return ids


class BothStrands(Pretrainer):
    """A step reads half as many places, each on both strands."""

    def batch(self, step: int) -> torch.Tensor:
        """Windows, then their reverse complements."""
        ids = super().batch(step)[: self.config.batch // 2].numpy().astype(np.uint8)
        return torch.from_numpy(np.concatenate([ids, reverse_complement_bytes(ids)])).long()


@dataclass(frozen=True)
class Recipe:
    """What a run is made of."""

    pattern: str = "SDH*SDH"
    width: int = 192
    heads: int = 6
    inner: int = 512
    training: dict[str, float] = field(default_factory=dict)
    trainer: type[Pretrainer] = Pretrainer
    twelve: bool = False


BASE = Recipe()
RECIPES = {
    "base": BASE,
    "twelve": replace(BASE, twelve=True),
    "reach_any": replace(BASE, training={"reach": 0}),
    "broken_windows": replace(BASE, trainer=BrokenWindows),
    "both_strands": replace(BASE, trainer=BothStrands),
    "rate_8e-3": replace(BASE, training={"learning_rate": 8e-3}),
    "rate_2e-3": replace(BASE, training={"learning_rate": 2e-3}),
    "windows_1024": replace(BASE, training={"length": 1024, "batch": 8}),
    "batch_8": replace(BASE, training={"batch": 8}),
    "attention_last": replace(BASE, pattern="SDHSDH*"),
    "deep": replace(BASE, pattern="SDH*SDHSDH"),
    "wide": replace(BASE, width=256, heads=8, inner=682),
}


def corpus(folder: Path, twelve: bool) -> Corpus:
    """The genomes as a corpus, written once."""
    if not (folder / "corpus.json").exists():
        paths = sorted((DATA / "pretraining").glob("*.gz"))
        write_corpus(records(p for p in paths if not twelve or p.name.rsplit(".f", 1)[0] in MINI), folder)
    return Corpus(folder)


def records(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Names and letters of what is in compressed FASTA files."""
    for path in paths:
        with gzip.open(path, "rt") as handle:
            yield from SimpleFastaParser(handle)


def train(recipe: Recipe, genomes: Corpus, folder: Path, tokens: int) -> float:
    """Run a recipe to its end; processor seconds."""
    config = PretrainConfig(tokens=tokens, warmup=tokens // 10, compile=tokens > QUICK_TOKENS)
    config = replace(config, **recipe.training)
    architecture = StripedHyenaConfig(
        "evo2",
        recipe.pattern,
        recipe.width,
        recipe.heads,
        recipe.inner,
        groups=recipe.width // 4,
        context=config.length,
    )
    trainer = recipe.trainer(architecture, config, genomes, folder)
    began = time.process_time()
    trainer.run()
    return time.process_time() - began


def shifts(model: DNAModel, layer: str, sequence: str) -> dict[str, float]:
    """Relative change of activations so many bases into a window, when it begins further left."""
    length = max(INTO) + AROUND
    changed, whole = np.zeros(length), np.zeros(length)
    for start in np.random.default_rng(0).integers(LEFT, len(sequence) - length, PLACES):
        near, far = (
            model.forward([sequence[first : start + length]], taps=[layer]).taps[layer][0].float()
            for first in (start, start - LEFT)
        )
        changed += ((near - far[LEFT:]) ** 2).sum(1).numpy()
        whole += (far[LEFT:] ** 2).sum(1).numpy()
    at = {n: slice(n - AROUND, n + AROUND) for n in INTO}
    return {f"shift_{n}": round(float((changed[p].sum() / whole[p].sum()) ** 0.5), 3) for n, p in at.items()}


def score(model: DNAModel, recipe: Recipe, bases: int) -> dict[str, float]:
    """Bits a base on both genomes, and how far activations depend on where a window begins."""
    sequences = {genome: read(DATA / file, form) for genome, (file, form) in GENOMES.items()}
    bits = {g: round(float(np.nanmean(model_bits(model, s[:bases]))), 4) for g, s in sequences.items()}
    layer = f"blocks.{4 * len(recipe.pattern) // 7}"
    with torch.inference_mode():
        return bits | shifts(model, layer, next(iter(sequences.values())))


def main() -> None:
    """Train, score, print."""
    options = parser(__doc__, "two recipes on 60,000 bases, 20 kb scored; what they say means nothing")
    options.add_argument("--recipe", action="append", choices=list(RECIPES), help="one of them; default: all")
    options.add_argument("--out", type=Path, help="keep the runs in this folder")
    given = options.parse_args()
    if missing := absent("pretraining", *(file for file, _ in GENOMES.values())):
        skip(given, missing)
        return
    chosen = given.recipe or (["base", "broken_windows"] if given.quick else list(RECIPES))
    tokens, bases = (QUICK_TOKENS, QUICK_SCORED) if given.quick else (TOKENS, SCORED)
    results: dict[str, object] = {}
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        for name in chosen:
            recipe = RECIPES[name]
            seconds = train(
                recipe, corpus(out / f"corpus{'_twelve' * recipe.twelve}", recipe.twelve), out / name, tokens
            )
            model = load(str(out / name))
            results[name] = score(model, recipe, bases) | {"processor_s": round(seconds)}
            print(name, json.dumps(results[name]), flush=True)
    finish(given, results)


if __name__ == "__main__":
    main()
