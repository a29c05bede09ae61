"""Bits per base of a DNA model next to interpolated Markov models of every order.

Everything is scored on the same bases of genomes that nobody was trained on: E. coli MG1655 and
M. tuberculosis H37Rv, first 50 kb, first 1 Mb and whole; with ``--quick`` the first 50 kb alone. A figure
holds for its stretch only, so each is named by its bases (0-based, end excluded). The Markov models (orders 0
to 12, strengths chosen on left-out training genomes) are trained on both strands of the whole training
corpus. The DNA model reads windows of 2,048 bases whose first 256 are context only; the first 256 bases of a
genome are scored for nobody. Genomes are looked for in the folder ``shared/data`` beside the checkout.

    python benchmarks/bits_per_base.py [--quick] [--json] [--model mini]
"""

from __future__ import annotations

import gzip
import math
import sys
import time
from pathlib import Path

import numpy as np
from Bio import SeqIO
from Bio.SeqIO.FastaIO import SimpleFastaParser

from genomic_models.contract import DNAModel
from genomic_models.dna import UNKNOWN, base_codes
from genomic_models.markov import MAX_ORDER, MarkovModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

GENOMES = {"MG1655": ("ecoli/NC_000913.3.fna.gz", "fasta"), "H37Rv": ("tb/NC_000962.3.gbk.gz", "genbank")}
FIRST = (50_000, 1_000_000)
WINDOW, WARMUP, BATCH = 2048, 256, 8
QUICK_GENOMES, QUICK_ORDER = 3, 9


def read(path: Path, form: str = "fasta") -> str:
    """One genome as one string, its contigs joined by N."""
    with gzip.open(path, "rt") as handle:
        if form == "fasta":
            return "N".join(sequence for _, sequence in SimpleFastaParser(handle)).upper()
        return "N".join(str(record.seq) for record in SeqIO.parse(handle, form)).upper()


def train(order: int, genomes: int | None) -> tuple[MarkovModel, list[str]]:
    """Markov model of the corpus, or of its first ``genomes``; and the names of the files."""
    paths = sorted((DATA / "pretraining").glob("*.gz"))[:genomes]
    return MarkovModel.fit((read(path) for path in paths), order), [path.name for path in paths]


def scored(sequence: str) -> np.ndarray:
    """Which bases count, for every model alike."""
    known = base_codes(sequence) != UNKNOWN
    known[:WARMUP] = False
    return known


def model_bits(model: DNAModel, sequence: str) -> np.ndarray:
    """Bits a base ``(len(sequence),)`` float64 of a causal DNA model; the first 256 are NaN."""
    import torch

    bits = np.full(len(sequence), np.nan)
    starts = range(0, len(sequence) - WARMUP, WINDOW - WARMUP)
    for first in range(0, len(starts), BATCH):
        batch = starts[first : first + BATCH]
        with torch.inference_mode():
            forward = model.forward([sequence[s : s + WINDOW] for s in batch])
        if forward.logits is None:
            raise SystemExit(f"model {model.name} gave no logits: it cannot be scored")
        for row, start in enumerate(batch):
            length = int(forward.tokens.lengths[row])
            logits = forward.logits[row, WARMUP - 1 : length - 1].float()
            targets = forward.tokens.ids[row, WARMUP:length].to(logits.device)
            nats = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
            bits[start + WARMUP : start + length] = nats.double().cpu().numpy() / math.log(2)
    return bits


def stretches(sequence: str, quick: bool) -> list[int]:
    """Where the stretches that are reported of a genome end; all begin after the warm-up."""
    return [FIRST[0]] if quick else [*FIRST, len(sequence)]


def measure(markov: MarkovModel, model: DNAModel | None, quick: bool) -> dict[str, dict]:
    """Bits per base of every model on every stretch of every genome."""
    results: dict[str, dict] = {}
    for genome, (file, form) in GENOMES.items():
        sequence = read(DATA / file, form)
        ends = stretches(sequence, quick)
        sequence = sequence[: max(ends)]
        counted = scored(sequence)
        curves = {f"markov_{k}": -markov.log2_likelihood(sequence, k) for k in range(markov.order + 1)}
        if model is not None:
            curves[model.name] = model_bits(model, sequence)
            if not np.isfinite(curves[model.name][counted]).all():
                raise SystemExit(f"model {model.name} gave logits that are not finite on {genome}")
        results[genome] = {
            f"{WARMUP:,}-{end:,}": {
                "bases": int(counted[:end].sum()),
                **{key: float(v[:end][counted[:end]].mean()) for key, v in curves.items()},
            }
            for end in ends
        }
    return results


def best_markov(row: dict[str, float]) -> tuple[int, float]:
    """Order >= 1 with the fewest bits, and those bits."""
    order = min(
        (k for k in range(1, MAX_ORDER + 1) if f"markov_{k}" in row), key=lambda k: row[f"markov_{k}"]
    )
    return order, row[f"markov_{order}"]


def show(results: dict[str, dict]) -> None:
    """Print one column a stretch (genome and bases), one line a model."""
    columns = {f"{g} {name}": row for g, rows in results.items() for name, row in rows.items()}
    width = max(map(len, columns)) + 2
    print(f"{'bits per base':<14}" + "".join(f"{name:>{width}}" for name in columns))
    for key in next(iter(columns.values())):
        form = ",d" if key == "bases" else ".4f"
        print(f"{key:<14}" + "".join(f"{row[key]:>{width}{form}}" for row in columns.values()))


def main() -> None:
    """Train, score, print."""
    options = parser(__doc__.splitlines()[0], "fewer genomes, orders and bases")
    options.add_argument("--model", default="mini", help="DNA model to score (default: mini)")
    arguments = options.parse_args()
    if gone := absent("pretraining", "ecoli"):
        return skip(arguments, gone)
    from genomic_models import load

    model = load(arguments.model)
    began = time.perf_counter()
    if arguments.quick:
        print(
            f"quick: Markov orders up to {QUICK_ORDER} trained on the first {QUICK_GENOMES} genomes, "
            f"scored on the first {FIRST[0]:,} bases: not the figures of the card, which are of {FIRST[1]:,}"
        )
    markov, corpus = train(
        QUICK_ORDER if arguments.quick else MAX_ORDER, QUICK_GENOMES if arguments.quick else None
    )
    results = measure(markov, model, arguments.quick)
    show(results)
    stretch = f"{WARMUP:,}-{FIRST[0] if arguments.quick else FIRST[1]:,}"
    headline = results["MG1655"][stretch]
    order, bits = best_markov(headline)
    print(
        f"MG1655 {stretch}, bits a base: {model.name} {headline[model.name]:.4f} (windows of {WINDOW:,},"
        f" {WARMUP} of them context), best Markov model {bits:.4f} (order {order})"
    )
    finish(
        arguments,
        {
            "stretch": f"MG1655 {stretch}",
            "window": WINDOW,
            "warmup": WARMUP,
            model.name: headline[model.name],
            "best_markov": bits,
            "best_markov_k": order,
            "bases": headline["bases"],
            "markov_corpus": corpus,
            "genomes": results,
            "seconds": round(time.perf_counter() - began, 1),
        },
    )


if __name__ == "__main__":
    main()
