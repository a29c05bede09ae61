"""Several autoencoders off one stream, several processes on one batch, and a process that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing
from safetensors.torch import load_file, save_file

from feature_mining.sae.architectures.ranks import Ranks
from feature_mining.sae.architectures.registry import ARCHITECTURES
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from tests.feature_mining.sae.conftest import ACTIVE, TRUE, Planted

AUTO = sorted(name for name, kind in ARCHITECTURES.items() if kind.centred)
CONFIG = TrainConfig(d_sae=2 * TRUE, k=ACTIVE, steps=40, batch=256)
ROOT = Path(__file__).resolve().parents[4]


def test_together_is_the_same_as_one_after_another(tmp_path: Path) -> None:
    configs = [replace(CONFIG, architecture=name, seed=i) for i, name in enumerate(AUTO)]
    configs += [replace(CONFIG, d_sae=30, k=2), replace(CONFIG, tied=True)]
    together = Trainer(*configs).fit_all(Planted())
    for config, result in zip(configs, together, strict=True):
        alone = Trainer(config).fit(Planted())
        assert result.sae.hash == alone.sae.hash and result.history == alone.history
    path = tmp_path / "state.safetensors"
    done: list[int] = []
    Trainer(*configs).fit_all(
        Planted(), lambda step, metrics: done.append(step), path, 7, lambda: len(done) == 23
    )
    resumed = Trainer(*configs).fit_all(Planted(), checkpoint=path)
    assert [r.sae.hash for r in resumed] == [r.sae.hash for r in together]
    assert [r.history for r in resumed] == [r.history for r in together]
    with pytest.raises(ValueError, match="differs in number of autoencoders"):
        Trainer(*configs[:2]).fit_all(Planted(), checkpoint=path)
    with pytest.raises(ValueError, match="need the same steps, batch and sites"):
        Trainer(CONFIG, replace(CONFIG, steps=41))


class Part:
    """One process's rows of the planted batches."""

    def __init__(self, rank: int) -> None:
        self.inner, self.rank = Planted(), rank

    def __iter__(self):
        return self

    def __next__(self) -> torch.Tensor:
        return next(self.inner).chunk(2)[self.rank]


def work(rank: int, folder: str, names: list[str]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    configs = [replace(CONFIG, architecture=name, dead_window=512) for name in names]
    results = Trainer(*configs, ranks=Ranks(together=True)).fit_all(Part(rank))
    for name, result in zip(names, results, strict=True):
        tensors = {n: getattr(result.sae, n) for n in ("W_enc", "b_enc", "W_dec", "b_dec")}
        tensors["threshold"] = result.sae.threshold
        figures = [line["mse"] for line in result.history] + [result.clipped, result.dead]
        tensors["figures"] = torch.tensor(figures)
        save_file({n: t.contiguous() for n, t in tensors.items()}, f"{folder}/{name}.{rank}.safetensors")
    torch.distributed.destroy_process_group()


def test_two_processes_are_one_with_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (str(tmp_path), AUTO), nprocs=2)
    for name in AUTO:
        first, second = (load_file(tmp_path / f"{name}.{rank}.safetensors") for rank in (0, 1))
        config = replace(CONFIG, architecture=name, dead_window=512)
        alone = Trainer(config).fit(Planted())
        for tensor in ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"):
            assert torch.equal(first[tensor], second[tensor])
            torch.testing.assert_close(first[tensor], getattr(alone.sae, tensor), rtol=2e-3, atol=2e-3)
        mse = torch.tensor([line["mse"] for line in alone.history])
        torch.testing.assert_close(first["figures"][:-2], mse, rtol=1e-3, atol=1e-5)


SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.feature_mining.sae.conftest import Planted
from tests.feature_mining.sae.training.test_together import KILLED
from feature_mining.sae.training.trainer import Trainer
results = Trainer(*KILLED).fit_all(Planted(), checkpoint=Path(sys.argv[1]), checkpoint_every=5)
print(*(r.sae.hash for r in results))
"""
KILLED = [replace(CONFIG, steps=300, architecture=name) for name in ("batch_topk", "gated")]


def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    command = [sys.executable, "-c", SCRIPT, str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.001)
    time.sleep(0.15)
    run.kill()
    assert run.wait() == -9
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        straight = Trainer(*KILLED).fit_all(Planted())
    finally:
        torch.set_num_threads(threads)  # for the tests after this one
    assert done.stdout.split() == [r.sae.hash for r in straight]


def test_a_feature_that_never_fires_divides_nothing_by_zero() -> None:
    for name in AUTO:
        trainer = Trainer(replace(CONFIG, architecture=name, steps=30, dead_window=1))
        result = trainer.fit(Planted())
        assert all(torch.isfinite(getattr(result.sae, n)).all() for n in ("W_enc", "W_dec"))
