"""Columns of tables: their labels, number formats and help texts."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from feature_mining.association.verdict import Control
from workbench.wording import once


def _number(label: str, meaning: str, digits: str = "%.3f") -> ColumnConfig:
    return st.column_config.NumberColumn(label, help=meaning, format=digits)


OF_TOP = "As a share of full scale: the value that 99.9 % of its active bases do not reach."
HELD_OUT = "On the report split, which was used for no choice."
LIFT = "How far above chance it marks the track: 0 is chance, 1 perfect. Lift of the average precision."
READINGS = "A reading is a base read on one strand: each base counts once a strand."
_CONTROL = {Control.COMPOSITION: "base composition"}
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
    "ap_lift": _number(
        "above chance", f"{LIFT} (average precision − base rate) / (1 − base rate). {HELD_OUT}"
    ),
    "average_precision": _number("AP", f"Average precision. {HELD_OUT}"),
    "auroc": _number("AUROC", f"0.5 is chance. {HELD_OUT}"),
    "base_rate": _number("base rate", "Share of bases inside: average precision of chance."),
    "f1": _number("F1", f"At the threshold frozen on the select split. {HELD_OUT}"),
    "f1_chance": _number("F1, chance", "Best F1 that knows nothing."),
    "interval_f1": _number("interval F1", f"Intervals found against runs that hit. {HELD_OUT}"),
    "precision": _number("precision", HELD_OUT),
    "recall": _number("recall", HELD_OUT),
    "n_intervals": _number("intervals", "Intervals in the report split, each once.", "%d"),
    "z": _number("z", "Against circular shifts of the annotation.", "%.1f"),
    "q": _number("q", "Of the circular-shift null, Benjamini-Hochberg.", "%.1e"),
    "sample_ap_lift": _number("feature", f"{LIFT} On the control sample."),
    **{c.lift: _number(_CONTROL.get(c, c.word), f"Above chance: {c.meaning}.") for c in Control},
    "layer_ap_lift": _number("whole layer", "Above chance: a linear probe on all numbers of the layer."),
    "sample_intervals": _number("in sample", "Intervals in the control sample, each once.", "%d"),
    "margin": _number("margin", "Feature less the strongest control."),
    "best_track": st.column_config.TextColumn("closest track"),
    "best_mode": st.column_config.TextColumn("strand"),
    "best_ap_lift": _number("above chance", f"On its closest track. {LIFT} {HELD_OUT}"),
    "best_auroc": _number("AUROC", f"On its closest track. {HELD_OUT}"),
    "best_f1": _number("F1", f"On its closest track. {HELD_OUT}"),
    "best_q": _number("q", "Of the circular-shift null, on its closest track.", "%.1e"),
    "density": _number("density", f"Share of readings at which it is active. {READINGS}", "%.2e"),
    "flags": st.column_config.TextColumn("flags", help="Doubts of the shortcut audit."),
    "n_active": _number("active readings", f"Readings at which it is active. {READINGS}", "localized"),
    "stability": _number("stability", "Cosine with its partner over seeds.", "%.2f"),
    "strand_correlation": _number("strands", "Correlation of both readings, a base.", "%.2f"),
    "found_by": st.column_config.TextColumn("found by", width="medium"),
    "rank": _number("rank", "By the select split, so that no score here chose its own place.", "%d"),
    "select_lift": _number("on select", "Above chance on the select split, by which features are ranked."),
    "fit": _number("fit", "Of its logo to the matrix; at most 1.", "%.2f"),
    "matrix_p": _number("p (matrix)", "Share of orders of columns that fit as well.", "%.3f"),
    "motif_share": _number("has motif", "Share of its strongest bases.", "percent"),
    "motif_expected": _number("expected", "Share of strongest bases of all features.", "percent"),
    "motif_p": _number("p (motif)", "Binomial tail, Bonferroni.", "%.1e"),
    "in_sequence": _number("in sequence", f"Its largest value there. {OF_TOP}", "percent"),
    "largest": _number("activation", "Largest value, as the autoencoder gives it.", "%.2f"),
    "of_top": _number("strength", f"Its largest value. {OF_TOP}", "percent"),
    "rarity": _number(
        "rarity", "Share of readings on the genome at which it is at least as strong; small is rare.", "%.1e"
    ),
    "in_region": _number("odds in region", "Lower bound of the odds ratio, 95 %.", "%.1f"),
    "fired": _number("active", "Active readings in the sample of the audit.", "localized"),
    "first_rate": _number("early", "Rate in the first eighth of a window.", "%.1e"),
    "rest_rate": _number("late", "Rate in the rest of a window.", "%.1e"),
    "position_z": _number("z (window)", "Of early against late.", "%.1f"),
    "plus_rate": _number("plus", "Rate in plus readings.", "%.1e"),
    "minus_rate": _number("minus", "Rate in minus readings.", "%.1e"),
    "strand_z": _number("z (strand)", "Of plus against minus.", "%.1f"),
    "strand_overlap": _number("both strands", "Bases active in both readings.", "percent"),
    "shift_change": _number("shift sensitivity", "Relative L2, windows half apart.", "percent"),
    "gc_share": _number("GC", "Share that GC content explains.", "percent"),
    "phase_share": _number("codon phase", "Share beyond GC.", "percent"),
    "kmer_share": _number("6-mers", "Share that 6-mers explain.", "percent"),
    "copied_share": _number("in copies", "Of its active bases in the report split.", "percent"),
    "lift_1": _number("1 feature", f"One feature. {LIFT}", "%.2f"),
    "lift_2": _number("2", f"Two together. {LIFT}", "%.2f"),
    "lift_5": _number("5", f"Five together. {LIFT}", "%.2f"),
    "lift_20": _number("20", f"Twenty together. {LIFT}", "%.2f"),
    "completeness": _number("of layer", "Twenty, as a share of what the whole layer reaches.", "percent"),
    "answer": st.column_config.TextColumn("answer"),
    "lift_all": _number("above chance", f"On all of the report split. {LIFT}"),
    "lift_without": _number("without copies", "On what train does not hold too."),
    "n_report": _number("intervals", "Intervals more than half in report blocks, read or not.", "%d"),
    "copies": _number("copies", "Of these, those with a near copy in train or select.", "%d"),
    "clusters": _number("clusters", "Groups of alike intervals, of the whole genome.", "%d"),
    "structures": st.column_config.TextColumn("structures"),
    "periodicity_z": _number("z period", "Against shuffled places.", "%.1f"),
    "palindrome_z": _number("z palindrome", "Against shuffled places.", "%.1f"),
    "conservation_z": _number("z conserved", "Against shuffled places.", "%.1f"),
    "boundary_z": _number("z boundary", "Against shuffled places.", "%.1f"),
    "evidence_tier": st.column_config.TextColumn(
        "evidence", width="small", help="Tier: A is replicated and known, D the weakest; the rules are below."
    ),
    "gene": st.column_config.TextColumn("gene"),
    "region": st.column_config.TextColumn("region"),
    "burden": st.column_config.TextColumn(
        "summed as", help="Burden: how the feature's activations over the region become one number a sample."
    ),
    "test": st.column_config.TextColumn("test"),
    "label": st.column_config.TextColumn(
        "label",
        help="Your name for it; else the track that it marks with a verdict of learnt; else its logo.",
    ),
    "beta": _number("effect", "Beta of the test, a unit of the sum.", "%.3g"),
    "ci_low": _number("low", "95 % interval of the effect.", "%.3g"),
    "ci_high": _number("high", "95 % interval of the effect.", "%.3g"),
    "minus_log10_p": _number("−log10 p", "Of the test.", "%.2f"),
    "p": _number("p", "Of the test.", "%.1e"),
    "lineage_effect": st.column_config.TextColumn("locus or lineage"),
    "replicated": st.column_config.CheckboxColumn("replicated"),
    "drivers": st.column_config.ListColumn(
        "driven by",
        help="Variants that move the sum, with their share of it, the largest first.",
        width="large",
    ),
    "best_variant": st.column_config.TextColumn(
        "best plain variant", help="The variant of this region with the smallest p, tested by itself."
    ),
    "best_variant_minus_log10_p": _number("its −log10 p", "Of the best plain variant.", "%.2f"),
    "confound_flags": st.column_config.TextColumn("flags", help="Of the feature's audit."),
    "inflation": _number("inflation", "λ of the median.", "%.2f"),
    "share_below_05": _number("p < 0.05", "Share of tests.", "percent"),
    "uniform_p": _number("uniform p", "Kolmogorov-Smirnov.", "%.1e"),
    "n_tests": _number("tests", "How many.", "localized"),
    "effective_tests_li_ji": _number("effective (Li, Ji)", "Independent tests.", "%.1f"),
    "effective_tests_galwey": _number("effective (Galwey)", "Independent tests.", "%.1f"),
    "patterns": _number("patterns", "Different columns of sums.", "%d"),
    "set": st.column_config.TextColumn("set"),
    "warning": st.column_config.TextColumn("warning"),
    "consensus": st.column_config.TextColumn("consensus", help="IUPAC, of its strongest bases."),
}


def once_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows a track and mode with each interval counted once, as in the report.

    The study's tables count a unit a reading: in mode either strand each interval twice.
    """
    counted = {
        name: [once(number, mode) for number, mode in zip(rows[name], rows["mode"], strict=True)]
        for name in ("n_intervals", "sample_intervals")
        if name in rows
    }
    return rows.assign(**counted)


