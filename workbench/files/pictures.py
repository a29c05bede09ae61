"""Pictures in the Vega-Lite language, drawn; text in them that cannot be seen stands as its escape.

The converter ends the whole process for a control character, and a study that came from elsewhere may hold
some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.wording import visible_name

# Formats and their types on the web.
FORMATS = {"svg": "image/svg+xml", "png": "image/png"}


def draw_svg(spec: Mapping[str, Any]) -> str:
    """A picture as SVG."""
    import vl_convert  # for a picture alone

    return str(vl_convert.vegalite_to_svg(_visible(spec)))


def draw_file(spec: Mapping[str, Any], format: str) -> bytes:
    """A picture on white as a file of one of ``FORMATS``; PNG at twice its size."""
    import vl_convert  # for a picture alone

    spec = {**spec, "background": "white"}
    if format == "svg":
        return draw_svg(spec).encode()
    return bytes(vl_convert.vegalite_to_png(_visible(spec), scale=2))


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible_name(value)
    if isinstance(value, Mapping):
        return {_visible(k): _visible(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(v) for v in value]
    return value
