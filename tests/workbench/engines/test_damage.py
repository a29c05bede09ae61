"""Damage of a finished study is noticed, told and made good: one byte of every file, one after another."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.workbench.small_study import finished_study, run_apart
from workbench import InputError, Study
from workbench.cli import app
from workbench.engines.shards import check_outputs, fingerprint
from workbench.stages.registry import STAGES
from workbench.study.damage import find_damage, refuse_damage
from workbench.study.ledger import read_events
from workbench.study.shard_records import ShardRecords

# What a user writes, what only says who runs, records, and what is made anew at any time.
NOT_MADE = ("study.toml", "run.lock", "ledger", "logs", "cache")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_study(tmp_path_factory)


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "study"))


def made(folder: Path) -> list[Path]:
    """Files that stages wrote."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return [p for p in files if p.relative_to(folder).parts[0] not in NOT_MADE]


def flip(path: Path, at: float = 0.5) -> None:
    """Turn all bits of one byte round."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 0xFF
    path.write_bytes(data)


def damage(study: Study, thorough: bool = False) -> list[str]:
    found = []
    for stage in STAGES.values():
        if stage.wanted(study):
            found += find_damage(study, stage.name, fingerprint(study, stage), thorough)
    return [each.cause.split(" ")[0] for each in found]


def test_every_file_that_a_stage_wrote_is_watched(copy: Path) -> None:
    study = Study.open(copy)
    assert damage(study) == []
    unnoticed = []
    for path in made(copy):
        before = path.read_bytes()
        flip(path)
        if path.name == "manifest.json":
            with pytest.raises(InputError):
                Study.open(copy).verify()
        elif damage(study) != [str(path.relative_to(copy))]:
            unnoticed.append(str(path.relative_to(copy)))
        path.write_bytes(before)
    assert unnoticed == []


@pytest.mark.parametrize(
    "name", ["features/*.h5", "tables/tracks.parquet", "tables/quality.json", "sae/*.safetensors"]
)
def test_a_run_makes_it_again(copy: Path, done: Path, name: str) -> None:
    path = next(copy.glob(name))
    flip(path)
    with pytest.raises(InputError, match="is not the file that was written; make it again"):
        refuse_damage(Study.open(copy))
    Study.open(copy).run()
    assert path.read_bytes() == (done / path.relative_to(copy)).read_bytes()
    refuse_damage(Study.open(copy))


@pytest.mark.parametrize(
    "names",
    [
        ["sae/training.safetensors", "work/controls/random/training.safetensors"],
        ["tables/plan.json"],
        ["manifest.json"],
    ],
    ids=lambda names: names[0],
)
def test_nothing_goes_on_from_what_is_damaged_or_gone(copy: Path, done: Path, names: list[str]) -> None:
    for name in names:
        if name == "manifest.json":
            (copy / name).unlink()
        else:
            flip(copy / name)
    run_apart(Study.open(copy))
    made = [*names, "sae/sae.safetensors", "tables/tracks.parquet", "tables/catalog.parquet"]
    assert [(copy / each).read_bytes() for each in made] == [(done / each).read_bytes() for each in made]
    refuse_damage(Study.open(copy))


@pytest.mark.parametrize("command", ["reduce", "shard"])
def test_a_stage_is_not_made_from_damage_before_it(copy: Path, command: str) -> None:
    for record in [*(copy / "ledger").glob("report.*"), *(copy / "ledger/report").iterdir()]:
        record.unlink()
    path = copy / "tables/quality.json"
    path.write_text(path.read_text().replace('"explained_variance": 0.', '"explained_variance": 1.'))
    words = [command, str(copy), "--stage", "report", *(["--shard", "0/1"] if command == "shard" else [])]
    found = CliRunner().invoke(app, words)
    assert found.exit_code != 0 and "quality.json" in str(found.exception) + found.output
    assert "make it again with" in str(found.exception) + found.output


def logged(folder: Path, before: int, event: str) -> list[str]:
    """Stages with an event of that name in the log's lines after the first ``before``."""
    return [line.stage for line in read_events(folder)[before:] if line.event == event]