LED = ["track", "mode", "feature", "verdict", "ap_lift", "average_precision", "base_rate", "auroc"]
LED += ["f1", "f1_chance", "interval_f1", "n_intervals", "z", "q"]
CONTROLS = ["track", "mode", "verdict", "sample_intervals", "sample_ap_lift"]
CONTROLS += [*(control.lift for control in Control), "layer_ap_lift", "margin", "rule"]
SCORES = ["track", "mode", "ap_lift", "average_precision", "base_rate", "auroc", "precision"]
SCORES += ["recall", "f1", "f1_chance", "n_intervals", "z", "q"]
RANKED = ["rank", "feature", "label", "ap_lift", "average_precision", "base_rate", "auroc", "precision"]
RANKED += ["recall", "f1", "q", "select_lift"]
CATALOG = ["feature", "label", "best_track", "best_mode", "verdict", "best_ap_lift", "best_auroc", "best_f1"]
CATALOG += ["best_q", "density", "consensus", "flags"]
AUDIT = ["feature", "flags", "fired", "first_rate", "rest_rate", "position_z", "plus_rate"]
AUDIT += ["minus_rate", "strand_z", "strand_overlap", "shift_change", "gc_share", "phase_share"]
AUDIT += ["kmer_share", "copied_share"]
COPIES = ["track", "mode", "feature", "lift_all", "lift_without", "n_report", "copies", "clusters"]
CONCEPTS = ["track", "mode", "answer", "lift_1", "lift_2", "lift_5", "lift_20", "layer_ap_lift"]
CONCEPTS += ["completeness", "sample_intervals", "rule"]
UNEXPLAINED = ["feature", "structures", "periodicity_z", "palindrome_z", "conservation_z"]
UNEXPLAINED += ["boundary_z", "density", "consensus", "best_track", "best_ap_lift", "flags"]
TESTS = ["region", "feature", "burden", "test", "beta", "ci_low", "ci_high", "minus_log10_p", "q"]
TESTS += ["lineage_effect", "replicated"]
CANDIDATE = ["evidence_tier", "gene", "region", "feature", "label", "burden", "beta", "ci_low"]
CANDIDATE += ["ci_high", "minus_log10_p", "best_variant", "best_variant_minus_log10_p", "q", "drivers"]
CANDIDATE += ["lineage_effect", "replicated"]
CANDIDATE += ["confound_flags", "test"]
