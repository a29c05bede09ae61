"""The shortcut audit: what else could explain a feature or a score. Labels are only read for copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from feature_mining.association.curves import average_precision
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.sparse import Csc, bin_values, by_feature
from workbench.analysis.audit.flags import FLAGS, flag_features
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.audit.position_bias import PARTS, MapCounts, count_maps, map_table
from workbench.analysis.audit.sequence_bias import Explained, explained_shares
from workbench.analysis.audit.training_overlap import corpus_overlap
from workbench.analysis.audit.window_edges import CELLS, WindowEffects, measure_windows
from workbench.analysis.controls import headline_features
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.overlaps import stretches
from workbench.files.arrays import Arrays, add_arrays, read_arrays, write_arrays
from workbench.genome.splits import REPORT
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, map_runs, run_inputs
from workbench.study.input_files import file_hash
from workbench.study.study import Study


def _path(study: Study, name: str) -> Path:
    return study.folder / "work" / "audit" / f"{name}.npz"


def _windows(study: Study, progress: Progress) -> None:
    effects = measure_windows(study, progress)
    arrays = {k: np.asarray(v) for k, v in effects._asdict().items()}
    write_arrays(_path(study, "windows"), arrays)


def _explained(study: Study, progress: Progress) -> None:
    write_arrays(_path(study, "explained"), explained_shares(study)._asdict())


def take_features(features: Csc, chosen: np.ndarray) -> Csc:
    """Only these features, in this order; -1 stands for one that never fires."""
    starts, ends = features.indptr[chosen], features.indptr[chosen + 1]
    starts, ends = np.where(chosen < 0, 0, starts), np.where(chosen < 0, 0, ends)
    none = np.zeros(0, np.int64)  # without annotation none is chosen
    at = np.concatenate([none, *(np.arange(a, b) for a, b in zip(starts, ends, strict=True))])
    indptr = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    return Csc(indptr, features.rows[at], features.values[at], features.n_rows)


def _homology(study: Study, progress: Progress) -> None:
    """Near copies, what share of each feature's report firings lies in them, and scores without them."""
    copies = read_copies(study)
    columns, headline = study_columns(study), headline_features(study)
    edges = study.calibration.bin_edges
    n_bins = edges.shape[1] + 2
    width = study.sae_config.d_sae
    fired = np.zeros((2, width), np.int64)
    counts = [Histogram.empty(len(headline), n_bins, len(columns)) for _ in range(2)]
    for chrom, start, end in stretches(study):
        split = study.split.codes(chrom, start, end)
        mask = copies.masks[chrom][start:end]
        for strand, reading in study.features.strands(chrom, start, end).items():
            use = reading.callable & (split == REPORT)
            rows = np.repeat(np.arange(end - start), np.diff(reading.features.indptr))
            for i, kept in enumerate((use, use & mask)):
                own = reading.features.indices[kept[rows]]
                fired[i] += np.bincount(own, minlength=width)
            few = take_features(by_feature(*reading.features), headline)
            bins = bin_values(few, edges[np.maximum(headline, 0)])
            labels = labels_of(study, columns, chrom, start, end, strand)
            for histogram, kept in zip(counts, (use, use & ~mask), strict=True):
                add_sparse(histogram, few, bins, labels, kept)
        progress.advance(end - start)
    rows_out: list[dict[str, Any]] = []
    for c, (track, mode) in enumerate(columns):
        row: dict[str, Any] = {"track": track, "mode": mode, "feature": int(headline[c])}
        for name, histogram in zip(("all", "without"), counts, strict=True):
            positive, all_ = histogram.cells[c : c + 1][:, :, c : c + 1], histogram.all[c : c + 1]
            bases = int(positive.sum())
            rate = bases / max(1, int(all_.sum()))
            lift = float("nan")
            if bases and headline[c] >= 0:
                lift = float((average_precision(positive, all_)[0, 0] - rate) / (1 - rate))
            row |= {f"lift_{name}": lift, f"bases_{name}": bases}
        rows_out.append(row)
    names = ["track", "mode", "feature", "lift_all", "bases_all", "lift_without", "bases_without"]
    table = pd.DataFrame(rows_out, columns=names).merge(copies.tracks, on="track", how="left")
    study.write_table("homology", table)
    write_arrays(_path(study, "homology"), {"report_fired": fired[0], "copied": fired[1]})


