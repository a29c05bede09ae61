"""Numbers and names as people read them: sensible digits, a dash where there is none, nothing unseen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

NONE = "–"
# What a model wrote, or says, carries this on the screen and in files.
NOT_VALIDATED = "model output, not validated"
TRUE_MINUS = "\N{MINUS SIGN}"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _escapes(*codes: Iterable[int]) -> dict[int, str]:
    return {c: chr(c).encode("unicode_escape").decode() for c in chain(*codes)}


# Control characters, marks that turn the direction of writing, separators that some take for line ends,
# halves of characters, and codes that are none.
_UNSEEN = _escapes(
    *(range(0x00, 0x09), range(0x0B, 0x20), range(0x7F, 0xA0), (0x061C, 0x200E, 0x200F)),
    *(range(0x2028, 0x202F), range(0x2066, 0x206A), range(0xD800, 0xE000), range(0xFDD0, 0xFDF0)),
    *((plane | 0xFFFE, plane | 0xFFFF) for plane in range(0, 0x110000, 0x10000)),
)
_UNSEEN_IN_NAMES = _UNSEEN | _escapes((0x09, 0x0A))


def visible(text: str) -> str:
    r"""Text in which what is not seen, and what screens and pictures choke on, is an escape (``\x1b``).

    Tabs and line ends stay.
    """
    return text.translate(_UNSEEN)


def visible_name(name: str) -> str:
    """Like `visible`, tabs and line ends too."""
    return name.translate(_UNSEEN_IN_NAMES)


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _three(value: float) -> str:
    """Three significant digits, never an exponent."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def fixed(value: float | None, digits: int = 3) -> str:
    """A fixed number of decimals, with a true minus sign."""
    if value is None or _missing(value):
        return NONE
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", TRUE_MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """Like `fixed`, with a plus sign before what is above 0."""
    if value is None or _missing(value):
        return NONE
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", TRUE_MINUS)


def effect(value: float | None) -> str:
    """An effect a unit, whatever its scale: a sign, three significant digits, powers of ten when small."""
    if value is None or _missing(value):
        return NONE
    if value == 0 or abs(value) >= 0.001:
        text = f"{value:+.3g}" if abs(value) < 999.5 else f"{value:+,.0f}"
        return text.replace("-", TRUE_MINUS)
    mantissa, exponent = f"{value:+.2e}".split("e")
    return f"{mantissa} × 10⁻{exponent.lstrip('-0').translate(_RAISED)}".replace("-", TRUE_MINUS)


def strength(value: float | None) -> str:
    """A feature's value: three significant digits."""
    return NONE if value is None or _missing(value) else _three(value)


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    if value is None or _missing(value):
        return NONE
    return f"{round(value):,}"


def percent(value: float | None) -> str:
    """A share as a percentage of three significant digits, never rounded to 0 or 100."""
    if value is None or _missing(value):
        return NONE
    scaled = 100 * value
    if 0 < abs(scaled) < 0.001:
        return "< 0.001 %"
    if 99.95 <= scaled < 100:
        return "> 99.9 %"
    return f"{_three(scaled)} %".replace("-", TRUE_MINUS)


def probability(value: float | None) -> str:
    """A p or q value: two significant digits, powers of ten when small."""
    if value is None or _missing(value):
        return NONE
    if value >= 0.001:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa} × 10⁻{exponent.lstrip('-0').translate(_RAISED)}" if value > 0 else "0"


def bases(value: float | None) -> str:
    """A length with its unit: bp, kb, Mb or Gb."""
    if value is None or _missing(value):
        return NONE
    for size, unit in ((1e9, "Gb"), (1e6, "Mb"), (1e3, "kb")):
        if value >= size:
            return f"{_three(value / size)} {unit}"
    return f"{value:.0f} bp"


def spoken(chrom: str, start: int, end: int) -> str:
    """A stretch (0-based half-open) as people read it: the first base is number 1, the last one included."""
    return f"{chrom}:{start + 1:,}-{end:,}" if end - start > 1 else f"{chrom}:{end:,}"


def between(low: float | None, high: float | None, written: Callable[[float | None], str] = signed) -> str:
    """An interval, or nothing where there is none."""
    if _missing(low) or _missing(high):
        return ""
    return f"[{written(low)}, {written(high)}]"


def effects_between(low: float | None, high: float | None) -> str:
    """The interval of an `effect`, or nothing where there is none."""
    return between(low, high, effect)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in one line; past ``most``, how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def repeated(names: Sequence[str]) -> list[str]:
    """Names that are there more than once, in order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name in names:
        if name in seen:
            twice[name] = None
        seen.add(name)
    return list(twice)


def plural(number: int, noun: str, many: str = "") -> str:
    """A count with its noun: ``1 track``, ``2 tracks``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def once(readings: float | None, mode: str) -> float | None:
    """How many intervals there are, of a count in which either strand counts them once a reading, so twice.

    One that only one of the readings holds counts as one.
    """
    return readings if readings is None or _missing(readings) or mode != "any" else math.ceil(readings / 2)


def mode_words(mode: str) -> str:
    """A track mode in words."""
    return "either strand" if mode == "any" else f"{mode} strand"
