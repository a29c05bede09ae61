"""Speed and accuracy of the pass over features and tracks, beside the InterPLM method and scikit-learn.

    python benchmarks/association.py [--quick] [--json] [--gff GFF3]

Activations are SIMULATED (speed does not depend on what they mean; every stretch reads the same ones);
tracks are those of the annotation and random shares of its genes, 40 in all, each strand mode a column,
and the GC content as a signal. Timed, one strand, 2 threads, everything that a table of associations
without its nulls is made of: turning a stretch round, binning, label states, joint histograms of both
splits with the signal, frozen thresholds, all scores of all pairs; then on the held-out stretches whole
intervals and runs, the parent's strata, and the ends of intervals of the ten best features a column. The
same with counts and scores as they were when counts took four bytes (`association_before`) stands beside
it, and all numbers of both are compared to the last digit. Memory is that of the process, Linux only.
The InterPLM method as published (normalise by the maximum, five thresholds, sparse products of activity
and concepts, bases and domains) is written anew with scipy and timed on a slice of the bases;
scikit-learn on a slice of pairs.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

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
from feature_mining.association.scores import best_features, feature_blocks
from feature_mining.association.signals import SignalCounts, add_signal, level_edges
from feature_mining.association.sparse import bin_values, by_feature, value_edges
from workbench.engines.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import association_before  # noqa: E402
from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402
from benchmarks.simulated import mg1655_tracks, top_k  # noqa: E402

# Non-zeros read at a time: what bounds the memory of a stretch.
STRETCH_NONZEROS = 8_388_608
SLICE = 262_144
THRESHOLDS = (0.0, 0.15, 0.5, 0.6, 0.8)
WORKERS = 2
SHORTLIST = 10
GAP = 3
# Bases in all passes of a measurement together, of which the fastest counts: the first waits for its memory,
# and other work of the machine comes and goes. At least two passes.
MEASURED = 2_000_000
NOW = SimpleNamespace(
    Histogram=Histogram,
    SignalCounts=SignalCounts,
    add_sparse=add_sparse,
    add_signal=add_signal,
    feature_blocks=feature_blocks,
    choose_threshold=choose_threshold,
    score_at=score_at,
    best_features=best_features,
)
METHODS = {"old": association_before, "new": NOW}
# Arrays that a pass notes together, at most.
MOST_RESULTS = 8


class Pass:
    """The counts of one strand, made by two threads.

    Each counts one split; then each scores half of the features, and lays them on the held-out stretches.
    """

    def __init__(self, method, stretches, width, edges, tracks, columns, signal, noted=False):
        self.method, self.stretches, self.width, self.edges = method, stretches, width, edges
        self.tracks, self.columns, self.signal = tracks, columns, signal
        self.halves = [(int(h[0]), int(h[-1]) + 1) for h in np.array_split(np.arange(width), WORKERS)]
        self.levels = level_edges(signal)
        # One for each place in the arguments of `note`: blocks of features may be of any size.
        self.digests = (
            [[hashlib.sha256() for _ in range(MOST_RESULTS)] for _ in self.halves] if noted else None
        )
        self.joint = np.zeros((len(columns), len(columns)), np.int64)
        self.pool = ThreadPoolExecutor(WORKERS)

    def turned(self, stretch):
        """A stretch by feature, and its labels."""
        start, rows = stretch
        features = by_feature(*rows, self.width)
        return features, label_states(self.tracks, start, start + features.n_rows, "+", self.columns)

    def count(self):
        """Histograms of select (even stretches) and report (odd ones), and the signal's."""
        self.counts, self.signals = ([[None] * WORKERS for _ in self.halves] for _ in range(2))

        def split(which):
            n_bins = self.edges.shape[1] + 2
            for half, (lo, hi) in enumerate(self.halves):
                self.counts[half][which] = self.method.Histogram.empty(hi - lo, n_bins, len(self.columns))
                self.signals[half][which] = self.method.SignalCounts.empty(hi - lo, n_bins)
            for stretch in self.stretches[which::2]:
                features, labels = self.turned(stretch)
                use = np.ones(features.n_rows, bool)
                signal = self.signal[stretch[0] : stretch[0] + features.n_rows]
                if which == 0:
                    self.joint += joint_bases(labels, use)
                bins = bin_values(features, self.edges)
                for half, (lo, hi) in enumerate(self.halves):
                    own = features.between(lo, hi)
                    place = bins[features.indptr[lo] : features.indptr[hi]]
                    self.method.add_sparse(self.counts[half][which], own, place, labels, use)
                    self.method.add_signal(self.signals[half][which], own, place, signal, self.levels, use)

        list(self.pool.map(split, range(2)))

    def score(self):
        """Thresholds, areas and scores of all pairs; the shortlist of each half."""

        def part(half):
            select, report = self.counts[half]
            frozen, precision = (np.empty(select.sum_inside.shape, kind) for kind in (np.int64, np.float64))
            for rows in self.method.feature_blocks(select):
                own, held_out = ((split.cells[rows], split.all[rows]) for split in (select, report))
                frozen[rows] = self.method.choose_threshold(*own)
                on_select, on_report = areas(*own), areas(*held_out)
                precision[rows] = on_select.average_precision
                called = self.method.score_at(*held_out, frozen[rows])
                self.note(half, *on_select, *on_report, *called)
            for counts in self.signals[half]:
                self.note(half, counts.pearson(), counts.spearman())
            self.note(half, frozen, select.sum_inside, report.sum_inside, select.all, report.all)
            pairs = [
                (f, column, frozen[f, column])
                for column, best in enumerate(self.method.best_features(precision, SHORTLIST // WORKERS))
                for f in best
            ]
            return frozen, np.array(pairs)

        chosen = list(self.pool.map(part, range(WORKERS)))
        # What is scored is not needed any more.
        self.counts = self.signals = None
        return chosen

    def note(self, half, *results):
        """Take results into what `results` tells, if that is asked for."""
        if self.digests is not None:
            for digest, array in zip(self.digests[half], results, strict=False):
                digest.update(np.ascontiguousarray(array))

    def lay(self, chosen):
        """Intervals, strata and ends on the report stretches."""
        parent = families(self.joint, self.columns).parent
        n_columns = len(self.columns)

        def empty(half):
            (lo, hi), (_, pairs) = self.halves[half], chosen[half]
            return [
                *(kind.empty(hi - lo, n_columns) for kind in (IntervalCounts, Strata)),
                EndCounts.empty(len(pairs)),
            ]

        upcoming = self.pool.submit(self.turned, self.stretches[1])
        total = list(self.pool.map(empty, range(WORKERS)))
        for stretch, following in itertools.zip_longest(self.stretches[1::2], self.stretches[3::2]):
            start, use = stretch[0], np.ones(len(stretch[1][0]) - 1, bool)
            own_intervals = stretch_intervals(self.tracks, self.columns, start, "+", use)
            features, labels = upcoming.result()
            # The next one is turned while this one is counted.
            upcoming = self.pool.submit(self.turned, following) if following else None

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
        laid = self.lay(chosen)
        marks.append(time.perf_counter())
        for half, parts in enumerate(laid):
            for part in parts:
                self.note(half, *part.arrays().values())
        return np.diff(marks)

    def results(self):
        """Hashes of all results."""
        return [digest.hexdigest() for digests in self.digests for digest in digests]


def measured(method, passes, *given):
    """Of so many passes seconds of the fastest by step, its processor seconds, and the peak memory in MiB."""
    times = []
    gc.collect()
    # What earlier passes have left is no memory of this one.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
    for _ in range(passes):
        began = time.process_time()
        steps = Pass(method, *given).run()
        times.append((steps.sum(), steps, time.process_time() - began))
    _, steps, processor = min(times, key=lambda t: t[0])
    status = Path("/proc/self/status").read_text()
    return steps, processor, int(status.split("VmHWM:")[1].split()[0]) // 1024


def same_results(*given):
    """Whether both methods give the same numbers, to the last digit."""
    found = []
    for method in METHODS.values():
        one = Pass(method, *given, noted=True)
        one.run()
        found.append(one.results())
    return found[0] == found[1]


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
    options = parser(__doc__, "32 active features, over 400 kb")
    options.add_argument("--gff", type=Path, help="of MG1655; default: the one in ../shared")
    options.add_argument("--bases", type=int, nargs="+", default=[400_000, 1_600_000, 4_641_652])
    given = options.parse_args()
    name = "ecoli/NC_000913.3.gff3.gz"
    if given.gff is None and (gone := absent(name)):
        return skip(given, gone)
    if given.quick:
        given.bases = [400_000]
    keep_freed_memory()  # as shards do
    # The most memory first, before anything has left its pieces in the process's heap.
    widths, actives = (32_768, 4_096), ((32,) if given.quick else (32, 64))
    tracks, length = mg1655_tracks(given.gff or DATA / name, 40)
    columns = track_columns(tracks)
    signal = gc_signal(length)
    print(f"simulated activations; {len(tracks)} tracks, {len(columns)} columns, {WORKERS} threads")
    warm = [(start, top_k(2_000, 64, 4, 0)) for start in (0, 2_000)]
    same = same_results(warm, 64, value_edges(by_feature(*warm[0][1], 64)), tracks, columns, signal)
    errors, speedups = [], {"interplm_method": [], "sklearn": []}
    rates, peaks = ({name: [] for name in METHODS} for _ in range(2))
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
                work = (stretches, width, edges, tracks, columns, signal)
                # First, so that no timed pass waits for the machine to hand out its memory.
                same = same_results(*work) and same
                for name, method in METHODS.items():
                    times, processor, peak = measured(method, max(2, MEASURED // bases), *work)
                    seconds = times.sum()
                    steps = zip(("count", "scores", "held_out"), times, strict=True)
                    print(
                        f"{name} F={width} k={k} bases={bases} nnz={nnz} "
                        + " ".join(f"{step}_s={part:.2f}" for step, part in steps)
                        + f" nonzeros_per_s={nnz / seconds / 1e6:.1f}M"
                        f" counting_only={nnz / times[0] / 1e6:.1f}M s_per_mb={1e6 * seconds / bases:.2f}"
                        f" cpu_s={processor:.1f} peak_mb={peak}",
                        flush=True,
                    )
                    rates[name].append(nnz / seconds)
                    peaks[name].append(peak)
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
    # Of the rates the slowest, everything included; of the peaks the highest.
    finish(
        given,
        {
            "nonzeros_per_s": round(min(rates["new"])),
            "nonzeros_per_s_old": round(min(rates["old"])),
            **{f"speedup_over_{peer}": round(min(values)) for peer, values in speedups.items()},
            "auroc_max_error": float(f"{auroc_error:.2g}"),
            "ap_max_error": float(f"{precision_error:.2g}"),
            "peak_memory_mb": max(peaks["new"]),
            "peak_memory_mb_old": max(peaks["old"]),
            "same_to_the_last_digit": same,
        },
    )


if __name__ == "__main__":
    main()
