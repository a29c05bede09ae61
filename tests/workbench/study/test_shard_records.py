"""Records of shards that many processes write: what holds, whoever reads when, and what damage does."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from workbench.study.ledger import Ledger
from workbench.study.shard_records import ENDS, ShardRecords

WRITERS = ("a-1", "b-2", "c-3")


@pytest.fixture
def written_by(monkeypatch):
    """Have what follows be written by another process."""

    def become(name: str) -> None:
        monkeypatch.setattr("workbench.study.shard_records.own_name", lambda: name)

    return become


def held(records: ShardRecords) -> dict[tuple[int, str], str]:
    return {(shard, kind): text.decode() for kind in ENDS for shard, text in records.all(kind)}


def test_what_was_written_last_holds(tmp_path, written_by):
    """Against a dict, over random writes of three processes, each of which looks before it writes."""
    draw, expected = random.Random(0), {}
    processes = {name: ShardRecords(tmp_path / "x") for name in WRITERS}
    onlooker = ShardRecords(tmp_path / "x")
    for step in range(300):
        name, shard, kind = draw.choice(WRITERS), draw.randrange(6), draw.choice(list(ENDS))
        written_by(name)
        processes[name].look()
        processes[name].put(shard, kind, json.dumps({"step": step}))
        expected[shard, kind] = json.dumps({"step": step})
        for other in ENDS[kind]:
            expected.pop((shard, other), None)
        if step % 20 == 0:
            assert held(onlooker) == expected
    assert held(ShardRecords(tmp_path / "x")) == held(onlooker) == expected
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == [f"{name}.lines" for name in WRITERS]


def test_of_two_that_saw_nothing_of_each_other_success_holds(tmp_path, written_by):
    """Two copies of a task, of which one fails: in whichever order their files are read."""
    for first, second in (WRITERS[:2], WRITERS[1::-1]):
        folder = tmp_path / first
        one, other = ShardRecords(folder), ShardRecords(folder)
        one.look(), other.look()
        for records, name, kind in ((one, first, "err"), (other, second, "done")):
            written_by(name)
            records.put(4, "run", "{}")
            records.put(4, kind, '{"by": 1}')
        assert held(ShardRecords(folder)) == {(4, "done"): '{"by": 1}'}


def test_a_torn_or_damaged_line_says_nothing(tmp_path, written_by):
    """At every byte: what is still said of a shard was said of that shard."""
    written_by("a")
    records = ShardRecords(tmp_path / "x")
    said: dict[int, set[str]] = {}
    for shard in (3, 12, 3):
        for kind in ("run", "done"):
            records.put(shard, kind, json.dumps({"shard": shard, "kind": kind}))
            said.setdefault(shard, set()).add(json.dumps({"shard": shard, "kind": kind}))
    path = tmp_path / "x" / "a.lines"
    whole = path.read_bytes()
    for at in range(len(whole)):
        for torn, rest in ((True, b""), (False, bytes([whole[at] ^ 1]) + whole[at + 1 :])):
            path.write_bytes(whole[:at] + rest)
            found = held(ShardRecords(tmp_path / "x"))
            assert all(text in said[shard] for (shard, _), text in found.items())
            assert torn or {shard for shard, _ in found} == {3, 12}
    # What follows a torn line is read.
    path.write_bytes(whole[:-5])
    ShardRecords(tmp_path / "x").put(7, "done", "{}")
    assert (7, "done") in held(ShardRecords(tmp_path / "x"))


def test_records_of_an_older_version_go_on(tmp_path):
    folder = tmp_path / "ledger" / "encode"
    folder.mkdir(parents=True)
    record = {"fingerprint": "f", "seconds": 1.0, "bases": 10, "outputs": {}}
    (folder / "00000.done.json").write_text(json.dumps(record))
    (folder / "00001.err.json").write_text(
        json.dumps({"fingerprint": "f", "kind": "oom", "cause": "small", "trace": "", "attempts": 2})
    )
    (folder / "00002.run.json").write_text(
        json.dumps({"attempts": 1, "host": "h", "pid": 1, "job": "", "time": 1.0})
    )
    (folder / "²x.done.json").write_text("{}")
    ledger = Ledger(tmp_path / "ledger")
    assert [i for i, _ in ledger.finished("encode", "f")] == [0] and set(ledger.begun("encode")) == {2}
    assert set(ledger.failures("encode", "f")) == {1}
    ledger.begin("encode", 1)
    assert ledger.begun("encode")[1].attempts == 3
    ledger.mark("encode", 1, "f", 1.0)
    ledger.drop("encode", 0)
    again = Ledger(tmp_path / "ledger")
    assert [i for i, _ in again.finished("encode", "f")] == [1] and not again.failures("encode", "f")
    assert not again.mark("encode", 0, "f", 1.0)  # the same (no) files as before it was dropped
    again.forget("encode")
    assert not list(folder.iterdir()) and not list(ledger.finished("encode", "f"))


def test_nothing_but_files_is_read(tmp_path):
    """A pipe would be waited for."""
    import os

    folder = tmp_path / "x"
    folder.mkdir()
    os.mkfifo(folder / "a.lines")
    (folder / "b.lines").mkdir()
    (folder / "c.lines").symlink_to("/dev/zero")
    assert held(ShardRecords(folder)) == {}


def test_a_link_is_never_written_through(tmp_path, written_by):
    from workbench.errors import InputError

    written_by("a")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.lines").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        ShardRecords(tmp_path / "x").put(0, "done", "{}")
    assert not Path(tmp_path / "elsewhere").exists()
