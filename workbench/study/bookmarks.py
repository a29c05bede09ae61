"""Places that a reader marked, each with a note, kept in the study as one JSON file; text only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import make_record, read_facts
from workbench.genome.interval import Interval
from workbench.wording import visible

FILE = "bookmarks.json"
# Characters of a note, and bookmarks of a study.
LONGEST, MOST = 500, 1000


class Bookmark(NamedTuple):
    """A place (0-based half-open) and what a reader wrote of it."""

    chrom: str
    start: int
    end: int
    note: str = ""

    @property
    def place(self) -> Interval:
        """Where it is."""
        return Interval(self.chrom, self.start, self.end)


def read_bookmarks(folder: Path) -> list[Bookmark]:
    """All bookmarks, in order of place. Raises ``InputError`` for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return []
    kept = read_facts(path).get("bookmarks")
    found = [make_record(Bookmark, one) for one in kept] if isinstance(kept, list) else [None]
    marks = [mark for mark in found if mark is not None and 0 <= mark.start < mark.end]
    if len(marks) < len(found):
        raise InputError(f"{path}: holds something else than bookmarks; mend it or move it elsewhere")
    return sorted(marks)


def check_bookmarks(bookmarks: Sequence[Bookmark]) -> list[Bookmark]:
    """Bookmarks as they are kept, in order of place; of two at one place the last.

    Raises ``InputError`` for a note that is too long, and for too many.
    """
    marks = {mark.place: mark._replace(note=visible(mark.note).strip()) for mark in bookmarks}
    if len(marks) > MOST:
        raise InputError(f"{len(marks):,} bookmarks: at most {MOST:,}; take some out first")
    for mark in marks.values():
        if len(mark.note) > LONGEST:
            raise InputError(f"note of {len(mark.note):,} characters at {mark.place}: at most {LONGEST:,}")
    return sorted(marks.values())


def write_bookmarks(folder: Path, bookmarks: Sequence[Bookmark]) -> None:
    """Keep these bookmarks and no others. Raises as `check_bookmarks` does."""
    values = {"bookmarks": [mark._asdict() for mark in check_bookmarks(bookmarks)]}
    with write_atomic(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