_SINGLE = (_windows, _explained, _homology)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Windows (0), explained shares (1), near copies (2), then a run of stretches of the maps each."""
    if shard.index < len(_SINGLE):
        shard.task(study, progress)
        return 0
    total: Arrays = {}
    for chrom, start, end in shard.task:
        total = add_arrays(total, count_maps(study, chrom, start, end)._asdict())
        progress.advance(end - start)
    write_arrays(_path(study, f"map{shard.index - len(_SINGLE):05d}"), total)
    return shard.size


def finish(study: Study) -> None:
    """Write the table ``audit``, a row a feature with its flags, and the facts ``audit``."""
    windows = WindowEffects(**read_arrays(_path(study, "windows")))
    explained = Explained(**read_arrays(_path(study, "explained")))
    homology = read_arrays(_path(study, "homology"))
    place, bases = np.zeros(PARTS, np.int64), np.zeros(PARTS, np.int64)

    def maps() -> Iterator[MapCounts]:
        nonlocal place, bases
        for i in range(len(map_runs(study))):
            counts = MapCounts(**read_arrays(_path(study, f"map{i:05d}")))
            place, bases = place + counts.place.sum(axis=0), bases + counts.place_bases
            yield counts

    table = map_table(maps())
    table.insert(0, "feature", np.arange(len(table)))
    table["early_fired"] = windows.early
    table["early_rate"] = windows.early / max(1, int(windows.early_bases))
    table["late_rate"] = windows.late / max(1, int(windows.late_bases))
    table["shift_fired"] = windows.fired
    change = np.full(len(table), np.nan)
    np.divide(windows.change, windows.size, out=change, where=windows.size > 0)
    table["shift_change"] = np.sqrt(change)
    table["gc_share"], table["phase_share"] = explained.gc, explained.phase
    table["kmer_share"] = explained.kmer
    fired, copied = homology["report_fired"], homology["copied"]
    table["report_fired"] = fired
    table["copied_share"] = np.where(fired > 0, copied / np.maximum(fired, 1), np.nan)
    table["flags"] = flag_features(table)
    study.write_table("audit", table)
    words = [word for row in table["flags"] for word in row.split(",")]
    flagged = {name: words.count(name) for name in FLAGS}
    study.write_facts(
        "audit",
        {
            "windows": int(windows.late_bases) // study.grid.stride,
            "warmup": study.grid.warmup,
            "window": study.grid.window,
            "profile": windows.profile.tolist(),
            "kept_profile": (place / np.maximum(bases, 1)).tolist(),
            "copies": study.facts("audit_copies"),
            "corpus": corpus_overlap(study),
            "flags": {
                name: {"rule": flag.rule, "meaning": flag.meaning, "features": flagged[name]}
                for name, flag in FLAGS.items()
            },
        },
    )


def _shards(study: Study) -> list[Shard]:
    report = sum(stretch.size for stretch in stretches(study))
    sizes = (round(2.5 * CELLS * study.grid.window), 0, report)
    parts = [Shard(i, sizes[i], part) for i, part in enumerate(_SINGLE)]
    return parts + [m._replace(index=m.index + len(_SINGLE)) for m in map_runs(study)]


def _inputs(study: Study) -> dict[str, str]:
    """Hashes of the sequence files that the model was trained on, as far as given; how pieces are dealt."""
    return {path: file_hash(study.resolve(path)) for path in study.config.audit.corpus} | run_inputs(study)


STAGE = Stage(
    name="audit",
    title="looking for shortcuts",
    needs=("controls", "copies", "encode"),
    sections=("audit",),
    run=run,
    shards=_shards,
    finish=finish,
    inputs=_inputs,
    model=True,
)
