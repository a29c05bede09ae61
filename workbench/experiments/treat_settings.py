"""What a treatment can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting

# The diagnosis chooses the treatment.
PROPOSE = "propose"


@dataclass(frozen=True)
class TreatSettings:
    """What a model is treated for, how, and what that may cost."""

    symptom: str = setting(
        "",
        "flag:NAME, a flag of the audit on how the model reads (window_position, warmup,"
        " strand_inconsistent); detector:NAME, a detector that misfires; or loci:NAME, a track where the"
        " model predicts badly.",
        of="symptom",
    )
    treatment: str = setting(
        PROPOSE,
        "ablate, scale or rule (features), prune (parts of the network), train (further training); propose"
        " tries all and takes the one that relieves most.",
        one_of=(PROPOSE, "ablate", "scale", "rule", "prune", "train"),
    )
    most: int = setting(16, "Features or parts that a treatment takes, at most.", least=1)
    loss: float = setting(
        0.01, "Bits a base of the select split that it may cost; where all cost more, the mildest is taken."
    )
    train: int = setting(0, "Bases of further training, for the treatment train; 0: it is not tried.")
    bases: int = setting(40_000, "Bases that are read of each split, on both strands together.", least=1)
    seed: int = setting(0, "Of shams, random directions and training.")
