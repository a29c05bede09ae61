"""How much of a sequence the model may have seen in training, from the sketch of what it was trained on.

The sketch keeps one in a thousand k-mers of both strands (FracMinHash, Irber et al. 2022), and not the genome
that each is of. A sequence of a few hundred bases mostly has none of those; one of ten kilobases has ten.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from feature_mining.kmers import NONE, below, contains, identity, kmer_hashes
from genomic_models.corpora import FRACTION, K, corpus_of
from genomic_models.dna import base_codes
from workbench.judges.judge import Card, Check, Column, Judge, NotJudged, References

CARD = Card(
    name="training_match",
    reads=f"{K}-mers of both strands, those of the one in {1 / FRACTION:,.0f} that the model's sketch keeps",
    columns=(
        Column("sampled", "Int64", f"distinct {K}-mers of the sequence that the sketch would keep"),
        Column("shared", "Int64", "of these, in the sketch of the training sequence"),
        Column("identity", "Float64", "identity of sequence that shares as many, 0 to 1 (Mash)"),
    ),
    tool="own code",
    licence="BSD-3-Clause",
    source="Ondov et al. 2016, Genome Biology 17:132; Irber et al. 2022, bioRxiv 2022.01.11.475838",
    version=lambda: "1",
    needs=("model",),
    checks=(
        Check(
            "training_match_identity_seen",
            "mean identity, 20 kb of two genomes that mini was trained on (300 sequences)",
            1.0,
        ),
        Check(
            "training_match_identity_new",
            "mean identity, 20 kb of MG1655 and H37Rv, which it was not (300 sequences)",
            0.2336,
        ),
        Check(
            "training_match_auroc", "AUROC of identity, the former against the latter (300 sequences)", 1.0
        ),
    ),
)


class TrainingMatch(Judge):
    """Judge of likeness to what the model was trained on."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        corpus = corpus_of(references.model)
        if corpus.sketch is None:
            raise NotJudged(f"there is no sketch of what {references.model} was trained on")
        self._sketch = np.load(corpus.sketch, allow_pickle=False)

    def read(self, letters: str) -> Mapping[str, object]:
        hashes = np.unique(kmer_hashes(base_codes(letters), K))
        sampled = hashes[below(hashes, FRACTION) & (hashes != NONE)]
        if not sampled.size:
            raise NotJudged(f"none of its {K}-mers is of those that the sketch keeps: too short to say")
        shared = int(contains(self._sketch, sampled).sum())
        share = shared / sampled.size
        return {"sampled": sampled.size, "shared": shared, "identity": identity(share, K)}
