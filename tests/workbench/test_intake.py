"""Files handed over: names, limits, checks; runs in the background; notes."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from workbench import background, intake
from workbench.config import StudyConfig
from workbench.errors import InputError
from workbench.intake import Handed, own_name, store, take
from workbench.notes import Note, read_notes, write_note

FASTA = b">c1 <b>x</b>\n" + b"ACGT" * 50 + b"\n"
BED = b"c1\t0\t20\ta\nc1\t40\t60\tb\n"


def handed(kind: str, name: str, data: bytes) -> Handed:
    return Handed(kind, name, io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "name", "own"),
    [
        ("genome", "../../etc/passwd.fa", "genome.fa"),
        ("genome", "C:\\x\\Y.FASTA.gz", "genome.fasta.gz"),
        ("track", "<b>.gff3", "track3.gff3"),
    ],
)
def test_names_are_our_own(kind: str, name: str, own: str) -> None:
    assert own_name(kind, name, 3) == own


def test_a_wrong_suffix_is_refused() -> None:
    with pytest.raises(InputError, match="expected a name that ends in one of"):
        own_name("genome", "genome.exe", 0)


def test_a_large_file_and_a_bomb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="larger than 1 MiB"):
        store(handed("genome", "big.fa", b"A" * (3 << 20)), tmp_path / "a", most=1 << 20)
    bomb = gzip.compress(b"A" * (8 << 20))
    assert len(bomb) < 20_000
    with pytest.raises(InputError, match="more than 4 MiB when unpacked"):
        store(handed("genome", "bomb.fa.gz", bomb), tmp_path / "b", unpacked=4 << 20)
    two = gzip.compress(b"A" * 10) + gzip.compress(b"C" * 5)
    assert store(handed("genome", "x.fa.gz", two), tmp_path / "c") == 15
    with pytest.raises(InputError, match="damaged gzip"):
        store(handed("genome", "x.fa.gz", b"\x1f\x8b" + b"x" * 50), tmp_path / "d")
    with pytest.raises(InputError, match="cut short"):
        store(handed("genome", "x.fa.gz", gzip.compress(FASTA)[:-12]), tmp_path / "e")
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_a_study_from_files(tmp_path: Path) -> None:
    files = [handed("genome", "../g.fa", FASTA), handed("track", "my <b>.bed", BED)]
    study, found = take(tmp_path / "s", files, StudyConfig())
    assert found.contigs == {"c1": 200} and list(found.tracks.values()) == [2]
    assert study.config.input.genome == str(tmp_path / "s" / "inputs" / "genome.fa")
    assert "my <b>.bed" in (tmp_path / "s" / "inputs" / intake.ORIGINAL).read_text()


def test_broken_files_get_the_command_lines_sentence(tmp_path: Path) -> None:
    files = [handed("genome", "prot.fa", b">p\nMKLVEFQ\n")]
    with pytest.raises(InputError, match=r"^prot\.fa.*this looks like protein"):
        take(tmp_path / "s", files, StudyConfig())
    assert not (tmp_path / "s").exists()
    files = [handed("genome", "g.fa", FASTA), handed("track", "t.bed", b"c1\tx\t3\n")]
    with pytest.raises(InputError, match=r"^t\.bed"):
        take(tmp_path / "s", files, StudyConfig())
    with pytest.raises(InputError, match="no genome"):
        take(tmp_path / "s", [], StudyConfig())


def test_a_run_is_begun_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import time; time.sleep(60)" "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    folder = tmp_path / "s"
    pid = background.start(folder)
    assert background.state(folder).running and background.state(folder).pid == pid
    with pytest.raises(InputError, match="runs already"):
        background.start(folder)
    background.stop(folder)
    background._children[pid].wait(10)
    assert not background.state(folder).running
    (folder / "logs" / background.RECORD).write_text('{"pid": 1}')
    assert not background.state(folder).running


def test_notes_are_kept_as_text(tmp_path: Path) -> None:
    write_note(tmp_path, 3, Note("<script>é", 4, True))
    write_note(tmp_path, 1, Note("x"))
    found = read_notes(tmp_path)
    assert found[3][:3] == ("<script>é", 4, True) and found[1].text == "x"
    write_note(tmp_path, 3, Note())
    assert set(read_notes(tmp_path)) == {1}
    with pytest.raises(InputError, match="expected 0 to 5"):
        write_note(tmp_path, 3, Note("x", 6))
    (tmp_path / "notes.json").write_text("[1]")
    with pytest.raises(InputError, match="cannot be read"):
        read_notes(tmp_path)
