"""Numba's threads leave PyTorch's number alone, in a process that has not started them yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOOPS = {
    "moments": """
from feature_mining.phenotype.moments import moments
moments(np.ones((8, 5)), np.ones((5, 2)), np.ones(5))
""",
    "patterns": """
from feature_mining.phenotype.patterns import rarity
rarity(np.ones((8, 5)), np.zeros(5, bool))
""",
    "training": """
from feature_mining.sae.training.train_config import TrainConfig
from feature_mining.sae.training.trainer import Trainer
rows = torch.randn(32, 64, 8, generator=torch.Generator().manual_seed(0))
Trainer(TrainConfig(d_sae=16, k=2, steps=20, batch=64)).fit(iter(rows))
""",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_pytorch_keeps_its_number(loop: str) -> None:
    script = f"""
import numpy as np, torch
torch.set_num_threads(1)
{LOOPS[loop]}
import numba
print(torch.get_num_threads(), numba.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    environment.pop("OMP_NUM_THREADS", None)
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == ["1", "1", "2"]
