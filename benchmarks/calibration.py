"""Are the p-values of associations nominal? Features independent of the tracks, on a real annotation.

    python benchmarks/calibration.py --gff NC_000913.3.gff3.gz

Features are SIMULATED: on-off sequences of mean run length 1, 20, 300 and 2,000 bases, independent of every
track, on segments of the real MG1655 annotation. Three tests a pair: `naive` (Fisher, bases taken
as independent: what most published tables use), `shift` (normal tail with the circular-shift variance),
`exact` (all shifts of a segment). Printed: share of p < 0.05 and share of q < 0.05 (Benjamini-Hochberg a run
length), the standard error of the first (features are the units), and whether the share is at most 0.05
within 1.96 of them. Then features planted on CDS
starts, tRNA and one strand of genes: are track, strand and boundary found?
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy import stats
from simulated import mg1655_tracks

from feature_mining.association.boundaries import count_ends
from feature_mining.association.labels import label_states, track_columns
from feature_mining.association.multiplicity import benjamini_hochberg, enrichment_p
from feature_mining.association.null import exact_tail, shift_moments, spectra
from feature_mining.association.sparse import by_feature

RUNS = (1, 20, 300, 2_000)
SEGMENT = 1 << 17
SEGMENTS = 6
WORKERS = 2
RATE = 0.02
NAMES = ("gene", "CDS", "ncRNA", "tRNA", "mobile_genetic_element")


def runs(random: np.random.Generator, n: int, mean: int, rate: float) -> np.ndarray:
    """On-off bases, geometric lengths on (mean `mean`) and off, at a random phase."""
    count = int(3 * n * rate / mean) + 20
    lengths = np.empty(2 * count, np.int64)
    lengths[::2] = random.geometric(min(1.0, (rate / (1 - rate)) / mean), count)
    lengths[1::2] = random.geometric(1 / mean, count)
    out = np.repeat(np.arange(2 * count) % 2 == 1, lengths)
    while out.size < 2 * n:
        out = np.concatenate([out, out])
    start = random.integers(out.size - n)
    return out[start : start + n]


def stack(active: list[np.ndarray]):
    """Columns of bool as CSC with one bin."""
    dense = np.stack(active, axis=1)
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum(dense.sum(axis=1))])
    features = by_feature(pointer, columns, np.ones(rows.size, np.float32), dense.shape[1])
    return features, np.ones(rows.size, np.uint16)


def fisher(a: np.ndarray, y: np.ndarray) -> float:
    """One-sided Fisher test of bases."""
    return float(stats.hypergeom.sf((a & y).sum() - 1, a.size, y.sum(), a.sum()))


def p_values(labels, tracks, transforms, mean: int, features, seed: int):
    """P (features, columns) of the three tests for the features of these numbers."""
    active = []
    for feature in features:
        random = np.random.default_rng([seed, mean, feature])
        active.append([runs(random, SEGMENT, mean, RATE) for _ in labels])
    total = None
    ones = np.ones((len(features), len(labels[0].columns)), np.int64)
    for i, state in enumerate(labels):
        own, bins = stack([a[i] for a in active])
        moments = shift_moments(own, bins, ones, state, np.ones(SEGMENT, bool))
        total = moments if total is None else total + moments
    shift = enrichment_p(total.z())
    naive, exact = np.full(shift.shape, np.nan), np.full(shift.shape, np.nan)
    for i, own in enumerate(active):
        a, own_transforms = np.concatenate(own), spectra(own)
        for j, (y, of_track) in enumerate(zip(tracks, transforms, strict=True)):
            naive[i, j] = fisher(a, np.concatenate(y))
            exact[i, j] = exact_tail(list(zip(own, y, strict=True)), of_track, own_transforms).p
    return {"naive": naive, "shift": shift, "exact": exact}


def calibrate(labels, mean: int, n_features: int, seed: int, pool: ThreadPoolExecutor):
    """P (n_features, columns) of the three tests, features in batches."""
    n_columns = len(labels[0].columns)
    tracks = [[state.table[state.states, c] for state in labels] for c in range(n_columns)]
    transforms = [spectra(own) for own in tracks]
    batches = np.array_split(np.arange(n_features), max(2, n_features // 50))
    found = list(pool.map(lambda b: p_values(labels, tracks, transforms, mean, b, seed), batches))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def power(tracks, columns, length: int, seed: int) -> None:
    """Planted features against all columns: the best z names track and strand, the offset the boundary."""
    random = np.random.default_rng(seed)
    start = 3 * SEGMENT
    labels = label_states(tracks, start, start + 8 * SEGMENT, "+", columns)
    n = labels.states.size
    planted = {
        ("gene", "same"): (0.3, 0),
        ("gene", "opposite"): (0.3, 0),
        ("tRNA", "any"): (1.0, -10),
    }
    for column, (share, early) in planted.items():
        table = tracks[column[0]]
        wanted = {"same": ["+"], "opposite": ["-"], "any": ["+", "-"]}[column[1]]
        table = table[table["strand"].isin(wanted)]
        inside = table[(table["start"] >= start) & (table["end"] <= start + n)]
        on = runs(random, n, 20, 0.005)
        for lo, hi, strand in inside[["start", "end", "strand"]].itertuples(index=False):
            if random.random() < share:
                a, b = (lo + early, hi) if strand == "+" else (lo, hi - early)
                on[max(a - start, 0) : b - start] = True
        features, bins = stack([on])
        use = np.ones(n, bool)
        ones = np.ones((1, len(columns)), np.int64)
        z = shift_moments(features, bins, ones, labels, use).z()[0]
        best = columns[int(np.nanargmax(z))]
        pair = np.array([[0, columns.index(column), 1]])
        ends = count_ends(features, bins, pair, tracks, columns, start, "+", use, 3)
        print(
            f"power planted={column} share={share} n={len(inside)} z={z[columns.index(column)]:.1f}"
            f" best={best} start_offset={ends.median_offset()[0, 0]:.0f} planted_offset={early}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gff", type=Path, required=True)
    parser.add_argument("--features", type=int, default=1000)
    given = parser.parse_args()
    tracks, length = mg1655_tracks(given.gff, 0)
    columns = track_columns(tracks)
    starts = [(2 * i + 1) * length // (2 * SEGMENTS) for i in range(SEGMENTS)]
    kept = [(name, "same") for name in NAMES if (name, "same") in columns]
    labels = [label_states(tracks, s, s + SEGMENT, "+", kept) for s in starts]
    print(f"simulated features; {len(kept)} tracks, {SEGMENTS} segments of {SEGMENT} bases")
    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for mean in RUNS:
            for test, p in calibrate(labels, mean, given.features, 0, pool).items():
                q = benjamini_hochberg(p.ravel())
                # Pairs of one feature hang together, so the features are the units of the error.
                error = (p < 0.05).mean(axis=1).std() / np.sqrt(len(p))
                share = (p < 0.05).mean()
                # An exact p is discrete: at most 0.05 is what it promises.
                nominal = "yes" if share <= 0.05 + 1.96 * max(error, 1e-12) else "no"
                print(
                    f"run={mean} test={test} p05={share:.4f} error={error:.4f} nominal={nominal}"
                    f" q05={(q < 0.05).mean():.4f}",
                    flush=True,
                )
    print(f"seconds={time.perf_counter() - began:.0f}")
    power(tracks, columns, length, 1)


if __name__ == "__main__":
    main()
