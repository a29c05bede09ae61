"""Objects of JSON that people wrote or received: what is wrong in one is told with its line and field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from functools import cached_property
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_NAME = re.compile(r'"(?:[^"\\]|\\.)*"\s*:\s*')
# Characters of a value that a sentence quotes.
_QUOTED = 60
Path = tuple[str | int, ...]


class JsonFields:
    """An object of JSON, read field by field.

    Parameters
    ----------
    text : str
    what : str
        What it is, for sentences: ``the concept``.

    Raises
    ------
    ValueError
        Here for what is not an object of JSON, NaN and infinity, or names a field twice; in the methods for
        a field that is missing or of another kind. The sentence names the line.
    """

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what = text, what
        try:
            self.values = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            raise ValueError(f"{what} is not JSON: line {error.lineno}: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{what} is not JSON: {error}") from None
        if not isinstance(self.values, dict):
            raise ValueError(f"{what} is {_kind(self.values)}; expected an object of JSON")

    def wrong(self, path: Path, expected: str) -> ValueError:
        """The error for a field: its line, its name, what was found and what was expected."""
        found = json.dumps(self._at(path))
        found = found if len(found) <= _QUOTED else found[:_QUOTED] + "..."
        return ValueError(f"{self.what}, {self._place(path)}: found {found}; expected {expected}")

    def check_keys(self, path: Path, needed: Collection[str], other: Collection[str] = ()) -> dict[str, Any]:
        """The object at a path, which must have the fields ``needed`` and may have ``other``, and no more."""
        values = self._at(path)
        if not isinstance(values, dict):
            raise self.wrong(path, "an object")
        known = ", ".join([*needed, *other])
        for key in values:
            if key not in needed and key not in other:
                raise ValueError(f"{self.what}, {self._place((*path, key))}: no such field; expected {known}")
        for key in needed:
            if key not in values:
                raise ValueError(f"{self.what}, {self._place(path)}: no field {key}; expected {known}")
        return values

    def number(self, *path: str | int) -> float:
        """A finite number."""
        value = self._at(path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                found = float(value)
            except OverflowError:
                raise self.wrong(path, "a finite number") from None
            if math.isfinite(found):
                return found
        raise self.wrong(path, "a finite number")

    def string(self, *path: str | int) -> str:
        """A text of one line, without control characters."""
        value = self._at(path)
        if isinstance(value, str) and value.isprintable():
            return value
        raise self.wrong(path, "a text of one line")

    def part(self, *path: str | int) -> str:
        """The text of an object after line ends, so that its lines have the numbers that they have here."""
        if not isinstance(self._at(path), dict):
            raise self.wrong(path, "an object")
        at = self._offsets[path]
        if isinstance(path[-1], str) and (named := _NAME.match(self.text, at)):
            at = named.end()
        end = json.JSONDecoder().raw_decode(self.text, at)[1]
        return "\n" * self.text.count("\n", 0, at) + self.text[at:end]

    @cached_property
    def _offsets(self) -> dict[Path, int]:
        return _offsets(self.text)

    def _at(self, path: Path) -> Any:
        value = self.values
        for key in path:
            value = value[key]
        return value

    def _place(self, path: Path) -> str:
        name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
        line = 1 + self.text.count("\n", 0, self._offsets.get(path, 0))
        return f"line {line}, field {name}" if name else f"line {line}"


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} stands twice in one object")
    return found


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _offsets(text: str) -> dict[Path, int]:
    """Where in JSON that is well formed every field, at its name, and every item begins."""
    found: dict[Path, int] = {}
    # Where the walk is: the index in each list and the field of each object, None before its name is read.
    path: list[Any] = []
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif mark in ("]", "}"):
            path.pop()
        elif path and path[-1] is None:
            path[-1] = json.loads(mark)
            found[tuple(path)] = token.start()
        elif mark != ":":
            found.setdefault(tuple(path), token.start())
            if mark in ("[", "{"):
                path.append(0 if mark == "[" else None)
    return found
