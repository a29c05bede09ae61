"""The study of a worker process."""

from __future__ import annotations

from tests.workbench.study_factory import make_study
from workbench.engines.local import opened


def test_a_worker_opens_a_study_once_in_a_run_and_anew_for_the_next(tmp_path) -> None:
    study = make_study(tmp_path).study
    first = opened(study.folder, "one")
    assert opened(study.folder, "one") is first
    settings = study.folder / "study.toml"
    text = settings.read_text()
    before = first.config.statistics.min_intervals
    changed = text.replace(f"min_intervals = {before}", f"min_intervals = {before + 1}")
    assert changed != text
    settings.write_text(changed)
    assert opened(study.folder, "one") is first
    assert opened(study.folder, "two").config.statistics.min_intervals == before + 1
