"""Codons in frame on both strands."""

from __future__ import annotations

from pathlib import Path

from workbench.browse.codons import codons
from workbench.genome.interval import Interval
from workbench.genome.reference import Genome
from workbench.tracks.track import Row, frame

#        0  3  6  9  12 15 18 21 24
LETTERS = "ccATGAAATAGccTTAnnnCATggATGGC".upper()


def read(tmp_path: Path, rows: list[Row], start: int, end: int) -> list[tuple[int, str, str, bool]]:
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{LETTERS}\n")
    genome = Genome(path, cache=tmp_path / "cache")
    return [tuple(c)[:4] for c in codons(genome, frame(rows), Interval("c", start, end))]


def test_both_strands(tmp_path: Path) -> None:
    plus = Row("c", 2, 11, "a", strand="+", phase=0)
    minus = Row("c", 13, 22, "b", strand="-", phase=0)
    assert read(tmp_path, [plus, minus], 0, 29) == [
        (2, "+", "M", False), (5, "+", "K", True), (8, "+", "*", False),
        (13, "-", "*", False), (16, "-", "X", True), (19, "-", "M", False),
    ]  # fmt: skip
    # only those in view, with their place in the gene
    assert read(tmp_path, [plus, minus], 6, 7) == [(5, "+", "K", True)]


def test_phase_moves_the_frame(tmp_path: Path) -> None:
    assert read(tmp_path, [Row("c", 4, 11, "a", strand="+", phase=1)], 0, 29) == [
        (5, "+", "K", False), (8, "+", "*", True)]  # fmt: skip
    # minus: reading begins phase bases before the end
    assert read(tmp_path, [Row("c", 13, 20, "b", strand="-", phase=1)], 0, 29) == [
        (13, "-", "*", True), (16, "-", "X", False)]  # fmt: skip


def test_without_a_frame_nothing_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, [Row("c", 2, 11, "a", strand="+")], 0, 29) == []
