"""Features that no track explains but that are anything but random: where to look for the unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import pandas as pd

from feature_mining.association.sparse import by_feature
from feature_mining.association.verdict import MAX_Q, MIN_LIFT
from feature_mining.structure import Evidence, boundary, conservation, palindrome, periodicity, surely
from genomic_models.dna import base_codes
from workbench.analysis.counts import read_summary
from workbench.analysis.strong_bases import FLANK, strong_bases
from workbench.analysis.verdict_rules import STRUCTURES
from workbench.genome.interval import Interval
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study

WINDOWS = 50
# Stretches of the feature maps, spread over the genome, that runs are read from; each on one strand, so that
# what both readings do at one place is counted once.
STRETCHES = 192
STRETCH = 16_384
CODON = 3
STARTS = 1000
RUNS = 300
HALF = 0.5

# Structure that is strong enough to be listed, beside being no chance.
LEAST: dict[str, Callable[[Evidence], bool]] = {
    "periodicity": lambda e: e.score >= 0.1,
    "palindrome": lambda e: e.score - e.draws.mean() >= 1,
    "conservation": lambda e: e.detail >= 0.1,
    "boundary": lambda e: e.score - e.draws.mean() >= 1,
}


class Runs(NamedTuple):
    """Where features begin to fire, on one axis: all stretches end to end, plus and minus readings in turn.

    codes : uint8, letters in the direction of each reading, a gap of unknown letters between readings
    starts : by feature, int64, first bases of runs without gaps
    runs : by feature, int64 (2, m), starts and lengths of runs with small gaps bridged
    """

    codes: np.ndarray
    starts: dict[int, np.ndarray]
    runs: dict[int, np.ndarray]


def unmatched(associations: pd.DataFrame, features: np.ndarray) -> np.ndarray:
    """Those of the features that no track explains (first sentence of `RULE`), int64."""
    rate = associations["base_rate"]
    closed = (associations["precision"] - rate) / (1 - rate).clip(lower=1e-9)
    explains = (associations["q"] <= MAX_Q) & ((associations["ap_lift"] >= MIN_LIFT) | (closed >= HALF))
    # A feature that no track could be tested on may be explained by any; without annotation, all are asked.
    tested = associations.loc[associations["q"].notna(), "feature"].to_numpy() if len(rate) else features
    return np.setdiff1d(np.intersect1d(features, tested), associations.loc[explains, "feature"].to_numpy())


def _stretches(study: Study) -> list[Interval]:
    places = [
        Interval(s.chrom, start, min(start + STRETCH, s.end))
        for s in study.manifest.shards
        for start in range(s.start, s.end, STRETCH)
    ]
    chosen = np.unique(np.linspace(0, len(places) - 1, STRETCHES).astype(int))
    return [places[i] for i in chosen]


@numba.njit(cache=True, nogil=True)
def runs_of(rows: np.ndarray, gap: int) -> np.ndarray:
    """Starts and lengths int64 (2, m) of runs of ascending rows, gaps of up to ``gap`` bases bridged."""
    runs = np.empty((2, rows.size), np.int64)
    count = 0
    for i in range(rows.size):
        if not i or rows[i] - rows[i - 1] > gap + 1:
            runs[0, count] = rows[i]
            count += 1
        runs[1, count - 1] = rows[i] - runs[0, count - 1] + 1
    return runs[:, :count].copy()


def read_runs(study: Study, features: np.ndarray, progress: Progress) -> Runs:
    """Where features begin to fire in ``STRETCHES`` stretches, each read on one strand."""
    gap = study.config.statistics.merge_gap
    starts: dict[int, list[np.ndarray]] = {int(f): [] for f in features}
    runs: dict[int, list[np.ndarray]] = {int(f): [] for f in features}
    parts, offset = [], 0
    for number, (chrom, start, end) in enumerate(_stretches(study)):
        strand = "+-"[number % 2]
        reading = study.features.rows(chrom, start, end, strand)
        turned = by_feature(*reading.features)
        for f in starts:
            rows = turned.rows[turned.indptr[f] : turned.indptr[f + 1]]
            if not rows.size:
                continue
            rows = rows if strand == "+" else end - start - 1 - rows[::-1]
            starts[f].append(offset + runs_of(rows, 0)[0])
            found = runs_of(rows, gap)
            found[0] += offset
            runs[f].append(found)
        parts.append(base_codes(study.genome.fetch(chrom, start, end, strand)))
        parts.append(np.full(2 * FLANK + STRETCH, 4, np.uint8))
        offset += parts[-2].size + parts[-1].size
        progress.advance(1)
    nothing = np.zeros((2, 0), np.int64)
    return Runs(
        np.concatenate(parts),
        {f: np.concatenate([nothing[0], *p])[:STARTS] for f, p in starts.items()},
        {f: np.concatenate([nothing, *p], axis=1)[:, :RUNS] for f, p in runs.items()},
    )


def _scores(study: Study, features: np.ndarray, progress: Progress) -> dict[str, list[Evidence]]:
    summary = read_summary(study)
    runs = read_runs(study, features, progress)
    first = np.cumsum([0, *study.manifest.contigs.values()])
    before = dict(zip(study.manifest.contigs, first[:-1].tolist(), strict=True))
    found: dict[str, list[Evidence]] = {name: [] for name in STRUCTURES}
    for feature in features.tolist():
        random = np.random.default_rng([study.config.run.seed, 13, feature])
        strong = strong_bases(study, summary, feature, WINDOWS)
        windows = np.stack([base_codes(s.sequence) for s in strong])
        places = np.array([before[s.chrom] + s.position for s in strong], np.int64)
        found["periodicity"].append(periodicity(runs.starts[feature], random))
        found["palindrome"].append(palindrome(windows, random))
        found["conservation"].append(conservation(windows, places, random))
        begin, length = runs.runs[feature]
        found["boundary"].append(boundary(runs.codes, begin, length, random))
    progress.advance(STRETCHES)
    return found


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the table ``unexplained``: every feature without a track, its scores, and its rank if listed."""
    catalog = study.table("catalog").set_index("feature", drop=False)
    alive = catalog.loc[~catalog["dead"], "feature"].to_numpy(np.int64)
    features = unmatched(study.table("associations"), alive)
    table = pd.DataFrame({"feature": features})
    sure = np.zeros((len(features), len(STRUCTURES)), bool)
    highest = np.full((len(features), len(STRUCTURES)), -np.inf)
    found = _scores(study, features, progress) if features.size else {}
    for i, (name, evidence) in enumerate(found.items()):
        z = np.array([e.z for e in evidence])
        table[name] = [e.score for e in evidence]
        table[f"{name}_detail"] = [e.detail for e in evidence]
        table[f"{name}_z"], table[f"{name}_p"] = z, [e.p for e in evidence]
        sure[:, i] = surely(evidence) & [bool(LEAST[name](e)) for e in evidence]
        highest[:, i] = np.where(sure[:, i], z, -np.inf)
    words = [",".join(n for n, s in zip(STRUCTURES, row, strict=True) if s) for row in sure]
    table["structures"] = np.array(words, dtype=object)
    for column in ("density", "consensus", "best_track", "best_ap_lift", "flags"):
        table[column] = catalog.loc[features, column].to_numpy()
    top = highest.max(axis=1, initial=-np.inf)
    # Codons make many features periodic: no news.
    codons = (table["structures"] == "periodicity") & (table.get("periodicity_detail") == CODON)
    order = np.lexsort((features, -top, codons, table["flags"].to_numpy(str) != ""))
    listed = [i for i in order if sure[i].any()]
    rank = np.zeros(len(features), np.int64)
    rank[listed] = np.arange(1, len(listed) + 1)
    table["rank"] = rank
    study.write_table("unexplained", table)
    return 0


STAGE = Stage(
    name="unexplained",
    title="looking for structure without a track",
    needs=("catalog", "encode"),
    sections=("statistics", "tracks"),
    run=run,
    shards=lambda study: [Shard(0, 2 * STRETCHES)],
    unit="stretches",
)
