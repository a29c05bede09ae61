"""Charts of the report, drawn in the page's theme."""

from __future__ import annotations

from typing import Any


def themed(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart of the report without its text colours, which the page's theme sets."""
    return {key: value for key, value in spec.items() if key != "config"}
