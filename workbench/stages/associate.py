"""Testing features against tracks: exact tails, bootstraps and common shifts; the tables of associations.

Shards do the sampled work, each a share of the pairs or of the shifts; the tables are written at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.boundaries import REACH, EndCounts
from feature_mining.association.conditional import families
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.multiplicity import (
    benjamini_hochberg,
    benjamini_yekutieli,
    enrichment_p,
)
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
from feature_mining.association.sparse import Csc, bin_values, by_feature, lower_bounds
from workbench.arrays import read_arrays, write_arrays
from workbench.progress import Progress
from workbench.splits import REPORT
from workbench.stages.annotate import Summary, labels_of, read_summary, study_columns
from workbench.stages.overlaps import (
    alive_features,
    read_overlaps,
    read_signals,
    shortlist,
    signal_tracks,
    stretches,
)
from workbench.stages.stage import Stage
from workbench.study import Study

FEW_RUNS = 200
"""Runs below which the normal tail of the shift null is too thin (measured)."""
LIKELY = 0.05
TAIL_SHARDS, SHIFT_SHARDS, SHIFTS = 16, 8, 25
"""Shards of pairs, shards of shifts, common shifts a shard."""
DRAWS = 999
LONGEST_TILE, SHORTEST_TILE, TILES = 10_000, 500, 100


class Segment(NamedTuple):
    """One strand of a report stretch."""

    features: Csc
    bins: np.ndarray
    labels: LabelStates
    use: np.ndarray
    chrom: str
    start: int
    end: int


def segments(study: Study) -> Iterator[Segment]:
    """Both readings of every report stretch, in genome order."""
    columns, edges = study_columns(study), study.calibration.bin_edges
    for chrom, start, end in stretches(study):
        split = study.split.codes(chrom, start, end)
        for strand in "+-":
            reading = study.features.rows(chrom, start, end, strand)
            features = by_feature(*reading.features)
            labels = labels_of(study, columns, chrom, start, end, strand)
            use = reading.callable & (split == REPORT)
            yield Segment(features, bin_values(features, edges), labels, use, chrom, start, end)


def tail_pairs(study: Study, summary: Summary) -> np.ndarray:
    """Pairs that get an exact tail, int64 (P, 3): the shortlist, and likely ones with few runs."""
    chosen = shortlist(summary)
    frozen = thresholds(summary.select)
    overlaps = read_overlaps(study)
    p = enrichment_p(overlaps["shift"].z())
    wanted = (p < LIKELY) & (overlaps["interval"].n_runs < FEW_RUNS)
    wanted[np.setdiff1d(np.arange(len(p)), alive_features(summary))] = False
    wanted[chosen[:, 0], chosen[:, 1]] = False
    feature, column = np.nonzero(wanted)
    more = np.stack([feature, column, frozen[feature, column]], axis=1)
    return np.concatenate([chosen, more])


def _path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "associate" / f"{shard:05d}.npz"


def run(study: Study, shard: int, progress: Progress) -> int:
    """One share of the tails, or one of the common shifts."""
    work = _tails if shard < TAIL_SHARDS else _shifts
    write_arrays(_path(study, shard), work(study, shard))
    bases = _size(study, shard)
    progress.advance(bases)
    return bases


def _tails(study: Study, shard: int) -> dict[str, np.ndarray]:
    summary = read_summary(study)
    pairs = tail_pairs(study, summary)[shard::TAIL_SHARDS]
    listed = {(int(f), int(c)) for f, c, _ in shortlist(summary)}
    labels, active = [], []
    for segment in segments(study):
        own = []
        for feature, _, level in pairs:
            part = slice(*segment.features.indptr[feature : feature + 2])
            rows = segment.features.rows[part][segment.bins[part] >= level]
            own.append(rows[segment.use[rows]])
        gc = np.isin(
            np.frombuffer(
                study.genome.fetch(segment.chrom, segment.start, segment.end).encode(), np.uint8
            ),
            np.frombuffer(b"GCgc", np.uint8),
        )
        labels.append((segment.labels, segment.use, gc))
        active.append(own)
    bases = sum(int(use.sum()) for _, use, _ in labels)
    tile = int(np.clip(bases // TILES, SHORTEST_TILE, LONGEST_TILE))
    # A tile never spans two segments.
    whole = [int(use.sum()) // tile * tile for _, use, _ in labels]
    classes = tile_classes(
        np.concatenate([gc[use][:n] for (_, use, gc), n in zip(labels, whole, strict=True)]), tile
    )
    out = np.full((len(pairs), 4), np.nan)
    used = [k for k, (_, use, _) in enumerate(labels) if use.any()]
    # Pair by pair of one column, so that the column is transformed once.
    for column in np.unique(pairs[:, 1]):
        tracks = [
            states.table[states.states, column][use] for states, use, _ in (labels[k] for k in used)
        ]
        transforms = spectra(tracks)
        for i in np.flatnonzero(pairs[:, 1] == column):
            activity = []
            for k in used:
                _, use, _ = labels[k]
                a = np.zeros(use.size, bool)
                a[active[k][i]] = True
                activity.append(a[use])
            tail = exact_tail(list(zip(activity, tracks, strict=True)), transforms)
            out[i, :2] = tail.p, tail.floor
            if (int(pairs[i, 0]), int(column)) in listed and classes.size:
                a, y = (
                    np.concatenate([part[: whole[k]] for part, k in zip(side, used, strict=True)])
                    for side in (activity, tracks)
                )
                sampled = block_bootstrap(a, y, classes, tile, DRAWS, study.config.run.seed)
                out[i, 2:] = sampled.p, sampled.floor
    return {"pairs": pairs, "tails": out}


def _shifts(study: Study, shard: int) -> dict[str, np.ndarray]:
    summary = read_summary(study)
    alive = alive_features(summary)
    frozen = thresholds(summary.select)
    overlaps = read_overlaps(study)
    moments, kind = overlaps["shift"], _kinds(overlaps)[alive]
    total = np.zeros((SHIFTS, *frozen.shape), np.int32)
    random = np.random.default_rng([study.config.run.seed, 11, shard])
    for s in segments(study):
        shifts = random.random(SHIFTS)
        total += shifted_overlaps(s.features, s.bins, frozen, s.labels, s.use, shifts)
    sd = np.sqrt(np.where(moments.variance > 1e-9, moments.variance, np.nan))[alive]
    highest = [
        class_maxima((total[r][alive] - moments.mean[alive]) / sd, kind) for r in range(SHIFTS)
    ]
    return {"highest": np.stack(highest)}


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


def _significance(
    study: Study, table: pd.DataFrame, alive: np.ndarray, kind: np.ndarray
) -> pd.DataFrame:
    """P from the exact tail where there is one, its floor and test, BH, BY, family-wise and bootstrap p."""
    p, floor = table["p"].to_numpy(copy=True), np.full(len(table), np.finfo(np.float64).tiny)
    test = np.full(len(table), "shift", dtype=object)
    bootstrap, bootstrap_floor = np.full(len(table), np.nan), np.full(len(table), np.nan)
    highest = []
    for shard in range(TAIL_SHARDS + SHIFT_SHARDS):
        arrays = read_arrays(_path(study, shard))
        if "highest" in arrays:
            highest.append(arrays["highest"])
            continue
        pairs, tails = arrays["pairs"], arrays["tails"]
        at = np.searchsorted(alive, pairs[:, 0]) * kind.shape[1] + pairs[:, 1]
        p[at] = np.where(np.isnan(p[at]), np.nan, tails[:, 0])
        floor[at], test[at] = tails[:, 1], "exact"
        bootstrap[at], bootstrap_floor[at] = tails[:, 2], tails[:, 3]
    draws = np.concatenate(highest)
    family = family_p(table["z"].to_numpy().reshape(kind.shape), kind, draws).ravel()
    return table.assign(
        p_shift=table["p"], p=p, p_floor=floor, p_test=test, q=benjamini_hochberg(p),
        q_by=benjamini_yekutieli(p), p_family=family,
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
        z = sums["shift"].z()[alive]
        columns = {"feature": alive, "track": np.full(alive.size, track.name, dtype=object)}
        for split in ("select", "report"):
            end = "_select" if split == "select" else ""
            columns[f"n_{split}"] = np.full(alive.size, int(sums[split].bases[0]))
            columns[f"pearson{end}"] = sums[split].pearson()[alive]
            columns[f"spearman{end}"] = sums[split].spearman()[alive]
        columns |= {"z": z, "p": np.minimum(2 * enrichment_p(np.abs(z)), 1.0)}
        rows.append(pd.DataFrame(columns))
    names = ["feature", "track", "n_select", "pearson_select", "spearman_select", "n_report"]
    names += ["pearson", "spearman", "z", "p"]
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names)
    return table.assign(q=benjamini_hochberg(table["p"].to_numpy(np.float64)))


def _size(study: Study, shard: int) -> int:
    return sum(end - start for _, start, end in stretches(study))


STAGE = Stage(
    name="associate",
    title="testing features on held-out blocks",
    needs=("overlaps",),
    sections=("statistics", "run"),
    run=run,
    count=lambda study: TAIL_SHARDS + SHIFT_SHARDS,
    size=_size,
    finish=finish,
)
