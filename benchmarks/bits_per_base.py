"""Bits per base of a DNA model next to interpolated Markov models of every order.

Everything is scored on the same bases of genomes that nobody was trained on: E. coli MG1655 and
M. tuberculosis H37Rv, first 1 Mb and whole. The Markov models (orders 0 to 12, strengths chosen on
left-out training genomes) are trained on both strands of the whole training corpus. The DNA model reads
windows of 2,048 bases whose first 256 are context only; the first 256 bases of a genome are scored for
nobody. Genomes are looked for in the folder ``shared/data`` beside the checkout.

    python benchmarks/bits_per_base.py [--quick] [--json] [--model mini]
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
from Bio import SeqIO
from Bio.SeqIO.FastaIO import SimpleFastaParser

from genomic_models.contract import DNAModel
from genomic_models.markov import MAX_ORDER, MarkovModel, encode

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
GENOMES = {
    "MG1655": ("ecoli/NC_000913.3.fna.gz", "fasta"),
    "H37Rv": ("tb/NC_000962.3.gbk.gz", "genbank"),
}
FIRST = 1_000_000
WINDOW, WARMUP, BATCH = 2048, 256, 8
QUICK_BASES, QUICK_GENOMES, QUICK_ORDER = 50_000, 3, 9


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
    known = encode(sequence) >= 0
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


def stretches(sequence: str, quick: bool) -> dict[str, int]:
    """Names and lengths of what is reported of a genome."""
    if quick:
        return {f"first_{QUICK_BASES // 1000}kb": QUICK_BASES}
    return {"first_1Mb": FIRST, "whole": len(sequence)}


def measure(markov: MarkovModel, model: DNAModel | None, quick: bool) -> dict[str, dict]:
    """Bits per base of every model on every stretch of every genome."""
    results: dict[str, dict] = {}
    for genome, (file, form) in GENOMES.items():
        sequence = read(DATA / file, form)
        lengths = stretches(sequence, quick)
        sequence = sequence[: max(lengths.values())]
        counted = scored(sequence)
        curves = {
            f"markov_{k}": -markov.log2_likelihood(sequence, k) for k in range(markov.order + 1)
        }
        if model is not None:
            curves[model.name] = model_bits(model, sequence)
            if not np.isfinite(curves[model.name][counted]).all():
                raise SystemExit(f"model {model.name} gave logits that are not finite on {genome}")
        results[genome] = {
            name: {
                "bases": int(counted[:length].sum()),
                **{key: float(v[:length][counted[:length]].mean()) for key, v in curves.items()},
            }
            for name, length in lengths.items()
        }
    return results


def best_markov(row: dict[str, float]) -> tuple[int, float]:
    """Order >= 1 with the fewest bits, and those bits."""
    order = min(
        (k for k in range(1, MAX_ORDER + 1) if f"markov_{k}" in row),
        key=lambda k: row[f"markov_{k}"],
    )
    return order, row[f"markov_{order}"]


def show(results: dict[str, dict]) -> None:
    """Print one column a stretch, one line a model."""
    columns = {f"{g} {name}": row for g, rows in results.items() for name, row in rows.items()}
    width = max(map(len, columns)) + 2
    print(f"{'bits per base':<14}" + "".join(f"{name:>{width}}" for name in columns))
    for key in next(iter(columns.values())):
        form = ",d" if key == "bases" else ".4f"
        print(f"{key:<14}" + "".join(f"{row[key]:>{width}{form}}" for row in columns.values()))


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under a minute, on fewer bases")
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--model", default="mini", help="DNA model to score (default: mini)")
    arguments = parser.parse_args()
    if not (DATA / "pretraining").is_dir():
        sys.exit(
            "no shared/data folder beside the checkout: the genomes to train and score on are absent"
        )
    from genomic_models import load

    model = load(arguments.model)
    began = time.perf_counter()
    if arguments.quick:
        print(
            f"quick: Markov orders up to {QUICK_ORDER} trained on the first {QUICK_GENOMES} genomes, "
            f"first {QUICK_BASES:,} bases scored; not the figures of a full run"
        )
    markov, corpus = train(
        QUICK_ORDER if arguments.quick else MAX_ORDER, QUICK_GENOMES if arguments.quick else None
    )
    results = measure(markov, model, arguments.quick)
    show(results)
    headline = next(iter(results["MG1655"].values()))
    order, bits = best_markov(headline)
    print(
        f"best Markov model on MG1655: order {order}, {bits:.4f}; {model.name}: {headline[model.name]:.4f}"
    )
    if arguments.json:
        summary = {
            model.name: headline[model.name],
            "best_markov": bits,
            "best_markov_k": order,
            "bases": headline["bases"],
            "quick": arguments.quick,
            "markov_corpus": corpus,
            "genomes": results,
            "seconds": round(time.perf_counter() - began, 1),
        }
        print(json.dumps(summary))


if __name__ == "__main__":
    main()
