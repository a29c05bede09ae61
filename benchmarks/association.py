"""Speed and accuracy of the counting pass, beside the InterPLM method and per-pair scikit-learn.

    python benchmarks/association.py --gff NC_000913.3.gff3.gz

Activations are SIMULATED (speed does not depend on what they mean); tracks are those of the annotation
and random shares of its genes, 40 in all, each strand mode a column. Timed, one strand: turning the
stretch round, binning, label states, joint histograms of both splits, all scores. The InterPLM method as
published (normalise by the maximum, five thresholds, sparse products of activity and concepts, bases and
domains) is written anew with scipy and timed on a slice of the bases; scikit-learn on a slice of pairs.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse
from simulated import mg1655_tracks, top_k
from sklearn import metrics

from feature_mining.association.curves import auroc, average_precision, score_at
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.scores import thresholds
from feature_mining.association.sparse import Csc, bin_values, by_feature, value_edges

STRETCH = 393_216
THRESHOLDS = (0.0, 0.15, 0.5, 0.6, 0.8)
WORKERS = 2


def count(stretches, width, edges, tracks, columns):
    """Histograms of select and report over all stretches; seconds."""
    began = time.perf_counter()
    halves = np.array_split(np.arange(width), WORKERS)
    pair = [Histogram.empty(width, edges.shape[1] + 2, len(columns)) for _ in range(2)]

    def part(features: Csc, labels, use, rows):
        lo, hi = int(rows[0]), int(rows[-1]) + 1
        first, last = features.indptr[lo], features.indptr[hi]
        own = Csc(
            features.indptr[lo : hi + 1] - first, features.rows[first:last], features.values[first:last],
            features.n_rows,
        )  # fmt: skip
        bins = bin_values(own, edges[lo:hi])
        for histogram, mask in zip(pair, (~use, use), strict=True):
            # Slices are views, so the counts land in the whole.
            add_sparse(histogram.take(slice(lo, hi)), own, bins, labels, mask)

    with ThreadPoolExecutor(WORKERS) as pool:

        def turn(stretch):
            start, rows = stretch
            n = len(rows[0]) - 1
            return by_feature(*rows, width), label_states(tracks, start, start + n, "+", columns)

        # The next stretch is turned round while this one is counted.
        turned = pool.submit(turn, stretches[0])
        for i, (start, _) in enumerate(stretches):
            features, labels = turned.result()
            if i + 1 < len(stretches):
                turned = pool.submit(turn, stretches[i + 1])
            use = np.full(features.n_rows, (start // STRETCH) % 2 == 1)
            list(pool.map(partial(part, features, labels, use), halves))
    return pair, time.perf_counter() - began


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


def per_pair(rows, width, label, pairs):
    """Seconds a pair of scikit-learn's AUROC, AP and F1, and the largest AUROC error of the binned pass."""
    indptr, indices, values = rows
    matrix = sparse.csc_matrix((values, indices, indptr), (width, len(indptr) - 1)).T.tocsc()
    features = by_feature(*rows, width)
    edges = value_edges(features)
    bins = bin_values(features, edges)
    columns = [(str(c), "any") for c in range(label.shape[1])]
    keys, states = np.unique(label, axis=0, return_inverse=True)
    states = LabelStates(states.ravel().astype(np.int32), keys, columns)
    histogram = Histogram.empty(width, edges.shape[1] + 2, len(columns))
    add_sparse(histogram, features, bins, states, np.ones(len(label), bool))
    seconds, error = 0.0, 0.0
    for feature, column in pairs:
        x = matrix[:, [feature]].toarray().ravel()
        y = label[:, column]
        began = time.perf_counter()
        area = metrics.roc_auc_score(y, x)
        metrics.average_precision_score(y, x)
        metrics.f1_score(y, x > 0.5)
        seconds += time.perf_counter() - began
        part = slice(feature, feature + 1)
        ours = auroc(histogram.positive[part], histogram.all[part])[0, column]
        error = max(error, abs(ours - area))
    return seconds / len(pairs), error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gff", type=Path, required=True)
    parser.add_argument("--bases", type=int, nargs="+", default=[400_000, 1_600_000, 4_641_652])
    given = parser.parse_args()
    tracks, length = mg1655_tracks(given.gff, 40)
    columns = track_columns(tracks)
    print(f"simulated activations; {len(tracks)} tracks, {len(columns)} columns, {WORKERS} threads")
    warm = top_k(2_000, 64, 4, 0)
    count([(0, warm)], 64, value_edges(by_feature(*warm, 64)), tracks, columns)
    for width in (4_096, 32_768):
        for k in (32, 64):
            rows = top_k(STRETCH, width, k, width + k)
            edges = value_edges(by_feature(*rows, width))
            sizes = given.bases if (width, k) == (4_096, 32) else [given.bases[0]]
            for bases in sizes:
                bases = min(bases, length)
                # One simulated stretch is read again and again: values are the same, tracks are not.
                stretches = []
                for start in range(0, bases, STRETCH):
                    n = min(STRETCH, bases - start)
                    cut = rows[0][: n + 1]
                    stretches.append((start, (cut, rows[1][: cut[-1]], rows[2][: cut[-1]])))
                nnz = sum(int(r[0][-1]) for _, r in stretches)
                (select, report), seconds = count(stretches, width, edges, tracks, columns)
                began = time.perf_counter()
                frozen = thresholds(select)
                for lo in range(0, width, 256):
                    part = slice(lo, lo + 256)
                    auroc(report.positive[part], report.all[part])
                    average_precision(report.positive[part], report.all[part])
                    score_at(report.positive[part], report.all[part], frozen[part])
                scoring = time.perf_counter() - began
                print(
                    f"F={width} k={k} bases={bases} nnz={nnz} count_s={seconds:.2f} scores_s={scoring:.2f}"
                    f" nonzeros_per_s={nnz / seconds / 1e6:.1f}M"
                    f" with_scores={nnz / (seconds + scoring) / 1e6:.1f}M"
                    f" s_per_mb={1e6 * seconds / bases:.2f}",
                    flush=True,
                )
                ours = seconds / bases + (scoring / length)
            if k == 32:
                states = label_states(tracks, 0, STRETCH, "+", columns)
                n = 16_384
                cut = rows[0][: n + 1]
                small = (cut, rows[1][: cut[-1]], rows[2][: cut[-1]])
                label = states.table[states.states[:n]]
                theirs = interplm(small, width, label) / n
                print(
                    f"F={width} k={k} speedup_over_interplm_method={theirs / ours:.1f} (slice of {n} bases)"
                )
                label = states.table[states.states]
                both = np.flatnonzero(label.any(axis=0) & ~label.all(axis=0))
                random = np.random.default_rng(0)
                pairs = [(int(random.integers(width)), int(random.choice(both))) for _ in range(12)]
                pair_seconds, error = per_pair(rows, width, label, pairs)
                whole = pair_seconds * width * len(columns) / STRETCH
                print(
                    f"F={width} k={k} speedup_over_sklearn={whole / ours:.0f} auroc_max_error={error:.1e}",
                    flush=True,
                )
            del select, report
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak_memory_mb={peak:.0f}")


if __name__ == "__main__":
    main()
