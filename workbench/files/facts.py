"""Facts as JSON: written whole, and read with a sentence for damage; values compared with types."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import read_text

T = TypeVar("T")


def write_facts(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object, keys sorted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True))


def read_facts(path: Path) -> dict[str, Any]:
    """Read an object; ``InputError`` where the file is missing, damaged or holds something else."""
    try:
        values = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds {type(values).__name__}; expected an object of JSON")
    return values


def fits(value: object, kind: Any) -> bool:
    """Whether a value of JSON or TOML is of a type as annotations name it.

    A whole number fits ``float``, one of more than 64 bits and a truth value no number.
    """
    return _test(kind)(value)


@cache
def _test(kind: Any) -> Callable[[Any], bool]:
    """What tells whether a value fits a type; a study of a large genome asks millions of times."""
    origin, of = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: True
    if origin in (Union, UnionType):
        tests = [_test(one) for one in of]
        return lambda value: any(test(value) for test in tests)
    if origin is list:
        each = _test(of[0])
        return lambda value: isinstance(value, list) and all(map(each, value))
    if origin is dict:
        key, entry = map(_test, of)
        return lambda value: (
            isinstance(value, dict) and all(map(key, value)) and all(map(entry, value.values()))
        )
    if kind in (int, float):

        def number(value: object) -> bool:
            if isinstance(value, int):
                return not isinstance(value, bool) and abs(value) < 1 << 63
            return isinstance(value, kind)

        return number
    return lambda value: isinstance(value, kind)


@cache
def _hints(kind: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def make_record(kind: Callable[..., T], values: object) -> T | None:
    """A NamedTuple or a dataclass of an object of JSON; None where a value is missing or does not fit.

    Keys that it does not know are left out.
    """
    if not isinstance(values, dict):
        return None
    hints = _hints(kind)
    known = {name: value for name, value in values.items() if name in hints}
    if not all(fits(value, hints[name]) for name, value in known.items()):
        return None
    try:
        return kind(**known)
    except TypeError:  # one without a default is missing
        return None


def restore(value: object, kind: Any) -> Any:
    """A value of JSON as a type of records, lists and dictionaries names it; None where it does not fit."""
    of = get_args(kind)
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        newer = isinstance(value, dict) and value.keys() - _hints(kind).keys()
        return None if newer else make_record(cast(Callable[..., Any], kind), value)
    if isinstance(value, list) and get_origin(kind) is list:
        found = [restore(each, of[0]) for each in value]
        return None if None in found else found
    if isinstance(value, dict) and get_origin(kind) is dict:
        parts = {name: restore(each, of[1]) for name, each in value.items()}
        return None if None in parts.values() else parts
    return value if fits(value, kind) else None
