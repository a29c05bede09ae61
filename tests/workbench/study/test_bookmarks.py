"""Bookmarks: kept by place, refused where they are damaged or too many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench import InputError
from workbench.study.bookmarks import FILE, LONGEST, MOST, Bookmark, read_bookmarks, write_bookmarks


def test_bookmarks_come_back_by_place_and_the_last_word_stands(tmp_path: Path) -> None:
    assert read_bookmarks(tmp_path) == []
    kept = [Bookmark("b", 5, 9, "later"), Bookmark("a", 700, 900, " <b>x</b>\x1b "), Bookmark("b", 5, 9, "é")]
    write_bookmarks(tmp_path, kept)
    assert read_bookmarks(tmp_path) == [Bookmark("a", 700, 900, "<b>x</b>\\x1b"), Bookmark("b", 5, 9, "é")]
    write_bookmarks(tmp_path, [])
    assert read_bookmarks(tmp_path) == []


def test_too_much_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"at most {LONGEST}"):
        write_bookmarks(tmp_path, [Bookmark("a", 0, 1, "x" * (LONGEST + 1))])
    with pytest.raises(InputError, match="take some out first"):
        write_bookmarks(tmp_path, [Bookmark("a", i, i + 1) for i in range(MOST + 1)])
    assert not list(tmp_path.iterdir())


DAMAGED = ["{", "[]", "{}", '{"bookmarks": 1}', '{"bookmarks": [7]}']
DAMAGED += ['{"bookmarks": [{"chrom": "a", "start": 3, "end": 3}]}']
DAMAGED += ['{"bookmarks": [{"chrom": "a", "start": "0", "end": 3}]}']


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=FILE):
        read_bookmarks(tmp_path)


def test_keys_of_later_are_left_out(tmp_path: Path) -> None:
    one = {"chrom": "a", "start": 1, "end": 2, "colour": "red"}
    (tmp_path / FILE).write_text(json.dumps({"bookmarks": [one]}))
    assert read_bookmarks(tmp_path) == [Bookmark("a", 1, 2)]
