"""The benchmark ``pretraining``: the operations that its bound rests on."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from genomic_models.corpus import write_corpus
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.striped_hyena.config import StripedHyenaConfig

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "pretraining.py"


@pytest.fixture(scope="module")
def benchmark_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_pretraining", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
def test_operations_of_a_step_are_those_on_paper(benchmark_module, tmp_path):
    width, inner, length, batch = 16, 32, 64, 2
    architecture = StripedHyenaConfig("evo2", "S*", width, 2, inner, groups=4, context=length)
    config = PretrainConfig(tokens=10_000, length=length, batch=batch, block=512)
    corpus = write_corpus([("repeat", "ACCGTTTGAN" * 300)], tmp_path / "corpus")
    run = benchmark_module.Run(Pretrainer(architecture, config, corpus, tmp_path / "run"))

    shapes = 2 * [(3 * width, width), (width, width), *2 * [(inner, width)], (width, inner)]
    weights = sum(rows * columns for rows, columns in shapes) + 512 * width  # and the embedding
    products = 3 * 2 * batch * length * weights  # forwards, and two gradients
    attention = 3 * 2 * 2 * batch * length**2 * width // 2  # two products, causal half
    orthogonal = 0
    for rows, columns in shapes:  # Muon: X X^T, its square, and their product with X, five times
        m, n = sorted((rows, columns))
        orthogonal += 5 * 2 * (2 * m * m * n + m**3)
    assert benchmark_module.count_flops(run) == products + attention + orthogonal
