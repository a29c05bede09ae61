"""The page of an explanation: what predicts a phenotype, and what each sample's prediction rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from feature_mining.phenotype.explanation import BOTH, LINEAGE, LOCUS, NEITHER, UNTESTED
from workbench.experiments.kind import Experiment
from workbench.experiments.page import ARMS, write_experiment
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled

# Loci of a sample that are shown; the tables hold all.
MOST = 10
MEANING = {
    LOCUS: "It uses the loci.",
    LINEAGE: "It uses the lineage: the loci stand for who is related to whom.",
    BOTH: "It uses the loci within lineages it knows, and the lineage.",
    NEITHER: "It predicts nothing.",
    UNTESTED: "Not tested.",
}
# What a sample's prediction rests on.
RESTS = {
    LOCUS: "mostly on what this sample has and others of its lineage have not",
    LINEAGE: "mostly on what all of its lineage have alike",
    BOTH: "as much on its lineage as on what is its own",
    NEITHER: "on nothing: no locus moves it",
    UNTESTED: "not tested: no fold could leave it out, or no other of its lineage is known",
}


def scores_drawn(scores: pd.DataFrame, measure: str) -> Spec:
    """Scores of what predicts, by folds, with 95 % intervals."""
    order = list(scores["predictors"].unique())
    folds = list(scores["folds"].unique())
    base = alt.Chart(scores).encode(
        y=alt.Y("predictors:N", sort=order, title=None),
        yOffset=alt.YOffset("folds:N", sort=folds),
        color=alt.Color("folds:N", sort=folds, title="folds", scale=alt.Scale(domain=folds, range=ARMS)),
    )
    x = alt.X("low:Q", title=measure, scale=alt.Scale(zero=False))
    chart = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
    chart += base.mark_point(filled=True, size=60).encode(x="score:Q")
    return styled(chart.properties(width=WIDTH - 260, height=alt.Step(18)))


def parts_drawn(parts: pd.DataFrame, binary: bool) -> Spec:
    """How far each locus moves a prediction from the cohort's mean: by lineage, and by itself."""
    kept = parts.reindex(parts["part"].abs().sort_values(ascending=False).index).head(MOST)
    words = {"lineage": "all of its lineage", "own": "its own"}
    long = kept.melt(id_vars="locus", value_vars=list(words), var_name="of", value_name="adds")
    long["of"] = long["of"].map(words)
    unit = "log-odds" if binary else "units of the trait"
    chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            y=alt.Y("locus:N", sort=list(kept["locus"]), title=None, axis=alt.Axis(labelOverlap=False)),
            x=alt.X("adds:Q", title=f"beyond the cohort's mean, {unit}"),
            color=alt.Color("of:N", title=None, scale=alt.Scale(domain=list(words.values()), range=ARMS)),
        )
        .properties(width=WIDTH - 260, height=alt.Step(26))
    )
    return styled(chart)


def write_explained(
    experiment: Experiment, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    """The page of an explanation."""
    measure = "AUROC" if facts["binary"] else "R²"
    caption = f"{measure} out of fold, with 95 % intervals"
    picture = figure(scores_drawn(tables["scores"], measure), "scores", caption)
    samples = []
    for number, (name, own) in enumerate(tables["samples"].groupby("sample", sort=False)):
        parts = tables["parts"][tables["parts"]["sample"] == name]
        first = parts[parts["folds"] == own["folds"].iloc[0]]
        drawn = figure(parts_drawn(first, facts["binary"]), f"sample{number}", f"Sample {name}")
        leading = first.reindex(first["part"].abs().sort_values(ascending=False).index).head(MOST)
        samples.append(
            {
                "name": name,
                "rows": own.to_dict("records"),
                "picture": drawn,
                "parts": leading.to_dict("records"),
            }
        )
    loci = tables["loci"].sort_values("drop", ascending=False)
    write_experiment(
        experiment,
        "explained.html.j2",
        facts=facts,
        meaning=MEANING[facts["verdict"]],
        rests=RESTS,
        phenotype=experiment.settings.phenotype,
        measure=measure,
        chance="0.5" if facts["binary"] else "0",
        picture=picture,
        scores=tables["scores"].to_dict("records"),
        null=tables["null"]["score"].to_numpy(),
        loci=loci.head(MOST).to_dict("records"),
        all_loci=len(loci),
        samples=samples,
    )
