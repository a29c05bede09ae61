"""Notes and ratings of features, kept in the study as one JSON file; text only."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

from workbench.atomic import write_atomic
from workbench.errors import InputError

FILE = "notes.json"
LONGEST = 2000
"""Characters of a note."""


class Note(NamedTuple):
    """What a reader wrote: text, 0 (none) to 5 stars, whether pinned, and when (UTC, ISO 8601)."""

    text: str = ""
    rating: int = 0
    pinned: bool = False
    time: str = ""


def read_notes(folder: Path) -> dict[int, Note]:
    """All notes by feature. Raises ``InputError`` for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {int(feature): Note(**note) for feature, note in values.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); mend it or move it elsewhere"
        ) from None


def write_note(folder: Path, feature: int, note: Note) -> None:
    """Keep a feature's note; an empty one takes it out. ``InputError`` if it is too long or badly rated."""
    if len(note.text) > LONGEST:
        raise InputError(f"note of {len(note.text):,} characters: at most {LONGEST:,}")
    if not 0 <= note.rating <= 5:
        raise InputError(f"rating {note.rating}: expected 0 to 5")
    notes = read_notes(folder)
    notes.pop(feature, None)
    if note.text or note.rating or note.pinned:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        notes[feature] = note._replace(time=now)
    values = {str(f): n._asdict() for f, n in sorted(notes.items())}
    with write_atomic(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
