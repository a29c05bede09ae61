"""Testing features against tracks: exact tails, bootstraps and common shifts; the tables of associations.

Shards do the sampled work, each a share of the pairs and of the shifts; the tables are written at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.boundaries import REACH, EndCounts
from feature_mining.association.conditional import families
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.null import exact_tail, spectra
from feature_mining.association.resampling import (
    RUN_CLASSES,
    block_bootstrap,
    class_maxima,
    family_p,
    shifted_overlaps,
    tile_classes,
)
from feature_mining.association.scores import score_pairs, thresholds
from feature_mining.association.segments import StrandReading, segments
from feature_mining.association.sparse import lower_bounds
from feature_mining.false_discovery import q_values
from workbench.analysis.counts import Summary, read_summary
from workbench.analysis.labels import study_columns
from workbench.analysis.overlaps import (
    alive_features,
    read_overlaps,
    read_signals,
    read_strands,
    shortlist,
    signal_tracks,
    stretches,
)
from workbench.files.arrays import read_arrays, write_arrays
from workbench.genome.splits import REPORT
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study

# Runs below which a likely pair gets an exact tail: that of the moments only bounds it there.
FEW_RUNS = 200
LIKELY = 0.05
# Every shard reads the whole split; common shifts of each.
SHARDS, SHIFTS = 8, 25
DRAWS = 999
LONGEST_TILE, SHORTEST_TILE, TILES = 10_000, 500, 100


def tail_pairs(study: Study, summary: Summary) -> np.ndarray:
    """Pairs that get an exact tail, int64 (P, 3): the shortlist, and likely ones with few runs."""
    chosen = shortlist(summary)
    frozen = thresholds(summary.select)
    overlaps = read_overlaps(study)
    p = overlaps["shift"].p()
    wanted = (p < LIKELY) & (overlaps["interval"].n_runs < FEW_RUNS)
    wanted[np.setdiff1d(np.arange(len(p)), alive_features(summary))] = False
    wanted[chosen[:, 0], chosen[:, 1]] = False
    feature, column = np.nonzero(wanted)
    more = np.stack([feature, column, frozen[feature, column]], axis=1)
    return np.concatenate([chosen, more])


def _path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "associate" / f"{shard:05d}.npz"


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """One share of the tails, and of the common shifts."""
    summary, columns = read_summary(study), study_columns(study)
    frozen = thresholds(summary.select)
    pairs = tail_pairs(study, summary)[shard.index :: SHARDS]
    random = np.random.default_rng([study.config.run.seed, 11, shard.index])
    shifted = np.zeros((SHIFTS, *frozen.shape), np.int32)
    turning: list[_Turning] = []
    for chrom, start, end in stretches(study):
        readings = read_strands(study, chrom, start, end, REPORT)
        letters = np.frombuffer(study.genome.fetch(chrom, start, end).encode(), np.uint8)
        turning += _turning(readings, np.isin(letters, np.frombuffer(b"GCgc", np.uint8)), pairs)
        # Without annotation there is nothing to shift.
        if columns:
            shifted += shifted_overlaps(readings, frozen, SHIFTS, random)
    highest = _highest(study, summary, shifted)
    tails = _tails(study, pairs, shortlist(summary), turning)
    write_arrays(_path(study, shard.index), {"pairs": pairs, "tails": tails, "highest": highest})
    progress.advance(shard.size)
    return shard.size


class _Turning(NamedTuple):
    """A segment of n bases of a report stretch, with one reading or both.

    active : by pair and reading, int64, active bases of the pair's feature
    labels : by reading, label states of the n bases
    gc : bool (n), G and C
    """

    active: list[list[np.ndarray]]
    labels: list[LabelStates]
    gc: np.ndarray

    def activity(self, pair: int) -> np.ndarray:
        """Active bases of a pair's feature, bool (readings, n)."""
        out = np.zeros((len(self.labels), self.gc.size), bool)
        for row, at in zip(out, self.active[pair], strict=True):
            row[at] = True
        return out

    def track(self, column: int) -> np.ndarray:
        """Bases of a column, bool (readings, n)."""
        return np.stack([labels.table[labels.states, column] for labels in self.labels])


