"""Settings as frozen dataclasses, a sentence a key: read from TOML, checked, written with comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, field, fields, is_dataclass
from typing import Any, get_type_hints

import tomlkit
from tomlkit.items import Table

from workbench.errors import InputError
from workbench.files.facts import fits
from workbench.wording import visible_name


def setting(
    default: Any,
    sentence: str,
    least: float = 0,
    one_of: Sequence[str] = (),
    later: bool = False,
    of: str = "",
) -> Any:
    """A key of a section: its default, and the sentence for the file and for ``--help``.

    Numbers are ``least`` or more, words one of ``one_of`` where there are any. ``later`` marks a key that
    studies may lack: it changes what is known of finished stages only where it is set to something else.
    ``of`` is what in a study its words name, such as ``track``, so that a form can offer them.
    """
    metadata = {"sentence": sentence, "least": least, "one_of": one_of, "later": later, "of": of}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: default.copy(), metadata=metadata)
    return field(default=default, metadata=metadata)


def sentence(section: type, key: str) -> str:
    """What a key of a section is for."""
    text: str = section.__dataclass_fields__[key].metadata["sentence"]  # type: ignore[attr-defined]
    return text


def stated(section: Any) -> dict[str, Any]:
    """Values of a section that outputs depend on: all but keys marked `later` that have their default."""
    default = type(section)()
    values = asdict(section)
    return {
        f.name: values[f.name]
        for f in fields(section)
        if not f.metadata["later"] or getattr(section, f.name) != getattr(default, f.name)
    }


def read_section(cls: Any, values: dict[str, Any], where: str) -> Any:
    """A section, or sections within sections, of values from a file.

    Raises ``InputError`` that begins with ``where`` for an unknown key and a value of another type.
    """
    known = {f.name for f in fields(cls)}
    for key in values:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; expected one of {', '.join(sorted(known))}")
    hints = get_type_hints(cls)
    built: dict[str, Any] = {}
    for key, value in values.items():
        kind = hints[key]
        if is_dataclass(kind):
            if not isinstance(value, dict):
                raise InputError(f"{where}: {key} must be a table, found {value!r}")
            built[key] = read_section(kind, value, f"{where} [{key}]")
            continue
        if not fits(value, kind):
            name = getattr(kind, "__name__", str(kind))
            raise InputError(f"{where}: {key} is {value!r}, expected {name}")
        built[key] = value
    return cls(**built)


def check_section(section: Any, where: str) -> None:
    """Refuse what a key does not allow, and what is not seen in a text.

    Control characters would meet no file's name, and in a batch script be a line. Raises ``InputError``
    that begins with ``where``.
    """
    for key in fields(section):
        value, place = getattr(section, key.name), f"{where}: {key.name}"
        texts = [*value, *value.values()] if isinstance(value, dict) else value
        for text in texts if isinstance(texts, list) else [str(value)]:
            if visible_name(str(text)) != str(text):
                raise InputError(f"{place} is {text!r}, expected one line without control characters")
        least, one_of = key.metadata["least"], key.metadata["one_of"]
        if isinstance(value, int | float) and not value >= least:
            raise InputError(f"{place} {value} must be at least {least}")
        if one_of and value not in one_of:
            raise InputError(f"{place} is {value!r}, expected one of {', '.join(one_of)}")


def as_table(section: Any) -> Table:
    """A section as a table of TOML: every value, defaults included, under its sentence."""
    table, kind = tomlkit.table(), type(section)
    table.comment((kind.__doc__ or "").strip())
    for key, value in asdict(section).items():
        table.add(tomlkit.comment(sentence(kind, key)))
        table.add(key, tomlkit.inline_table() | value if isinstance(value, dict) else value)
    return table
