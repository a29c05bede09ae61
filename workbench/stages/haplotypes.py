"""Unique haplotypes of every window that the cohort's regions need, and which samples have them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from workbench.analysis.burdens.plan import (
    SIDES,
    CellHaplotypes,
    calls_of,
    cell_runs,
    cell_spans,
    cohort_cells,
    needed,
    samples_hash,
    write_cell,
    write_counts,
)
from workbench.cohort.calls import Calls
from workbench.cohort.haplotypes import Haplotypes, find_haplotypes
from workbench.cohort.readings import cell_window
from workbench.errors import InputError
from workbench.files.facts import read_facts, write_facts
from workbench.genome.windows import Cell
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.input_files import cohort_files
from workbench.study.study import Study

SHARED = ("starred", "overlapping", "phase_matters")


def _names(study: Study) -> list[str]:
    return list(study.table("samples")["sample"])


def _cell(study: Study, calls: Calls, cell: Cell) -> tuple[CellHaplotypes, list[Haplotypes]]:
    part = needed(cell_spans(study.table("regions"), cell))
    found = []
    for strand in SIDES:
        window = cell_window(study.genome, study.grid, cell, strand, part)
        letters = study.genome.fetch(cell.chrom, window.left, window.right)
        found.append(find_haplotypes(calls, letters, window.left, study.config.cohort.unphased))
    plus, minus = found
    return CellHaplotypes((plus.edits, minus.edits), (plus.of_sample, minus.of_sample)), found


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Find the haplotypes of a run of neighbouring cells."""
    cells, members = cohort_cells(study), shard.task
    first, last = cells[members[0]], cells[members[-1]]
    left = cell_window(study.genome, study.grid, first, "+", first[1:3]).left
    right = cell_window(study.genome, study.grid, last, "-", last[1:3]).right
    names = _names(study)
    calls = calls_of(study, names, first.chrom, left, right)
    facts: dict[str, Any] = {"starred": calls.starred, "overlapping": 0, "phase_matters": 0}
    windows = []
    for index in members:
        stored, found = _cell(study, calls, cells[index])
        write_cell(study, index, stored)
        missing = np.zeros(calls.n_samples, bool)
        for side in stored.of_sample:
            missing |= (side.reshape(calls.n_samples, -1) == -1).any(axis=1)
        windows.append(
            {
                "cell": index,
                "unique": [len(f.edits) for f in found],
                "present": [int((f.of_sample != -2).sum()) for f in found],
                "missing": float(missing.mean()),
            }
        )
        facts["overlapping"] += max(f.ambiguous for f in found)
        facts["phase_matters"] += max(f.unphased for f in found)
        progress.advance(1)
    write_facts(_facts_path(study, shard.index), facts | {"windows": windows})
    return 0


def _facts_path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "haplotypes" / f"run.{shard:05d}.json"


def finish(study: Study) -> None:
    """Drop windows with too much missing, count, and write the facts ``haplotypes``."""
    cells = cohort_cells(study)
    counts = np.zeros((len(cells), 2), np.int64)
    facts: dict[str, Any] = dict.fromkeys(SHARED, 0)
    dropped, read, instead = [], 0, 0
    for shard in range(len(cell_runs(study))):
        part = read_facts(_facts_path(study, shard))
        for key in SHARED:
            facts[key] += part[key]
        for window in part["windows"]:
            if window["missing"] > study.config.cohort.max_missing:
                cell = cells[window["cell"]]
                dropped.append(
                    {"window": f"{cell.chrom}:{cell.start}-{cell.end}", "missing": window["missing"]}
                )
                continue
            counts[window["cell"]] = window["unique"]
            read += sum(window["unique"])
            instead += sum(window["present"])
    write_counts(study, counts)
    facts |= {
        "samples": len(_names(study)),
        "windows": len(cells),
        "dropped": dropped,
        "max_missing": study.config.cohort.max_missing,
        "unphased": study.config.cohort.unphased,
        "readings": read,
        "readings_if_each_sample": instead,
        "most_in_a_window": int(counts.max()) if counts.size else 0,
    }
    study.write_facts("haplotypes", facts)


def wanted(study: Study) -> bool:
    """Whether the study has samples whose sequences are read."""
    return bool(study.config.cohort.variants or study.config.cohort.sequences)


def inputs(study: Study) -> dict[str, str]:
    """Variants, samples, regions and policies; phenotypes may change without reading anything again."""
    given = study.config.cohort
    files = cohort_files(study)
    try:
        regions = study.table("regions").to_json()
        names = samples_hash(_names(study))
    except InputError:
        regions = names = "not known yet"
    return {
        "variants": files.get("variants", ""),
        "sequences": files.get("sequences", ""),
        "samples": names,
        "regions": hashlib.sha256(regions.encode()).hexdigest(),
        "unphased": given.unphased,
        "max_missing": str(given.max_missing),
    }


STAGE = Stage(
    name="haplotypes",
    title="finding unique haplotypes",
    needs=("plan",),
    sections=("windows",),
    run=run,
    shards=lambda study: shards_of(cell_runs(study), len),
    finish=finish,
    unit="windows",
    wanted=wanted,
    inputs=inputs,
)