def _turning(readings: Sequence[StrandReading], gc: np.ndarray, pairs: np.ndarray) -> list[_Turning]:
    """The segments of one stretch."""
    found = []
    for segment in segments([reading.use for reading in readings]):
        own = [readings[number] for number in segment.readings]
        position = np.full(gc.size, -1, np.int64)
        position[segment.rows] = np.arange(segment.rows.size)
        active: list[list[np.ndarray]] = [[] for _ in pairs]
        for pair, (feature, _, level) in enumerate(pairs):
            for features, bins, *_ in own:
                part = slice(*features.indptr[feature : feature + 2])
                at = position[features.rows[part][bins[part] >= level]]
                active[pair].append(at[at >= 0])
        labels = [r.labels._replace(states=r.labels.states[segment.rows]) for r in own]
        found.append(_Turning(active, labels, gc[segment.rows]))
    return found


def _tails(study: Study, pairs: np.ndarray, listed: np.ndarray, turning: list[_Turning]) -> np.ndarray:
    """Exact p and floor of every pair, bootstrap p and floor of the listed ones, float64 (P, 4)."""
    bootstrapped = {(int(f), int(c)) for f, c, _ in listed}
    out = np.full((len(pairs), 4), np.nan)
    if not turning:
        return out
    tile = int(np.clip(sum(t.gc.size for t in turning) // TILES, SHORTEST_TILE, LONGEST_TILE))
    # Blocks hold both strands of their bases, and a tile never spans two segments.
    whole = [t.gc.size // tile * tile if len(t.labels) > 1 else 0 for t in turning]
    classes = tile_classes(np.concatenate([t.gc[:n] for t, n in zip(turning, whole, strict=True)]), tile)
    # Pair by pair of one column, so that the column is transformed once.
    for column in np.unique(pairs[:, 1]):
        tracks = [t.track(column) for t in turning]
        transforms = spectra(tracks)
        for i in np.flatnonzero(pairs[:, 1] == column):
            activity = [t.activity(int(i)) for t in turning]
            tail = exact_tail(list(zip(activity, tracks, strict=True)), transforms)
            out[i, :2] = tail.p, tail.floor
            if (int(pairs[i, 0]), int(column)) in bootstrapped and classes.size:
                a, y = (
                    np.concatenate([part[:, :n] for part, n in zip(side, whole, strict=True) if n], axis=1)
                    for side in (activity, tracks)
                )
                sampled = block_bootstrap(a, y, classes, tile, DRAWS, study.config.run.seed)
                out[i, 2:] = sampled.p, sampled.floor
    return out


def _highest(study: Study, summary: Summary, shifted: np.ndarray) -> np.ndarray:
    """Highest z of every shift, class of runs and column, float64 (SHIFTS, classes, C)."""
    alive, overlaps = alive_features(summary), read_overlaps(study)
    moments, kind = overlaps["shift"], _kinds(overlaps)[alive]
    sd = np.sqrt(np.where(moments.variance > 1e-9, moments.variance, np.nan))[alive]
    return np.stack([class_maxima((of[alive] - moments.mean[alive]) / sd, kind) for of in shifted])


def _kinds(overlaps: dict[str, Any]) -> np.ndarray:
    """Class of every pair by its runs on the report split, which no shift changes, int64 (F, C)."""
    return np.searchsorted(RUN_CLASSES, overlaps["interval"].n_runs, side="right")


# -- tables ----------------------------------------------------------------------------------------


def finish(study: Study) -> None:
    """Write associations, metagene, track_groups and signal_associations."""
    summary, overlaps = read_summary(study), read_overlaps(study)
    columns, alive = study_columns(study), alive_features(summary)
    bounds = lower_bounds(study.calibration.bin_edges)
    table = score_pairs(
        summary.select, summary.report, columns, bounds, overlaps["interval"], overlaps["shift"],
        features=alive,
    )  # fmt: skip
    table = _significance(study, table, alive, _kinds(overlaps)[alive])
    family = families(summary.joint, columns)
    names = np.array([track for track, _ in columns], dtype=object)
    parents = np.where(family.parent >= 0, names[family.parent], "")
    table["group"] = np.tile(family.group, alive.size)
    table["parent"] = np.tile(parents, alive.size)
    table["odds_ratio_given_parent"] = overlaps["strata"].odds_ratio()[alive].ravel()
    pairs = shortlist(summary)
    at = np.searchsorted(alive, pairs[:, 0]) * len(columns) + pairs[:, 1]
    medians = overlaps["ends"].median_offset()
    for side, name in enumerate(("start_offset", "end_offset")):
        values = np.full(len(table), np.nan)
        values[at] = medians[:, side]
        table[name] = values
    study.write_table("associations", table)
    study.write_table("metagene", _metagene(pairs, overlaps["ends"], columns))
    groups = pd.DataFrame(
        {
            "track": names,
            "mode": [mode for _, mode in columns],
            "group": family.group,
            "parent": parents,
            "select_bases": np.diag(summary.joint),
        }
    )
    study.write_table("track_groups", groups)
    study.write_table("signal_associations", _signals(study, alive))
    turns = {
        chrom: {k: v._asdict() for k, v in found._asdict().items()}
        for chrom, found in study.replichores.items()
    }
    study.write_facts("replichores", turns)


def _significance(study: Study, table: pd.DataFrame, alive: np.ndarray, kind: np.ndarray) -> pd.DataFrame:
    """P from the exact tail where there is one, its floor and test, BH, BY, family-wise and bootstrap p."""
    p, floor = table["p"].to_numpy(copy=True), np.full(len(table), np.finfo(np.float64).tiny)
    test = np.full(len(table), "shift", dtype=object)
    bootstrap, bootstrap_floor = np.full(len(table), np.nan), np.full(len(table), np.nan)
    highest = []
    for shard in range(SHARDS):
        arrays = read_arrays(_path(study, shard))
        highest.append(arrays["highest"])
        pairs, tails = arrays["pairs"], arrays["tails"]
        at = np.searchsorted(alive, pairs[:, 0]) * kind.shape[1] + pairs[:, 1]
        p[at] = np.where(np.isnan(p[at]), np.nan, tails[:, 0])
        floor[at], test[at] = tails[:, 1], "exact"
        bootstrap[at], bootstrap_floor[at] = tails[:, 2], tails[:, 3]
    draws = np.concatenate(highest)
    family = family_p(table["z"].to_numpy().reshape(kind.shape), kind, draws).ravel()
    return table.assign(
        p_shift=table["p"], p=p, p_floor=floor, p_test=test, q=q_values(p),
        q_by=q_values(p, "by"), p_family=family,
        p_family_floor=1 / (1 + len(draws)), p_bootstrap=bootstrap,
        p_bootstrap_floor=bootstrap_floor,
    )  # fmt: skip


def _metagene(pairs: np.ndarray, ends: EndCounts, columns: list[Column]) -> pd.DataFrame:
    """One row a shortlisted pair, end and offset."""
    offsets, n = np.arange(-REACH, REACH + 1), 2 * REACH + 1
    return pd.DataFrame(
        {
            "feature": np.repeat(pairs[:, 0], 2 * n),
            "track": np.repeat([columns[c][0] for c in pairs[:, 1]], 2 * n),
            "mode": np.repeat([columns[c][1] for c in pairs[:, 1]], 2 * n),
            "end": np.tile(np.repeat(["5'", "3'"], n), len(pairs)),
            "offset": np.tile(offsets, 2 * len(pairs)),
            "share_active": ends.profile().ravel(),
            "n_ends": ends.usable.ravel(),
        }
    )


def _signals(study: Study, alive: np.ndarray) -> pd.DataFrame:
    """One row a feature and signal track; two-sided p of the shift null on the report split."""
    rows = []
    for track, sums in zip(signal_tracks(study), read_signals(study), strict=True):
        columns = {"feature": alive, "track": np.full(alive.size, track.name, dtype=object)}
        for split in ("select", "report"):
            end = "_select" if split == "select" else ""
            columns[f"n_{split}"] = np.full(alive.size, int(sums[split].bases[0]))
            columns[f"pearson{end}"] = sums[split].pearson()[alive]
            columns[f"spearman{end}"] = sums[split].spearman()[alive]
        columns |= {"z": sums["shift"].z()[alive], "p": sums["shift"].p()[alive]}
        rows.append(pd.DataFrame(columns))
    names = ["feature", "track", "n_select", "pearson_select", "spearman_select", "n_report"]
    names += ["pearson", "spearman", "z", "p"]
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names)
    return table.assign(q=q_values(table["p"].to_numpy(np.float64)))


def _shards(study: Study) -> list[Shard]:
    bases = sum(stretch.size for stretch in stretches(study))
    return [Shard(i, bases) for i in range(SHARDS)]


STAGE = Stage(
    name="associate",
    title="testing features on held-out blocks",
    needs=("overlaps",),
    sections=("statistics", "tracks", "run"),
    run=run,
    shards=_shards,
    finish=finish,
)
