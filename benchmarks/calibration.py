"""Are the p-values of associations nominal? Features independent of the tracks, on a real annotation.

    python benchmarks/calibration.py [--quick] [--json]

Features are SIMULATED here, by nothing of the tests themselves: on-off sequences of mean run length 1, 20,
300 and 2,000 bases at a random phase, independent of every track, read on both strands; a share of the runs
(0, one half, all) is the same on both, the rest is drawn anew for each, so that the strands correlate by 0,
0.5 and 1. Tracks are those of MG1655 (``--gff``, by default the one in ../shared): genes and ncRNAs in
all three strand modes, repeats and mobile elements with their strands taken away. Four tests a pair: `naive`
(Fisher, bases taken as independent: what most published tables use), `normal` and `shift` (normal tail, and
gamma tail, with the mean and variance over all shifts; the second screens), `exact` (all shifts). Printed by
correlation, run length and kind of column: shares of p at or below 0.05 and 0.01 with their standard
errors (features are the units), whether they are nominal within 2.6 of them (an exact p is discrete: at
most nominal is what it promises), the standard deviation of z, q below 0.05 (Benjamini-Hochberg a run
length and correlation), and the far tail: shares at or below 0.001 and 0.0001. Then features planted on
tRNA and on one strand of genes: are track, strand and boundary found?
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import ndtr

from feature_mining.association.boundaries import count_ends
from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.null import exact_tail, shift_moments, spectra
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import by_feature
from feature_mining.false_discovery import q_values

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402
from benchmarks.simulated import mg1655_tracks  # noqa: E402

GFF = "ecoli/NC_000913.3.gff3.gz"
RUNS = (1, 20, 300, 2_000)
CORRELATIONS = (0.0, 0.5, 1.0)
SEGMENT = 1 << 16
SEGMENTS = 6
WORKERS = 2
BATCH = 50
RATE = 0.02
STRANDED, STRANDLESS = ("gene", "ncRNA"), ("repeat_region", "mobile_genetic_element")
LEVELS = {"p05": 0.05, "p01": 0.01, "p001": 0.001, "p0001": 0.0001}
# Standard errors within which a share is called nominal: 99 %, for there are many shares.
SURE = 2.576


class Place(NamedTuple):
    """A segment of the annotation: labels of the plus and of the minus reading; bool (2, n) by column."""

    labels: tuple[LabelStates, LabelStates]
    tracks: list[np.ndarray]


def runs(random: np.random.Generator, n: int, mean: int, rate: float) -> np.ndarray:
    """On-off bases, geometric lengths on (mean `mean`) and off, at a random phase."""
    if rate == 0:
        return np.zeros(n, bool)
    count = int(3 * n * rate / mean) + 20
    lengths = np.empty(2 * count, np.int64)
    lengths[::2] = random.geometric(min(1.0, (rate / (1 - rate)) / mean), count)
    lengths[1::2] = random.geometric(1 / mean, count)
    out = np.repeat(np.arange(2 * count) % 2 == 1, lengths)
    while out.size < 2 * n:
        out = np.concatenate([out, out])
    start = random.integers(out.size - n)
    return out[start : start + n]


def strands(random: np.random.Generator, n: int, mean: int, correlation: float) -> np.ndarray:
    """One feature on both strands, bool (2, n): runs that they share, and runs of their own."""
    own, shared = RATE * (1 - correlation), RATE * correlation
    common = runs(random, n, mean, shared)
    return np.stack([common | runs(random, n, mean, own) for _ in range(2)])


def reading(active: list[np.ndarray], labels: LabelStates) -> StrandReading:
    """Features (bool (n) each) on one strand, with one bin."""
    dense = np.stack(active, axis=1)
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum(dense.sum(axis=1))])
    features = by_feature(pointer, columns, np.ones(rows.size, np.float32), dense.shape[1])
    return StrandReading(features, np.ones(rows.size, np.uint8), labels, np.ones(len(dense), bool))


def fisher(a: np.ndarray, y: np.ndarray) -> float:
    """One-sided Fisher test of bases."""
    return float(stats.hypergeom.sf((a & y).sum() - 1, a.size, y.sum(), a.sum()))


def tests(places: list[Place], transforms, mean: int, correlation: float, numbers, seed: int):
    """P (features, columns) of the tests and z, for the features of these numbers."""
    active = []
    for feature in numbers:
        random = np.random.default_rng([seed, mean, round(10 * correlation), feature])
        active.append([strands(random, SEGMENT, mean, correlation) for _ in places])
    total = None
    ones = np.ones((len(active), len(places[0].tracks)), np.int64)
    for i, place in enumerate(places):
        sides = [reading([a[i][s] for a in active], place.labels[s]) for s in (0, 1)]
        moments = shift_moments(sides, ones)
        total = moments if total is None else total + moments
    z = total.z()
    naive, exact = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    for i, own in enumerate(active):
        whole, own_transforms = np.concatenate([a.ravel() for a in own]), spectra(own)
        for column, of_track in enumerate(transforms):
            track = [place.tracks[column] for place in places]
            naive[i, column] = fisher(whole, np.concatenate([y.ravel() for y in track]))
            pairs = list(zip(own, track, strict=True))
            exact[i, column] = exact_tail(pairs, of_track, own_transforms).p
    return {"naive": naive, "shift": total.p(), "normal": ndtr(-z), "exact": exact, "z": z}


def calibrate(places, mean: int, correlation: float, features: int, pool: ThreadPoolExecutor):
    """P (features, columns) of the tests and z, features in batches."""
    transforms = [
        spectra([place.tracks[column] for place in places]) for column in range(len(places[0].tracks))
    ]
    batches = np.array_split(np.arange(features), max(WORKERS, features // BATCH))
    found = list(pool.map(lambda b: tests(places, transforms, mean, correlation, b, 0), batches))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def share(p: np.ndarray, level: float) -> tuple[float, float]:
    """Share of p at or below a level, and its standard error with features as units; silent ones left out."""
    p = p[~np.isnan(p).all(axis=1)]
    called = np.nanmean(np.where(np.isnan(p), np.nan, p <= level), axis=1)
    return float(np.nanmean(called)), float(np.nanstd(called) / np.sqrt(len(called)))


def say(test: str, p: np.ndarray) -> dict[str, float]:
    """Shares of one cell, printed on the line in hand."""
    found = {name: share(p, level) for name, level in LEVELS.items()}
    print(
        f" {test}: "
        + " ".join(f"{k}={found[k][0]:.4f}+-{found[k][1]:.4f}" for k in ("p05", "p01"))
        + f" p001={found['p001'][0]:.5f} p0001={found['p0001'][0]:.5f}"
    )
    nominal = all(found[k][0] <= LEVELS[k] + SURE * max(found[k][1], 1e-12) for k in ("p05", "p01"))
    return {k: v[0] for k, v in found.items()} | {"nominal": nominal}


def power(tracks, columns, seed: int) -> None:
    """Planted features against all columns: the best z names track and strand, the offset the boundary."""
    random = np.random.default_rng(seed)
    start, n = 1_500_000, 1 << 20
    labels = label_states(tracks, start, start + n, "+", columns)
    planted = {("gene", "same"): (0.3, 0), ("gene", "opposite"): (0.3, 0), ("tRNA", "any"): (1.0, -10)}
    for column, (wanted_share, early) in planted.items():
        table = tracks[column[0]]
        wanted = {"same": ["+"], "opposite": ["-"], "any": ["+", "-"]}[column[1]]
        table = table[table["strand"].isin(wanted)]
        inside = table[(table["start"] >= start) & (table["end"] <= start + n)]
        on = runs(random, n, 20, 0.005)
        for lo, hi, strand in inside[["start", "end", "strand"]].itertuples(index=False):
            if random.random() < wanted_share:
                a, b = (lo + early, hi) if strand == "+" else (lo, hi - early)
                on[max(a - start, 0) : b - start] = True
        side = reading([on], labels)
        z = shift_moments([side], np.ones((1, len(columns)), np.int64)).z()[0]
        best = columns[int(np.nanargmax(z))]
        pair = np.array([[0, columns.index(column), 1]])
        ends = count_ends(side.features, side.bins, pair, tracks, columns, start, "+", side.use, 3)
        print(
            f"power planted={column} share={wanted_share} n={len(inside)}"
            f" z={z[columns.index(column)]:.1f} best={best}"
            f" start_offset={ends.median_offset()[0, 0]:.0f} planted_offset={early}"
        )


def main() -> None:
    options = parser(__doc__, "400 features a cell")
    options.add_argument("--gff", type=Path, help="of MG1655; default: the one in ../shared")
    options.add_argument("--features", type=int, default=1000)
    given = options.parse_args()
    if given.gff is None and (gone := absent(GFF)):
        return skip(given, gone)
    tracks, length = mg1655_tracks(given.gff or DATA / GFF, 0)
    chosen = {name: tracks[name] for name in STRANDED}
    chosen |= {name: tracks[name].assign(strand=".") for name in STRANDLESS}
    columns = track_columns(chosen)
    kinds = np.array([mode if name in STRANDED else "strandless" for name, mode in columns])
    places = []
    for i in range(SEGMENTS):
        start = (2 * i + 1) * length // (2 * SEGMENTS)
        labels = tuple(label_states(chosen, start, start + SEGMENT, s, columns) for s in "+-")
        by_column = [np.stack([own.table[own.states, c] for own in labels]) for c in range(len(columns))]
        places.append(Place(labels, by_column))
    features = 400 if given.quick else given.features
    print(f"{features} simulated features a cell; {columns}; {SEGMENTS} segments of {SEGMENT} bases")
    began = time.perf_counter()
    out: dict[str, Any] = {name: {} for name in LEVELS}
    worst, nominal = 1.0, {"shift": True, "exact": True}
    with ThreadPoolExecutor(WORKERS) as pool:
        for correlation in CORRELATIONS:
            for mean in RUNS:
                found = calibrate(places, mean, correlation, features, pool)
                z = found.pop("z")
                print(f"correlation={correlation:g} run={mean}", flush=True)
                for kind in dict.fromkeys(kinds):
                    sd = float(np.nanstd(z[:, kinds == kind]))
                    worst = max(worst, sd, key=lambda s: abs(np.log(s)))
                    cells = {t: share(p[:, kinds == kind], 0.05)[0] for t, p in found.items()}
                    print(
                        f" {kind}: z_sd={sd:.3f} p05 "
                        + " ".join(f"{test}={value:.3f}" for test, value in cells.items())
                    )
                for test, p in found.items():
                    shares = say(test, p)
                    q = q_values(p.ravel())
                    print(f"  q05={np.nanmean(q < 0.05):.4f} nominal={shares['nominal']}")
                    if test in nominal:
                        nominal[test] &= bool(shares["nominal"])
                    for name in LEVELS:
                        by_test = out[name].setdefault(test, {})
                        by_test.setdefault(f"{correlation:g}", {})[str(mean)] = shares[name]
    power(tracks, track_columns(tracks), 1)
    out |= {"nominal": nominal, "worst_z_sd": round(worst, 3), "features": features}
    finish(given, out | {"seconds": round(time.perf_counter() - began)})


if __name__ == "__main__":
    main()
