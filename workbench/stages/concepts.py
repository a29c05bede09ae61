"""Tracks as concepts: is this represented at all, by which features, how completely.

Beside the single best feature stand sparse probes on 1, 2, 5 and 20 features and the union of sibling
features. Everything is chosen and fitted on the control sample of the select split and scored on that of
the report split without near copies of the others, where the controls' own scores and the linear probe on
the whole layer come from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.composition import Reading, draw_bases
from feature_mining.association.labels import Column, clip
from feature_mining.association.probe import SIZES, Sample, fit_probes, score_probes
from feature_mining.association.union import join_siblings, score_union
from feature_mining.feature_map import Csr, concatenate
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.readings import STRANDS
from workbench.analysis.sample import Drawn, report_sample, select_sample
from workbench.analysis.verdict_rules import PRESENT, RULES, answer
from workbench.genome.windows import read_sequence
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study
from workbench.tracks.near import TrackIndex

# Expected bases that probes are fitted on; more are drawn from where labels are rare.
SELECT_BASES = 100_000
# Features by select score that may join a union.
CANDIDATES = 48


class Rows(NamedTuple):
    """Drawn bases of a sample, and where they came from: reading and row of each."""

    sample: Sample
    readings: list[tuple[Drawn, str]]
    kept: list[np.ndarray]


def _labels(
    study: Study, drawn: list[Drawn], columns: list[Column], left_out: dict[str, np.ndarray]
) -> list[Reading]:
    readings = []
    for d in drawn:
        c = d.cell
        for strand in STRANDS:
            labels = labels_of(study, columns, c.chrom, c.start, c.end, strand)
            use = read_sequence(study.genome, study.grid, c, strand).callable
            if c.chrom in left_out:
                use = use & ~left_out[c.chrom][c.start : c.end]
            readings.append(Reading(np.zeros(0, np.uint8), labels.states, labels.table, use))
    return readings


def sample_rows(
    study: Study,
    drawn: list[Drawn],
    columns: list[Column],
    keep: np.ndarray | None,
    most: int | None,
    left_out: dict[str, np.ndarray],
) -> Rows:
    """Bases of the sample with weights: features to keep (bool (F)), thinned to ``most``.

    ``left_out``: bool masks of contigs, bases that do not count.
    """
    readings = _labels(study, drawn, columns, left_out)
    if most is None:
        chosen = [(np.flatnonzero(r.use), np.ones(int(r.use.sum()))) for r in readings]
    else:
        random = np.random.default_rng([study.config.run.seed, 11])
        chosen = draw_bases(readings, most, random)
    parts, labels, weights = [], [], []
    which = [(d, strand) for d in drawn for strand in STRANDS]
    for (d, strand), reading, (rows, chance) in zip(which, readings, chosen, strict=True):
        c = d.cell
        features = study.features.rows(c.chrom, c.start, c.end, strand).features
        parts.append(take(features, rows, keep))
        labels.append(reading.table[reading.states[rows]])
        weights.append(d.weight / chance)
    sample = Sample(concatenate(parts), np.concatenate(labels), np.concatenate(weights))
    return Rows(sample, which, [rows for rows, _ in chosen])


def take(features: Csr, rows: np.ndarray, keep: np.ndarray | None) -> Csr:
    """These rows, and of them only the features to keep (bool (F)); numbers of features stay."""
    counts = np.diff(features.indptr)[rows]
    starts = features.indptr[rows]
    at = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    at = at + np.arange(at.size)
    indices, values = features.indices[at], features.values[at]
    owner = np.repeat(np.arange(rows.size), counts)
    if keep is not None:
        use = keep[indices]
        indices, values, owner = indices[use], values[use], owner[use]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=rows.size))])
    return Csr(indptr.astype(np.int64), indices, values, features.n_features)


def _active(features: Csr, candidates: pd.DataFrame) -> np.ndarray:
    """Whether each candidate (feature, threshold) fires, bool (n, m)."""
    out = np.zeros((features.n_rows, len(candidates)), bool)
    place = np.full(features.n_features, -1)
    place[candidates["feature"].to_numpy()] = np.arange(len(candidates))
    at = place[features.indices]
    level = candidates["threshold"].to_numpy(np.float32)
    hit = (at >= 0) & (features.values >= level[at])
    owner = np.repeat(np.arange(features.n_rows), np.diff(features.indptr))
    out[owner[hit], at[hit]] = True
    return out


def _interval_recall(rows: Rows, on: np.ndarray, tracks: TrackIndex, column: Column) -> tuple[float, int]:
    """Share of the intervals met by the sample with at least half of those bases called, and how many."""
    found, first = [], 0
    for (d, strand), kept in zip(rows.readings, rows.kept, strict=True):
        c = d.cell
        size = c.end - c.start
        called = np.zeros(size + 1)
        usable = np.zeros(size + 1)
        called[1:][kept] = on[first : first + kept.size]
        usable[1:][kept] = 1
        first += kept.size
        called, usable = np.cumsum(called), np.cumsum(usable)
        intervals = tracks.near(column[0], c[:3]).intervals
        near = intervals[(intervals["start"] < c.end) & (intervals["end"] > c.start)]
        if len(near):
            lo, hi = clip(near, column[1], strand, c.start, c.end)
            bases = usable[hi] - usable[lo]
            found.append(2 * (called[hi] - called[lo])[bases > 0] >= bases[bases > 0])
    hits = np.concatenate(found) if found else np.zeros(0, bool)
    return (float(hits.mean()) if hits.size else float("nan")), int(hits.size)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the table ``concepts``."""
    columns = study_columns(study)
    if not columns:
        study.write_table("concepts", pd.DataFrame(columns=["track", "mode", "answer"]))
        return 0
    associations = study.table("associations")
    tracks = study.table("tracks").set_index(["track", "mode"])
    select = sample_rows(study, select_sample(study), columns, None, SELECT_BASES, {})
    progress.advance(1)
    fitted = fit_probes(select.sample)
    candidates = {c: _candidates(associations, c) for c in columns}
    keep = np.zeros(study.sae_config.d_sae, bool)
    for probes in fitted:
        keep[[f for probe, _ in probes for f in probe.features]] = True
    for table in candidates.values():
        keep[table["feature"].to_numpy()] = True
    progress.advance(1)
    copied = read_copies(study).masks
    report = sample_rows(study, report_sample(study), columns, keep, None, copied)
    scored = score_probes(fitted, report.sample).set_index(["column", "size"])
    rows = []
    for c, column in enumerate(columns):
        row: dict[str, Any] = {"track": column[0], "mode": column[1]}
        for size in SIZES:
            has = (c, size) in scored.index
            row[f"lift_{size}"] = float(scored.at[(c, size), "ap_lift"]) if has else np.nan
        has = (c, SIZES[-1]) in scored.index
        row["base_rate"] = float(scored.at[(c, SIZES[-1]), "base_rate"]) if has else np.nan
        row["auroc_20"] = float(scored.at[(c, SIZES[-1]), "auroc"]) if has else np.nan
        row["features"] = scored.at[(c, SIZES[-1]), "features"] if has else []
        row |= _union(select, report, candidates[column], study.track_index, c, column)
        for name in ("layer_ap_lift", "composition_ap_lift"):
            row[name] = float(tracks[name].get(column, np.nan)) if name in tracks else np.nan
        layer = row["layer_ap_lift"]
        row["completeness"] = row["lift_20"] / layer if layer >= PRESENT else np.nan
        row["answer"] = answer(row["lift_1"], row["lift_5"], row["lift_20"], layer)
        row["rule"] = RULES[row["answer"]]
        rows.append(row)
    study.write_table("concepts", pd.DataFrame(rows))
    progress.advance(1)
    return 0


