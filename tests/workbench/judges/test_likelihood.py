"""The model's own likelihood against the library's score."""

from __future__ import annotations

import pytest

from genomic_models import load
from genomic_models.scoring import score
from workbench.judges.judge import References
from workbench.judges.likelihood import Likelihood


def test_likelihood_is_the_models(plasmid):
    pieces = [plasmid[:400], plasmid[3_000:3_900], "A", "N" * 20]
    table = Likelihood(References()).judge(pieces)
    for row, found in zip(table.itertuples(), score(load("mini"), pieces[:2]), strict=False):
        assert row.nats == pytest.approx(found.total, rel=1e-4)
        assert row.bits_per_base == pytest.approx(found.bits_per_base, rel=1e-4)
    assert table["not_judged"].tolist() == ["", ""] + ["no base that is predicted from another"] * 2
