"""An experiment as one page that opens anywhere: question, answer, controls, and hashes of what it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
from markupsafe import Markup

from feature_mining.logo import contribution_svg
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.kind import Experiment
from workbench.experiments.question import QUESTION
from workbench.experiments.response import FEATURE
from workbench.files.hashing import sha256_of
from workbench.files.pages import Figure, figure, templates, write_page
from workbench.files.settings import sentence
from workbench.report.charts import WIDTH, Spec, styled
from workbench.study.manifest import shown_model
from workbench.study.study import Study

HERE = Path(__file__).parent
PAGE = "page.html"
# Outputs that are drawn; the tables hold all.
MOST_DRAWN = 12
_WORDS = {False: "attributed", True: "control of its size"}
# The feature stands out; controls are told apart by colour-blind readers.
_ARMS = ["#2367a8", "#d9822b", "#2f9e73", "#b565b0", "#8b949e"]
_COLOURS = alt.Scale(domain=list(_WORDS.values()), range=["#3b82c4", "#d9822b"])


def write_experiment(experiment: Experiment, template: str, **content: Any) -> None:
    """Write an experiment's page from a template, which is given what was asked and of what."""
    manifest = experiment.study.manifest
    settings = [
        (key.name, getattr(experiment.settings, key.name), sentence(type(experiment.settings), key.name))
        for key in fields(experiment.settings)
    ]
    files = {name: file.sha256 for name, file in manifest.inputs.items()}
    answers = sorted(path for path in experiment.folder.glob("*.parquet"))
    text = (
        templates(HERE)
        .get_template(template)
        .render(
            name=experiment.name,
            study=experiment.study.folder.name,
            model_name=shown_model(manifest.model.name),
            subject=experiment.question.subject,
            settings=settings,
            files=files,
            question=QUESTION,
            answers={path.name: sha256_of(path) for path in answers},
            **content,
        )
    )
    write_page(experiment.folder / PAGE, text)


def named(study: Study, features: Iterable[int]) -> dict[int, str]:
    """Each feature's number with what it is called, where the study has gone far enough to say."""
    try:
        labels = study.feature_labels()
    except InputError:
        return {feature: f"Feature {feature}" for feature in features}
    return {feature: f"Feature {feature} ({labels[feature].text})" for feature in features}


def effects_drawn(ablations: pd.DataFrame, names: Mapping[int, str]) -> Spec:
    """What attribution says of each feature beside what the output loses without it."""
    drawn = ablations.assign(kind=ablations["control"].map(_WORDS), name=ablations["feature"].map(names))
    order = list(drawn.sort_values(["control", "attribution"], ascending=[True, False])["name"])
    rows = alt.Y("name:N", sort=order, title=None)
    colour = alt.Color("kind:N", scale=_COLOURS, title=None)
    bars = (
        alt.Chart(drawn)
        .mark_bar(opacity=0.5)
        .encode(
            x=alt.X("effect:Q", title="nats: bar, lost without the feature; tick, attributed"),
            y=rows,
            color=colour,
        )
    )
    ticks = alt.Chart(drawn).mark_tick(thickness=2, color="currentColor").encode(x="attribution:Q", y=rows)
    return styled((bars + ticks).properties(width=WIDTH - 160, height=alt.Step(14)))


def substitutions_drawn(bases: pd.DataFrame) -> Spec:
    """The change of the output with every base in the place of every other."""
    rows = bases.reset_index(drop=True).rename_axis("order").reset_index()
    rows["place"] = (rows["position"] + 1).map("{:,}".format) + " " + rows["base"]
    long = rows.melt(["order", "place", "base"], list(BASES), var_name="with", value_name="change")
    most = max(float(long["change"].abs().max()), 1e-9)
    chart = (
        alt.Chart(long)
        .mark_rect()
        .encode(
            x=alt.X(
                "place:O",
                sort=alt.SortField("order"),
                title=None,
                axis=alt.Axis(labelAngle=-90, labelFontSize=8),
            ),
            y=alt.Y("with:N", sort=list(BASES), title="in its place"),
            color=alt.Color(
                "change:Q",
                scale=alt.Scale(scheme="blueorange", domain=[-most, most], reverse=True),
                title="nats",
            ),
        )
    )
    return styled(chart.properties(width=WIDTH - 60, height=70))


