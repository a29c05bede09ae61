"""The formula of memory against what a process takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from feature_mining.sae.training.memory import training_memory

FILE = Path(__file__).resolve().parents[4] / "benchmarks" / "sae_memory.py"


def test_memory_by_hand() -> None:
    memory = training_memory(4096, 32768, 4096, 64)
    parameters = 2 * 4096 * 32768 + 32768 + 4096
    assert memory.parameters == memory.gradients == 4 * parameters
    assert memory.optimiser == 8 * parameters
    assert memory.batch == 4 * 13 * 4096 * 4096
    assert memory.codes == 12 * 256 * 32768 + 64 * 4096 * 64
    assert memory.total / 2**30 == pytest.approx(4.92, abs=0.01)
    dense = training_memory(4096, 32768, 4096, 64, gpu=True)
    assert dense.codes == 4 * 4 * 4096 * 32768
    assert dense.total / 2**30 == pytest.approx(6.81, abs=0.01)
    with pytest.raises(ValueError, match="unknown SAE architecture 'odd'"):
        training_memory(8, 16, 4, 2, "odd")


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sae_memory", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("architecture", "size"),
    [
        ("batch_topk", (256, 4096, 1024, 16)),
        ("batch_topk", (512, 8192, 512, 16)),
        ("gated", (128, 2048, 1024, 16)),
    ],
)
def test_memory_is_what_a_process_takes(architecture: str, size: tuple[int, ...]) -> None:
    stated = training_memory(*size, architecture).total
    assert 0.7 * stated < benchmark().measure(architecture, *size) < 1.2 * stated
