"""The benchmark ``bits_per_base``: which bases it scores, and that it scores them right."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from genomic_models.contract import Forward, Tokens
from genomic_models.markov import MarkovModel

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "bits_per_base.py"


@pytest.fixture(scope="module")
def benchmark_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bits_per_base", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LastBase:
    """A model that predicts from the last byte alone, by a fixed random table."""

    name = "last-base"
    table = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))

    def forward(self, sequences: list[str]) -> Forward:
        assert all(0 < len(s) <= 2048 for s in sequences)
        lengths = torch.tensor([len(s) for s in sequences])
        ids = torch.full((len(sequences), int(lengths.max())), 1)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(list(sequence.encode()))
        return Forward(Tokens(ids, lengths), self.table[ids])


@pytest.mark.parametrize("length", [257, 2048, 2049, 1792 * 10 + 300])
def test_every_base_but_the_first_256_once(benchmark_module: ModuleType, length: int) -> None:
    sequence = "".join(np.random.default_rng(length).choice(list("ACGTN"), length))
    bits = benchmark_module.model_bits(LastBase(), sequence)
    ids = torch.tensor(list(sequence.encode()))
    chances = torch.log_softmax(LastBase.table.double(), dim=-1)[ids[:-1], ids[1:]]
    expected = -chances.numpy() / np.log(2)
    assert np.isnan(bits[:256]).all()
    np.testing.assert_allclose(bits[256:], expected[255:], atol=1e-4)
    counted = benchmark_module.scored(sequence)
    assert counted.sum() == sum(base != "N" for base in sequence[256:])
    assert np.isfinite(bits[counted]).all()


def test_best_markov_leaves_order_zero_out(benchmark_module: ModuleType) -> None:
    row = {"bases": 9, "markov_0": 1.0, "markov_1": 1.9, "markov_2": 1.8, "markov_3": 1.85}
    assert benchmark_module.best_markov(row) == (2, 1.8)


def test_every_figure_is_named_by_its_bases(benchmark_module: ModuleType, monkeypatch, capsys) -> None:
    """A table of the first bases, the first more of them, and all, each the mean over its own stretch."""
    sequence = "".join(np.random.default_rng(5).choice(list("ACGTN"), 3000))
    monkeypatch.setattr(benchmark_module, "read", lambda path, form: sequence)
    monkeypatch.setattr(benchmark_module, "FIRST", (600, 2000))
    markov = MarkovModel.fit([sequence], 1)
    results = benchmark_module.measure(markov, LastBase(), quick=False)
    bits = benchmark_module.model_bits(LastBase(), sequence)
    known = np.array([base != "N" for base in sequence])
    assert list(results) == ["MG1655", "H37Rv"]
    for genome in results.values():
        assert list(genome) == ["256-600", "256-2,000", "256-3,000"]
        for end, row in zip((600, 2000, 3000), genome.values(), strict=True):
            assert row["bases"] == known[256:end].sum()
            assert row["last-base"] == pytest.approx(bits[256:end][known[256:end]].mean())
    quick = benchmark_module.measure(markov, LastBase(), quick=True)
    assert quick == {g: {"256-600": rows["256-600"]} for g, rows in results.items()}
    benchmark_module.show(results)
    assert "MG1655 256-2,000" in capsys.readouterr().out.splitlines()[0]
