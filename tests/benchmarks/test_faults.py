"""What the benchmark of faults counts, and that it goes on without Slurm."""

from __future__ import annotations

import json
from functools import partial

import pytest

from benchmarks import faults
from benchmarks.faults_hostile import ended
from workbench.errors import InputError


def _refuse() -> None:
    raise InputError("g.fa: line 1: found 'x'; expected FASTA")


def test_a_refusal_is_no_crash_and_anything_else_is() -> None:
    assert ended(_refuse) == "" == ended(partial(dict, a=1))
    assert "KeyError: 'x'" in ended(partial({}.__getitem__, "x"))


def test_without_slurm_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(faults.slurm_lab, "unavailable", lambda: "no slurmctld here")
    monkeypatch.setattr(faults, "damage", lambda folder, places: {"damage_undetected": places})
    monkeypatch.setattr(faults, "hostile", lambda each: {"crashes": 0})
    monkeypatch.setattr("sys.argv", ["faults", "--quick", "--json"])
    faults.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "quick": True,
        "damage_undetected": 1,
        "crashes": 0,
        "shards_lost": "skipped: no slurmctld here",
    }
