"""The page of embeddings: which files, and a map of the regions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import altair as alt
import pandas as pd

from workbench.experiments.kind import Experiment
from workbench.experiments.page import write_experiment
from workbench.files.pages import figure
from workbench.models.embedding import Components
from workbench.report.charts import WIDTH, Spec, styled

_SHARES = alt.Scale(scheme="viridis")


def components_drawn(drawn: Components) -> Spec:
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
    experiment: Experiment, files: Sequence[Path], regions: pd.DataFrame, drawn: Sequence[Components]
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
