"""A study that one received runs nothing here that its user did not accept, and writes nowhere else."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from genomic_models.files import remove_leftovers, write_whole
from tests.genomic_models.test_local_code import CODE
from workbench import InputError, Study
from workbench.engines import background
from workbench.files.atomic import open_own, write_atomic
from workbench.files.hashing import sha256_of
from workbench.study.config import InputConfig, JobConfig, ModelConfig, StudyConfig, write_config
from workbench.study.ledger import exclusive
from workbench.study.trust import accept, risky_model


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def received(tmp_path: Path) -> Study:
    """A study whose settings would run a shell line and a model's own code."""
    (tmp_path / "g.fa").write_text(">c\nACGT\n")
    config = StudyConfig(
        input=InputConfig(genome=str(tmp_path / "g.fa")),
        model=ModelConfig(name="hf:nobody/nothing", trust_remote_code=True),
        jobs=JobConfig(scheduler="slurm", setup=["touch it-ran"]),
    )
    return Study.create(tmp_path / "study", config)


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def said(cli: Callable[..., tuple[int, str, str]]) -> Command:
    """Run a command; gives exit status and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        status, out, err = cli(*words)
        return status, out + err

    return run


def test_settings_take_effect_once_they_were_accepted(received: Study, said: Command) -> None:
    folder = str(received.folder)
    with pytest.raises(InputError, match=r"\[model\] trust_remote_code.*workbench trust"):
        _ = received.model
    status, text = said("submit", folder, "--dry-run")
    assert status and "[jobs] setup" in text and "workbench trust" in text
    assert said("run", folder, "--dask", "slurm")[1].count("[jobs] setup")
    status, text = said("trust", folder)
    assert status == 0 and "[jobs] setup = ['touch it-ran']" in text and "hf:nobody/nothing" in text
    assert "[jobs] setup" in said("submit", folder, "--dry-run")[1]  # shown is not accepted
    assert "accepted for" in said("trust", folder, "--accept")[1]
    assert "workbench trust" not in said("submit", folder, "--dry-run")[1]
    with pytest.raises(ValueError) as caught:  # goes on to look for the model
        _ = received.model
    assert "workbench trust" not in str(caught.value)
    # What is changed afterwards is asked about anew; so is a copy elsewhere.
    jobs = replace(received.config.jobs, setup=["touch another"])
    write_config(replace(received.config, jobs=jobs), received.folder / "study.toml")
    assert "workbench trust" in said("submit", folder, "--dry-run")[1]


def test_what_is_typed_needs_no_asking(received: Study, said: Command) -> None:
    status, text = said("submit", str(received.folder), "--setup", "module load x", "--dry-run")
    # The model's own code is asked about all the same.
    assert "[model] trust_remote_code" in text and "[jobs]" not in text, status


@pytest.mark.parametrize(
    "key", ["partition", "account", "qos", "constraint", "mail", "python", "container", "scratch", "setup"]
)
def test_no_value_smuggles_a_second_line(received: Study, key: str) -> None:
    value = "x\n#SBATCH --uid=0"
    jobs = replace(received.config.jobs, **{key: [value] if key == "setup" else value})
    with pytest.raises(InputError, match=rf"\[jobs\]: {key} is .*expected one line"):
        replace(received.config, jobs=jobs).check()


def test_links_in_a_study_are_not_followed(received: Study, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (received.folder / "run.lock").symlink_to(victim)
    with pytest.raises(InputError, match=r"run.lock: is a link"), exclusive(received.folder):
        pass
    (received.folder / "logs").mkdir()
    (received.folder / "logs" / "run.jsonl").symlink_to(victim)
    with pytest.raises(InputError, match=r"run.jsonl: is a link"):
        received.ledger.event("done")
    with pytest.raises(InputError, match="is a link"):
        open_own(received.folder / "run.lock", "wb")
    # A link in the place of a result is replaced; one in the place of a temporary file is not met.
    result = received.folder / "result"
    result.symlink_to(victim)
    names = set()
    for _ in range(2):
        with write_atomic(result) as temporary:
            names.add(temporary.name)
            temporary.write_text("new")
    assert len(names) == 2 and not result.is_symlink()
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["tables", "ledger", "logs", "features", "sae", "work", "experiments", "logs/jobs"]
)
def test_no_folder_of_a_study_leads_elsewhere(
    received: Study, tmp_path: Path, name: str, said: Command
) -> None:
    folder, elsewhere = received.folder, tmp_path / "other"
    elsewhere.mkdir()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to("../" * (name.count("/") + 1) + "other")
    assert (folder / name).resolve() == elsewhere
    for words in (
        ["run", str(folder), "--force", "audit"],
        ["shard", str(folder), "--stage", "encode", "--shard", "0/1"],
        ["reduce", str(folder), "--stage", "encode"],
        ["experiments", str(folder), "--run", "x"],
        ["steer", str(folder), "--feature", "1", "--later"],
        ["submit", str(folder), "--setup", "true", "--scheduler", "slurm"],
        ["verify", str(folder)],
    ):
        status, text = said(*words)
        assert status and f"{folder / name}: is a link to a place outside of the study" in text, words
    with pytest.raises(InputError, match="outside of the study"):
        background.start(folder)
    assert list(elsewhere.iterdir()) == []


def test_a_study_behind_a_link_and_links_within_it_are_written_to(received: Study, tmp_path: Path) -> None:
    (received.folder / "kept").mkdir()
    (received.folder / "tables").symlink_to("kept")
    (tmp_path / "short").symlink_to(received.folder)
    with exclusive(Study.open(tmp_path / "short").folder):
        assert background.held(tmp_path / "short")


@pytest.mark.parametrize(("kind", "called"), [("pipe", "a pipe or a device"), ("folder", "a folder")])
def test_what_is_no_file_is_not_waited_for(received: Study, kind: str, called: str) -> None:
    (received.folder / "logs").mkdir()
    for name in ("run.lock", "logs/run.jsonl", "logs/background.log", "logs/background.json"):
        path = received.folder / name
        os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(InputError, match=rf"run.lock: is {called}"), exclusive(received.folder):
        pass
    with pytest.raises(InputError, match=rf"run.lock: is {called}"):
        background.held(received.folder)
    assert background.state(received.folder) == (False, 0, "", "")
    with pytest.raises(InputError, match=rf"run.jsonl: is {called}"):
        received.ledger.event("done")
    with pytest.raises(InputError, match=rf"background.log: is {called}"):
        open_own(received.folder / "logs" / "background.log", "wb")


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with write_whole(tmp_path / "kept") as mine:
        mine.write_text("")
        deep = tmp_path / "a" / f".x.tmp-{platform.node()}-{ended.pid}-0a0b0c0d"
        other = tmp_path / ".y.tmp-another-host-1-0a0b0c0d"
        old = tmp_path / ".z.tmp-another-host-1-0a0b0c0d"
        deep.parent.mkdir()
        for path in (deep, other, old):
            path.write_text("")
        os.utime(old, (0, 0))
        remove_leftovers(tmp_path)
        assert mine.exists() and other.exists() and not deep.exists() and not old.exists()


def test_a_study_runs_the_file_that_was_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Command
) -> None:
    """Relative names are written out, for workers elsewhere; a changed file is asked about anew."""
    code = tmp_path / "net.py"
    code.write_text(CODE)
    (tmp_path / "g.fa").write_text(">c\nACGT\n")
    monkeypatch.chdir(tmp_path)
    given = ModelConfig(name="file:net.py", trust_remote_code=True)
    study = Study.create(tmp_path / "study", StudyConfig(input=InputConfig(genome="g.fa"), model=given))
    assert study.config.model.name == f"file:{code}"
    found = risky_model(study.config.model)
    assert found[f"sha256 of {code}"] == sha256_of(code)
    # Nor does it run where another study's settings would allow theirs.
    with pytest.raises(InputError, match="workbench trust"):
        _ = study.model
    assert "workbench trust" in said("doctor", str(study.folder))[1]
    assert "allow it" in said("doctor", str(study.folder), "--model", f"file:{code}")[1]
    assert not code.with_name("ran").exists()
    accept(study.folder, found)
    assert Study.open(study.folder).model.layers == ("0",)
    code.write_text(CODE + "\n")
    with pytest.raises(InputError, match="workbench trust"):
        _ = Study.open(study.folder).model
