"""What the tests of judges have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.genome.reference import Genome
from workbench.judges.judge import Judge, NotJudged, References
from workbench.judges.registry import JUDGES


@pytest.fixture
def ready():
    """A judge by name; skips with the reason where it is not installed."""

    def make(name: str, **given: object) -> Judge:
        try:
            return JUDGES[name](References(**given))  # type: ignore[arg-type]
        except NotJudged as reason:
            pytest.skip(str(reason))

    return make


@pytest.fixture(scope="session")
def plasmid(samples: Path) -> str:
    """Letters of the *Yersinia pestis* plasmid pPCP1."""
    genome = Genome(samples / "yersinia_pPCP1.fa")
    return genome.fetch("NC_005816.1", 0, 9609)


@pytest.fixture(scope="session")
def noise() -> str:
    """Random letters."""
    return "".join(np.random.default_rng(5).choice(list("ACGT"), 2_000))
