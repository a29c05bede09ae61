"""The cards of the judges in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.judges.judge import COMMAND, Card
from workbench.judges.registry import kinds

_MARGIN = "  "


def describe(names: Sequence[str]) -> list[str]:
    """Cards of these judges, or of all for none, each a text of several lines. Raises ``InputError``."""
    return ["\n".join(_lines(kind.card)) for kind in kinds(names)]


def _lines(card: Card) -> Iterator[str]:
    version = card.version()
    state = f"version {version}" if version else f"not installed: {card.install}"
    yield f"{card.name}: {card.reads}"
    yield f"{_MARGIN}tool: {card.tool}, {state}"
    yield f"{_MARGIN}licence: {card.licence}"
    yield f"{_MARGIN}method: {card.source}"
    if card.needs:
        yield f"{_MARGIN}compares with: {', '.join(f'--{need}' for need in card.needs)}"
    others = ", of A, C, G and T alone" if card.plain else ""
    yield f"{_MARGIN}takes: sequences of at most {card.longest:,} bases{others}"
    yield from (f"{_MARGIN}{card.name}.{c.name}: {c.holds}" for c in card.columns)
    if card.checks:
        yield f"{_MARGIN}checked ({COMMAND}):"
        yield from (f"{_MARGIN * 2}{check.holds}: {check.value:.4g}" for check in card.checks)
    else:
        yield f"{_MARGIN}not checked: no figure of {COMMAND} is on this card yet"
