"""Speed and accuracy of the pass over features and tracks, beside the InterPLM method and scikit-learn.

    python benchmarks/association.py [--quick] [--json] [--gff GFF3]

Activations are SIMULATED (speed does not depend on what they mean; every stretch reads the same ones);
tracks are those of the annotation and random shares of its genes, 40 in all, each strand mode a column,
and the GC content as a signal. Timed, one strand, 2 threads, everything that a table of associations
without its nulls is made of: turning a stretch round, binning, label states, joint histograms of both
splits with the signal, frozen thresholds, all scores of all pairs; then on the held-out stretches whole
intervals and runs, the parent's strata, and the ends of intervals of the ten best features a column.
The InterPLM method as published (normalise by the maximum, five thresholds, sparse products of activity
and concepts, bases and domains) is written anew with scipy and timed on a slice of the bases;
scikit-learn on a slice of pairs.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import metrics

from feature_mining.association.boundaries import EndCounts, count_ends
from feature_mining.association.conditional import Strata, add_strata, families, joint_bases
from feature_mining.association.curves import areas, choose_threshold, score_at
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.signals import SignalCounts, add_signal, level_edges
from feature_mining.association.sparse import bin_values, by_feature, value_edges

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402
from benchmarks.simulated import mg1655_tracks, top_k  # noqa: E402

# Non-zeros read at a time: what bounds the memory of a stretch.
STRETCH_NONZEROS = 12_582_912
SLICE = 393_216
THRESHOLDS = (0.0, 0.15, 0.5, 0.6, 0.8)
WORKERS = 2
SHORTLIST = 10
GAP = 3


class Pass:
    """The counts of one strand, made by two threads, each with half of the features."""

    def __init__(self, stretches, width, edges, tracks, columns, signal):
        self.stretches, self.width, self.edges = stretches, width, edges
        self.tracks, self.columns, self.signal = tracks, columns, signal
        n_bins = edges.shape[1] + 2
        bases = sum(len(rows[0]) - 1 for _, rows in stretches)
        self.halves = [(int(h[0]), int(h[-1]) + 1) for h in np.array_split(np.arange(width), WORKERS)]
        self.counts = [
            [Histogram.empty(hi - lo, n_bins, len(columns), bases) for _ in range(2)]
            for lo, hi in self.halves
        ]
        self.signals = [
            [SignalCounts.empty(hi - lo, n_bins, bases) for _ in range(2)] for lo, hi in self.halves
        ]
        self.levels = level_edges(signal)
        # Every other stretch is held out.
        self.held_out = {start for start, _ in stretches[1::2]}
        self.joint = np.zeros((len(columns), len(columns)), np.int64)
        self.pool = ThreadPoolExecutor(WORKERS)

    def turned(self, held_out: bool):
        """Stretches by feature with their labels; the next one is turned while this one is counted."""

        def turn(stretch):
            start, rows = stretch
            n = len(rows[0]) - 1
            features = by_feature(*rows, self.width)
            return features, label_states(self.tracks, start, start + n, "+", self.columns)

        chosen = [s for s in self.stretches if not held_out or s[0] in self.held_out]
        upcoming = self.pool.submit(turn, chosen[0])
        for i, (start, _) in enumerate(chosen):
            features, labels = upcoming.result()
            if i + 1 < len(chosen):
                upcoming = self.pool.submit(turn, chosen[i + 1])
            yield start, features, labels

    def count(self):
        """Histograms of select (even stretches) and report (odd ones), and the signal's."""
        for start, features, labels in self.turned(held_out=False):
            split = int(start in self.held_out)
            use = np.ones(features.n_rows, bool)
            signal = self.signal[start : start + features.n_rows]
            if not split:
                self.joint += joint_bases(labels, use)

            def part(half, features=features, labels=labels, use=use, signal=signal, split=split):
                lo, hi = self.halves[half]
                own = features.between(lo, hi)
                bins = bin_values(own, self.edges[lo:hi])
                add_sparse(self.counts[half][split], own, bins, labels, use)
                add_signal(self.signals[half][split], own, bins, signal, self.levels, use)

            list(self.pool.map(part, range(WORKERS)))

    def score(self):
        """Thresholds, areas and scores of all pairs; the shortlist of each half."""

        def part(half):
            (select, report), pairs = self.counts[half], []
            frozen = choose_threshold(select.positive, select.all)
            precision = areas(select.positive, select.all).average_precision
            areas(report.positive, report.all)
            score_at(report.positive, report.all, frozen)
            for counts in self.signals[half]:
                counts.pearson()
                counts.spearman()
            best = np.argsort(-np.nan_to_num(precision, nan=-1), axis=0)[:SHORTLIST]
            for column in range(best.shape[1]):
                pairs += [(f, column, frozen[f, column]) for f in best[: SHORTLIST // WORKERS, column]]
            return frozen, np.array(pairs)

        return list(self.pool.map(part, range(WORKERS)))

    def lay(self, chosen):
        """Intervals, strata and ends on the report stretches."""
        parent = families(self.joint, self.columns).parent
        n_columns = len(self.columns)
        total = [
            [kind.empty(hi - lo, n_columns) for kind in (IntervalCounts, Strata)]
            + [EndCounts.empty(len(pairs))]
            for (lo, hi), (_, pairs) in zip(self.halves, chosen, strict=True)
        ]
        for start, features, labels in self.turned(held_out=True):
            use = np.ones(features.n_rows, bool)
            own_intervals = stretch_intervals(self.tracks, self.columns, start, "+", use)

            def part(half, features=features, labels=labels, use=use, start=start, within=own_intervals):
                lo, hi = self.halves[half]
                frozen, pairs = chosen[half]
                own = features.between(lo, hi)
                bins = bin_values(own, self.edges[lo:hi])
                intervals, strata, ends = total[half]
                add_intervals(intervals, own, bins, frozen, within, use, GAP)
                add_strata(strata, own, bins, frozen, labels, parent, use)
                found = count_ends(own, bins, pairs, self.tracks, self.columns, start, "+", use, GAP)
                total[half][2] = ends + found

            list(self.pool.map(part, range(WORKERS)))
        return total

    def run(self):
        """Seconds of counting, of scoring and of the held-out stretches."""
        marks = [time.perf_counter()]
        self.count()
        marks.append(time.perf_counter())
        chosen = self.score()
        marks.append(time.perf_counter())
        self.lay(chosen)
        marks.append(time.perf_counter())
        return np.diff(marks)


def interplm(rows, width, label):
    """Counts of the InterPLM method on one slice; seconds. `label`: bool (n, columns)."""
    indptr, indices, values = rows
    activity = sparse.csr_matrix((values, indices, indptr), (len(indptr) - 1, width))
    began = time.perf_counter()
    highest = activity.max(axis=0).toarray().ravel()
    scaled = activity.multiply(1 / np.maximum(highest, 1e-12)).tocsr()
    concepts = [sparse.csr_matrix(label[:, [c]].astype(np.float32)) for c in range(label.shape[1])]
    domains = []
    for c in range(label.shape[1]):
        edge = np.flatnonzero(np.diff(np.concatenate([[False], label[:, c]]).astype(int)) == 1)
        number = np.cumsum(np.isin(np.arange(len(label)), edge)) - 1
        inside = np.flatnonzero(label[:, c])
        domains.append(
            sparse.csr_matrix(
                (np.ones(inside.size, np.float32), (number[inside], inside)), (max(edge.size, 1), len(label))
            )
        )  # fmt: skip
    for threshold in THRESHOLDS:
        called = scaled.copy()
        called.data = (called.data > threshold).astype(np.float32)
        called.eliminate_zeros()
        total = np.asarray(called.sum(axis=0)).ravel()
        for concept, domain in zip(concepts, domains, strict=True):
            hits = np.asarray((concept.T @ called).todense()).ravel()
            found = np.asarray(((domain @ called) > 0).sum(axis=0)).ravel()
            precision = hits / np.maximum(total, 1)
            recall = found / domain.shape[0]
            _ = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return time.perf_counter() - began


def counted(rows, width, labels):
    """Areas of all pairs of one stretch."""
    features = by_feature(*rows, width)
    edges = value_edges(features)
    histogram = Histogram.empty(width, edges.shape[1] + 2, len(labels.columns))
    use = np.ones(features.n_rows, bool)
    add_sparse(histogram, features, bin_values(features, edges), labels, use)
    return areas(histogram.positive, histogram.all)


def per_pair(rows, width, label, pairs):
    """Seconds a pair of scikit-learn's AUROC, AP and F1, and the largest errors of the binned pass."""
    indptr, indices, values = rows
    matrix = sparse.csc_matrix((values, indices, indptr), (width, len(indptr) - 1)).T.tocsc()
    keys, states = np.unique(label, axis=0, return_inverse=True)
    columns = [(str(c), "any") for c in range(label.shape[1])]
    ours = counted(rows, width, LabelStates(states.ravel().astype(np.int32), keys, columns))
    seconds, errors = 0.0, []
    for feature, column in pairs:
        x, y = matrix[:, [feature]].toarray().ravel(), label[:, column]
        began = time.perf_counter()
        truth = metrics.roc_auc_score(y, x), metrics.average_precision_score(y, x)
        metrics.f1_score(y, x > 0.5)
        seconds += time.perf_counter() - began
        errors.append([abs(mine[feature, column] - t) for mine, t in zip(ours, truth, strict=True)])
    return seconds / len(pairs), np.max(errors, axis=0)


def planted_errors(labels, column):
    """Largest errors of AUROC and AP for features always, often and seldom on, weak to strong effect."""
    random = np.random.default_rng(7)
    y = labels.table[labels.states, column]
    features = []
    for rate in (1.0, 0.3, 0.02):
        for effect in (0.0, 0.5, 1.0, 2.0):
            on = random.random(y.size) < np.where(y, min(1.0, 2 * rate), rate)
            features.append(np.exp(random.normal(size=y.size) + effect * y) * on)
    dense = np.stack(features, axis=1).astype(np.float32)
    matrix = sparse.csr_matrix(dense)
    ours = counted((matrix.indptr, matrix.indices, matrix.data), dense.shape[1], labels)
    truth = [
        [score(y, x) for x in dense.T] for score in (metrics.roc_auc_score, metrics.average_precision_score)
    ]
    return [np.abs(mine[:, column] - t).max() for mine, t in zip(ours, truth, strict=True)]


def gc_signal(n):
    """A smooth signal, a tenth of it missing."""
    random = np.random.default_rng(3)
    values = pd.Series(random.random(n, dtype=np.float32)).rolling(100, 1).mean().to_numpy(np.float32)
    values[np.repeat(random.random(n // 1000 + 1) < 0.1, 1000)[:n]] = np.nan
    return values


def main() -> None:
    options = parser(__doc__, "4,096 features with 32 active, over 400 kb")
    options.add_argument("--gff", type=Path, help="of MG1655; default: the one in ../shared")
    options.add_argument("--bases", type=int, nargs="+", default=[400_000, 1_600_000, 4_641_652])
    given = options.parse_args()
    name = "ecoli/NC_000913.3.gff3.gz"
    if given.gff is None and (gone := absent(name)):
        return skip(given, gone)
    if given.quick:
        given.bases = [400_000]
    widths, actives = ((4_096,), (32,)) if given.quick else ((4_096, 32_768), (32, 64))
    tracks, length = mg1655_tracks(given.gff or DATA / name, 40)
    columns = track_columns(tracks)
    signal = gc_signal(length)
    print(f"simulated activations; {len(tracks)} tracks, {len(columns)} columns, {WORKERS} threads")
    warm = [(start, top_k(2_000, 64, 4, 0)) for start in (0, 2_000)]
    Pass(warm, 64, value_edges(by_feature(*warm[0][1], 64)), tracks, columns, signal).run()
    errors, rates, speedups = [], [], {"interplm_method": [], "sklearn": []}
    for width in widths:
        for k in actives:
            stretch = STRETCH_NONZEROS // k
            rows = top_k(stretch, width, k, width + k)
            edges = value_edges(by_feature(*rows, width))
            for bases in given.bases if k == 32 else given.bases[-1:]:
                bases = min(bases, length)
                # An even number of equal stretches, half of them held out.
                parts = 2 * -(-bases // (2 * stretch))
                cuts = np.linspace(0, bases, parts + 1).astype(int)
                stretches = []
                for start, end in itertools.pairwise(cuts):
                    cut = rows[0][: end - start + 1]
                    stretches.append((int(start), (cut, rows[1][: cut[-1]], rows[2][: cut[-1]])))
                nnz = sum(int(r[0][-1]) for _, r in stretches)
                # Of two, the faster: the first also waits for the machine to hand out its memory.
                times = min(
                    (Pass(stretches, width, edges, tracks, columns, signal).run() for _ in range(2)),
                    key=np.sum,
                )
                seconds = times.sum()
                steps = zip(("count", "scores", "held_out"), times, strict=True)
                print(
                    f"F={width} k={k} bases={bases} nnz={nnz} "
                    + " ".join(f"{step}_s={part:.1f}" for step, part in steps)
                    + f" nonzeros_per_s={nnz / seconds / 1e6:.1f}M"
                    f" counting_only={nnz / times[0] / 1e6:.1f}M s_per_mb={1e6 * seconds / bases:.2f}",
                    flush=True,
                )
            rates.append(nnz / seconds)
            if k == 64:
                continue
            ours = seconds / bases
            states = label_states(tracks, 0, SLICE, "+", columns)
            n = 16_384
            cut = rows[0][: n + 1]
            small = (cut, rows[1][: cut[-1]], rows[2][: cut[-1]])
            theirs = interplm(small, width, states.table[states.states[:n]]) / n
            label = states.table[states.states]
            both = np.flatnonzero(label.any(axis=0) & ~label.all(axis=0))
            random = np.random.default_rng(0)
            pairs = [(int(random.integers(width)), int(random.choice(both))) for _ in range(12)]
            cut = rows[0][: SLICE + 1]
            part = (cut, rows[1][: cut[-1]], rows[2][: cut[-1]])
            pair_seconds, error = per_pair(part, width, label, pairs)
            errors += [error, planted_errors(states, columns.index(("gene", "same")))]
            speedups["interplm_method"].append(theirs / ours)
            speedups["sklearn"].append(pair_seconds * width * len(columns) / SLICE / ours)
            print(
                f"F={width} k={k} speedup_over_interplm_method={theirs / ours:.0f} (slice of {n} bases)"
                f" speedup_over_sklearn={speedups['sklearn'][-1]:.0f} (slice of {len(pairs)} pairs)",
                flush=True,
            )
    auroc_error, precision_error = np.max(errors, axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # Of the rates, the slowest: the longest stretch of each width and activity, everything.
    finish(
        given,
        {
            "nonzeros_per_s": round(min(rates)),
            **{f"speedup_over_{peer}": round(min(values)) for peer, values in speedups.items()},
            "auroc_max_error": float(f"{auroc_error:.2g}"),
            "ap_max_error": float(f"{precision_error:.2g}"),
            "peak_memory_mb": round(peak),
        },
    )


if __name__ == "__main__":
    main()
