"""Height reserved on a page for what the browser draws later, so that nothing below it moves."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

# Pixels of a row of `st.dataframe`, its header being one more.
TABLE_ROW = 35


def reserve_height(key: str, height: float) -> None:
    """Give the element or container ``key`` at least ``height`` pixels before its script is there."""
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)
    st.html(f"<style>.st-key-{name} {{min-height: {height:.0f}px}}</style>")


def least_height(spec: dict[str, Any]) -> float:
    """Minimum height in pixels of a Vega-Lite chart: its plots without axes and titles."""
    if "vconcat" in spec:
        parts = [least_height(part) for part in spec["vconcat"]]
        return sum(parts) + spec.get("spacing", 20) * (len(parts) - 1)
    if "hconcat" in spec:
        return max(least_height(part) for part in spec["hconcat"])
    height = spec.get("height", 0)
    return height if isinstance(height, int | float) else 0
