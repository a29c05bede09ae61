"""What a diff of two models can be asked."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting


@dataclass(frozen=True)
class DiffSettings:
    """What the study's model is compared with, on how much sequence, and what the null is."""

    model: str = setting(
        "",
        "Model b: mini, a folder, hf:FOLDER, file:MODEL.py, or a pruning of the study that left a model;"
        " empty: the study's own.",
        of="model",
    )
    layer: str = setting(
        "", "Tap of b; empty: the study's, or b's default where it has no such tap.", of="layer"
    )
    sae: str = setting(
        "",
        "Autoencoder of b at that tap: a file or folder, a finished study of b, whose labels and verdicts"
        " then stand beside, or seed-1 and so on of this study; empty: one is trained.",
        of="autoencoder",
    )
    null: list[str] = setting(
        [],
        "Models that differ from b only by their seed and have nothing to find: two or more, better four, as"
        " pretrain --from makes them on the same genome.",
        of="model",
    )
    bases: int = setting(
        100_000, "Bases read of the select and of the report split, on both strands together.", least=1
    )
    whole: bool = setting(False, "Compare predictions along the whole genome, not on those bases of report.")
    train: int = setting(
        400_000,
        "Activations of the train split that a crosscoder of both, and b's autoencoder, are trained on; 0:"
        " neither.",
    )
    shifts: int = setting(
        99,
        "Circular shifts of the bases that matched pairs are compared with; 19 or fewer test no single pair.",
        least=1,
    )
    seed: int = setting(0, "Of training, and of shifts.")