def _candidates(associations: pd.DataFrame, column: Column) -> pd.DataFrame:
    """The column's best features by select score, best first, with their frozen thresholds."""
    own = associations[(associations["track"] == column[0]) & (associations["mode"] == column[1])].dropna(
        subset=["ap_select"]
    )
    ordered = own.sort_values(["ap_select", "feature"], ascending=[False, True], kind="stable")
    return ordered.head(CANDIDATES)[["feature", "threshold"]]


def _union(
    select: Rows, report: Rows, candidates: pd.DataFrame, tracks: TrackIndex, c: int, column: Column
) -> dict[str, Any]:
    names = ("single_f1", "union_f1", "union_precision", "union_recall", "union_interval_recall")
    empty: dict[str, Any] = dict.fromkeys(names, float("nan"))
    empty |= {"union": [], "n_intervals": 0}
    labels = select.sample.labels[:, c]
    held = report.sample.labels[:, c]
    if candidates.empty or not labels.any() or not held.any():
        return empty
    active = _active(select.sample.features, candidates)
    union = join_siblings(active, labels, select.sample.weight)
    members = candidates.iloc[union.members]
    on = _active(report.sample.features, members)
    weight = report.sample.weight
    called: np.ndarray = np.logical_or.reduce(on, axis=1)
    scores = score_union(called, held, weight)
    recall, count = _interval_recall(report, called, tracks, column)
    return {
        "union": members["feature"].tolist(),
        "single_f1": score_union(on[:, 0], held, weight).f1,
        "union_f1": scores.f1,
        "union_precision": scores.precision,
        "union_recall": scores.recall,
        "union_interval_recall": recall,
        "n_intervals": count,
    }


STAGE = Stage(
    name="concepts",
    title="asking how tracks are represented",
    needs=("controls", "encode"),
    sections=(),
    run=run,
    shards=lambda study: [Shard(0, 3)],
    unit="steps",
)
