"""Ctrl-C, SIGTERM and SIGUSR1 are one request to stop; a second Ctrl-C ends at once."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.workbench.small_study import trained_study
from workbench import Study
from workbench.engines.local import processes, run_stage
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


@pytest.fixture
def study(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Study:
    return trained_study(tmp_path_factory, tmp_path / "study")


def test_workers_stop_with_the_process_that_started_them(study: Study) -> None:
    with listening():
        signal.raise_signal(signal.SIGINT)
        outcome = processes(1)(study, plan_work(study, STAGES["encode"]), Silent())
    assert outcome == Outcome(0, {}, True)
    assert not list((study.folder / "features").glob("*"))


class Heard(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_worker_that_is_killed_while_it_waits_keeps_nobody_waiting(study: Study) -> None:
    """Those beside it wait for work too, and end with it: a pool that broke is taken down whole."""
    before = set(multiprocessing.active_children())
    heard, execute = Heard(), processes(2)
    run_stage(study, STAGES["encode"], execute, heard)
    first, second = set(multiprocessing.active_children()) - before
    first.kill()
    run_stage(study, STAGES["annotate"], execute, heard)
    assert heard.said == ["annotate: a worker process died; going on with what is left"]
    assert not second.is_alive()


def test_a_worker_that_is_killed_has_another_in_its_place(study: Study) -> None:
    heard, before = Heard(), set(multiprocessing.active_children())

    def kill() -> None:
        while not (started := set(multiprocessing.active_children()) - before):
            time.sleep(0.01)
        started.pop().kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run_stage(study, STAGES["encode"], processes(1), heard)
    killer.join()
    assert heard.said == ["encode: a worker process died; going on with what is left"]
    assert len(list((study.folder / "features").glob("*.h5"))) == len(study.manifest.shards)
