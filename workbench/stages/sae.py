"""Training the autoencoder on the train split, and calibrating it on cells it did not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from feature_mining.sae.calibrate import calibrate
from feature_mining.sae.source import ModelActivations, Window, window_activations
from feature_mining.sae.trainer import Metrics, TrainConfig, Trainer
from genomic_models import DNAModel
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.windows import Cell, Grid, Sequences, read_sequence

CALIBRATION_SHARE = 10
"""One in so many train cells is kept for calibration."""
CALIBRATION_CELLS = 32


class StrandWindows(Sequence[Window]):
    """Both strands of cells as windows to train on, read from the genome when asked for."""

    def __init__(self, genome: Sequences, grid: Grid, cells: Sequence[Cell]) -> None:
        self.genome, self.grid, self.cells = genome, grid, cells

    def __len__(self) -> int:
        return 2 * len(self.cells)

    def __getitem__(self, index):  # type: ignore[no-untyped-def, override]
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        cell, strand = self.cells[index // 2], "+-"[index % 2]
        part = read_sequence(self.genome, self.grid, cell, strand)
        use = part.callable if strand == "+" else part.callable[::-1].copy()
        return Window(part.sequence, part.skip, use)


def train_cells(study: Study) -> tuple[list[Cell], list[Cell]]:
    """Cells to train on, and cells to calibrate on (spread over the train split)."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "train")
    if len(cells) < 2:
        raise InputError(
            f"{study.folder}: the train split holds {len(cells)} whole cells of {study.grid.stride} bases;"
            " use a smaller window or more sequence"
        )
    step = min(CALIBRATION_SHARE, len(cells))
    return [c for i, c in enumerate(cells) if i % step != step - 1], cells[step - 1 :: step]


def train_config(study: Study) -> TrainConfig:
    """Training settings of a study, the width filled in."""
    s = study.config.sae
    return TrainConfig(
        d_sae=s.width or 8 * study.manifest.model["d_model"],
        k=s.k,
        tokens=s.tokens,
        batch=s.batch,
        architecture=s.architecture,
        learning_rate=s.learning_rate,
        seed=study.config.run.seed,
        checkpoint_every=s.checkpoint_every,
    )


def train_sae(study: Study, model: DNAModel, folder: Path, progress: Progress) -> int:
    """Train and calibrate an autoencoder of ``model`` into ``folder``; goes on from a checkpoint."""
    layer = study.layer
    batch = study.config.windows.batch
    cells, held_out = train_cells(study)
    windows = StrandWindows(study.genome, study.grid, cells)
    source = ModelActivations(
        model, layer, windows, study.config.sae.batch, batch, seed=study.config.run.seed
    )
    config = train_config(study)
    trainer = Trainer(config, source, folder / "training")
    progress.advance(trainer.step * config.batch)

    def report(metrics: Metrics) -> None:
        note = f"mse {metrics.mse:.3f}, L0 {metrics.l0:.1f}, dead {metrics.dead}"
        progress.advance(config.batch, note)

    trainer.run(report)
    sae = trainer.export(study.config.model.name, layer, model.weights_hash)
    step = max(1, len(held_out) // CALIBRATION_CELLS)
    sample = StrandWindows(study.genome, study.grid, held_out[::step])

    def blocks() -> Iterator[Tensor]:
        for start in range(0, len(sample), batch):
            yield window_activations(model, layer, sample[start : start + batch], batch)

    sae, calibration = calibrate(sae, blocks())
    calibration.save(folder)
    sae.save(folder)
    facts = {
        "steps": trainer.step,
        "tokens": trainer.step * config.batch,
        "learning_rate": trainer.rate,
        "clipped": trainer.clipped,
        "calibration_positions": calibration.positions,
        "calibration_l0": calibration.l0,
        "history": [
            dict(zip(("step", "mse", "l0", "dead"), row, strict=True)) for row in trainer.history
        ],
    }
    facts |= {"final_mse": trainer.history[-1][1], "dead_at_end": int(trainer.history[-1][3])}
    study.write_facts("training" if folder.name == "sae" else "training_random", facts)
    return trainer.step * config.batch


STAGE = Stage(
    name="sae",
    title="training the autoencoder",
    needs=("plan",),
    sections=("sae", "windows"),
    run=lambda study, shard, progress: train_sae(
        study, study.model, study.folder / "sae", progress
    ),
    size=lambda study, shard: train_config(study).steps * train_config(study).batch,
)
