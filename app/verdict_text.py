"""Labels and verdicts of features in sentences, and text safe for Markdown."""

from __future__ import annotations

import re

from feature_mining.association.verdict import Verdict
from workbench.report.context import Evidence
from workbench.study.feature_labels import Source, judged
from workbench.wording import fixed, mode_words, visible


def plain(text: str) -> str:
    """Text with Markdown's special characters escaped, and what cannot be seen."""
    return re.sub(r"([\\`*_{}\[\]()<>#|$:~^!&])", r"\\\1", visible(text))


_ORIGINS = {
    Source.NAME: "The name was given by a reader of this study.",
    Source.TRACK: "",
    Source.LOGO: "No verdict backs a track, so it is called after its logo and where it is active.",
    Source.DEAD: "",
}


def short_label(evidence: Evidence, feature: int) -> str:
    """What a feature is called, as everywhere (`workbench.study.feature_labels`)."""
    return evidence.labels[feature].text


def label_sentences(evidence: Evidence, feature: int) -> list[str]:
    """Sentences on where a feature's label comes from and what it marks, with verdict and rule."""
    row = evidence.catalog.loc[feature]
    if row["dead"]:
        return ["Dead: it is active on too few bases to be tested, so nothing is claimed about it."]
    rows = judged(evidence.tracks, feature)
    sentences = []
    for track, mode, word, rule in rows[["track", "mode", "verdict", "rule"]].itertuples(index=False):
        tested = word != Verdict.NOT_TESTED
        sentences.append(
            f"{'Best feature' if tested else 'Picked on the select split'} for {track}"
            f" ({mode_words(mode)}): {word}; {Verdict(word).meaning}. Rule: {rule}."
        )
    if not sentences and row["best_track"]:
        sentences.append(
            f"Closest to {row['best_track']} ({mode_words(row['best_mode'])}; above chance by"
            f" {fixed(row['best_ap_lift'])} of what is possible), but another feature is the best for"
            f" every track. Controls run"
            " for the best only, so there is no verdict on this one."
        )
    if not sentences:
        sentences.append("No track was tested against this feature.")
    if row["over_dense"]:
        sentences.append("Over-dense: it is active on more than 10 % of bases and rarely specific.")
    origin = _ORIGINS[evidence.labels[feature].source]
    return [origin, *sentences] if origin else sentences
