"""One variant on one HTML page that opens anywhere: likelihood, features with and without it, labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from genomic_models.files import remove_leftovers
from workbench.files.pages import Figure, figure, templates, write_page
from workbench.study.manifest import shown_model
from workbench.variants.curves import activation, curve, lines
from workbench.variants.effects import Effect, scored_by_words
from workbench.variants.null import NEAR as NEARBY
from workbench.variants.subject import Subject
from workbench.variants.tables import feature_rows

HERE = Path(__file__).parent
# Bases shown on each side of the variant.
NEAR = 60
# Features in the table; the first ones are drawn.
SHOWN = 12
DRAWN = 4


def _pictures(subject: Subject, effect: Effect) -> list[Figure]:
    """Captioned pictures: likelihood on both strands, then the features that change most."""
    variant = effect.variant
    start, end = variant.start - NEAR, variant.start + len(variant.reference) + NEAR
    pictures = []
    for strand, name in () if scored_by_words(subject.model) else (("+", "plus"), ("-", "minus")):
        rows = curve(effect.readings[strand], lambda r, f: f.nats, start, end, False)
        caption = f"Log-likelihood of each base, {name} strand's reading (nats; higher is more expected)"
        pictures.append(figure(lines(rows, "nats", variant.start), name, caption))
    for change in effect.changes[:DRAWN]:
        values = partial(activation, subject.sae, change.feature)
        lo, hi = min(start, change.position - 20), max(end, change.position + 20)
        rows = curve(effect.readings[change.strand], values, lo, hi, True)
        label = subject.labels.get(change.feature, "no label")
        strand = "plus" if change.strand == "+" else "minus"
        caption = f"Feature {change.feature} ({label}), {strand} strand's reading"
        spec = lines(rows, "activation", variant.start)
        pictures.append(figure(spec, f"feature{len(pictures)}", caption))
    return pictures


def write_variant(subject: Subject, effect: Effect, row: dict[str, Any], path: Path) -> None:
    """Write the page of a variant from its `variant_row`, atomically; opening it fetches nothing."""
    text = (
        templates(HERE)
        .get_template("page.html.j2")
        .render(
            subject=subject,
            model_name=shown_model(subject.model.name),
            effect=effect,
            row=row,
            words=scored_by_words(subject.model) is not None,
            edit=effect.variant.edit,
            near=NEARBY,
            changes=feature_rows(subject, effect, SHOWN),
            pictures=_pictures(subject, effect),
        )
    )
    remove_leftovers(path.parent, path.name)
    write_page(path, text)
