"""The sketch of `mini`'s training sequence against sequence that is in it and sequence that is not."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.genome.reference import Genome
from workbench.judges.judge import NotJudged, References
from workbench.judges.training_match import TrainingMatch


def test_training_sequence_and_another(shared):
    """*Caulobacter* NC_011916 was trained on, *M. tuberculosis* was not: hardly a 21-mer is shared."""
    judge = TrainingMatch(References())
    seen = Genome(shared / "data/pretraining/NC_011916.fna.gz")
    new = Genome(shared / "data/tb/NC_000962.3.gbk.gz")
    first = next(iter(seen.lengths))
    table = judge.judge([seen.fetch(first, 0, 100_000), new.fetch("NC_000962.3", 0, 100_000)])
    assert table["shared"][0] == table["sampled"][0] and table["identity"][0] == 1
    assert table["shared"][1] <= 0.03 * table["sampled"][1]
    # One in a thousand of 100 kb, give or take.
    assert table["sampled"].between(60, 140).all()


def test_short_sequence_says_that_it_cannot_be_told():
    judge = TrainingMatch(References())
    said = judge.judge(["ACGTTGCA" * 4, "N" * 5_000])["not_judged"]
    assert said.str.contains("too short to say").all()


def test_repeats_count_once():
    piece = "".join(np.random.default_rng(0).choice(list("ACGT"), 20_000))
    table = TrainingMatch(References()).judge([piece, piece + piece])
    assert table["sampled"][1] <= table["sampled"][0] + 1 and table["shared"].tolist() == [0, 0]


def test_a_model_without_a_sketch():
    with pytest.raises(NotJudged, match="no sketch of what evo2_7b was trained on"):
        TrainingMatch(References(model="evo2_7b"))
