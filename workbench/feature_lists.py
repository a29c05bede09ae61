"""Named lists of features that a reader pinned, kept in the study as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from workbench.atomic import write_atomic
from workbench.errors import InputError

FILE = "lists.json"
LONGEST_NAME = 60
MOST_LISTS = 50
MOST_FEATURES = 1000


def read_lists(folder: Path) -> dict[str, list[int]]:
    """All lists by name, in order of name. Raises ``InputError`` for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [int(f) for f in found] for name, found in sorted(values.items())}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); mend it or move it elsewhere"
        ) from None


def write_list(folder: Path, name: str, features: Sequence[int]) -> None:
    """Keep a list under a name, each feature once; an empty one takes it out.

    Raises ``InputError`` for a name that is empty or too long, and for too many features or lists.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InputError(
            f"name of {len(name)} characters: expected 1 to {LONGEST_NAME}; give the list another name"
        )
    kept = list(dict.fromkeys(int(f) for f in features))
    if len(kept) > MOST_FEATURES:
        raise InputError(f"list of {len(kept):,} features: at most {MOST_FEATURES:,}; choose fewer")
    lists = read_lists(folder)
    lists.pop(name, None)
    if kept:
        lists[name] = kept
    if len(lists) > MOST_LISTS:
        raise InputError(f"{len(lists)} lists: at most {MOST_LISTS}; empty one first")
    with write_atomic(folder / FILE) as temporary:
        temporary.write_text(json.dumps(lists, indent=1, ensure_ascii=False), encoding="utf-8")
