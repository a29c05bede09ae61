"""Several layers in one pass, two models at once, and what is trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_mining.sae.training.site_source import ShuffledSites, Site, read_sites, site_rows, site_widths
from feature_mining.sae.training.source import Window
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from genomic_models.activations import read_activations, read_layers
from genomic_models.striped_hyena.model import StripedHyenaModel
from tests.feature_mining.sae.training.test_source import windows
from tests.genomic_models.tiny import random_model

LAYERS = ["blocks.2", "blocks.0", "blocks.1.mlp.l3"]
SEQUENCES = ["ACGTACGTTG", "GGA", "TTTACGTACG", "CAT"]


@pytest.fixture(scope="module")
def one() -> StripedHyenaModel:
    return random_model(0)


@pytest.fixture(scope="module")
def other() -> StripedHyenaModel:
    return random_model(1)


def counted(model: StripedHyenaModel, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Where each pass of a model was stopped."""
    stops: list[str | None] = []
    forward = model.forward

    def watched(sequences, taps=(), until=None, edits=None):  # type: ignore[no-untyped-def]
        stops.append(until)
        return forward(sequences, taps, until, edits)

    monkeypatch.setattr(model, "forward", watched)
    return stops


def test_one_pass_gives_what_single_passes_give(
    one: StripedHyenaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = [read_activations(one, layer, SEQUENCES) for layer in LAYERS]
    stops = counted(one, monkeypatch)
    together = read_layers(one, LAYERS, SEQUENCES)
    # Two lengths, two passes, each to the deepest layer whatever the order asked for.
    assert stops == ["blocks.2"] * 2
    for i, parts in enumerate(together):
        assert len(parts) == 3
        for layer, part in enumerate(parts):
            assert torch.equal(part, single[layer][i])


def test_two_models_run_once_each(
    one: StripedHyenaModel, other: StripedHyenaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [Site(one, "blocks.0"), Site(other, "blocks.2"), Site(one, "blocks.2")]
    expected = [read_activations(m, layer, ["ACGTTGCA"])[0] for m, layer in sites]
    first, second = counted(one, monkeypatch), counted(other, monkeypatch)
    (found,) = read_sites(sites, ["ACGTTGCA"])
    assert (first, second) == (["blocks.2"], ["blocks.2"])
    assert site_widths(sites) == (32, 32, 32)
    for part, rows in zip(found.split(32, dim=1), expected, strict=True):
        assert torch.equal(part, rows)


@pytest.mark.parametrize("buffer", [100, 10_000])
def test_parts_of_a_row_are_one_base_and_the_stream_resumes(
    one: StripedHyenaModel, other: StripedHyenaModel, buffer: int
) -> None:
    given = windows(8)
    sites = [Site(one, "blocks.0"), Site(other, "blocks.1")]

    def fresh() -> ShuffledSites:
        return ShuffledSites(sites, given, 16, 2, buffer, seed=5)

    # Row by row what each model says of that base when read by itself.
    partner: dict[tuple[float, ...], list[float]] = {}
    for window in given:
        a, b = (read_activations(m, layer, [window.sequence])[0][8:] for m, layer in sites)
        use = slice(None) if window.use is None else torch.from_numpy(window.use)
        partner |= dict(zip(map(tuple, a[use].tolist()), b[use].tolist(), strict=True))
    stream = fresh()
    batches = [next(stream) for _ in range(20)]
    for a, b in batches:
        assert a.shape == b.shape == (16, 32)
        for row, its in zip(a.tolist(), b.tolist(), strict=True):
            np.testing.assert_allclose(partner[tuple(row)], its, rtol=1e-5, atol=1e-5)
    stopped = fresh()
    for _ in range(7):
        next(stopped)
    resumed = fresh()
    resumed.load_state_dict(stopped.state_dict())
    for (a, b), (c, d) in zip(batches[7:], resumed, strict=False):
        assert torch.equal(a, c) and torch.equal(b, d)


def train_windows() -> tuple[list[Window], list[Window]]:
    made = windows(48, length=72, seed=1)
    return made[:40], made[40:]


def unexplained(target: torch.Tensor, written: torch.Tensor) -> float:
    return float((target - written).square().sum() / (target - target.mean(0)).square().sum())


def test_a_crosscoder_of_two_models(one: StripedHyenaModel, other: StripedHyenaModel, tmp_path: Path) -> None:
    sites = [Site(one, "blocks.0"), Site(other, "blocks.0")]
    train, held_out = train_windows()
    config = TrainConfig(96, 16, 100, 128, sites=site_widths(sites))

    def source() -> ShuffledSites:
        return ShuffledSites(sites, train, 128, 8)

    result = Trainer(config).fit(source())
    rows = list(site_rows(sites, held_out, 8))
    sae, _ = set_thresholds(result.sae, rows)
    x = torch.cat(rows)
    written = sae.reconstruct(x)
    # Both models are kept, not the one at the cost of the other.
    for part in (slice(0, 32), slice(32, 64)):
        assert unexplained(x[:, part], written[:, part]) < 0.5
    assert sae.site_norms().shape == (96, 2)

    # Stopped half way and gone on from its checkpoint: the same bytes.
    steps = iter(range(1000))
    file = tmp_path / "run.safetensors"
    Trainer(config).fit(source(), checkpoint=file, should_stop=lambda: next(steps) == 49)
    again = Trainer(config).fit(source(), checkpoint=file)
    assert again.finished and again.sae.hash == result.sae.hash


def test_a_transcoder_of_a_block(one: StripedHyenaModel) -> None:
    sites = [Site(one, "blocks.0"), Site(one, "blocks.1")]
    train, held_out = train_windows()
    config = TrainConfig(96, 16, 100, 128, "skip_transcoder", sites=site_widths(sites))
    result = Trainer(config).fit(ShuffledSites(sites, train, 128, 8))
    x, y = torch.cat(list(site_rows(sites, held_out, 8))).split(32, dim=1)
    assert unexplained(y, result.sae.reconstruct(x)) < 0.5


def test_any_iterator_of_arrays_is_a_source() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 64, 12)).astype(np.float32)

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from ((batch[:, :8], batch[:, 8:]) for batch in rows)

    config = TrainConfig(32, 4, 40, 64)
    arrays = Trainer(config).fit(iter(rows)).sae
    tensors = Trainer(config).fit(map(torch.from_numpy, rows)).sae
    assert arrays.hash == tensors.hash
    parts = TrainConfig(32, 4, 40, 64, "transcoder", sites=(8, 4))
    assert Trainer(parts).fit(pairs()).sae.reconstruct(rows[0][:, :8]).shape == (64, 4)
    with pytest.raises(ValueError, match="ended after 10 of 40 batches"):
        Trainer(config).fit(islice(iter(rows), 10))
    with pytest.raises(ValueError, match="needs a source with state_dict and load_state_dict"):
        Trainer(config).fit(iter(rows), checkpoint=Path("never-written"))


def test_no_sites_and_unknown_layers_are_reported(one: StripedHyenaModel) -> None:
    with pytest.raises(ValueError, match="no sites"):
        ShuffledSites([], windows(2))
    with pytest.raises(ValueError, match=r"no layer 'blocks\.9'"):
        ShuffledSites([Site(one, "blocks.0"), Site(one, "blocks.9")], windows(2))