def test_what_was_made_from_other_bytes_is_made_again(copy: Path) -> None:
    ledger = Study.open(copy).ledger
    ((shard, record),) = ledger.finished("sae", None)
    record.outputs["sae/sae.safetensors"][1] = "0" * 64  # as if another autoencoder had been here
    ledger.renew("sae", shard, record)
    flip(copy / "sae/sae.safetensors", 0.9)
    before = len(read_events(copy))
    Study.open(copy).run()
    assert logged(copy, before, "changed") == ["sae"]
    again = set(logged(copy, before, "done"))
    assert {"sae", "encode", "annotate", "associate", "quality", "report"} <= again
    assert not again & {"plan", "baselines", "pick", "copies"}
    refuse_damage(Study.open(copy))


def test_the_same_bytes_leave_what_follows_alone(copy: Path) -> None:
    flip(copy / "sae/sae.safetensors", 0.9)
    before = len(read_events(copy))
    Study.open(copy).run()
    assert logged(copy, before, "changed") == []
    assert set(logged(copy, before, "done")) == {"sae"}


def test_the_cache_may_go(copy: Path) -> None:
    shutil.rmtree(copy / "cache")
    refuse_damage(Study.open(copy))


def test_damage_that_no_time_betrays_is_found_by_verify(copy: Path) -> None:
    study = Study.open(copy)
    assert damage(study) == []  # the copy's times are noted
    path = next(copy.glob("features/*.h5"))
    stat = path.stat()
    flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert damage(study) == [] and damage(study, thorough=True) == [f"features/{path.name}"]
    found = CliRunner().invoke(app, ["verify", str(copy)])
    assert found.exit_code != 0 and f"features/{path.name} is not the file" in found.output
    assert not study.ledger.done("encode", None, fingerprint(study, STAGES["encode"]))


def test_a_byte_of_the_checked_genome_is_found_by_verify(copy: Path) -> None:
    path = next(copy.glob("cache/*.fa"))
    stat = path.stat()
    flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = CliRunner().invoke(app, ["verify", str(copy)])
    assert found.exit_code != 0 and f"cache/{path.name} or its index is not the file" in found.output


def test_what_reads_a_damaged_file_says_so(copy: Path) -> None:
    study = Study.open(copy)
    for name in ("tracks", "catalog"):
        path, whole, told = copy / "tables" / f"{name}.parquet", study.table(name), 0
        before = path.read_bytes()
        for at in range(25):
            flip(path, at / 24)
            try:
                # Where a byte is only of use to skip what is not asked for, all is as it was.
                pd.testing.assert_frame_equal(study.table(name), whole)
            except InputError as error:
                told += path.name in str(error)
            path.write_bytes(before)
        assert told > 10
    flip(copy / "tables/quality.json", 0.0)
    with pytest.raises(InputError, match=r"quality.json: cannot be read"):
        study.facts("quality")
    flip(copy / "sae/sae.safetensors", 0.9)
    with pytest.raises(InputError, match="not the weights that were saved"):
        _ = study.sae
    shard = next(iter(study.features.shards))
    data = shard[0].read_bytes()
    wrong = 0
    for at in range(40):
        flip(shard[0], at / 39)
        try:
            study.features.rows(shard[1], shard[2], shard[3], "+")
            study.features.rows(shard[1], shard[2], shard[3], "-")
        except InputError as error:
            wrong += shard[0].name in str(error)
        shard[0].write_bytes(data)
    assert wrong > 10  # much of a small file is the pyramid and padding between


def test_records_of_an_older_version_are_read(copy: Path) -> None:
    """A file a record, without times of change: what was written is read once, then its time is noted."""
    study, stage = Study.open(copy), STAGES["encode"]
    mark, folder = fingerprint(study, stage), copy / "ledger/encode"
    records = dict(study.ledger.finished("encode", mark))
    ShardRecords(folder).clear()
    for shard, record in records.items():
        outputs = {name: entry[:2] for name, entry in record.outputs.items()}
        (folder / f"{shard:05d}.done.json").write_text(json.dumps(asdict(record) | {"outputs": outputs}))
    assert check_outputs(study, stage, mark) == []
    assert dict(study.ledger.finished("encode", mark)) == records
