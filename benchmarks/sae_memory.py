"""Peak memory of training, measured in a process of its own, beside the formula.

``python benchmarks/sae_memory.py ARCHITECTURE D_IN D_SAE BATCH K`` prints bytes above those of the program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SIZES = ((256, 4_096, 1_024, 16), (512, 8_192, 2_048, 32))
STEPS = 12
STATUS = Path("/proc/self/status")


def measure(architecture: str, d_in: int, d_sae: int, batch: int, k: int) -> int:
    """Bytes that training took at most in a process of its own, above what it held before."""
    # Tables leave the process when they are freed, so that the peak is of what is held at once.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(ROOT)}
    numbers = map(str, (d_in, d_sae, batch, k))
    command = [sys.executable, str(Path(__file__).resolve()), architecture, *numbers]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def _held(name: str) -> int:
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) * 1024


def _peak(architecture: str, d_in: int, d_sae: int, batch: int, k: int) -> int:
    import torch

    from feature_mining.sae.training.trainer import TrainConfig, Trainer

    def train(d_in: int, d_sae: int, batch: int, k: int) -> None:
        drawn = torch.Generator().manual_seed(0)
        source = (torch.randn(batch, d_in, generator=drawn) for _ in range(STEPS))
        config = TrainConfig(d_sae, k, STEPS, batch, architecture, dead_window=10**9)
        Trainer(config).fit(source)

    train(8, 16, 64, 2)  # loads what is compiled
    before = _held("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
    train(d_in, d_sae, batch, k)
    return _held("VmHWM") - before


def report_memory() -> dict[str, object]:
    """The formula at the size of a large model, and beside what was measured at two that fit."""
    from feature_mining.sae.training.memory import training_memory

    for gpu in (False, True):
        large = training_memory(4_096, 32_768, 4_096, 64, gpu=gpu)
        parts = ", ".join(f"{n} {v / 2**30:.2f}" for n, v in large._asdict().items())
        where = "GPU" if gpu else "CPU"
        print(f"32,768 features of 4,096, batch 4,096, {where}: {large.total / 2**30:.2f} GiB ({parts})")
    results: dict[str, object] = {}
    for architecture in ("batch_topk", "topk", "relu_l1", "matryoshka", "jump_relu", "gated"):
        for size in SIZES:
            found = measure(architecture, *size) / 2**20
            stated = training_memory(*size, architecture).total / 2**20
            print(f"{architecture} {size}: measured {found:.0f} MiB, formula {stated:.0f}", flush=True)
            results[f"{architecture} {size[1]}"] = [round(found), round(stated)]
    return {"memory_mib_measured_and_stated": results}


if __name__ == "__main__":
    print(_peak(sys.argv[1], *map(int, sys.argv[2:])))
