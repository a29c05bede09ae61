"""Numbers and verdicts of a study in words that are safe to show."""

from __future__ import annotations

import re

import pandas as pd

from workbench.report.context import VERDICTS, Evidence
from workbench.report.formats import fixed, mode_words

MEANINGS = {
    "learnt": "it beats every control that ran",
    "raw neuron as good": "a single neuron of the model does as well",
    "random-weights too": "the same recipe on a model with random weights does as well",
    "composition": "local base composition does as well",
    "not distinguishable": "it cannot be told from chance",
}
"""What a verdict says of a track's best feature."""


def plain(text: str) -> str:
    """Text of files (names, paths) so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#|$:~^!&])", r"\\\1", text)


def judged(evidence: Evidence, feature: int) -> pd.DataFrame:
    """Rows of the tracks table that this feature leads, best verdict first."""
    rows = evidence.tracks[evidence.tracks["feature"] == feature]
    rank = rows["verdict"].map({verdict: i for i, verdict in enumerate(VERDICTS)})
    return rows.assign(_rank=rank).sort_values("_rank", kind="stable").drop(columns="_rank")


def short_label(evidence: Evidence, feature: int) -> str:
    """A feature's label: the track that it was found to mark; marked ``?`` where no control backs it."""
    row = evidence.catalog.loc[feature]
    if row["dead"]:
        return "dead"
    rows = judged(evidence, feature)
    if len(rows) and rows["verdict"].iloc[0] == "learnt":
        return str(rows["track"].iloc[0])
    return f"{row['best_track']}?" if row["best_track"] else "no track"


def label_sentences(evidence: Evidence, feature: int) -> list[str]:
    """What a feature can be said to mark, with the verdict and the rule behind it."""
    row = evidence.catalog.loc[feature]
    if row["dead"]:
        return ["Dead: it fires on too few bases to be tested, so nothing is claimed about it."]
    rows = judged(evidence, feature)
    said = [
        f"Best feature for {r.track} ({mode_words(str(r.mode))}): {r.verdict}; {MEANINGS[str(r.verdict)]}."
        f" Rule: {r.rule}."
        for r in rows.itertuples()
    ]
    if not said and row["best_track"]:
        said.append(
            f"Closest to {row['best_track']} ({mode_words(row['best_mode'])}, average precision lift"
            f" {fixed(row['best_ap_lift'])}), but another feature is the best for every track. Controls run"
            " for the best only, so there is no verdict on this one."
        )
    if not said:
        said.append("No track was tested against this feature.")
    if row["over_dense"]:
        said.append("Over-dense: it fires on more than 10 % of bases and rarely means one thing.")
    return said
