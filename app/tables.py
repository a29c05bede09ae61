"""How columns are shown: names in words, digits, and what each means."""

from __future__ import annotations

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig


def _number(label: str, meaning: str, digits: str = "%.3f") -> ColumnConfig:
    return st.column_config.NumberColumn(label, help=meaning, format=digits)


HELD_OUT = "On the report split, which chose nothing."
COLUMNS: dict[str, ColumnConfig] = {
    "feature": _number("feature", "Number of the feature.", "%d"),
    "track": st.column_config.TextColumn("track"),
    "mode": st.column_config.TextColumn(
        "strand", help="Strand of the interval relative to the strand that the model read."
    ),
    "verdict": st.column_config.TextColumn(
        "verdict", width="medium", help="What the controls leave of the track's best feature."
    ),
    "rule": st.column_config.TextColumn("rule", help="The rule that gave the verdict."),
    "ap_lift": _number("lift", f"(average precision − base rate) / (1 − base rate). {HELD_OUT}"),
    "average_precision": _number("AP", f"Average precision. {HELD_OUT}"),
    "auroc": _number("AUROC", f"0.5 is chance. {HELD_OUT}"),
    "base_rate": _number("base rate", "Share of bases inside: average precision of chance."),
    "f1": _number("F1", f"At the threshold frozen on the select split. {HELD_OUT}"),
    "f1_chance": _number("F1, chance", "Best F1 that knows nothing."),
    "interval_f1": _number("interval F1", f"Intervals found against runs that hit. {HELD_OUT}"),
    "precision": _number("precision", HELD_OUT),
    "recall": _number("recall", HELD_OUT),
    "n_intervals": _number("intervals", "Intervals in the report split.", "%d"),
    "z": _number("z", "Against circular shifts of the annotation.", "%.1f"),
    "q": _number("q", "Of the circular-shift null, Benjamini-Hochberg.", "%.1e"),
    "sample_ap_lift": _number("feature", "Lift of the feature on the control sample."),
    "neuron_ap_lift": _number("raw neuron", "Lift of the best single number of the layer."),
    "composition_ap_lift": _number("composition", "Lift of a model of local base composition."),
    "random_ap_lift": _number("random weights", "Lift of the same recipe, network untrained."),
    "pca_ap_lift": _number("direction", "Lift of the best principal direction of the layer."),
    "shuffled_ap_lift": _number("shuffled", "Lift of the feature on the shuffled genome."),
    "layer_ap_lift": _number("whole layer", "Lift of a linear probe on all numbers of the layer."),
    "sample_intervals": _number("in sample", "Intervals in the control sample.", "%d"),
    "margin": _number("margin", "Feature less the strongest control."),
    "best_track": st.column_config.TextColumn("closest track"),
    "best_mode": st.column_config.TextColumn("strand"),
    "best_ap_lift": _number("lift", f"On its closest track. {HELD_OUT}"),
    "best_auroc": _number("AUROC", f"On its closest track. {HELD_OUT}"),
    "best_f1": _number("F1", f"On its closest track. {HELD_OUT}"),
    "best_q": _number("q", "Of the circular-shift null, on its closest track.", "%.1e"),
    "density": _number("density", "Share of readings at which it fires.", "%.2e"),
    "max": _number("max", "Strongest activation.", "%.2f"),
    "flags": st.column_config.TextColumn("flags", help="Doubts of the shortcut audit."),
    "consensus": st.column_config.TextColumn("consensus", help="IUPAC, of its strongest bases."),
}

LED = ["track", "mode", "feature", "verdict", "ap_lift", "average_precision", "base_rate", "auroc"]
LED += ["f1", "f1_chance", "interval_f1", "n_intervals", "z", "q"]
CONTROLS = ["track", "mode", "verdict", "sample_intervals", "sample_ap_lift", "neuron_ap_lift"]
CONTROLS += ["pca_ap_lift", "composition_ap_lift", "random_ap_lift", "shuffled_ap_lift"]
CONTROLS += ["layer_ap_lift", "margin", "rule"]
SCORES = ["track", "mode", "ap_lift", "average_precision", "base_rate", "auroc", "precision"]
SCORES += ["recall", "f1", "f1_chance", "n_intervals", "z", "q"]
CATALOG = ["feature", "best_track", "best_mode", "verdict", "best_ap_lift", "best_auroc", "best_f1"]
CATALOG += ["best_q", "density", "max", "consensus", "flags"]
