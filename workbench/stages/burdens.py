"""Reading each unique haplotype once, and adding features up over the cohort's regions."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.analysis.burdens.plan import (
    SIDES,
    CellHaplotypes,
    Group,
    cell_spans,
    cohort_cells,
    needed,
    read_cell,
    read_counts,
    reading_shards,
)
from workbench.cohort.combine import (
    Part,
    RegionHaplotypes,
    active_features,
    count_bases,
    feature_blocks,
    join_parts,
)
from workbench.cohort.feature_matrix import read_feature_matrix
from workbench.cohort.readings import SpanSums, cell_window, encode_readings, make_reading, sum_spans
from workbench.cohort.store import STATISTICS, RegionWriter, region_path, write_matrix
from workbench.files.arrays import read_arrays, write_arrays
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import BURDENS, Study


def _readings(study: Study) -> list[list[Group]]:
    """Readings of each shard; none for a ready matrix."""
    if study.config.cohort.matrix:
        return []
    size = study.config.run.shard_bases // study.config.windows.window
    return reading_shards(read_counts(study), size)


def _path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "burdens" / f"{shard:05d}.npz"


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Read the haplotypes of one shard."""
    cells, regions = cohort_cells(study), study.table("regions")
    arrays: dict[str, np.ndarray] = {}
    bases = 0
    for i, group in enumerate(shard.task):
        cell = cells[group.cell]
        spans = cell_spans(regions, cell)
        window = cell_window(study.genome, study.grid, cell, SIDES[group.side], needed(spans))
        sets = read_cell(study, group.cell).edits[group.side][group.start : group.end]
        # The reference comes first: what each haplotype is compared with.
        chosen = sets if group.start == 0 else [(), *sets]
        readings = [make_reading(study.genome, study.grid, window, s) for s in chosen]
        encoded = list(
            zip(
                readings,
                encode_readings(study.model, study.layer, study.sae, readings, study.batch),
                strict=True,
            )
        )
        own = encoded if group.start == 0 else encoded[1:]
        sums = sum_spans(own, encoded[0], [(s.start, s.end) for s in spans])
        arrays |= {f"{i}_{k}": v for k, v in sums._asdict().items()}
        bases += sum(len(r.sequence) for r in readings)
        progress.advance(len(own))
    write_arrays(_path(study, shard.index), arrays)
    return bases


class _Sums:
    """Sums of one span of one side of a cell, gathered from the shards that hold them."""

    def __init__(self, study: Study) -> None:
        self.where: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for shard, groups in enumerate(_readings(study)):
            for i, group in enumerate(groups):
                self.where.setdefault((group.cell, group.side), []).append((shard, i))
        self.read = lru_cache(maxsize=8)(lambda shard: read_arrays(_path(study, shard)))

    def of(self, cell: int, side: int, span: int, spans: int) -> SpanSums:
        pieces = []
        for shard, i in self.where[cell, side]:
            arrays = self.read(shard)
            whole = SpanSums(*(arrays[f"{i}_{name}"] for name in SpanSums._fields))
            pieces.append(_every(whole, span, spans))
        return SpanSums(
            np.concatenate([[0], np.cumsum(np.concatenate([np.diff(p.indptr) for p in pieces]))]).astype(
                np.int64
            ),
            *(np.concatenate([p[k] for p in pieces]) for k in (1, 2, 3)),
        )


def _every(sums: SpanSums, span: int, spans: int) -> SpanSums:
    """Rows of one span."""
    counts = np.diff(sums.indptr)
    keep = np.zeros(counts.size, bool)
    keep[span::spans] = True
    entries = np.repeat(keep, counts)
    indptr = np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64)
    return SpanSums(indptr, sums.features[entries], sums.values[entries], sums.bases[keep])


