"""What the explanation of a phenotype's predictor can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting


@dataclass(frozen=True)
class ExplainSettings:
    """Which predictor is explained, and for which samples."""

    phenotype: str = setting("", "Phenotype of the study's samples.", of="phenotype")
    samples: list[str] = setting(
        [], "Samples whose predictions are taken apart, by locus and lineage.", of="sample"
    )
    burden: str = setting(
        "", "What is predicted from: a burden of the study, or variants; empty: its first burden."
    )
    permutations: int = setting(
        99, "Times that the phenotype is permuted within lineages and predicted anew.", least=19
    )
    seed: int = setting(0, "Of folds and permutations.")
