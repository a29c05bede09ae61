"""Which layer of a model is worth a study: all of them beside each other, on a sample of its regions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from genomic_models.contract import ModelError
from workbench.analysis.activations import StrandWindows
from workbench.analysis.layer_scan import lost_bits, scan_layers, tested
from workbench.errors import InputError
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.settings import LayersSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.windows import Cell
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study

# Layers whose mean lift is no further below the best are as good: the first of them is recommended.
WITHIN = 0.02
ABLATED_CELLS = 16


class Advice(NamedTuple):
    """The layer that is recommended, empty where nothing says, and why."""

    layer: str
    reason: str


def _layers(experiment: Experiment) -> list[str]:
    model, asked = experiment.study.model, experiment.settings.layers
    layers = [model.resolve(layer) for layer in dict.fromkeys(asked)]
    return layers or model.block_outputs or list(model.layers)


def _shards(experiment: Experiment) -> list[Shard]:
    if experiment.settings.layers:
        _layers(experiment)
    return [Shard(0, 4 * experiment.settings.bases)]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, layers = experiment.study, _layers(experiment)
    try:
        found = scan_layers(study, layers, experiment.settings.bases, progress)
    except ValueError as error:
        raise InputError(str(error)) from None
    cells = _whole_cells(study)
    windows = StrandWindows(study.genome, study.grid, cells)
    rows = []
    for layer in layers:
        try:
            clean, ablated = lost_bits(study.model, layer, found.means[layer], windows, study.batch)
        except ModelError:  # a model that predicts no bases: all else is known of it
            clean = ablated = math.nan
        width = len(found.means[layer])
        rows.append((layer, width, found.dimensions[layer], clean, ablated - clean))
    names = ["layer", "width", "dimensions", "bits", "bits_lost"]
    write_parquet(experiment.part(0), found.probes)
    write_parquet(experiment.part(1), pd.DataFrame(rows, columns=names))
    return shard.size


def _whole_cells(study: Study) -> list[Cell]:
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    whole = [c for c in cells if c.end - c.start == study.grid.stride]
    return [whole[i] for i in np.unique(np.linspace(0, len(whole) - 1, ABLATED_CELLS).round().astype(int))]


def advise(probes: pd.DataFrame, layers: list[str]) -> Advice:
    """The first layer whose mean lift on select is within ``WITHIN`` of the best; its lift on report."""
    fair = tested(probes)
    if fair.empty:
        return Advice("", "no track has enough intervals in the report sample for a probe to be judged by")
    means = fair.groupby("layer")[["lift_select", "lift"]].mean().reindex(layers)
    chosen_by, held_out = means["lift_select"], means["lift"]
    best = str(chosen_by.idxmax())
    layer = str(means.index[(chosen_by >= chosen_by[best] - WITHIN).to_numpy().argmax()])
    reason = f"the mean lift of its linear probes is {held_out[layer]:.3f} on the report split"
    reason += f" over {fair['track'].nunique()} tracks; chosen on the select split, where it is"
    reason += f" {chosen_by[layer]:.3f}"
    if layer != best:
        reason += f" and the best, {best}, has {chosen_by[best]:.3f}, but is reached later"
    return Advice(layer, reason)


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.layers_page import write_layers  # Altair, which no shard needs

    probes, table = (read_parquet(experiment.part(i)) for i in (0, 1))
    for name, each in (("probes", probes), ("layers", table)):
        write_parquet(experiment.folder / f"{name}.parquet", each)
    write_layers(experiment, probes, table, *advise(probes, list(table["layer"])))


KIND = Kind(
    name="layers",
    title="what each layer holds",
    settings=LayersSettings,
    needs=("plan",),
    shards=_shards,
    run=_run,
    finish=_finish,
    features=False,
)