def finish(study: Study) -> None:
    """Put cells together to regions; write the burdens and the tables ``burdens`` and ``haplotypes``."""
    if study.config.cohort.matrix:
        _finish_matrix(study)
        return
    regions, cells, counts = study.table("regions"), cohort_cells(study), read_counts(study)
    spans_of = [cell_spans(regions, cell) for cell in cells]
    met_by: dict[int, list[int]] = {}
    for i, spans in enumerate(spans_of):
        for span in spans:
            met_by.setdefault(span.region, []).append(i)
    n_samples = len(study.table("samples"))
    sums, cached = _Sums(study), lru_cache(maxsize=64)(partial(read_cell, study))
    rows: list[dict[str, Any]] = []
    tables: list[pd.DataFrame] = []
    for index, region in enumerate(regions.itertuples()):
        met = met_by[index]
        kept = [i for i in met if counts[i].all()]
        row = {**region._asdict(), "bases_dropped": 0, "haplotypes": 0, "features": 0}
        row.pop("Index")
        row["bases_dropped"] = sum(
            s.end - s.start for i in met if i not in kept for s in spans_of[i] if s.region == index
        )
        if not kept:
            limit = study.config.cohort.max_missing
            rows.append(
                row | {"missing": np.nan, "state": f"dropped: more than {limit:.0%} of samples missing"}
            )
            continue
        parts, joined = _parts(cached, kept, spans_of, index, sums)
        _write_region(study, index, str(row["region"]), parts, joined, n_samples)
        tables.append(_haplotype_table(str(row["region"]), kept, cached, joined))
        of_sample = joined.of_sample.reshape(n_samples, -1)
        row["haplotypes"] = len(joined.carriers)
        row["features"] = int(active_features(parts).size)
        state = "kept" if len(joined.carriers) > 1 else "no variant in any sample"
        rows.append(row | {"missing": float((of_sample == -1).any(axis=1).mean()), "state": state})
    study.write_table("burdens", pd.DataFrame(rows))
    study.write_table("haplotypes", pd.concat(tables, ignore_index=True) if tables else _no_table())


def _parts(
    cached: Any, kept: list[int], spans_of: list[Any], region: int, sums: _Sums
) -> tuple[list[Part], RegionHaplotypes]:
    parts = []
    for i in kept:
        place = next(k for k, s in enumerate(spans_of[i]) if s.region == region)
        found: CellHaplotypes = cached(i)
        for side in (0, 1):
            get = partial(sums.of, i, side, place, len(spans_of[i]))
            parts.append(Part(side, found.of_sample[side], get))
    return parts, join_parts([p.of_sample for p in parts])


def _write_region(
    study: Study, index: int, region: str, parts: list[Part], joined: RegionHaplotypes, n_samples: int
) -> None:
    features = active_features(parts)
    path = region_path(study.folder / BURDENS, index)
    shape = (2, features.size, len(joined.carriers))
    with RegionWriter(path, region, study.burdens_origin, features, shape) as out:
        out.put("sample_haplotype", joined.of_sample.reshape(n_samples, -1))
        out.put("bases", count_bases(parts, joined.parts))
        for at, block in feature_blocks(parts, joined.parts, features):
            for name, values in zip(STATISTICS, block, strict=True):
                out.fill(name, at, values)


def _haplotype_table(region: str, kept: list[int], cached: Any, joined: RegionHaplotypes) -> pd.DataFrame:
    """``region, haplotype, carriers, variants`` (names, in genome order)."""
    names: list[list[str]] = []
    for row in joined.parts:
        edits = {}
        for p, haplotype in enumerate(row):
            for edit in cached(kept[p // 2]).edits[p % 2][haplotype]:
                edits[edit.name] = edit.start
        names.append(sorted(edits, key=lambda name: (edits[name], name)))
    return pd.DataFrame(
        {"region": region, "haplotype": np.arange(len(names)), "carriers": joined.carriers, "variants": names}
    )


def _no_table() -> pd.DataFrame:
    return pd.DataFrame({"region": [], "haplotype": [], "carriers": [], "variants": []})


def _finish_matrix(study: Study) -> None:
    matrix = read_feature_matrix(study.resolve(study.config.cohort.matrix), study.config.cohort.missing)
    names = list(study.table("samples")["sample"])
    place = pd.Index(matrix.samples).get_indexer(pd.Index(names))
    path = region_path(study.folder / BURDENS, 0)
    unique = write_matrix(path, study.burdens_origin, matrix.features, matrix.values[place])
    row = {
        "region": "matrix",
        "chrom": "",
        "start": 0,
        "end": 0,
        "strand": ".",
        "bases_dropped": 0,
        "haplotypes": unique,
        "features": len(matrix.features),
        "missing": float(np.isnan(matrix.values[place]).any(axis=1).mean()),
        "state": "kept",
    }
    study.write_table("burdens", pd.DataFrame([row]))
    study.write_table("haplotypes", _no_table())


STAGE = Stage(
    name="burdens",
    title="reading haplotypes",
    needs=("haplotypes", "sae"),
    sections=("windows",),
    run=run,
    shards=lambda study: shards_of(_readings(study), lambda groups: sum(g.end - g.start for g in groups)),
    finish=finish,
    unit="haplotypes",
    wanted=lambda study: study.config.has_cohort,
    model=True,
)
