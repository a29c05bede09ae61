"""What a reader wrote in a study: notes, ratings and names of features, lists of features, bookmarks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from workbench.study.bookmarks import Bookmark, read_bookmarks, write_bookmarks
from workbench.study.feature_lists import read_lists, write_list
from workbench.study.notes import Note, read_notes, write_note


class Notebook(NamedTuple):
    """All of it: notes by feature (with ratings, pins and names), lists of features by name, bookmarks."""

    notes: dict[int, Note]
    lists: dict[str, list[int]]
    bookmarks: list[Bookmark]


def read_notebook(folder: Path) -> Notebook:
    """The notebook of a study's folder; ``InputError`` for a file of it that cannot be read."""
    return Notebook(read_notes(folder), read_lists(folder), read_bookmarks(folder))


def add_to_notebook(folder: Path, more: Notebook) -> None:
    """Write what another notebook holds into that of a study: its own word stands where both have one.

    Raises ``InputError`` as the writers of the parts do; what was written before stays.
    """
    for feature, note in more.notes.items():
        write_note(folder, feature, note)
    for name, features in more.lists.items():
        write_list(folder, name, features)
    write_bookmarks(folder, [*read_bookmarks(folder), *more.bookmarks])
