"""Numbers as people read them: sensible digits, a dash where there is none."""

from __future__ import annotations

import math

NONE = "–"
TRUE_MINUS = "\N{MINUS SIGN}"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def fixed(value: float | None, digits: int = 3) -> str:
    """A fixed number of decimals, with a true minus sign."""
    if value is None or _missing(value):
        return NONE
    return f"{value:.{digits}f}".replace("-", TRUE_MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """Like `fixed`, with a plus sign before what is above 0."""
    if value is None or _missing(value):
        return NONE
    return f"{value:+.{digits}f}".replace("-", TRUE_MINUS)


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
    digits = 0 if scaled == round(scaled) else 1 if abs(scaled) >= 10 else 2 if abs(scaled) >= 1 else 3
    return f"{scaled:.{digits}f} %".replace("-", TRUE_MINUS)


def probability(value: float | None) -> str:
    """A p or q value: two significant digits, powers of ten when small."""
    if value is None or _missing(value):
        return NONE
    if value >= 0.001:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa} × 10^{TRUE_MINUS}{abs(int(exponent))}" if value > 0 else "0"


def bases(value: float | None) -> str:
    """A length with its unit: bp, kb or Mb."""
    if value is None or _missing(value):
        return NONE
    for size, unit in ((1e6, "Mb"), (1e3, "kb")):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 100 * size else f"{value / size:,.0f} {unit}"
    return f"{value:.0f} bp"


def between(low: float | None, high: float | None) -> str:
    """An interval, or nothing where there is none."""
    if _missing(low) or _missing(high):
        return ""
    return f"[{signed(low)}, {signed(high)}]"


def listed(names: list[str], most: int = 12) -> str:
    """Names in one line; past ``most``, how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(number: int, noun: str, many: str = "") -> str:
    """A count with its noun: ``1 track``, ``2 tracks``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