def contributions(bases: pd.DataFrame) -> np.ndarray:
    """What an output loses, on the mean, with another base in the place of each, ``(n,)`` nats."""
    lost: np.ndarray = -bases[list(BASES)].sum(axis=1).to_numpy() / (len(BASES) - 1)
    return lost


def _letters(bases: pd.DataFrame, title: str) -> Figure:
    """The bases in the direction of the reading, as high as their part."""
    svg = contribution_svg("".join(bases["base"]), contributions(bases))
    caption = f"{title}: letters as high as what is lost, in nats, with the mean of the others in their place"
    return Figure(Markup(svg), caption)


def write_attribution(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> None:
    """The page of an attribution."""
    parts: list[dict[str, Any]] = []
    names = named(experiment.study, tables["ablations"]["feature"].unique())
    for number, row in enumerate(tables["targets"].to_dict("records")):
        mine = {
            name: table[(table["target"] == row["target"]) & (table["strand"] == row["strand"])]
            for name, table in tables.items()
        }
        ablations = mine["ablations"]
        leading, control = (ablations[ablations["control"] == kind] for kind in (False, True))
        pictures: list[Figure] = []
        if number < MOST_DRAWN:
            caption = (
                f"{row['title']}, {row['strand']} strand's reading: the output's loss without each feature"
                " beside what was attributed to it"
            )
            if len(ablations):
                pictures.append(figure(effects_drawn(ablations, names), f"effects{number}", caption))
            if len(mine.get("bases", ())):
                pictures.append(_letters(mine["bases"], row["title"]))
                caption = f"{row['title']}: change with every substitution, in the direction of the reading"
                pictures.append(figure(substitutions_drawn(mine["bases"]), f"bases{number}", caption))
        pairs = ablations[["attribution", "effect"]]
        varies = (pairs.nunique() > 1).all()
        agreement = pairs.corr(method="spearman").iloc[0, 1] if varies else float("nan")
        parts.append(
            row
            | {
                "pictures": pictures,
                "intervals": mine["intervals"].to_dict("records") if "intervals" in mine else [],
                "agreement": agreement,
                "lost": float(leading["effect"].abs().mean()),
                "control_lost": float(control["effect"].abs().mean()),
                "pairs": len(control),
            }
        )
    write_experiment(experiment, "attribution.html.j2", parts=parts, drawn=MOST_DRAWN)


def responses_drawn(responses: pd.DataFrame) -> Spec:
    """Response of each arm against strength, with intervals; one feature."""
    unedited = responses[responses["strength"] == 0].iloc[0]
    rest = responses[responses["strength"] > 0]
    arms = list(rest["arm"].unique())
    # The unedited response is where every arm begins.
    begun = pd.concat([rest, *(unedited.to_frame().T.assign(arm=arm) for arm in arms)], ignore_index=True)
    for column in ("strength", "response", "low", "high"):
        begun[column] = begun[column].astype(float)
    colour = alt.Color("arm:N", sort=arms, title=None, scale=alt.Scale(domain=arms, range=_ARMS[: len(arms)]))
    doses = alt.Axis(values=sorted(set(begun["strength"])))
    x = alt.X("strength:Q", title="strength (of the feature's 99.9 % activation)", axis=doses)
    base = alt.Chart(begun).encode(x=x, color=colour)
    lines = base.mark_line(point=True).encode(y=alt.Y("response:Q", title="readout"))
    bars = base.mark_rule(opacity=0.6).encode(y="low:Q", y2="high:Q")
    return styled((lines + bars).properties(width=WIDTH - 260, height=220))


def write_steering(experiment: Experiment, responses: pd.DataFrame, effects: pd.DataFrame) -> None:
    """The page of a steering experiment; ``effects`` are the side effects by track."""
    own_effects = effects[effects["arm"] == FEATURE]
    parts = []
    names = named(experiment.study, responses["feature"].unique())
    for number, (feature, own) in enumerate(responses.groupby("feature", sort=False)):
        caption = f"{names[feature]}: mean readout of every arm, with 95 % intervals over prompts"
        picture = figure(responses_drawn(own), f"feature{number}", caption) if number < MOST_DRAWN else None
        rows = own.to_dict("records")
        by_track = own_effects[own_effects["feature"] == feature].pivot(
            index="track", columns="strength", values="bits"
        )
        parts.append(
            {
                "feature": feature,
                "name": names[feature],
                "picture": picture,
                "rows": rows,
                "strengths": list(by_track.columns),
                "tracks": [(track, list(row)) for track, row in by_track.iterrows()],
            }
        )
    write_experiment(experiment, "steering.html.j2", parts=parts, drawn=MOST_DRAWN)


def passports_drawn(passports: pd.DataFrame, names: Mapping[int, str]) -> Spec:
    """Win rate over the best control of every feature and seed, with the interval that decides."""
    drawn = passports[passports["win_rate"].notna()].assign(
        name=lambda t: t["feature"].map(names), seed=lambda t: t["sae_seed"].astype(str)
    )
    order = [names[feature] for feature in dict.fromkeys(passports["feature"])]
    rows = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    seeds = sorted(drawn["seed"].unique())
    base = alt.Chart(drawn).encode(
        y=rows,
        yOffset=alt.YOffset("seed:N", sort=seeds),
        color=alt.Color("seed:N", title="seed", scale=alt.Scale(domain=seeds, range=_ARMS[: len(seeds)])),
    )
    x = alt.X("win_rate:Q", title="win rate over the best control", scale=alt.Scale(domain=[0, 1]))
    points = base.mark_point(filled=True, size=45).encode(x=x)
    bars = base.mark_rule().encode(x="win_low:Q", x2="win_high:Q")
    half = alt.Chart(pd.DataFrame({"x": [0.5]})).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="x:Q")
    return styled((half + bars + points).properties(width=WIDTH - 300, height=alt.Step(16)))


