"""How likely the unedited model finds a sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from workbench.judges.judge import Card, Check, Column, Judge, NotJudged, References

CARD = Card(
    name="likelihood",
    reads="every base given those before it, by --model as it is, nothing in it changed",
    columns=(
        Column("bits_per_base", "Float64", "mean cost of a predicted base, bits"),
        Column("nats", "Float64", "log-likelihood of the predicted bases, nats"),
        Column("entropy_bits", "Float64", "mean entropy of the model's predictions, bits"),
    ),
    tool="own code",
    licence="BSD-3-Clause; the model's own for its weights",
    source="the model's card",
    version=lambda: "1",
    needs=("model",),
    checks=(
        Check(
            "likelihood_auroc_shuffled",
            "AUROC of bits a base by mini, 1 kb of MG1655 shuffled against as it is (300 sequences)",
            0.9951,
        ),
        Check("likelihood_bits", "mean bits a base by mini, 1 kb of MG1655 (300 sequences)", 1.867),
    ),
)


class Likelihood(Judge):
    """Judge by the model itself: the one judge that is not independent of what is judged."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        from genomic_models import load  # PyTorch

        self._model = load(references.model, trust_remote_code=references.trust_remote_code)

    def read(self, letters: str) -> Mapping[str, object]:
        from genomic_models.scoring import score  # PyTorch

        (found,) = score(self._model, [letters])
        if not np.isfinite(found.nats).any():
            raise NotJudged("no base that is predicted from another")
        entropy = float(np.nanmean(found.entropy, dtype=np.float64)) / math.log(2)
        return {"bits_per_base": found.bits_per_base, "nats": found.total, "entropy_bits": entropy}
