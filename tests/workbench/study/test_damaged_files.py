"""A study's own small files, damaged or not files at all: one sentence or left out, never a traceback."""

from __future__ import annotations

import json
import os
import random
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.workbench.study_factory import make_study
from workbench.engines.shards import fingerprint
from workbench.engines.submission import submissions
from workbench.errors import InputError
from workbench.files.arrays import read_arrays, write_arrays
from workbench.files.facts import fits, read_facts
from workbench.files.parquet import read_parquet
from workbench.files.tables import read_table
from workbench.stages.registry import STAGES
from workbench.study.config import read_config
from workbench.study.feature_lists import read_lists
from workbench.study.ledger import Ledger, read_events
from workbench.study.locus import find_locus
from workbench.study.manifest import Manifest, hash_file
from workbench.study.notes import read_notes
from workbench.study.records import Done
from workbench.study.shard_records import ShardRecords
from workbench.study.study import Study

# Values that stand for any other.
WRONG = [None, True, -1, 1.5, 10**30, 1e400, "x", "\x00", [], [[1]], {}, {"a": {}}]
CAUSE = "[red]no[/] room [/] [link=x]\x1b[2J"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A finished study with records of shards done, in work and failed."""
    study = make_study(tmp_path_factory.mktemp("damaged")).study
    encode = fingerprint(study, STAGES["encode"])
    study.ledger.mark("encode", 0, encode, 1.5, 1200, [study.folder / "tables" / "catalog.parquet"])
    study.ledger.begin("encode", 1)
    study.ledger.fail("encode", 2, encode, "error", CAUSE, f"Traceback\n{CAUSE}")
    queued = {"job": "12", "stage": "encode", "kind": "shards", "tasks": 2}
    made = {"scheduler": "slurm", "time": 1.0, "host": "h", "settings": {}, "jobs": [queued]}
    (study.folder / "jobs").mkdir()
    (study.folder / "jobs" / "submissions.json").write_text(json.dumps([made]))
    return study.folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "study"))


def test_brackets_and_escapes_of_causes_are_shown(cli, folder):
    for words in (("status",), ("logs",), ("logs", "--failed")):
        status, out, _ = cli(*words, folder)
        assert status == 0 and "[red]no[/] room [/] [link=x]\\x1b[2J" in out and "\x1b" not in out


def test_damaged_lines_of_the_log_are_left_out(cli, folder):
    path = folder / "logs" / "run.jsonl"
    whole = [json.loads(line) for line in path.read_text().splitlines()]
    assert [e.event for e in read_events(folder)] == ["done", "failed"]
    lines = [json.dumps(value) for value in WRONG] + ["{", "[" * 100_000, "9" * 10_000, '{"time": 1}']
    for key in whole[0]:
        lines += [json.dumps(whole[0] | {key: value}) for value in WRONG]
    content = "\n".join(lines).encode() + b"\n\xff\xfe\x00\n" + path.read_bytes() + b'{"time": "2'
    path.write_bytes(content)
    for words in (("logs",), ("logs", "--failed"), ("logs", "--stage", "encode")):
        assert cli(*words, "-n", 10_000, folder)[0] == 0
    assert read_events(folder)[-1].cause == CAUSE


# Shards of the study that have a record of each kind.
SHARDS = {"done": 0, "run": 1, "err": 2}


def variants(values: object, draw: random.Random) -> object:
    """A copy with one value, wherever it stands, made another or taken away."""
    copy = json.loads(json.dumps(values))
    at, places = copy, []
    while isinstance(at, dict | list) and at:
        key = draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
        places.append((at, key))
        at = at[key]
    inside, key = draw.choice(places)
    if draw.random() < 0.2:
        del inside[key]
    else:
        inside[key] = draw.choice(WRONG)
    return copy


def damaged_texts(values: object, name: str, count: int = 40) -> list[bytes]:
    draw, content = random.Random(name), json.dumps(values).encode()
    texts = [json.dumps(variants(values, draw)).encode() for _ in range(count)]
    return [*texts, b"", content[:-5], b"\xff" + content, b"[" * 100_000, b"[]", b"{}", b"null"]


@pytest.mark.parametrize("name", ["manifest.json", "jobs/submissions.json"])
def test_files_with_other_values(cli, folder, name):
    path = folder / name
    for text in damaged_texts(json.loads(path.read_bytes()), name):
        path.write_bytes(text)
        status, _, err = cli("status", folder)
        assert (status == 0 and not err) or (status == 2 and err.count("\n") == 1), (text, err)
        assert status == 0 or str(path) in err or "does not belong to this study" in err, err


@pytest.mark.parametrize(
    ("kind", "old"), [("done", False), ("run", False), ("err", False), ("done", True)]
)  # the last a file of an older version
def test_records_with_other_values(cli, folder, kind, old):
    """Whatever they hold, with a checksum that fits: left out where it is no record."""
    records, shard = ShardRecords(folder / "ledger" / "encode"), SHARDS[kind]
    for text in damaged_texts(json.loads(records.get(shard, kind) or b""), kind, 20):
        if old:
            records.clear()
            (records.folder / f"{shard:05d}.{kind}.json").write_bytes(text)
        else:
            body = b"900 %d %s %s" % (shard, kind.encode(), text)
            (records.folder / "other.lines").write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
        status, _, err = cli("status", folder)
        assert status == 0 and not err, (text, err)


NO_FILES = ["folder", "pipe", "device", "bytes", "zeros"]


def replace_by(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"\xff\xfe\xff" if kind == "bytes" else b"[a]\n\0")


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file(refused, folder, kind):
    """A pipe would be waited for, a device read for ever."""
    for name, read in {
        "manifest.json": Manifest.read,
        "a.json": read_facts,
        "jobs/submissions.json": lambda _: submissions(Study.open(folder)),
        "notes.json": lambda _: read_notes(folder),
        "lists.json": lambda _: read_lists(folder),
        "a.npz": read_arrays,
        "a.parquet": read_parquet,
        "a.tsv": read_table,
    }.items():
        path = folder / name
        replace_by(path, kind)
        with pytest.raises(InputError, match=path.name):
            read(path)
    if kind in ("folder", "pipe", "device"):
        with pytest.raises(InputError, match=r"a\.tsv: is a"):
            hash_file(folder / "a.tsv")
        replace_by(folder / "logs" / "run.jsonl", kind)
        assert "run.jsonl" in refused("logs", folder)
    replace_by(folder / "study.toml", kind)
    for command in ("status", "logs", "run", "verify", "trust"):
        assert f"{folder}/study.toml" in refused(command, folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000, "not valid TOML"),
        ("a = " + "{x=" * 5000, "not valid TOML"),
        ("[" + "a." * 5000 + "b]", "unknown key"),
        ("[run]\nseed = -1\n", r"seed -1 must be at least 0"),
        ("[run]\nseed = 9223372036854775808\n", r"seed is 9223372036854775808, expected int"),
        ('[input]\ngenome = "a\\u0000"\n', r"genome is 'a\\x00', expected one line"),
        ('[model]\nlayer = "\\u001b"\n', r"layer is '\\x1b', expected one line"),
        ("run = 1979-05-27\n", "run must be a table"),
        ("[run]\nseed = nan\n", "seed is nan, expected int"),
        ("[split]\ntrain = nan\n", "train nan must be at least 0"),
        ("[sae]\nwidth = 1" + "0" * 5000 + "\n", "not valid TOML"),
    ],
)
def test_settings_that_are_none(tmp_path, text, said):
    path = tmp_path / "study.toml"
    path.write_text(text if "[input]" in text else f'{text}\n[input]\ngenome = "g"\n')
    with pytest.raises(InputError, match=said) as caught:
        read_config(path)
    assert len(str(caught.value)) < 1000


def test_names_that_no_file_can_have(refused, tmp_path):
    for name in ("x" * 300, "x/" * 3000, "a\x1b[2J", "~nobody-here/x", "[/red]"):
        for command in ("status", "logs", "run", "verify", "trust"):
            assert "\x1b" not in refused(command, name)
        assert name[:1] in refused("new", tmp_path / "s", "--genome", name)


def test_every_byte_of_an_array_file(tmp_path):
    """Read as it was written (CRC-32 sees one byte), or refused; what is outside of the arrays may differ."""
    path = tmp_path / "a.npz"
    arrays = {"a": np.arange(40.0), "b": np.array([1], np.int8)}
    write_arrays(path, arrays)
    content = path.read_bytes()
    refused = 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            found = read_arrays(path, ["a", "b"])
        except InputError as error:
            assert "not a readable work file" in str(error)
            refused += 1
        else:
            assert zlib.crc32(found["a"].tobytes()) == zlib.crc32(arrays["a"].tobytes())
            assert found["b"].tolist() == [1]
    assert refused > 0.5 * len(content)


def test_records_of_files_that_cannot_be(folder):
    """Paths to pipes and with zero bytes, entries without a hash: damaged, not waited for."""
    os.mkfifo(folder / "pipe")
    for outputs in ({"pipe": [0, "x"]}, {"a\0b": [1, "x"]}, {"a": []}, {"tables": [4096, "x", 1]}):
        with pytest.raises(Exception, match=r"is no file|is missing|damaged record|bytes") as caught:
            Done("f", 1.0, 1, outputs=outputs).verify(folder)
        assert type(caught.value).__name__ == "InvalidShard"
    (folder / "ledger" / "encode" / "²x.done.json").write_text("{}")
    assert [i for i, _ in Ledger(folder / "ledger").finished("encode", "f")] == []


@pytest.mark.parametrize(
    "job", ["--me", "-u root", "1\n2", "", "1 2", "$(x)", "1;2"], ids=lambda job: repr(job)
)
def test_jobs_that_a_scheduler_would_take_for_options(folder, job):
    path = folder / "jobs" / "submissions.json"
    assert [j.job for j in submissions(Study.open(folder))[0].jobs] == ["12"]
    path.write_text(path.read_text().replace('"12"', json.dumps(job)))
    with pytest.raises(InputError, match="damaged record of submitted jobs"):
        submissions(Study.open(folder))


def test_places_with_large_numbers(folder):
    study = Study.open(folder)
    for place, said in (
        ("chrA:0-999,999,999,999", "expected 0 <= start < end <= 3000"),
        (f"chrA:0-{10**30}", "neither a place nor the name"),
        (f"chrA:{2**63}-{2**63 + 1}", "neither a place nor the name"),
        ("chrA:0-99,999,999,999,999,999,999", "neither a place nor the name"),
    ):
        with pytest.raises(InputError, match=said):
            find_locus(study, place)


@pytest.mark.parametrize(
    ("value", "kind", "answer"),
    [
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (2**63, float, False),
        (None, int | None, True),
        ("x", int | None, False),
        ([1, "a"], list[int | str], True),
        ([1, None], list[int | str], False),
        ({"a": [1]}, dict[str, list[int]], True),
        ({"a": [1.5]}, dict[str, list[int]], False),
    ],
)
def test_values_and_types(value, kind, answer):
    assert fits(value, kind) is answer