def write_passports(experiment: Experiment, passports: pd.DataFrame) -> None:
    """The page of a passport experiment."""
    names = named(experiment.study, passports["feature"].unique())
    parts = [
        {"feature": feature, "name": names[feature], "rows": own.to_dict("records")}
        for feature, own in passports.groupby("feature", sort=False)
    ]
    picture = None
    if passports["win_rate"].notna().any():
        caption = "Win rate over the best control on the report split, with the interval that decides"
        picture = figure(passports_drawn(passports, names), "passports", caption)
    write_experiment(experiment, "passport.html.j2", parts=parts, picture=picture)


class Drawn(NamedTuple):
    """Embeddings of a layer on their first two principal components, and the share of variance of each."""

    layer: str
    table: pd.DataFrame
    shares: tuple[float, float]


def components_drawn(drawn: Drawn) -> Spec:
    """A point a region and strand, by its GC."""
    axes = [f"component {i}: {share:.0%} of variance" for i, share in enumerate(drawn.shares, 1)]
    chart = (
        alt.Chart(drawn.table)
        .mark_point(filled=True, size=14, opacity=0.6)
        .encode(
            x=alt.X("first:Q", title=axes[0], scale=alt.Scale(zero=False)),
            y=alt.Y("second:Q", title=axes[1], scale=alt.Scale(zero=False)),
            color=alt.Color(
                "gc:Q", title="GC", scale=alt.Scale(scheme="viridis"), legend=alt.Legend(format="%")
            ),
            shape=alt.Shape("strand:N", title="strand"),
        )
    )
    return styled(chart.properties(width=WIDTH - 160, height=360))


def write_embedding(
    experiment: Experiment, files: Sequence[Path], regions: pd.DataFrame, drawn: Sequence[Drawn]
) -> None:
    """The page of embeddings."""
    pictures = [
        figure(
            components_drawn(each),
            f"layer{number}",
            f"{each.layer}: {len(each.table):,} of {len(regions):,} rows on two principal components",
        )
        for number, each in enumerate(drawn)
    ]
    write_experiment(
        experiment,
        "embedding.html.j2",
        written=[path.name for path in files],
        rows=len(regions),
        empty=int((regions["bases"] == 0).sum()),
        pictures=pictures,
    )
