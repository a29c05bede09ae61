"""Scores against labels: AUROC and average precision with bootstrap intervals, beside simple baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from genomic_models.dna import reverse_complement
from genomic_models.markov import MarkovModel
from workbench.cohort.edits import Variant, apply_edits
from workbench.genome.windows import Sequences
from workbench.variants.consequence import Annotation
from workbench.variants.effects import compare_alleles

REPLICATES = 1000
# Order of the Markov baseline.
ORDER = 8
_AROUND = 64


def ranking(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """AUROC (ties one half) and average precision (step-wise) of weighted samples.

    score float (n), larger means more likely True; label bool (n); weight float (n)
    """
    order = np.argsort(-score, kind="stable")
    group = np.concatenate([[0], np.cumsum(np.diff(score[order]) != 0)])
    own = weight[order]
    positive = np.bincount(group, own * label[order])
    negative = np.bincount(group, own * ~label[order])
    true, false = np.cumsum(positive), np.cumsum(negative)
    auroc = (negative * (true - positive / 2)).sum() / (true[-1] * false[-1])
    seen = true + false
    precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
    return float(auroc), float((positive * precision).sum() / true[-1])


def compare(
    scores: Mapping[str, np.ndarray], label: np.ndarray, seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """How well each score tells labels, a row a score, best AUROC first.

    Intervals are 2.5 and 97.5 percentiles over bootstrap samples of the variants, drawn within each class;
    the same samples for every score. Columns: ``score, n, positives, base_rate, auroc, auroc_low, auroc_high,
    average_precision, ap_low, ap_high``. Scores that are NaN count as the lowest.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((replicates, label.size))
    for kind in (label, ~label):
        members = np.flatnonzero(kind)
        draws = rng.integers(0, members.size, (replicates, members.size))
        for row, draw in zip(weights, draws, strict=True):
            row[members] = np.bincount(draw, minlength=members.size)
    rows = []
    for name, values in scores.items():
        score = np.where(np.isnan(values), -np.inf, values)
        score = np.unique(score, return_inverse=True)[1].astype(float)
        auroc, precision = ranking(score, label, np.ones(label.size))
        again = np.array([ranking(score, label, w) for w in weights])
        low, high = np.percentile(again, [2.5, 97.5], axis=0)
        rows.append(
            {
                "score": name,
                "n": label.size,
                "positives": int(label.sum()),
                "base_rate": float(label.mean()),
                "auroc": auroc,
                "auroc_low": low[0],
                "auroc_high": high[0],
                "average_precision": precision,
                "ap_low": low[1],
                "ap_high": high[1],
            }
        )
    return pd.DataFrame(rows).sort_values("auroc", ascending=False, ignore_index=True)


def markov_change(genome: Sequences, variants: list[Variant], order: int = ORDER) -> np.ndarray:
    """Change of the log-likelihood, nats, mean of both strands, under a Markov model of the genome itself.

    float64 (n), over the bases that `compare_alleles` compares. The model counts both alleles' neighbourhood
    of the reference: it has seen the reference.
    """
    whole = (genome.fetch(c, 0, n) for c, n in genome.lengths.items())
    model = MarkovModel.fit(whole, order)
    out = np.zeros(len(variants))
    for i, variant in enumerate(variants):
        size = genome.lengths[variant.chrom]
        edit = variant.edit
        lo, hi = max(0, edit.start - _AROUND), min(size, edit.end + _AROUND)
        reference = genome.fetch(variant.chrom, lo, hi)
        changed = apply_edits(reference, lo, [edit]).letters
        ends = (edit.start - lo, hi - edit.end)
        for turn, (before, after) in ((str, ends), (reverse_complement, ends[::-1])):
            a, b = (model.log2_likelihood(turn(s)) for s in (reference, changed))
            out[i] += compare_alleles(a, b, before, after).change * np.log(2) / 2
    return out


def baselines(genome: Sequences, annotation: Annotation, variants: list[Variant]) -> dict[str, np.ndarray]:
    """Scores that need no network, larger for more damage; those that need annotation only where it is."""
    found = {f"Markov model, order {ORDER}": -markov_change(genome, variants)}
    if annotation.known:
        near = np.array([annotation.distance_to_start(v) for v in variants])
        found["nearness to a start codon"] = -near
        kinds = [annotation.consequence(v).severity for v in variants]
        found["consequence class"] = np.array(kinds, float)
    return found
