"""Pages in HTML that open anywhere: templates, pictures as inline SVG, one style; nothing is fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from workbench import wording
from workbench.files.atomic import write_atomic
from workbench.files.pictures import draw_svg

_FILTERS = (
    *("fixed", "signed", "strength", "count", "percent", "probability", "bases", "between"),
    *("effect", "effects_between", "plural", "once"),
)  # fmt: skip


class Figure(NamedTuple):
    """A picture with its caption."""

    svg: Markup
    caption: str


def figure(spec: dict[str, Any], name: str, caption: str) -> Figure:
    """A picture in Vega-Lite as inline SVG, its caption read out by screen readers.

    ``name`` makes its ids unique on its page.
    """
    svg = draw_svg(spec)
    # numbered anew: the converter counts on from picture to picture
    number = {old: i for i, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{name}-{number[m[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{name}-{number[m[1]]})", svg)
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return Figure(Markup(svg), caption)


def templates(folder: Path) -> Environment:
    """The templates of a folder, with the wording of numbers as filters and the ``style`` of all pages."""
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {name: getattr(wording, name) for name in _FILTERS}
    environment.filters["mode"] = wording.mode_words
    environment.globals["style"] = Markup(Path(__file__).with_name("page.css").read_text())
    return environment


def write_page(path: Path, text: str) -> None:
    """Write a page, atomically."""
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
