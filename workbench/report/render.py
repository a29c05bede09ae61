"""From evidence to one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from feature_mining.association.verdict import Control
from feature_mining.logo import logo_svg
from workbench import wording
from workbench.analysis.quality_table import quality_lines
from workbench.files.pages import Figure, figure, templates, write_page
from workbench.report import charts, loci, strips
from workbench.report.cohort import LABEL, gather_cohort
from workbench.report.context import (
    CARD_EXAMPLES,
    Evidence,
    best_associations,
    card_features,
    gather,
    judged,
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
from workbench.report.neighbours import Neighbours
from workbench.report.scan_charts import manhattan, quantile_plot
from workbench.report.sentences import SUMMARY_RULE, summary, weaknesses

if TYPE_CHECKING:
    from workbench.study.study import Study

HERE = Path(__file__).parent


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
            f" {wording.plural(quality['probing'][0]['tracks'], 'track')} of probes of few features; dashed:"
            " a probe of the whole raw layer (fitted on the select split, report split shown).",
        )
    if "stability" in evidence.catalog and evidence.catalog["stability"].notna().any():
        found = quality["dictionary"]["stability"]
        yield figure(
            charts.stability_histogram(evidence.catalog["stability"]),
            "stability",
            f"Seed stability: cosine of each feature with its partner in the dictionaries of"
            f" {wording.plural(found['seeds'] - 1, 'other seed')}; chance is"
            f" {wording.fixed(found['chance'], 2)}.",
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
        best_of = judged(evidence.shown).query("feature == @feature")[["track", "verdict"]]
        yield {
            "row": row,
            "label": evidence.labels[feature].text,
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
    shown = strips.strips_of(evidence.shown, evidence.labels, evidence.catalog, features)
    places = loci.best_loci(study, [s.feature for s in shown])
    for i, locus in enumerate(places):
        size = -(-(locus.end - locus.start) // strips.BINS)
        place = wording.spoken(*locus)
        yield figure(
            strips.draw(study, locus, shown),
            f"locus{i}",
            f"{place}, maxima in bins of {wording.plural(size, 'base')}: annotation and"
            f" {wording.plural(len(shown), 'feature')}.",
        )
    if places:
        near = loci.close_up(study, places[0], shown[0].feature)
        yield figure(
            strips.draw(study, near, shown, letters=True),
            "closeup",
            f"Close-up, base by base: {wording.spoken(*near)}, round the strongest base"
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
        "neighbours": Neighbours(study.tracks),
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
            spec = manhattan(trait.tests, trait.bound, study.manifest.contigs)
            pictures.append(figure(spec, f"manhattan{i}", text))
        if len(trait.quantiles):
            text = f"{trait.name}: quantiles of p; shaded: 95 % of independent tests{words}."
            pictures.append(figure(quantile_plot(trait.quantiles), f"quantiles{i}", text))
        drawn.append((trait, pictures))
    return {**vars(part), "drawn": drawn}


def render_audit(study: Study) -> str:
    """The audit on a page of its own. Raises ``InputError`` where a table of the study is missing."""
    evidence = gather(study)
    page = templates(HERE).get_template("audit.html.j2")
    return page.render(**discovery_parts(study, evidence), name=evidence.name, manifest=evidence.manifest)


def render(study: Study) -> str:
    """The whole page. Raises ``InputError`` where a table of the study is missing."""
    evidence = gather(study)
    manifest = evidence.manifest
    page = templates(HERE).get_template("report.html.j2")
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
        sizes=sizes,
        inputs={what: (Path(f.path).name, f) for what, f in sorted(manifest.inputs.items())},
        overview=overview,
        comparison=comparison,
        sentences=summary(evidence),
        rule=SUMMARY_RULE,
        weak=weaknesses(evidence),
        controls=list(Control),
        cards=list(cards(evidence)),
        measures=quality_lines(evidence.quality),
        quality_figures=list(quality_figures(evidence)),
        loci=list(locus_figures(study, evidence)),
        features_title="Best features" if len(evidence.shown) else "Features with the clearest letters",
        cohort=cohort_part(study),
    )


def write_report(study: Study, path: Path) -> None:
    """Write the report of a finished study, atomically.

    The same study gives the same bytes. Raises ``InputError`` where a table of the study is missing.
    """
    write_page(path, render(study))


def write_audit(study: Study, path: Path) -> None:
    """Write the page of the shortcut audit of a finished study, atomically."""
    write_page(path, render_audit(study))
