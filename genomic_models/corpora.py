"""What models were trained on: the published statement, and a sketch of the sequence where it is at hand.

A sketch is the ascending uint64 array of ``feature_mining.kmers.sketch`` with ``K`` and ``FRACTION``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from genomic_models.registry import SHIPPED

K = 21
FRACTION = 0.001
UNKNOWN = "not declared"


class Corpus(NamedTuple):
    """The statement in words, and the sketch's file, or None where the sequence is not at hand."""

    statement: str
    sketch: Path | None


_EVO_1 = Corpus(
    "OpenGenome (Nguyen et al. 2024): about 300 billion bases of prokaryotic genomes, phages and plasmids;"
    " reference bacteria are in it, eukaryotes and viruses of eukaryotes are not",
    None,
)
_EVO_2 = Corpus(
    "OpenGenome2 (Brixi et al. 2025): about 9 trillion bases of all domains of life, reference genomes and"
    " organelles included; viruses of eukaryotes were left out",
    None,
)
# By the model's name: a folder named after one of them holds a model of its own.
CORPORA = {
    r"mini": Corpus(
        "twenty-two bacterial genomes, no Escherichia or Shigella, no organelle; see its card",
        SHIPPED["mini"] / "corpus.npy",
    ),
    r"mini-1": Corpus(
        "twelve bacterial genomes, no Escherichia or Shigella, no organelle; see its card",
        SHIPPED["mini-1"] / "corpus.npy",
    ),
    r"evo2_.*": _EVO_2,
    r"evo-1.*": _EVO_1,
}


def corpus_of(name: str) -> Corpus:
    """Corpus of a model by name; a model that nothing is known of has the statement `UNKNOWN`."""
    found = [corpus for pattern, corpus in CORPORA.items() if re.fullmatch(pattern, name)]
    return found[0] if found else Corpus(UNKNOWN, None)
