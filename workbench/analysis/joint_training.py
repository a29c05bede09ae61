"""Several processes that train one autoencoder: each reads its share of the sequence with a model of its own.

Every process gives its part of every batch, and sums go over all (gloo on CPUs, NCCL where each has a GPU).
The checkpoint that process 0 writes is all that comes back: whoever started them goes on from it.
"""

from __future__ import annotations

import os
import queue
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from feature_mining.sae.architectures.ranks import Ranks
from feature_mining.sae.training.source import ShuffledActivations, Window
from feature_mining.sae.training.trainer import Metrics, TrainConfig, Trainer
from genomic_models import DNAModel
from workbench.analysis.activations import StrandWindows
from workbench.analysis.training_setup import train_cells
from workbench.errors import InputError
from workbench.interruption import obey, requested
from workbench.study.study import Study

# Seconds between looks at what the processes report.
POLL = 0.2


def shared_source(
    model: DNAModel, layer: str, windows: Sequence[Window], config: TrainConfig, together: int, ranks: Ranks
) -> ShuffledActivations:
    """The stream of one process: its part of every batch, from every ``count``-th pair of windows."""
    return ShuffledActivations(
        model,
        layer,
        Share(windows, ranks.rank, ranks.count),
        config.batch // ranks.count,
        together,
        seed=config.seed,
    )


class Share(Sequence[Window]):
    """Every ``count``-th pair of windows (both readings of a cell) from the ``rank``-th on."""

    def __init__(self, windows: Sequence[Window], rank: int, count: int) -> None:
        self.windows, self.pairs = windows, range(rank, len(windows) // 2, count)

    def __len__(self) -> int:
        return 2 * len(self.pairs)

    def __getitem__(self, index: int) -> Window:  # type: ignore[override]
        pair, reading = divmod(index, 2)
        return self.windows[2 * self.pairs[pair] + reading]


def train_together(
    study: Study,
    configs: Sequence[TrainConfig],
    checkpoint: Path,
    progress: Callable[[int, Metrics], None],
    should_stop: Callable[[], bool],
) -> None:
    """Bring ``checkpoint`` to its end with ``[run] trainers`` processes, or to where a stop was asked for.

    Raises ``InputError`` where the device is spread over several already, and for what a process met.
    """
    count, device = study.config.run.trainers, study.config.model.device
    if "," in device:
        raise InputError(
            f"{study.folder}: [run] trainers = {count} gives each process a device, but [model] device"
            f" {device} spreads one model over several; use one trainer, or device cuda"
        )
    context = multiprocessing.get_context("spawn")
    told, asked = context.Queue(), context.Event()
    with tempfile.TemporaryDirectory() as folder:
        processes = multiprocessing.spawn(
            _train,
            args=(count, study.folder, list(configs), checkpoint, study.batch, f"{folder}/meet", told, asked),
            nprocs=count,
            join=False,
        )
        assert processes is not None
        try:
            ended = False
            while not ended:
                ended = processes.join(timeout=POLL)
                if should_stop():
                    asked.set()
                _pass_on(told, progress)
        except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
            last = str(error).strip().splitlines()[-1]
            raise InputError(f"{study.folder}: one of {count} trainers ended with {last}") from error


def _pass_on(told: Any, progress: Callable[[int, Metrics], None]) -> None:
    while True:
        try:
            step, metrics = told.get_nowait()
        except queue.Empty:
            return
        progress(step, metrics)


def _train(
    rank: int,
    count: int,
    folder: Path,
    configs: list[TrainConfig],
    checkpoint: Path,
    batch: int,
    meeting: str,
    told: Any,
    asked: Any,
) -> None:
    """One process: open the study, load the model to its device, train, leave the checkpoint."""
    obey(asked)
    study = Study.open(folder)
    device = study.config.model.device
    own = device == "cuda" and torch.cuda.device_count() >= count
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    if own:
        device = f"cuda:{rank}"
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if own else "gloo", init_method=f"file://{meeting}", rank=rank, world_size=count
    )
    ranks = Ranks(together=True)
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    source = shared_source(study.load_model(device), study.layer, windows, configs[0], batch, ranks)

    def report(step: int, metrics: Metrics) -> None:
        if rank == 0:
            told.put((step, metrics))

    Trainer(*configs, ranks=ranks).fit_all(
        source, report, checkpoint, study.config.sae.checkpoint_every, requested
    )
    # All is written. The processes part together and then end at once: seen once, gloo's threads aborted one
    # that was taken down piece by piece while its neighbour still closed its connections.
    dist.barrier()
    told.close()
    told.join_thread()
    os._exit(0)
