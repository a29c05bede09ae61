"""A cache of activations: the stream it gives, its coordinates, going on with it, and what it refuses."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_mining.sae.training import cache as caches
from feature_mining.sae.training.cache import ActivationCache, CachedActivations, Place, write_cache
from feature_mining.sae.training.source import ShuffledActivations, Window, window_rows
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from tests.feature_mining.sae.conftest import FakeModel

FACTS = {"model": "fake", "weights": "abc", "layers": ["blocks.0"]}


def some_windows(count: int = 10) -> tuple[list[Window], list[Place]]:
    """Windows of 30 letters after 6 that are discarded; every third has a mask."""
    rng = np.random.default_rng(3)
    windows, places = [], []
    for i in range(count):
        use = rng.random(30) < 0.8 if i % 3 == 0 else None
        windows.append(Window("".join(rng.choice(list("ACGT"), 36)), 6, use))
        places.append(Place("chr1", 100 * i, 100 * i + 30, "+-"[i % 2]))
    return windows, places


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "SHARD_WINDOWS", 4)


def fill(folder: Path, model: FakeModel, **more: object) -> bool:
    windows, places = some_windows()

    def read(part):
        return window_rows(model, "blocks.0", part, 2)

    return write_cache(folder, FACTS, windows, places, read, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("buffer", [40, 10_000])
def test_a_cache_gives_the_batches_of_the_model(tmp_path: Path, model: FakeModel, buffer: int) -> None:
    assert fill(tmp_path, model)
    cache, windows = ActivationCache(tmp_path), some_windows()[0]
    assert cache.rows == sum(30 if w.use is None else int(w.use.sum()) for w in windows)
    assert cache.width == 6 and cache.facts == FACTS and cache.shards == 3
    read, streamed = (
        CachedActivations(cache, 16, 2, buffer, seed=5),
        ShuffledActivations(model, "blocks.0", windows, 16, 2, buffer, seed=5),
    )
    for mine, theirs in islice(zip(read, streamed, strict=True), 60):
        assert torch.equal(mine, theirs)
    state = read.state_dict()
    after = next(read)
    again = CachedActivations(cache, 16, 2, buffer, seed=5)
    again.load_state_dict(state)
    assert torch.equal(next(again), after)
    some = CachedActivations(cache, 16, 2, buffer, seed=5, columns=slice(2, 5))
    whole = CachedActivations(cache, 16, 2, buffer, seed=5)
    assert torch.equal(next(some), next(whole)[:, 2:5])


def test_every_row_knows_its_base(tmp_path: Path, model: FakeModel) -> None:
    fill(tmp_path, model)
    cache, (windows, places) = ActivationCache(tmp_path), some_windows()
    assert cache.windows[["chrom", "start", "end", "strand"]].values.tolist() == [
        list(place) for place in places
    ]
    for i, (window, place) in enumerate(zip(windows, places, strict=True)):
        (alone,) = window_rows(model, "blocks.0", [window._replace(use=None)], 1)
        positions = cache.positions(i)
        for row, position in zip(cache.read(i), positions, strict=True):
            # Read backwards on the minus strand: its first letter is the last base.
            at = position - place.start if place.strand == "+" else place.end - 1 - position
            assert torch.equal(row, alone[at])
        kept = np.arange(30) if window.use is None else np.flatnonzero(window.use)
        assert len(positions) == len(kept)
        assert positions[0] == (100 * i + kept[0] if i % 2 == 0 else 100 * i + 29 - kept[0])


def test_written_once_and_gone_on_with(tmp_path: Path, model: FakeModel) -> None:
    told: list[int] = []
    assert not fill(tmp_path, model, progress=told.append, should_stop=lambda: len(told) == 2)
    with pytest.raises(ValueError, match="2 of 3 shards are written"):
        ActivationCache(tmp_path)
    # A shard without its table was in the making when the process was ended.
    (tmp_path / "rows.00002.npy").write_bytes(b"half")
    calls = len(model.calls)
    assert fill(tmp_path, model)
    assert len(model.calls) == calls + 1, "only the last two windows are read"
    straight = tmp_path / "straight"
    fill(straight, model)
    for path in straight.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    calls = len(model.calls)
    config = TrainConfig(d_sae=12, k=2, steps=12, batch=32)
    results = [
        Trainer(config).fit(CachedActivations(ActivationCache(tmp_path), 32, 2, 10_000, seed))
        for seed in (0, 1)
    ]
    assert fill(tmp_path, model) and len(model.calls) == calls, "the model is not asked again"
    assert results[0].sae.hash != results[1].sae.hash


def test_what_is_refused(tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(ValueError, match=r"holds no cache\.json"):
        ActivationCache(tmp_path)
    fill(tmp_path, model)
    windows, places = some_windows()
    with pytest.raises(ValueError, match="a cache of other activations"):
        write_cache(tmp_path, FACTS | {"weights": "x"}, windows, places, lambda part: iter(()))
    wrong = [place._replace(end=place.end + 1) for place in places]
    with pytest.raises(ValueError, match="its place and mask say 31"):
        write_cache(
            tmp_path / "other", FACTS, windows[1:2], wrong[1:2],
            lambda part: window_rows(model, "blocks.0", part, 2),
        )  # fmt: skip
    assert caches.cache_bytes(1_000_000, 192) == 776_000_000
    with pytest.raises(ValueError, match=r"take .* GiB; .* GiB are free"):
        caches.require_room(tmp_path / "not" / "there", 10**12, 4096)
