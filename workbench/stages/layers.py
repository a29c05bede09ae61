"""Autoencoders of further layers, trained off one pass of the model, to see which layer is worth a study.

For each of ``[activations] layers`` a folder ``layers/<layer>/`` with the files of ``sae/``, and a row of
table ``layers`` (the study's own layer first): layer, width, d_sae, k, l0, explained_variance, cosine,
dead_fraction, readings, folder. Figures are of the calibration cells: of the train split, and not trained on.
``[model] layer`` and ``[sae] source`` make a study of any of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.measures.quality import measure, summarise
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.source import window_rows
from feature_mining.sae.training.thresholds import set_thresholds
from workbench.analysis.activations import StrandWindows, other_layers, training_stream
from workbench.analysis.training import CHECKPOINT, fit, note_files, save, telling
from workbench.analysis.training_setup import calibration_windows, layer_folder, train_cells, train_config
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Train at all layers together, calibrate each, and say how each does on what it did not see."""
    layers, model = other_layers(study), study.model
    widths = tuple(model.d_model(layer) for layer in layers)
    own = train_config(study, model)
    configs = [
        replace(
            own,
            d_sae=study.config.sae.width or 8 * width,
            k=study.config.sae.k,
            layer=layer,
            sites=widths,
            part=part,
        )
        for part, (layer, width) in enumerate(zip(layers, widths, strict=True))
    ]
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    source = training_stream(study, model, layers, windows, own.batch, own.seed, progress)
    folder = study.folder / "layers"
    report = telling(progress, own.batch, f"{layers[0]}: ")
    results = fit(study, configs, source, folder / CHECKPOINT, report, progress)
    sample = calibration_windows(study)
    rows = [_row(study, study.layer, study.folder / "sae", sample)]
    for layer, result in zip(layers, results, strict=True):
        activations = window_rows(model, layer, sample, study.batch)
        save(*set_thresholds(result.sae, activations), layer_folder(study, layer))
        rows.append(_row(study, layer, layer_folder(study, layer), sample))
    note_files(folder)
    study.write_table("layers", pd.DataFrame(rows))
    return results[0].tokens


def _row(study: Study, layer: str, folder: Path, sample: StrandWindows) -> dict[str, Any]:
    sae = SparseAutoencoder.load(folder)
    sums = measure(sae, window_rows(study.model, layer, sample, study.batch))
    found = summarise(sums, sae.b_dec.numpy())
    return {
        "layer": layer,
        "width": sae.config.d_in,
        "d_sae": sae.config.d_sae,
        "k": sae.config.k,
        "l0": found.l0,
        "explained_variance": found.explained_variance,
        "cosine": found.cosine,
        "dead_fraction": found.dead_fraction,
        "readings": Calibration.load(folder).rows,
        "folder": folder.relative_to(study.folder).as_posix(),
    }


def inputs(study: Study) -> dict[str, str]:
    """The layers; where they are kept meanwhile changes nothing."""
    return {"layers": ", ".join(study.config.activations.layers)}


STAGE = Stage(
    name="layers",
    title="training autoencoders of further layers",
    needs=("sae",),
    sections=("sae", "windows"),
    run=run,
    shards=lambda study: [Shard(0, train_config(study).steps * train_config(study).batch)],
    wanted=lambda study: bool(study.config.activations.layers),
    inputs=inputs,
    model=True,
)
