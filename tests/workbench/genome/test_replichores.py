"""Origin and terminus: from annotation, and from skew."""

from __future__ import annotations

import numpy as np

from workbench.genome.fasta import read_fasta
from workbench.genome.replichores import from_skew


def test_skew_of_a_planted_turn():
    random = np.random.default_rng(0)
    rich = lambda g, c, n: random.choice(list("ACGT"), n, p=[0.25, c, g, 0.25])  # noqa: E731
    sequence = np.concatenate([rich(0.2, 0.3, 60_000), rich(0.3, 0.2, 150_000), rich(0.2, 0.3, 90_000)])
    origin, terminus = from_skew("".join(sequence))
    assert abs(origin - 60_000) <= 3_000 and abs(terminus - 210_000) <= 3_000
    assert from_skew("ACGT" * 100) is None


def test_coli_skew_lies_by_oric_and_dif(shared):
    """The known oriC (3,925,744) and dif (1,590,750) of MG1655."""
    _, parts = next(iter(read_fasta(shared / "data/ecoli/NC_000913.3.fna.gz")))
    origin, terminus = from_skew("".join(parts))
    assert abs(origin - 3_925_744) < 30_000
    assert abs(terminus - 1_590_750) < 60_000
