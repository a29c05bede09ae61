"""Training the autoencoder on the train split, and calibrating it on cells it did not see.

Files of a study::

    sae/config.json, sae.safetensors     the study's autoencoder
    sae/calibration.safetensors          where the values of its features lie
    sae/training.safetensors             checkpoint of the run, of all seeds together
    sae/seed-1/, sae/seed-2/, ...        with [sae] seeds = 3: the same three files of the others, which were
                                         trained off the same stream from dictionaries of seed + 1, + 2, ...

``seed_folders(study)`` lists the folders of all that were trained, the study's own first; each is read with
``SparseAutoencoder.load`` and ``Calibration.load``. Facts of the training are ``study.facts("training")``;
its ``seeds`` holds those of the others.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from feature_mining.sae.settle import settle
from feature_mining.sae.source import window_rows
from feature_mining.sae.trainer import Metrics, TrainConfig, Trainer, TrainResult
from genomic_models import DNAModel
from workbench.activations import StrandWindows, training_stream
from workbench.atomic import note_written
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.stages.imported import import_for, source_files, source_widths
from workbench.stages.stage import Stage
from workbench.stop import requested
from workbench.study import Study
from workbench.trainers import train_together
from workbench.windows import Cell

CALIBRATION_SHARE = 10
"""One in so many train cells is kept for calibration."""
CALIBRATION_CELLS = 32


def train_cells(study: Study) -> tuple[list[Cell], list[Cell]]:
    """Cells to train on, and cells to calibrate on (spread over the train split)."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "train")
    refuse_short(study, cells)
    return _dealt(cells)


def _dealt(cells: list[Cell]) -> tuple[list[Cell], list[Cell]]:
    step = min(CALIBRATION_SHARE, len(cells))
    return [c for i, c in enumerate(cells) if i % step != step - 1], cells[step - 1 :: step]


def refuse_short(study: Study, cells: list[Cell]) -> None:
    """Raise ``InputError`` where the cells of the train split are too few to train on."""
    if len(cells) < 2:
        raise InputError(
            f"{study.folder}: the train split holds {len(cells)} whole cells of {study.grid.stride} bases;"
            " use a smaller window or more sequence"
        )
    readings = 2 * sum(cell.end - cell.start for cell in _dealt(cells)[0])
    if not study.config.sae.source and readings < study.config.sae.batch:
        raise InputError(
            f"{study.folder}: the train split has {readings:,} readings of bases, fewer than one batch of"
            f" {study.config.sae.batch:,}; use a smaller window, a smaller batch or more sequence"
        )


