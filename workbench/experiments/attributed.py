"""A prediction taken apart, for the experiment and for whoever asks for one of them at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.attribution.bases import saturate
from feature_mining.attribution.features import FeatureAttribution, attribute_features
from feature_mining.attribution.target import Target
from genomic_models.contract import ModelError
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.settings import AttributeSettings
from workbench.experiments.targets import Asked
from workbench.study.study import Study


class Reading(NamedTuple):
    """An output, read on one strand.

    letters : in the direction of the reading
    before : how many of them lie before the place that the output is of
    """

    study: Study
    asked: Asked
    strand: str
    letters: str
    before: int
    target: Target

    @classmethod
    def of(cls, study: Study, asked: Asked, strand: str, context: int) -> Reading:
        """Raises ``InputError`` as `Asked.read` does."""
        return cls(study, asked, strand, *asked.read(study, strand, context))

    def on_genome(self, positions: np.ndarray) -> np.ndarray:
        """Positions of the letters on the contig, 0-based."""
        _, start, end = self.asked.place
        return start - self.before + positions if self.strand == "+" else end - 1 + self.before - positions

    def take_apart(self, given: AttributeSettings) -> FeatureAttribution:
        """The output's parts of the features of the study's layer; ``InputError`` where the model cannot."""
        study = self.study
        try:
            return attribute_features(
                study.model, self.letters, self.target, study.dictionary, given.method, given.steps
            )
        except ModelError as error:
            raise InputError(f"{self.asked.text}: {error}") from error

    def substitute(self, bases: int) -> pd.DataFrame:
        """Every substitution of the last ``bases`` up to the place, or on both sides of it.

        Columns ``chrom, position`` (0-based), ``base`` that stands there, ``A, C, G, T``: the output with
        that letter less the output as it is. A row a base, in the direction of the reading.
        """
        model, place = self.study.model, self.asked.place
        first, last = max(0, self.before - bases), self.before + place.size
        if not model.causal:
            last = min(len(self.letters), last + bases)
        elif place.size == 1 and not self.asked.layer:
            last = self.before  # the last base is what is predicted: a change there is another question
        changes = saturate(model, self.letters, first, last, self.target)
        table = pd.DataFrame(changes, columns=list(BASES))
        table.insert(0, "base", list(self.letters[first:last]))
        table.insert(0, "position", self.on_genome(np.arange(first, last)))
        return table.assign(chrom=place.chrom)


def sum_by_feature(found: FeatureAttribution) -> pd.DataFrame:
    """``attribution``, ``size`` (activation) and ``bases`` of each feature, the largest attribution first."""
    sums = found.table.groupby("feature").agg(
        attribution=("attribution", "sum"), size=("activation", "sum"), bases=("position", "size")
    )
    return sums.reindex(sums["attribution"].abs().sort_values(ascending=False, kind="stable").index)


def log_sizes(study: Study, sums: pd.DataFrame) -> pd.Series:
    """Logarithm of each feature's size: summed activation times the norm that it is written with."""
    norms = study.sae.W_dec.norm(dim=1).cpu().numpy()
    sizes: pd.Series = np.log((sums["size"] * norms[sums.index]).clip(lower=1e-12))
    return sizes
