"""Ctrl-C, SIGTERM and SIGUSR1 are one request to stop; a second Ctrl-C ends at once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.engines.local import processes
from workbench.engines.shards import Outcome, plan_work
from workbench.interruption import Interruptible, Stopped, listening, requested, stopped
from workbench.progress import Silent
from workbench.stages.registry import STAGES


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 85), (signal.SIGUSR1, 85)]
)
def test_the_first_signal_is_a_request(number: signal.Signals, status: int) -> None:
    before = signal.getsignal(number)
    with listening():
        signal.raise_signal(number)
        assert requested()
        with pytest.raises(Stopped, match="run the same command again to go on") as caught:
            Interruptible(Silent()).advance(1)
        assert caught.value.status == stopped().status == status
    assert not requested() and signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_at_once() -> None:
    with listening():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_workers_stop_with_the_process_that_started_them(samples: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "tiny")
    study = Study.create(tmp_path / "study", small_config(samples, model))
    study.run(until="sae")
    with listening():
        signal.raise_signal(signal.SIGINT)
        outcome = processes(2)(study, plan_work(study, STAGES["encode"]), Silent())
    assert outcome == Outcome(0, {}, True)
    assert not list((study.folder / "features").glob("*"))
    study.run(2, until="encode")
    assert len(list((study.folder / "features").glob("*.h5"))) == len(study.manifest.shards)
