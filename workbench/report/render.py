"""From evidence to one HTML page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from feature_mining.logo import logo_svg
from workbench.report import charts, formats, loci, strips
from workbench.report.cohort import LABEL, gather_cohort, manhattan, quantile_plot
from workbench.report.context import (
    CARD_EXAMPLES,
    CONTROLS,
    Evidence,
    best_associations,
    card_features,
    gather,
    split_sizes,
)
from workbench.report.discovery import (
    LISTED,
    Discovery,
    findings,
    flag_rows,
    gather_discovery,
    structure_words,
    window_profile,
)
from workbench.report.sentences import SUMMARY_RULE, summary, weaknesses

if TYPE_CHECKING:
    from workbench.study import Study

HERE = Path(__file__).parent


class Figure(NamedTuple):
    """A picture with its caption."""

    svg: Markup
    caption: str


class Measure(NamedTuple):
    """A number of the autoencoder's quality and what it means."""

    name: str
    value: str
    meaning: str


def figure(spec: charts.Spec, name: str, caption: str) -> Figure:
    """A picture as inline SVG: its caption read out by screen readers, its ids made unique by ``name``."""
    svg: str = vl_convert.vegalite_to_svg(spec)
    # numbered anew: the converter counts on from picture to picture
    number = {old: i for i, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{name}-{number[m[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{name}-{number[m[1]]})", svg)
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1)
    return Figure(Markup(svg), caption)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    for name in (
        "fixed",
        "signed",
        "strength",
        "count",
        "percent",
        "probability",
        "bases",
        "between",
        "effect",
        "effects_between",
        "plural",
    ):
        environment.filters[name] = getattr(formats, name)
    environment.filters["mode"] = formats.mode_words
    return environment


def quality_measures(quality: dict[str, Any]) -> list[Measure]:
    """The autoencoder's scores in the order in which they should be read."""
    bits = quality.get("bits", {})
    get = lambda name: bits.get(name, math.nan)  # noqa: E731
    return [
        Measure(
            "explained variance",
            formats.percent(quality["explained_variance"]),
            "share of the activations' variance that the reconstruction keeps (pooled mean)",
        ),
        Measure(
            "cosine",
            formats.fixed(quality["cosine"]),
            "mean cosine between an activation and its reconstruction",
        ),
        Measure(
            "L0",
            f"{formats.fixed(quality['l0'], 1)} features",
            f"mean number of active features a reading; {quality['k']} were asked for",
        ),
        Measure(
            "norm ratio",
            formats.fixed(quality["l2_ratio"]),
            "length of the reconstruction over length of the activation; below 1 is shrinkage",
        ),
        Measure(
            "relative bias",
            formats.fixed(quality["relative_bias"]),
            "1 when reconstructions are neither too long nor too short along the activation",
        ),
        Measure(
            "dead features",
            formats.percent(quality["dead_fraction"]),
            "share of features that never fired on this sample",
        ),
        Measure(
            "over-dense features",
            formats.percent(quality["over_dense_fraction"]),
            "share of features that fire on more than 10 % of readings",
        ),
        Measure(
            "bits, model untouched",
            f"{formats.fixed(get('clean'))} bits a base",
            "how well the model predicts the next base; 2 is chance",
        ),
        Measure(
            "bits, reconstruction spliced in",
            f"{formats.fixed(get('sae'))} bits a base",
            "the same, with the layer's activations replaced by the reconstruction",
        ),
        Measure(
            "bits, layer set to its mean / to zero",
            f"{formats.fixed(get('mean'))} / {formats.fixed(get('zero'))} bits a base",
            "references: what is lost when the layer says nothing",
        ),
        Measure(
            "recovered (mean / zero ablation)",
            f"{formats.percent(get('recovered_mean'))} / {formats.percent(get('recovered_zero'))}",
            "share of that loss which the reconstruction gives back",
        ),
        Measure(
            "divergence (KL)",
            f"{formats.fixed(get('kl_sae'))} bits a base",
            "of the predictions with the reconstruction spliced in from those of the untouched model",
        ),
        *map(_answers, quality["tracks_answered"]),
    ]


def _answers(row: dict[str, Any]) -> Measure:
    """How many tracks the units of a kind answer to."""
    return Measure(
        f"tracks a {row['kind']} answers to",
        formats.fixed(row["mean"], 2),
        f"mean of the units that answer to any: {row['one']:,} of {row['units']:,} to one,"
        f" {row['several']:,} to several, {row['none']:,} to none; fewer is more monosemantic",
    )


def quality_figures(evidence: Evidence) -> Iterator[Figure]:
    """Density, lift, bits by class, probing, stability, shift, training: those that were measured."""
    quality, training = evidence.quality, evidence.training
    if quality.get("density"):
        yield figure(
            charts.density_histogram(quality["density"]),
            "density",
            "Histogram of the density of features that fire at all, report split. Right of the dashed"
            " line: over-dense.",
        )
    if len(evidence.associations):
        yield figure(
            charts.lift_against_density(evidence.catalog),
            "lift",
            "Tested features: density and average precision lift on their best track (report split).",
        )
    if quality.get("bits_by_class"):
        yield figure(
            charts.bits_by_class(quality["bits_by_class"]),
            "classes",
            "What the reconstruction costs the model by class of region, beside the layer at its mean"
            " (report split).",
        )
    if quality["probing"]:
        yield figure(
            charts.probing_curve(quality["probing"]),
            "probing",
            f"Sparse probing: mean average precision lift over"
            f" {formats.plural(quality['probing'][0]['tracks'], 'track')} of probes of few features; dashed:"
            " a probe of the whole raw layer (fitted on the select split, report split shown).",
        )
    if "stability" in evidence.catalog and evidence.catalog["stability"].notna().any():
        found = quality["dictionary"]["stability"]
        yield figure(
            charts.stability_histogram(evidence.catalog["stability"]),
            "stability",
            f"Seed stability: cosine of each feature with its partner in the dictionaries of"
            f" {formats.plural(found['seeds'] - 1, 'other seed')}; chance is"
            f" {formats.fixed(found['chance'], 2)}.",
        )
    if quality.get("shift"):
        yield figure(
            charts.shift_curve(quality["shift"]),
            "shift",
            "Shift consistency: how much a base's activations and features change when its window begins"
            f" {quality['shift']['offset']:,} bases elsewhere, by position in the window (report split).",
        )
    if training.get("history"):
        yield figure(
            charts.training_curve(training["history"]),
            "training",
            f"Training of the autoencoder: {training['steps']:,} steps, {training['tokens']:,} readings"
            " of the train split.",
        )


def _logo(evidence: Evidence, feature: int) -> tuple[Markup, int]:
    """A feature's logo, empty if it has none, and how many windows went in."""
    logo = evidence.logos[evidence.logos["feature"] == feature].sort_values("position")
    if not len(logo):
        return Markup(""), 0
    svg = logo_svg(
        logo[["A", "C", "G", "T"]].to_numpy(),
        logo["information"].to_numpy(),
        int(logo["position"].iloc[0]),
        column_width=11,
        height=72,
    )
    return Markup(svg), int(logo["n"].max())


def cards(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """What a card shows, feature by feature."""
    for feature in card_features(evidence.shown, evidence.catalog):
        examples = evidence.examples[evidence.examples["feature"] == feature]
        logo, windows = _logo(evidence, feature)
        row = evidence.catalog.loc[feature]
        best_of = evidence.shown.loc[evidence.shown["feature"] == feature, ["track", "verdict"]]
        yield {
            "row": row,
            "logo": logo,
            "windows": windows,
            "best_of": best_of.to_dict("records"),
            "examples": examples.sort_values("rank").head(CARD_EXAMPLES).to_dict("records"),
            "tracks": best_associations(evidence.associations, feature).to_dict("records"),
            "similar": list(zip(row["similar"], row["similar_cosine"], strict=True))[:4],
        }


def locus_figures(study: Study, evidence: Evidence) -> Iterator[Figure]:
    """Loci of the report split where the best features fire, and a close-up of the first."""
    features = card_features(evidence.shown, evidence.catalog)
    shown = strips.strips_of(evidence.shown, evidence.catalog, features)
    places = loci.best_loci(study, [s.feature for s in shown])
    for i, locus in enumerate(places):
        size = -(-(locus.end - locus.start) // strips.BINS)
        place = f"{locus.chrom}:{locus.start:,}–{locus.end:,}"
        yield figure(
            strips.draw(study, locus, shown),
            f"locus{i}",
            f"{place}, maxima in bins of {formats.plural(size, 'base')}: annotation and"
            f" {formats.plural(len(shown), 'feature')}.",
        )
    if places:
        near = loci.close_up(study, places[0], shown[0].feature)
        yield figure(
            strips.draw(study, near, shown, letters=True),
            "closeup",
            f"Close-up, base by base: {near.chrom}:{near.start:,}–{near.end:,}, round the strongest base"
            f" of feature {shown[0].feature} in the first locus.",
        )


def unexplained_cards(discovery: Discovery, evidence: Evidence) -> Iterator[dict[str, Any]]:
    """What the cards of the first unexplained features show."""
    for row in discovery.unexplained.head(LISTED).to_dict("records"):
        svg, windows = _logo(evidence, int(row["feature"]))
        examples = evidence.examples[evidence.examples["feature"] == row["feature"]]
        yield {
            "row": row,
            "words": structure_words(row),
            "logo": svg,
            "windows": windows,
            "examples": examples.sort_values("rank").head(CARD_EXAMPLES).to_dict("records"),
        }


def discovery_parts(study: Study, evidence: Evidence) -> dict[str, Any]:
    """What the sections on concepts, shortcuts and unexplained features are drawn from."""
    discovery = gather_discovery(study, evidence.shown)
    profile = figure(
        window_profile(discovery.audit),
        "profile",
        f"Active features a base by position in the window, {discovery.audit['windows']} windows of the"
        " report split read whole: a spike or a slope is the window's doing, not the genome's.",
    )
    return {
        "discovery": discovery,
        "findings": findings(discovery),
        "flags": flag_rows(discovery),
        "profile": profile,
        "unexplained": list(unexplained_cards(discovery, evidence)),
    }


def cohort_part(study: Study) -> dict[str, Any] | None:
    """What the section on samples and candidates is drawn from; None where there are no phenotypes."""
    part = gather_cohort(study)
    if part is None:
        return None
    words = f"; {LABEL}: {part.simulated}" if part.simulated else ""
    drawn = []
    for i, trait in enumerate(part.traits):
        pictures = []
        if len(trait.tests):
            text = f"{trait.name}: features along the genome, the {len(trait.tests):,} strongest tests;"
            text += f" dashed: Bonferroni's bound{words}."
            pictures.append(figure(manhattan(trait), f"manhattan{i}", text))
        if len(trait.quantiles):
            text = f"{trait.name}: quantiles of p; shaded: 95 % of independent tests{words}."
            pictures.append(figure(quantile_plot(trait), f"quantiles{i}", text))
        drawn.append((trait, pictures))
    return {**vars(part), "drawn": drawn}


def render_audit(study: Study) -> str:
    """The audit on a page of its own. Raises ``InputError`` where a table of the study is missing."""
    evidence = gather(study)
    page = _environment().get_template("audit.html.j2")
    return page.render(
        **discovery_parts(study, evidence),
        name=evidence.name,
        manifest=evidence.manifest,
        style=Markup((HERE / "report.css").read_text()),
    )


def render(study: Study) -> str:
    """The whole page. Raises ``InputError`` where a table of the study is missing."""
    evidence = gather(study)
    manifest = evidence.manifest
    page = _environment().get_template("report.html.j2")
    sizes = split_sizes(manifest)
    overview = figure(
        charts.split_overview(manifest.split, manifest.contigs),
        "split",
        "The split along the"
        + (f" {charts.MOST_CONTIGS} longest" if len(manifest.contigs) > charts.MOST_CONTIGS else "")
        + " contigs: train (autoencoder), select (features, thresholds), report (every printed score)."
        " What no block covers is a gap.",
    )
    comparison = None
    if len(evidence.shown):
        left_out = max(0, len(evidence.shown) - charts.MOST_TRACKS)
        comparison = figure(
            charts.tracks_against_controls(evidence.shown),
            "controls",
            "Average precision lift (0 chance, 1 perfect) of each track's best feature next to the best raw"
            " neuron and principal direction, the composition model, the same recipe on random weights and"
            " the feature itself on the shuffled genome, on one sample of the report split; right: margins"
            " with block-bootstrap intervals."
            + (f" {left_out} more tracks are in the tables only." if left_out else ""),
        )
    parts = discovery_parts(study, evidence)
    return page.render(
        **parts,
        evidence=evidence,
        manifest=manifest,
        style=Markup((HERE / "report.css").read_text()),
        sizes=sizes,
        inputs={what: (Path(f["path"]).name, f) for what, f in sorted(manifest.inputs.items())},
        overview=overview,
        comparison=comparison,
        sentences=summary(evidence),
        rule=SUMMARY_RULE,
        weak=weaknesses(evidence),
        controls=CONTROLS,
        cards=list(cards(evidence)),
        measures=quality_measures(evidence.quality),
        quality_figures=list(quality_figures(evidence)),
        loci=list(locus_figures(study, evidence)),
        cohort=cohort_part(study),
    )
