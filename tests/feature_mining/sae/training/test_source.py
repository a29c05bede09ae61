"""The stream of activations: complete, shuffled, resumable to the byte."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.sae.training.source import ShuffledActivations, Window, window_rows
from genomic_models.activations import read_activations
from tests.feature_mining.sae.conftest import FakeModel


def windows(count: int = 20, length: int = 40, seed: int = 0) -> list[Window]:
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        use = rng.random(length - 8) > 0.2 if i % 2 else None
        made.append(Window("".join(rng.choice(list("ACGT"), length)), 8, use))
    return made


def lines(rows: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(map(tuple, rows.tolist()))


def test_rows_are_those_of_the_model(model: FakeModel) -> None:
    given = windows(3)
    rows = list(window_rows(model, "blocks.0", given, 2))
    for window, own in zip(given, rows, strict=True):
        expected = read_activations(model, "blocks.0", [window.sequence])[0][8:]
        if window.use is not None:
            expected = expected[torch.from_numpy(window.use)]
        torch.testing.assert_close(own, expected)
    mixed = read_activations(model, "blocks.0", ["ACG", "ACGT", "AAA"])
    assert [len(m) for m in mixed] == [3, 4, 3]


@pytest.mark.parametrize("buffer", [100, 10_000])
def test_every_row_comes_once_an_epoch(model: FakeModel, buffer: int) -> None:
    given = windows(20)
    every = lines(torch.cat(list(window_rows(model, "blocks.0", given, 4))))
    source = ShuffledActivations(model, "blocks.0", given, 1, 4, buffer, seed=3)
    for _ in range(2):
        epoch = torch.cat([next(source) for _ in range(len(every))])
        assert lines(epoch) == every
    assert epoch.tolist() != sorted(epoch.tolist())


@pytest.mark.parametrize("buffer", [100, 10_000])
@pytest.mark.parametrize("stop", [0, 1, 5, 23])
def test_resume_gives_the_same_bytes(buffer: int, stop: int) -> None:
    def fresh() -> ShuffledActivations:
        return ShuffledActivations(FakeModel(), "blocks.0", windows(20), 16, 4, buffer, seed=3)

    straight = fresh()
    batches = [next(straight) for _ in range(60)]
    stopped = fresh()
    for _ in range(stop):
        next(stopped)
    resumed = fresh()
    resumed.load_state_dict(stopped.state_dict())
    for expected in batches[stop:]:
        assert torch.equal(next(resumed), expected)


def test_seeds_differ_and_small_data_is_read_once(model: FakeModel) -> None:
    a, b = (ShuffledActivations(model, "blocks.0", windows(20), 64, seed=s) for s in (0, 1))
    assert not torch.equal(next(a), next(b))
    model.calls.clear()
    for _ in range(100):
        next(a)
    assert model.calls == []


def test_the_buffer_is_bounded(model: FakeModel) -> None:
    source = ShuffledActivations(model, "blocks.0", windows(200), 16, 2, 100)
    for _ in range(50):
        next(source)
        assert source._rows is not None and len(source._rows) < 100 + 2 * 32


def test_too_little_is_reported(model: FakeModel) -> None:
    with pytest.raises(ValueError, match="no training windows"):
        ShuffledActivations(model, "blocks.0", [])
    few = ShuffledActivations(model, "blocks.0", windows(2), 4096)
    with pytest.raises(ValueError, match="fewer than one batch of 4,096"):
        next(few)
    none = [w._replace(use=np.zeros(32, bool)) for w in windows(20)]
    with pytest.raises(ValueError, match="have 0 usable positions"):
        next(ShuffledActivations(model, "blocks.0", none, 16, buffer=100))
    with pytest.raises(ValueError, match=r"no layer 'blocks\.9'"):
        ShuffledActivations(model, "blocks.9", windows(2))
