"""Names, notes and ratings that a reader gives features, kept in the study as one JSON file; text only."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import make_record, read_facts
from workbench.wording import visible, visible_name

FILE = "notes.json"
# Characters of a note, and of a name.
LONGEST, LONGEST_NAME = 2000, 60


class Note(NamedTuple):
    """What a reader wrote: text, 0 (none) to 5 stars, whether pinned, when (UTC, ISO 8601), and a name."""

    text: str = ""
    rating: int = 0
    pinned: bool = False
    time: str = ""
    name: str = ""


def read_notes(folder: Path) -> dict[int, Note]:
    """All notes by feature. Raises ``InputError`` for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = {int(feature): make_record(Note, note) for feature, note in read_facts(path).items()}
    except ValueError as error:
        raise InputError(f"{path}: {error}; mend it or move it elsewhere") from None
    notes = {f: note for f, note in found.items() if note and 0 <= note.rating <= 5}
    if len(notes) < len(found):
        raise InputError(f"{path}: holds something else than notes; mend it or move it elsewhere")
    return notes


def check_note(note: Note) -> Note:
    """The note as it is kept; ``InputError`` if a text of it is too long or it is badly rated."""
    if len(note.text) > LONGEST:
        raise InputError(f"note of {len(note.text):,} characters: at most {LONGEST:,}")
    if not 0 <= note.rating <= 5:
        raise InputError(f"rating {note.rating}: expected 0 to 5")
    name = visible_name(" ".join(note.name.split()))
    when = visible_name(note.time)
    for what, word in (("name", name), ("time", when)):
        if len(word) > LONGEST_NAME:
            raise InputError(f"{what} of {len(word):,} characters: at most {LONGEST_NAME}")
    return note._replace(text=visible(note.text), time=when, name=name)


def write_note(folder: Path, feature: int, note: Note) -> None:
    """Keep a feature's note, with the time; an empty one takes it out. Raises as `check_note` does."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_notes(folder, read_notes(folder) | {feature: note._replace(time=now)})


def write_notes(folder: Path, notes: Mapping[int, Note]) -> None:
    """Keep these notes and no others, empty ones left out. Raises as `check_note` does."""
    kept = {feature: check_note(note) for feature, note in sorted(notes.items())}
    values = {str(f): n._asdict() for f, n in kept.items() if n.text or n.rating or n.pinned or n.name}
    with write_atomic(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
