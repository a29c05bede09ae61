"""Training and calibrating an autoencoder of a study, or taking one over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.checkpoint import OtherConfiguration
from feature_mining.sae.training.shuffled_rows import ShuffledRows
from feature_mining.sae.training.source import window_rows
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.trainer import Metrics, TrainConfig, Trainer, TrainResult
from genomic_models import DNAModel
from workbench.analysis.activations import StrandWindows, training_stream
from workbench.analysis.imported_sae import import_for
from workbench.analysis.joint_training import train_together
from workbench.analysis.kept_readings import KeptReadings, KeptTraining
from workbench.analysis.training_setup import calibration_windows, control_cells, train_cells, train_config
from workbench.errors import InputError
from workbench.files.atomic import note_written
from workbench.interruption import requested
from workbench.progress import Progress
from workbench.study.study import Study

CHECKPOINT = "training.safetensors"
# Folders below which stages leave checkpoints.
CHECKPOINTS = {"sae": "sae", "layers": "layers", "baselines": "work/controls"}


def train_sae(study: Study, model: DNAModel, folder: Path, progress: Progress) -> int:
    """Train and calibrate an autoencoder of ``model`` into ``folder``; goes on from a checkpoint.

    The study's own is trained together with those of further seeds; the one of a control is not, and on a
    sample (`control_cells`). What either reads is kept. A request to stop is met after a checkpoint.
    """
    layer, together, control = study.layer, study.batch, folder.name != "sae"
    sample = calibration_windows(study)
    if study.config.sae.source and not control:
        return _take_over(study, model, folder, sample)
    config, kept = train_config(study, model), KeptReadings(study, model)
    cells = control_cells(study) if control else train_cells(study)[0]
    windows = StrandWindows(study.genome, study.grid, cells)
    source: ShuffledRows
    if study.config.activations.cache and not control:
        source = training_stream(study, model, [layer], windows, config.batch, config.seed, progress)
    else:
        source = KeptTraining(kept, model, windows, config.batch, config.seed)
    report = telling(progress, config.batch)
    folder.mkdir(parents=True, exist_ok=True)
    seeds = 1 if control else study.config.sae.seeds
    configs = [replace(config, seed=config.seed + i) for i in range(seeds)]
    checkpoint = folder / CHECKPOINT
    if study.config.run.trainers > 1 and not control:
        train_together(study, configs, checkpoint, report, requested)
        progress.advance(0)
    results = fit(study, configs, source, checkpoint, report, progress)
    kept.flush()
    facts = []
    for i, result in enumerate(results):
        own = folder / f"seed-{i}" if i else folder
        rows = window_rows(model, layer, sample, together)
        calibration = save(*set_thresholds(result.sae, rows), own)
        facts.append(facts_of(result) | _measured(calibration))
    note_files(folder)
    named = facts[0] | {"seeds": facts[1:]}
    study.write_facts("training_random" if control else "training", named)
    return results[0].tokens


def forget_checkpoints(study: Study, stages: Collection[str]) -> None:
    """Remove what training would go on from, of stages that are to begin anew."""
    for stage in CHECKPOINTS.keys() & set(stages):
        for path in (study.folder / CHECKPOINTS[stage]).rglob(CHECKPOINT):
            path.unlink()


def telling(progress: Progress, batch: int, name: str = "") -> Callable[[int, Metrics], None]:
    """What a trainer is given to tell how far it is."""
    done = 0

    def report(step: int, metrics: Metrics) -> None:
        nonlocal done
        note = f"{name}mse {metrics['mse']:.3f}, L0 {metrics['l0']:.1f}, dead {metrics['dead']:.0f}"
        # Progress that may be interrupted is told of a stop only after the checkpoint.
        if not requested():
            progress.advance((step - done) * batch, note)
            done = step

    return report


def fit(
    study: Study,
    configs: Sequence[TrainConfig],
    source: ShuffledRows,
    checkpoint: Path,
    report: Callable[[int, Metrics], None],
    progress: Progress,
) -> list[TrainResult]:
    """Results of trainings off one stream, from a checkpoint on; ``Stopped`` after a request to stop.

    Raises ``InputError`` for a checkpoint of other settings.
    """
    every = study.config.sae.checkpoint_every
    try:
        results = Trainer(*configs).fit_all(source, report, checkpoint, every, requested)
    except OtherConfiguration as error:
        raise InputError(
            f"{error.path}: training began with other settings ({', '.join(error.differs)}); train anew with"
            f" `workbench run {study.folder} --force sae`, or put the former settings back"
        ) from None
    if not results[0].finished:
        progress.advance(0)
    return results


def save(sae: SparseAutoencoder, calibration: Calibration, folder: Path) -> Calibration:
    """Write an autoencoder with its calibration, which is returned."""
    calibration.save(folder)
    sae.save(folder)
    return calibration


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


def _measured(calibration: Calibration) -> dict[str, Any]:
    return {"calibration_rows": calibration.rows, "calibration_l0": calibration.l0}


def note_files(folder: Path) -> None:
    """Have the ledger hash all files of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            note_written(path)


def _take_over(study: Study, model: DNAModel, folder: Path, sample: StrandWindows) -> int:
    """Put the autoencoder that the configuration names into ``folder``, its values measured here."""
    source = study.resolve(study.config.sae.source)
    sae, calibration = import_for(
        source, study.manifest.model, window_rows(model, study.layer, sample, study.batch)
    )
    folder.mkdir(parents=True, exist_ok=True)
    save(sae, calibration, folder)
    note_files(folder)
    facts = {
        "source": str(source),
        "sae_hash": sae.hash,
        "imported_from": sae.config.provenance.get("imported_from", "workbench"),
    } | _measured(calibration)
    study.write_facts("training", facts)
    return calibration.rows
