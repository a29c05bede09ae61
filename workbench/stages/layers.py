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
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.quality import measure, summarise
from feature_mining.sae.settle import settle
from feature_mining.sae.source import window_rows
from feature_mining.sae.trainer import Metrics, Trainer
from workbench.activations import StrandWindows, other_layers, training_stream
from workbench.progress import Progress
from workbench.stages.sae import calibration_windows, note_files, train_cells, train_config
from workbench.stages.stage import Stage
from workbench.stop import requested
from workbench.study import Study


def layer_folder(study: Study, layer: str) -> Path:
    """Folder of the autoencoder of a layer beside the study's own."""
    return study.folder / "layers" / layer.replace("/", "_")


def run(study: Study, shard: int, progress: Progress) -> int:
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
    done = 0

    def report(step: int, metrics: Metrics) -> None:
        nonlocal done
        if not requested():
            progress.advance((step - done) * own.batch, f"{layers[0]}: mse {metrics['mse']:.3f}")
            done = step

    folder = study.folder / "layers"
    results = Trainer(*configs).fit_all(
        source,
        report,
        folder / "training.safetensors",
        study.config.sae.checkpoint_every,
        requested,
    )
    if not results[0].finished:
        progress.advance(0)
    sample = calibration_windows(study)
    rows = [_row(study, study.layer, study.folder / "sae", sample)]
    for layer, result in zip(layers, results, strict=True):
        sae, calibration = settle(result.sae, window_rows(model, layer, sample, study.batch))
        calibration.save(layer_folder(study, layer))
        sae.save(layer_folder(study, layer))
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
    size=lambda study, shard: train_config(study).steps * train_config(study).batch,
    wanted=lambda study: bool(study.config.activations.layers),
    inputs=inputs,
    model=True,
)
