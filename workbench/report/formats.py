"""Numbers as people read them: sensible digits, a dash where there is none."""

from __future__ import annotations

import math
from collections.abc import Callable

NONE = "–"
TRUE_MINUS = "\N{MINUS SIGN}"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


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


def between(
    low: float | None, high: float | None, written: Callable[[float | None], str] = signed
) -> str:
    """An interval, or nothing where there is none."""
    if _missing(low) or _missing(high):
        return ""
    return f"[{written(low)}, {written(high)}]"


def effects_between(low: float | None, high: float | None) -> str:
    """The interval of an `effect`, or nothing where there is none."""
    return between(low, high, effect)


def listed(names: list[str], most: int = 12) -> str:
    """Names in one line; past ``most``, how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(number: int, noun: str, many: str = "") -> str:
    """A count with its noun: ``1 track``, ``2 tracks``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def mode_words(mode: str) -> str:
    """A track mode in words."""
    return "either strand" if mode == "any" else f"{mode} strand"
