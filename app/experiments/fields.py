"""A form made from the settings of a kind: each setting named, explained and preset as the command has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from streamlit.delta_generator import DeltaGenerator

from app.data.study import Opened
from app.experiments.choices import OFFERED, READ, Choices
from app.verdict_text import plain
from workbench import InputError
from workbench.files.settings import sentence

# Characters of a text, and entries of a list, that are taken.
LONGEST, MOST_ENTRIES = 200_000, 200
# What a browser holds as a whole number.
LARGEST = 2**53 - 1


class Refusal(InputError):
    """What is wrong with one setting."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class Box(NamedTuple):
    """A setting as a form shows it.

    Attributes
    ----------
    key : str
    type : type
        ``bool``, ``int``, ``float`` or ``str``, of its entries where it is a list.
    many : bool
        Whether it is a list.
    default : object
    meaning : str
        The sentence of ``--help``.
    least : float
    one_of : sequence of str
    of : str
    """

    key: str
    type: type
    many: bool
    default: Any
    meaning: str
    least: float
    one_of: tuple[str, ...]
    of: str

    @property
    def label(self) -> str:
        """What stands over it."""
        return self.key.replace("_", " ")


def boxes(settings: type) -> list[Box]:
    """The settings of a kind, in their order."""
    hints = get_type_hints(settings)
    return [_box(settings, key, hints[key.name]) for key in fields(settings)]


def _box(settings: type, key: Field[Any], hint: Any) -> Box:
    default = key.default if key.default_factory is MISSING else key.default_factory()
    many = get_origin(hint) is list
    kind = get_args(hint)[0] if many else hint
    told = key.metadata
    meaning = sentence(settings, key.name)
    return Box(
        key.name, kind, many, default, meaning, told["least"], tuple(told["one_of"]), told.get("of", "")
    )


def draw(place: DeltaGenerator, box: Box, opened: Opened, key: str, begun: str | None) -> Any:
    """Draw a box, preset to its default or to a text of the address; returns what it holds."""
    start = box.default if begun is None else begun
    if box.one_of:
        at = box.one_of.index(start) if start in box.one_of else 0
        return place.selectbox(box.label, box.one_of, at, key=key, help=plain(box.meaning))
    if box.of:
        return _draw_choice(place, box, OFFERED[box.of](opened), key, start)
    told: dict[str, Any] = {"key": key, "help": plain(box.meaning)}
    if box.type is bool:
        return place.checkbox(box.label, start in (True, "true"), **told)
    if box.many:
        words = start if isinstance(start, str) else _joined(box, start)
        if box.type is str:
            return place.text_area(box.label, words, height=68, placeholder="one a line", **told)
        return place.text_input(box.label, words, placeholder="commas between", **told)
    if box.type is str:
        return place.text_input(box.label, str(start), max_chars=LONGEST, **told)
    least, value = box.type(box.least), _number(box, start)
    step = 1 if box.type is int else None
    return place.number_input(box.label, min_value=least, value=max(least, value), step=step, **told)


def _number(box: Box, start: Any) -> Any:
    try:
        value = box.type(start)
    except ValueError:
        return box.default
    return value if abs(value) <= LARGEST else box.default


def _joined(box: Box, values: list[Any]) -> str:
    return "\n".join(values) if box.type is str else ", ".join(f"{value:g}" for value in values)


def _draw_choice(place: DeltaGenerator, box: Box, choices: Choices, key: str, start: Any) -> Any:
    """A box of names: what is offered, and, where more is taken, what is typed."""
    meaning = box.meaning + (f" Or type {choices.more}." if choices.more else "")
    more = bool(choices.more)
    begun = start.split(",") if isinstance(start, str) and box.many else start
    first = [str(value) for value in begun] if box.many else [str(begun)] if begun else []
    # What the address or a default names and the study lacks is shown all the same, and refused when asked.
    offered = choices.offered | {text: text for text in first if text not in choices.offered}
    told: dict[str, Any] = {"key": key, "help": plain(meaning), "accept_new_options": more}

    def called(value: str) -> str:
        return offered.get(value, value)

    if box.many:
        return place.multiselect(box.label, list(offered), first, format_func=called, **told)
    at = 1 + list(offered).index(first[0]) if first else 0
    words = ["", *offered]
    return place.selectbox(
        box.label, words, at, format_func=lambda value: called(value) if value else "none", **told
    )


def read(box: Box, held: Any, opened: Opened, others: Mapping[str, Any]) -> Any:
    """The setting that a box holds.

    Raises ``Refusal`` for what is none: of another type, not offered, a path, or too long. ``others`` are the
    settings that were read before.
    """
    try:
        return _read(box, held, opened, others)
    except Refusal:
        raise
    except InputError as error:
        raise Refusal(box.key, str(error)) from None


def _read(box: Box, held: Any, opened: Opened, others: Mapping[str, Any]) -> Any:
    if box.one_of or box.type is bool:
        return held
    if not box.many:
        text = "" if held is None else str(held).strip()
        return _value(box, text, opened, others) if box.type is str else _parsed(box, text)
    if isinstance(held, str):
        held = held.replace(",", "\n").split("\n") if box.type is not str else held.split("\n")
    words = [str(each).strip() for each in held]
    words = [word for word in words if word]
    if len(words) > MOST_ENTRIES:
        raise Refusal(box.key, f"{box.label}: {len(words)} entries; expected at most {MOST_ENTRIES}")
    if box.type is str:
        return [_value(box, word, opened, others) for word in words]
    return [_parsed(box, word) for word in words]


def _parsed(box: Box, text: str) -> Any:
    if len(text) < 40:
        try:
            return box.type(text)
        except ValueError:
            pass
    kind = "whole number" if box.type is int else "number"
    raise Refusal(box.key, f"{box.label}: {text[:80]!r}, expected a {kind}")


def _value(box: Box, text: str, opened: Opened, others: Mapping[str, Any]) -> str:
    if len(text) > LONGEST:
        raise Refusal(box.key, f"{box.label}: {len(text):,} characters; expected at most {LONGEST:,}")
    if not box.of or not text:
        return text
    choices = OFFERED[box.of](opened)
    if text not in choices.offered and not choices.more:
        listed = ", ".join(choices.offered) or "nothing, since the study has none"
        raise Refusal(box.key, f"{box.label}: the study has no {text!r}; expected one of {listed}")
    return READ[box.of](opened.study, text, others) if box.of in READ else text