def calibration_windows(study: Study) -> StrandWindows:
    """Windows of the train split that are not trained on."""
    held_out = train_cells(study)[1]
    step = max(1, len(held_out) // CALIBRATION_CELLS)
    return StrandWindows(study.genome, study.grid, held_out[::step])


def train_config(study: Study, model: DNAModel | None = None) -> TrainConfig:
    """Training settings of a study, the width filled in; the model only for provenance.

    Width and ``k`` are those of the autoencoder that ``[sae] source`` names, as far as it says: what is
    trained beside it, the control of random weights, is to be its like.
    """
    s = study.config.sae
    source = source_widths(study) if s.source else None
    return TrainConfig(
        d_sae=source.d_sae if source else s.width or 8 * study.manifest.model["d_model"],
        k=(source.k if source else 0) or s.k,
        steps=max(1, s.tokens // s.batch),
        batch=s.batch,
        architecture=s.architecture,
        learning_rate=s.learning_rate,
        seed=study.config.run.seed,
        tied=s.tied,
        l1=s.l1,
        precision=s.precision,
        model=study.config.model.name if model else "",
        layer=study.layer if model else "",
        weights_hash=model.weights_hash if model else "",
    )


def seed_folders(study: Study) -> list[Path]:
    """Folders of the autoencoders that were trained off one stream, the study's own first."""
    own = study.folder / "sae"
    others = (own / f"seed-{i}" for i in range(1, study.config.sae.seeds))
    return [own, *(folder for folder in others if folder.is_dir())]


def train_sae(study: Study, model: DNAModel, folder: Path, progress: Progress) -> int:
    """Train and calibrate an autoencoder of ``model`` into ``folder``; goes on from a checkpoint.

    The study's own is trained together with those of further seeds; the one of a control is not. A request
    to stop is met after a checkpoint.
    """
    layer, together = study.layer, study.batch
    sample = calibration_windows(study)
    if study.config.sae.source and folder.name == "sae":
        return _take_over(study, model, folder, sample)
    config = train_config(study, model)
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    source = training_stream(study, model, [layer], windows, config.batch, config.seed, progress)
    done = 0

    def report(step: int, metrics: Metrics) -> None:
        nonlocal done
        note = f"mse {metrics['mse']:.3f}, L0 {metrics['l0']:.1f}, dead {metrics['dead']:.0f}"
        # Progress that may be interrupted is told of a stop only after the checkpoint.
        if not requested():
            progress.advance((step - done) * config.batch, note)
            done = step

    folder.mkdir(parents=True, exist_ok=True)
    seeds = study.config.sae.seeds if folder.name == "sae" else 1
    configs = [replace(config, seed=config.seed + i) for i in range(seeds)]
    checkpoint = folder / "training.safetensors"
    if study.config.run.trainers > 1 and folder.name == "sae":
        train_together(study, configs, checkpoint, report, requested)
        progress.advance(0)
    results = Trainer(*configs).fit_all(
        source, report, checkpoint, study.config.sae.checkpoint_every, requested
    )
    if not results[0].finished:
        progress.advance(0)
    facts = []
    for i, result in enumerate(results):
        own = folder / f"seed-{i}" if i else folder
        sae, calibration = settle(result.sae, window_rows(model, layer, sample, together))
        calibration.save(own)
        sae.save(own)
        facts.append(facts_of(result) | _measured(calibration.rows, calibration.l0))
    note_files(folder)
    named = facts[0] | {"seeds": facts[1:]}
    study.write_facts("training" if folder.name == "sae" else "training_random", named)
    return results[0].tokens


def facts_of(result: TrainResult) -> dict[str, Any]:
    """What a run left, for people."""
    return {
        "steps": result.steps,
        "tokens": result.tokens,
        "learning_rate": result.learning_rate,
        "final_mse": result.final_mse,
        "clipped": result.clipped,
        "dead_at_end": result.dead,
        "history": result.history,
    }


def _measured(rows: int, l0: float) -> dict[str, Any]:
    return {"calibration_rows": rows, "calibration_l0": l0}


def note_files(folder: Path) -> None:
    """Have the ledger hash all files of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            note_written(path)


def _take_over(study: Study, model: DNAModel, folder: Path, sample: StrandWindows) -> int:
    """Put the autoencoder that the configuration names into ``folder``, its values measured here."""
    source = study.resolve(study.config.sae.source)
    sae, calibration = import_for(
        source,
        study.manifest.model,
        model.weights_hash,
        window_rows(model, study.layer, sample, study.batch),
    )
    folder.mkdir(parents=True, exist_ok=True)
    calibration.save(folder)
    sae.save(folder)
    note_files(folder)
    facts = {
        "source": str(source),
        "sae_hash": sae.hash,
        "imported_from": sae.config.provenance.get("imported_from", "workbench"),
    } | _measured(calibration.rows, calibration.l0)
    study.write_facts("training", facts)
    return calibration.rows


def inputs(study: Study) -> dict[str, str]:
    """What else the autoencoder depends on: the one that is taken over, the processes that train."""
    together = study.config.run.trainers
    return source_files(study) | ({"trainers": str(together)} if together > 1 else {})


STAGE = Stage(
    name="sae",
    title="training the autoencoder",
    needs=("plan",),
    sections=("sae", "windows"),
    run=lambda study, shard, progress: train_sae(
        study, study.model, study.folder / "sae", progress
    ),
    size=lambda study, shard: train_config(study).steps * train_config(study).batch,
    inputs=inputs,
    processes=lambda study: study.config.run.trainers,
    model=True,
)
