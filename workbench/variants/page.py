"""One variant on one HTML page that opens anywhere: likelihood, features with and without it, labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from feature_mining.sae.model import SparseAutoencoder
from workbench.atomic import write_atomic
from workbench.cohort.readings import Reading
from workbench.report import formats
from workbench.variants.consequence import Annotation
from workbench.variants.effects import Effect, SequenceReading
from workbench.variants.subject import Subject
from workbench.variants.tables import feature_rows, variant_row

HERE = Path(__file__).parent
STYLE = HERE.parent / "report" / "report.css"
NEAR = 60
"""Bases shown on each side of the variant."""
SHOWN = 12
"""Features in the table; the first ones are drawn."""
DRAWN = 4
_ALLELES = ("reference", "alternative")
_COLOURS = {"domain": list(_ALLELES), "range": ["#5b7083", "#c2410c"]}


def _svg(spec: dict[str, Any], caption: str) -> Markup:
    svg: str = vl_convert.vegalite_to_svg(spec)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1))


def _lines(rows: list[dict[str, Any]], title: str, here: int) -> dict[str, Any]:
    """A line an allele, along the genome, the variant marked; positions 1-based, as people read them."""
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"x": here + 1}]},
            "mark": {"type": "rule", "color": "#94a3b8", "strokeDash": [4, 3]},
            "encoding": {"x": {"field": "x", "type": "quantitative"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "interpolate": "step", "strokeWidth": 1.6},
            "encoding": {
                "x": {
                    "field": "position",
                    "type": "quantitative",
                    "title": None,
                    "scale": {"zero": False, "nice": False},
                    "axis": {"format": ",d", "grid": False, "tickCount": 6},
                },
                "y": {"field": "value", "type": "quantitative", "title": title},
                "color": {"field": "allele", "scale": _COLOURS, "legend": {"title": None}},
                "strokeDash": {
                    "field": "allele",
                    "scale": {"domain": list(_ALLELES), "range": [[1, 0], [5, 3]]},
                    "legend": None,
                },
            },
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 640,
        "height": 110,
        "background": "transparent",
        "layer": layers,
    }


def _by_base(
    reading: Reading, values: np.ndarray, start: int, end: int, most: bool
) -> list[tuple[int, float]]:
    """A value a reference base: over letters of one base the largest, or their sum."""
    found: dict[int, float] = {}
    for position, value in zip(reading.positions, values, strict=True):
        if start <= position < end and np.isfinite(value):
            before = found.get(int(position))
            together = max if most else sum
            both = (float(value),) if before is None else (before, float(value))
            found[int(position)] = together(both)
    return sorted(found.items())


def _curve(
    pair: tuple[tuple[Reading, SequenceReading], ...],
    track: Callable[[Reading, SequenceReading], np.ndarray],
    start: int,
    end: int,
    most: bool,
) -> list[dict[str, Any]]:
    return [
        {"position": position + 1, "value": value, "allele": allele}
        for allele, (reading, found) in zip(_ALLELES, pair, strict=True)
        for position, value in _by_base(reading, track(reading, found), start, end, most)
    ]


def _activation(
    sae: SparseAutoencoder | None, feature: int, reading: Reading, found: SequenceReading
) -> np.ndarray:
    """One feature a letter, 0 where it has no value."""
    assert sae is not None and found.activations is not None
    dense = sae.encode(np.ascontiguousarray(found.activations))[:, feature]
    return np.where(reading.callable, dense.cpu().numpy(), 0.0)


def _pictures(subject: Subject, effect: Effect) -> list[dict[str, Any]]:
    """Captioned pictures: likelihood on both strands, then the features that change most."""
    variant = effect.variant
    start, end = variant.start - NEAR, variant.start + len(variant.reference) + NEAR
    pictures = []
    for strand, name in (("+", "plus"), ("-", "minus")):
        rows = _curve(effect.readings[strand], lambda r, f: f.nats, start, end, False)
        caption = (
            f"Log-likelihood of each base, {name} strand's reading (nats; higher is more expected)"
        )
        spec = _lines(rows, "nats", variant.start)
        pictures.append({"svg": _svg(spec, caption), "caption": caption})
    for change in effect.changes[:DRAWN]:
        values = partial(_activation, subject.sae, change.feature)
        lo, hi = min(start, change.position - 20), max(end, change.position + 20)
        rows = _curve(effect.readings[change.strand], values, lo, hi, True)
        label = subject.labels.get(change.feature, "no label")
        strand = "plus" if change.strand == "+" else "minus"
        caption = f"Feature {change.feature} ({label}), {strand} strand's reading"
        spec = _lines(rows, "activation", variant.start)
        pictures.append({"svg": _svg(spec, caption), "caption": caption})
    return pictures


def write_page(subject: Subject, annotation: Annotation, effect: Effect, path: Path) -> None:
    """Write the page of one variant, atomically; nothing is fetched when it is opened."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["signed"] = formats.signed
    environment.filters["strength"] = formats.strength
    text = environment.get_template("page.html.j2").render(
        subject=subject,
        effect=effect,
        row=variant_row(subject, annotation, effect),
        changes=feature_rows(subject, effect, SHOWN),
        pictures=_pictures(subject, effect),
        style=Markup(STYLE.read_text()),
    )
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
