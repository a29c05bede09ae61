"""Whatever is wrong with a file or an address, it is read or refused in a sentence: nothing else, and soon.

``FUZZ_MINUTES=60 python -m pytest tests/fuzz --dist load`` goes on for an hour with other damage each time.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from genomic_models.errors import ModelError
from tests.fuzz.limits import within_limits
from tests.fuzz.targets import TARGETS, damage
from workbench.errors import InputError

EXAMPLES = 25
MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
SECONDS = 60 * MINUTES * WORKERS / len(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_read_or_refused(name: str, tmp_path: Path) -> None:
    target, fine = TARGETS[name], tmp_path / "fine"
    fine.mkdir()
    target.make(fine)
    # What has been read is remembered by its path, so that each has its own.
    folders = (tmp_path / f"{i}" for i in itertools.count())
    target.read(shutil.copytree(fine, next(folders)))

    @settings(
        max_examples=max(1, round(EXAMPLES * target.share)),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def attempt(random: Random) -> None:
        folder = shutil.copytree(fine, next(folders))
        path = damage(target, folder, random)
        note(f"{path.relative_to(folder)}: {path.read_bytes()[:4000]!r}")
        try:
            with within_limits():
                target.read(folder)
        except (InputError, ModelError) as error:
            assert str(error) and "\n" not in str(error)
        finally:
            shutil.rmtree(folder)

    ends = time.monotonic() + SECONDS
    for number in itertools.count():
        seed(number)(attempt)()
        if time.monotonic() >= ends:
            return
