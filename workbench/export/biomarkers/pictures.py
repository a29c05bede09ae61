"""Pictures of a candidate's card: its locus, the reading with and without a variant, its effects."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from workbench.cohort.edits import parse_variant
from workbench.export.biomarkers.rows import Row
from workbench.files.pages import Figure, figure
from workbench.genome.interval import Interval
from workbench.report import charts, strips
from workbench.study.study import Study
from workbench.variants.curves import activation, curve, lines
from workbench.variants.effects import Effect
from workbench.variants.subject import Subject
from workbench.wording import spoken

# Bases of the locus on each side of the region.
FLANK = 300
# Bases shown on each side of a variant.
NEAR = 60
# A variant is drawn at least as wide as this part of the locus.
THINNEST = 250
MOST_LINEAGES = 20
POOLED = "all samples"


def draw_locus(study: Study, row: Row, label: str, maximum: float) -> Figure:
    """Genes and other annotation, driving variants, and the feature on the reference, one x axis."""
    length = study.manifest.contigs[row["chrom"]]
    locus = Interval(row["chrom"], max(0, row["start"] - FLANK), min(length, row["end"] + FLANK))
    width = max(1, (locus.end - locus.start) // THINNEST)
    variants = [parse_variant(v) for v in row["driving_variants"]]
    drawn = [
        (v.start, v.start + max(width, len(v.reference)), ".", f"{v.reference}>{v.alternative}")
        for v in variants
    ]
    region = pd.DataFrame(
        [(row["start"], row["end"], row["strand"], row["region"])], columns=["start", "end", "strand", "name"]
    )
    lanes = [("region tested", region)]
    if drawn:
        table = pd.DataFrame(drawn, columns=list(region)).sort_values("start", kind="stable")
        lanes.append(("driving variants", table.reset_index(drop=True)))
    strip = strips.Strip(int(row["feature"]), label, maximum)
    caption = (
        f"Locus {spoken(*locus)}: annotation, the region tested, driving"
        f" variants, and feature {row['feature']} on the reference (+ reading above the line, − below)."
    )
    return figure(strips.draw(study, locus, [strip], more=lanes), "locus", caption)


def draw_alleles(subject: Subject, row: Row, effect: Effect) -> list[Figure]:
    """The feature along the sequence with and without the first driving variant, a picture a strand read."""
    feature = int(row["feature"])
    values = partial(activation, subject.sae, feature)
    variant = effect.variant
    peaks = {c.strand: c.position for c in effect.changes if c.feature == feature}
    found = []
    for strand in ("+", "-") if row["burden_strand"] == "both" else (row["burden_strand"],):
        start, end = variant.start - NEAR, variant.start + len(variant.reference) + NEAR
        at = peaks.get(strand, variant.start)
        points = curve(effect.readings[strand], values, min(start, at - 20), max(end, at + 20), True)
        name = "plus" if strand == "+" else "minus"
        caption = (
            f"Feature {feature} with and without {variant.name}, {name} strand's reading of a window round"
            " it; dashed rule: the variant."
        )
        if not any(p["value"] for p in points):
            caption += " The feature is silent here on this strand."
        found.append(figure(lines(points, "activation", variant.start), name, caption))
    return found


def draw_effects(row: Row, effects: pd.DataFrame) -> Figure:
    """Effect with 95 % interval, all samples first, then the largest lineages by themselves."""
    largest = effects.sort_values("n", ascending=False, kind="stable").head(MOST_LINEAGES)
    rows = [(POOLED, row["n"], row["beta"], row["ci_low"], row["ci_high"])]
    rows += list(largest[["group", "n", "beta", "ci_low", "ci_high"]].itertuples(index=False, name=None))
    points: list[dict[str, Any]] = [
        {"name": f"{name} (n {n:,})", "beta": beta, "low": low, "high": high, "all": name == POOLED}
        for name, n, beta, low, high in rows
    ]
    order = [p["name"] for p in points]
    y = {"field": "name", "type": "nominal", "sort": order, "title": None}
    colour = {"condition": {"test": "datum.all", "value": "#3b82c4"}, "value": "#8b949e"}
    unit = "log odds" if row["n_case"] >= 0 else "trait's unit"
    x = {"type": "quantitative", "title": f"effect a unit of the burden ({unit})"}
    spec = {
        "data": {"values": points},
        "width": 460,
        "height": {"step": 18},
        "layer": [
            {
                "data": {"values": [{"x": 0}]},
                "mark": {"type": "rule", "color": charts.FAINT},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            },
            {
                "mark": {"type": "rule"},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50},
                "encoding": {"y": y, "x": {**x, "field": "beta"}, "color": colour},
            },
        ],
        "config": charts.CONFIG,
    }
    caption = (
        "Effect with its 95 % interval: in all samples with lineages held fixed, and in each lineage large"
        " enough to be tested alone (Wald)."
    )
    return figure(spec, "effects", caption)
