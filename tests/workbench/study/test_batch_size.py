"""Windows that fit into memory."""

from __future__ import annotations

import pytest

from genomic_models import load
from workbench.study.batch_size import MOST, SHARE, fitting_batch, windows_that_fit


@pytest.mark.parametrize("free", [1, 100, 1_000, 1_010, 1_062, 1_063, 10_000, 10**9])
@pytest.mark.parametrize(("fixed", "each"), [(100, 50), (0, 7), (2_000, 1)])
def test_the_largest_batch_that_fits(fixed: int, each: int, free: int) -> None:
    fits = [n for n in range(1, MOST + 1) if fixed + each * n <= SHARE * free]
    assert windows_that_fit(lambda n: fixed + each * n, free) == max(fits, default=1)


def test_nothing_is_measured_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setattr("genomic_models.activations.read_activations", read)
    model = load("mini")
    assert fitting_batch(model, "blocks.1", 64) == fitting_batch(model, "blocks.1", 1 << 20)
