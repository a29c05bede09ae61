"""What an autoencoder is trained on and with, and where a study's are."""

from __future__ import annotations

from pathlib import Path

from feature_mining.sae.training.trainer import TrainConfig
from genomic_models import DNAModel
from workbench.analysis.activations import StrandWindows
from workbench.analysis.imported_sae import source_widths
from workbench.errors import InputError
from workbench.genome.windows import Cell
from workbench.study.study import Study

# One in so many train cells is kept for calibration.
CALIBRATION_SHARE = 10
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
    readings = training_readings(cells)
    if not study.config.sae.source and readings < study.config.sae.batch:
        raise InputError(
            f"{study.folder}: the train split has {readings:,} readings of bases, fewer than one batch of"
            f" {study.config.sae.batch:,}; use a smaller window, a smaller batch or more sequence"
        )


def control_cells(study: Study) -> list[Cell]:
    """Cells that the control of random weights is trained on, again and again where they are few.

    Those of the study's own autoencoder, spread evenly over them: about as many as hold ``[controls] bases``
    bases, and no fewer than a batch.
    """
    cells = train_cells(study)[0]
    wanted = max(study.config.controls.bases, study.config.sae.batch)
    count = min(len(cells), -(-len(cells) * wanted // sum(cell.end - cell.start for cell in cells)))
    return [cells[i * len(cells) // count] for i in range(count)]


def training_readings(cells: list[Cell]) -> int:
    """Bases of the train split's cells that are trained on, each counted once a strand."""
    return 2 * sum(cell.end - cell.start for cell in _dealt(cells)[0])


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
        d_sae=source.d_sae if source else s.width or 8 * study.manifest.model.d_model,
        k=(source.k if source else 0) or s.k,
        steps=max(1, s.tokens // s.batch),
        batch=s.batch,
        architecture=s.architecture,
        learning_rate=s.learning_rate,
        seed=study.config.run.seed,
        tied=s.tied,
        l1=s.l1,
        precision=s.precision,
        model=study.manifest.model.name if model else "",
        layer=study.layer if model else "",
        weights_hash=model.weights_hash if model else "",
    )


def layer_folder(study: Study, layer: str) -> Path:
    """Folder of the autoencoder of a layer beside the study's own."""
    return study.folder / "layers" / layer.replace("/", "_")


def seed_folders(study: Study) -> list[Path]:
    """Folders of the autoencoders that were trained off one stream, the study's own first."""
    own = study.folder / "sae"
    others = (own / f"seed-{i}" for i in range(1, study.config.sae.seeds))
    return [own, *(folder for folder in others if folder.is_dir())]
