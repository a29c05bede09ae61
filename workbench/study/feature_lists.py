"""Named lists of features that a reader pinned, kept in the study as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import fits, read_facts
from workbench.wording import visible_name

FILE = "lists.json"
LONGEST_NAME = 60
MOST_LISTS = 50
MOST_FEATURES = 1000


def read_lists(folder: Path) -> dict[str, list[int]]:
    """All lists by name, in order of name. Raises ``InputError`` for a file that cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}
    lists = read_facts(path)
    if not fits(lists, dict[str, list[int]]):
        raise InputError(f"{path}: holds something else than lists; mend it or move it elsewhere")
    return dict(sorted(lists.items()))


def check_lists(lists: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Lists as they are kept: each feature once, empty ones left out.

    Raises ``InputError`` for a name that is empty or too long, and for too many features or lists.
    """
    found = {}
    for given, features in lists.items():
        name = visible_name(" ".join(given.split()))
        if not 1 <= len(name) <= LONGEST_NAME:
            raise InputError(
                f"name of {len(name)} characters: expected 1 to {LONGEST_NAME}; give the list another name"
            )
        if kept := list(dict.fromkeys(int(f) for f in features)):
            found[name] = kept
        if len(kept) > MOST_FEATURES:
            raise InputError(f"list of {len(kept):,} features: at most {MOST_FEATURES:,}; choose fewer")
    if len(found) > MOST_LISTS:
        raise InputError(f"{len(found)} lists: at most {MOST_LISTS}; empty one first")
    return found


def write_list(folder: Path, name: str, features: Sequence[int]) -> None:
    """Keep a list under a name; an empty one takes it out. Raises as `check_lists` does."""
    write_lists(folder, read_lists(folder) | {visible_name(" ".join(name.split())): features})


def write_lists(folder: Path, lists: Mapping[str, Sequence[int]]) -> None:
    """Keep these lists and no others. Raises as `check_lists` does."""
    kept = check_lists(lists)
    with write_atomic(folder / FILE) as temporary:
        temporary.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
