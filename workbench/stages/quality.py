"""Quality of the autoencoder on the report split.

Shard 0 measures the reconstruction, strand consistency, the dictionary and its stability over seeds (table
``quality_features``), shard 1 what the reconstruction costs the model, and shift consistency; the reduction
puts both into the facts ``quality``. Shard 2 reads samples of the select and report splits with their labels
(tables ``quality_probing``, ``quality_units``, ``quality_absorption``). Samples are bounded, whatever the
genome; their sizes are stated with the results.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workbench.analysis.labelled_bases import read_labelled, stack
from workbench.analysis.labels import study_columns
from workbench.analysis.probing import absorption, dense_probe, probing, units
from workbench.analysis.reconstruction import (
    SHIFTED_CELLS,
    STRAND_CELLS,
    dictionary_facts,
    reconstruction,
    shift_curve,
    spliced_bits,
    spread,
    strand_consistency,
    summary_of,
)
from workbench.files.facts import read_facts, write_facts
from workbench.genome.windows import Cell
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study

BASES = 100_000
# Of each of the two labelled samples.
LABELLED_BASES = 30_000


def report_cells(study: Study, bases: int) -> list[Cell]:
    """Whole cells of the report split, thinned evenly to about ``bases`` bases."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    step = max(1, sum(c.end - c.start for c in cells) // bases)
    return cells[::step]


def _part(study: Study, name: str) -> Path:
    return study.folder / "work" / "quality" / f"{name}.json"


def _reconstruction(study: Study, progress: Progress) -> int:
    cells = report_cells(study, BASES)
    quality, density = reconstruction(study, cells, progress)
    numbers = {k: v for k, v in quality._asdict().items() if isinstance(v, float | int)}
    columns, dictionary = dictionary_facts(study, density)
    by_base, by_bin = strand_consistency(study, spread(cells, STRAND_CELLS))
    history = study.facts("training").get("history") or [{}]
    facts = {
        **numbers,
        "explained_by_dimension": _low_end(quality.explained_by_dimension),
        "k": study.sae.config.k,
        "l0_training": history[-1].get("l0", float("nan")),
        "bases": quality.rows,
        "split": "report",
        "density": {"edges": quality.density_edges.tolist(), "counts": quality.density_counts.tolist()},
        "strands": {"base": summary_of(by_base), "bin": summary_of(by_bin)},
        "dictionary": dictionary,
    }
    table = pd.DataFrame({"feature": np.arange(len(density)), "density": density, **columns})
    study.write_table(
        "quality_features", table.assign(strand_correlation=by_base, strand_correlation_bin=by_bin)
    )
    write_facts(_part(study, "reconstruction"), facts)
    return quality.rows


def _model(study: Study, progress: Progress) -> int:
    cells = report_cells(study, BASES)
    bits, by_class = spliced_bits(study, cells)
    shift = shift_curve(study, spread(cells, SHIFTED_CELLS))
    write_facts(_part(study, "model"), {"bits": bits, "bits_by_class": by_class, "shift": shift})
    return sum(cell.end - cell.start for cell in cells)


def _low_end(values: np.ndarray) -> dict[str, float]:
    """Median, 5th percentile and least of what is known."""
    found = np.nanquantile(values, [0.5, 0.05, 0]) if np.isfinite(values).any() else [np.nan] * 3
    return dict(zip(("median", "p5", "least"), map(float, found), strict=True))


def _labelled(study: Study, progress: Progress) -> int:
    columns = study_columns(study)
    select, report = (
        read_labelled(study, split, LABELLED_BASES, columns, progress) for split in ("select", "report")
    )
    if not select or not report:
        raise ValueError("the select or the report split holds no whole cell: use a smaller window")
    chosen, judged = stack(select), stack(report)
    probe = dense_probe(chosen)
    study.write_table("quality_probing", probing(chosen, judged, probe, columns))
    edges = study.calibration.bin_edges
    study.write_table("quality_units", units(select, report, edges, columns))
    decoder = study.sae.W_dec.cpu().numpy()
    study.write_table("quality_absorption", absorption(chosen, judged, probe, columns, decoder))
    return len(chosen.activations) + len(judged.activations)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """One of the three parts."""
    bases: int = shard.task(study, progress)
    return bases


def _shards(study: Study) -> list[Shard]:
    held_out = sum(c.end - c.start for c in report_cells(study, BASES))
    return [
        Shard(0, held_out, _reconstruction),
        Shard(1, held_out, _model),
        Shard(2, 2 * LABELLED_BASES, _labelled),
    ]


def finish(study: Study) -> None:
    """Write the facts of the reconstruction and of the model as one."""
    study.write_facts(
        "quality", read_facts(_part(study, "reconstruction")) | read_facts(_part(study, "model"))
    )


STAGE = Stage(
    name="quality",
    title="judging the autoencoder on held-out sequence",
    needs=("sae",),
    sections=("windows", "statistics", "tracks"),
    run=run,
    shards=_shards,
    finish=finish,
    model=True,
)
