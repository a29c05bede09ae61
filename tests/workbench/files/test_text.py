"""Lines without an end, gzipped or not: refused while little of them is in memory."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from workbench.errors import InputError
from workbench.files import text
from workbench.files.text import open_text, read_lines
from workbench.tracks.genbank import parse_records


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(text, "LONGEST", 1 << 20)


def test_a_line_without_end(tmp_path, short):
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"c\t1\t2\n" + b"A" * (64 << 20)))
    lines = read_lines(path)
    assert next(lines) == (1, "c\t1\t2")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.bed\.gz: line 2: longer than 1 MiB \(it begins 'AAA"):
        next(lines)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_whoever_reads_by_lines(tmp_path, short):
    """Biopython takes the file itself."""
    path = tmp_path / "a.gb"
    path.write_text("LOCUS       " + "A" * (2 << 20))
    with pytest.raises(InputError, match="line 1: longer than 1 MiB"):
        list(parse_records(path))
    with pytest.raises(InputError, match="line 1: longer than 1 MiB"), open_text(path) as handle:
        list(handle)


def test_lines_up_to_the_limit_and_pieces_of_longer_ones(tmp_path, short):
    path = tmp_path / "a.txt"
    path.write_text("A" * ((1 << 20) - 1) + "\nB\n")
    assert [(n, len(line)) for n, line in read_lines(path)] == [(1, (1 << 20) - 1), (2, 1)]
    path.write_text("A" * (3 << 20) + "\nB")
    assert [(n, len(line)) for n, line in read_lines(path, 2 << 20)] == [(1, 2 << 20), (1, 1 << 20), (2, 1)]
