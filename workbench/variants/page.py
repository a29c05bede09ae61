"""One variant on one HTML page that opens anywhere: likelihood, features with and without it, labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from workbench.atomic import write_atomic
from workbench.manifest import shown_model
from workbench.report import formats
from workbench.variants.consequence import Annotation
from workbench.variants.curves import activation, curve, lines, svg
from workbench.variants.effects import Effect
from workbench.variants.subject import Subject
from workbench.variants.tables import feature_rows, variant_row

HERE = Path(__file__).parent
STYLE = HERE.parent / "report" / "report.css"
NEAR = 60
"""Bases shown on each side of the variant."""
SHOWN = 12
"""Features in the table; the first ones are drawn."""
DRAWN = 4


def _pictures(subject: Subject, effect: Effect) -> list[dict[str, Any]]:
    """Captioned pictures: likelihood on both strands, then the features that change most."""
    variant = effect.variant
    start, end = variant.start - NEAR, variant.start + len(variant.reference) + NEAR
    pictures = []
    for strand, name in (("+", "plus"), ("-", "minus")):
        rows = curve(effect.readings[strand], lambda r, f: f.nats, start, end, False)
        caption = (
            f"Log-likelihood of each base, {name} strand's reading (nats; higher is more expected)"
        )
        spec = lines(rows, "nats", variant.start)
        pictures.append({"svg": svg(spec, caption), "caption": caption})
    for change in effect.changes[:DRAWN]:
        values = partial(activation, subject.sae, change.feature)
        lo, hi = min(start, change.position - 20), max(end, change.position + 20)
        rows = curve(effect.readings[change.strand], values, lo, hi, True)
        label = subject.labels.get(change.feature, "no label")
        strand = "plus" if change.strand == "+" else "minus"
        caption = f"Feature {change.feature} ({label}), {strand} strand's reading"
        spec = lines(rows, "activation", variant.start)
        pictures.append({"svg": svg(spec, caption), "caption": caption})
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
        model_name=shown_model(subject.model.name),
        effect=effect,
        row=variant_row(subject, annotation, effect),
        changes=feature_rows(subject, effect, SHOWN),
        pictures=_pictures(subject, effect),
        style=Markup(STYLE.read_text()),
    )
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
