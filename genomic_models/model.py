"""A model that one can ask: the contract, with scoring, embedding and writing as methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from genomic_models.activations import embed
from genomic_models.contract import DNAModel
from genomic_models.generation import Generated, Sampling, generate
from genomic_models.scoring import Score, score, score_both_strands


class Model(DNAModel):
    """A DNA model with its verbs: each takes a sequence, or a list of them for a list of results.

    What takes more settings are the functions behind: ``genomic_models.scoring``, ``activations`` and
    ``generation``.
    """

    @overload
    def score(self, sequences: str, both_strands: bool = False) -> Score: ...  # type: ignore[overload-overlap]  # a string comes first
    @overload
    def score(self, sequences: Sequence[str], both_strands: bool = False) -> list[Score]: ...
    def score(self, sequences: str | Sequence[str], both_strands: bool = False) -> Score | list[Score]:
        """How likely the model finds DNA, base by base; see ``genomic_models.scoring.score``.

        ``both_strands`` gives the mean of the readings of both, at the places of the plus strand. Raises
        ``ModelError`` for what is no DNA and a model that predicts no tokens.
        """
        found = (score_both_strands if both_strands else score)(self, _listed(sequences))
        return found[0] if isinstance(sequences, str) else found

    def embed(
        self, sequences: str | Sequence[str], layer: str = "", pool: str = "mean"
    ) -> np.ndarray | list[np.ndarray]:
        """What a layer holds of DNA, float32; see ``genomic_models.activations.embed``.

        Parameters
        ----------
        sequences : str or sequence of str
        layer : str
            A tap; empty for ``default_layer``.
        pool : {"mean", "max", "last", "none"}

        Returns
        -------
        ndarray or list of ndarray
            ``(d,)`` of one sequence, ``(n, d)`` of several; with ``none`` ``(bases, d)``, or a list of these.
        """
        found = embed(self, _listed(sequences), layer or self.default_layer, pool)
        if isinstance(sequences, str):
            return found[0]
        return found if pool == "none" else np.stack(found)

    @overload
    def generate(self, prompts: str, length: int, temperature: float = 1.0, seed: int = 0) -> Generated: ...  # type: ignore[overload-overlap]  # a string comes first
    @overload
    def generate(
        self, prompts: Sequence[str], length: int, temperature: float = 1.0, seed: int = 0
    ) -> list[Generated]: ...
    def generate(
        self, prompts: str | Sequence[str], length: int, temperature: float = 1.0, seed: int = 0
    ) -> Generated | list[Generated]:
        """Write on from DNA by ``length`` bases; see ``genomic_models.generation.generate``.

        Raises ``ModelError`` for a model that does not write base after base.
        """
        found = generate(self, _listed(prompts), length, Sampling(temperature, seed=seed))
        return found[0] if isinstance(prompts, str) else found


def _listed(sequences: str | Sequence[str]) -> list[str]:
    return [sequences] if isinstance(sequences, str) else list(sequences)
