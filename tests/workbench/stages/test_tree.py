"""Adding up many shards in groups: the sums, the same bytes on every engine, a damaged group."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.workbench.small_study import small_config, write_model
from workbench import InputError, Study
from workbench.engines.chain import steps
from workbench.engines.local import processes, run
from workbench.engines.shards import pending, plan_work
from workbench.stages.registry import STAGES, find_stage
from workbench.stages.tree import group_shards
from workbench.study.config import JobConfig


def test_groups_are_about_as_many_as_their_members():
    assert group_shards(64) == [range(64)]
    assert group_shards(130) == [range(64), range(64, 128), range(128, 130)]
    groups = group_shards(100_000)
    assert len(groups) == 316 and len(groups[0]) == 317 and groups[-1] == range(99_855, 100_000)


def test_names_of_groups():
    assert find_stage("annotate-groups").name == "annotate-groups"
    for name in ("encode-groups", "lunch", "lunch-groups"):
        with pytest.raises(InputError, match=f"unknown stage '{name}'"):
            find_stage(name)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, samples) -> Study:
    folder = tmp_path_factory.mktemp("many")
    config = small_config(samples, write_model(folder / "tiny"))
    config = replace(config, run=replace(config.run, shard_bases=96), sae=replace(config.sae, tokens=2_048))
    study = Study.create(folder / "study", config)
    study.run(until="encode")
    return study


def test_sums_of_a_hundred_shards(encoded, tmp_path):
    study = Study.open(Path(shutil.copytree(encoded.folder, tmp_path / "study")))
    other = Study.open(Path(shutil.copytree(encoded.folder, tmp_path / "other")))
    planned = [(s.stage, s.kind) for s in steps(study, JobConfig(tasks=4), until="annotate")]
    assert planned == [("annotate", "shards"), ("annotate-groups", "groups"), ("annotate", "reduce")]
    run(study, until="annotate")
    work = study.folder / "work" / "annotate"
    shards = sorted(p for p in work.glob("*.npz") if p.stem != "total")
    assert len(shards) == 101 and len(list((work / "groups").iterdir())) == 2
    total = np.load(work / "total.npz")
    for name in ("report_all", "select_few", "select_totals", "active", "callable"):
        assert (total[name] == sum(np.load(p)[name] for p in shards)).all()
    strongest = np.sort(np.concatenate([np.load(p)["value"] for p in shards], axis=1))[:, ::-1]
    assert (total["value"] == strongest[:, : total["value"].shape[1]]).all()

    run(other, processes(2, threads=1), until="annotate")
    theirs = other.folder / "work" / "annotate" / "total.npz"
    assert theirs.read_bytes() == (work / "total.npz").read_bytes()


def test_a_damaged_group_is_added_up_again(encoded, tmp_path):
    study = Study.open(Path(shutil.copytree(encoded.folder, tmp_path / "study")))
    run(study, until="annotate")
    work = study.folder / "work" / "annotate"
    before = (work / "total.npz").read_bytes()
    (work / "groups" / "00001.npz").write_bytes(b"torn")
    study.ledger.drop("annotate", 70)
    left = pending(study, plan_work(study, STAGES["annotate"])).shards
    assert [shard.index for shard in left] == [70]
    run(study, until="annotate")
    assert (work / "total.npz").read_bytes() == before
