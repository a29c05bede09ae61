"""What the numbers say in plain words, and what is weak: every sentence by a fixed rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from feature_mining.association.verdict import FEW, Control, Verdict
from workbench.report.context import Evidence, judged, shares_contigs, split_sizes
from workbench.wording import (
    bases,
    between,
    count,
    fixed,
    listed,
    mode_words,
    once,
    percent,
    plural,
    probability,
    signed,
)

LOW_VARIANCE = 0.7
MANY_DEAD = 0.1
MANY_OVER_DENSE = 0.01
LOW_RECOVERY = 0.9
NEAR_CHANCE_BITS = 1.95
HIGH_SHIFT = 0.1
FEW_INTERVALS = 20
SMALL_REPORT = 100_000
SMALL_LIFT = 0.1

SUMMARY_RULE = (
    f"{Verdict.LEARNT}: {Verdict.LEARNT.rule}. {Verdict.NOT_TESTED}: {Verdict.NOT_TESTED.rule}. Features,"
    " thresholds and modes were chosen on the select split, every score is from the report split."
)


class Weakness(NamedTuple):
    """A sentence on what is weak, and the rule that called for it."""

    sentence: str
    rule: str


def with_verdict(evidence: Evidence, verdict: Verdict) -> pd.DataFrame:
    """Rows of the shown tracks of which this was said."""
    return evidence.shown[evidence.shown["verdict"] == verdict]


def _names(rows: pd.DataFrame) -> str:
    return listed(rows["track"].tolist())


def summary(evidence: Evidence) -> list[str]:
    """Sentences for a reader who reads nothing else."""
    sentences = [headline(evidence)]
    for verdict in Verdict:
        rows = with_verdict(evidence, verdict)
        if len(rows) and verdict not in (Verdict.LEARNT, Verdict.NOT_TESTED):
            sentences.append(f"For {plural(len(rows), 'track')}, {verdict.meaning}: {_names(rows)}.")
    for reason, rows in with_verdict(evidence, Verdict.NOT_TESTED).groupby("rule", sort=False):
        sentences.append(f"{plural(len(rows), 'track')} not tested ({reason}): {_names(rows)}.")
    if len(with_verdict(evidence, Verdict.LEARNT)):
        sentences.append(_clearest(evidence))
    quality = evidence.quality
    bits = quality.get("bits", {})
    sentences.append(
        f"The autoencoder explains {percent(quality['explained_variance'])} of the variance of held-out"
        f" activations with {fixed(quality['l0'], 1)} active features a base on average; put in place of"
        f" the layer's activations {_cost(bits)}."
    )
    return sentences


def _cost(bits: Mapping[str, float]) -> str:
    """What the reconstruction costs the model; of one without bits a base, how far what it says moves."""
    clean = bits.get("clean", math.nan)
    if math.isnan(clean) and "kl_sae" in bits:
        return (
            f"it changes what the model says of a base by {bits['kl_sae']:.2g} bits (divergence; the layer at"
            f" its mean {bits['kl_mean']:.2g})"
        )
    return f"it costs the model {fixed(bits.get('sae', math.nan) - clean)} bits a base"


def headline(evidence: Evidence) -> str:
    """How many of the tracks that could be tested have a feature of their own."""
    shown, learnt = evidence.shown, with_verdict(evidence, Verdict.LEARNT)
    untested = with_verdict(evidence, Verdict.NOT_TESTED)
    tested = len(shown) - len(untested)
    held = "on held-out bases (report split)"
    if not len(shown):
        return "No track was tested: features are described, not judged."
    if not tested:
        said = f"one of {plural(len(shown), 'track')} could be tested {held}."
        small = untested["rule"].str.startswith(FEW).any()
        return f"Too small to judge: n{said}" if small else f"N{said}"
    of = plural(tested, "tested track") if tested < len(shown) else plural(tested, "track")
    if not len(learnt):
        return f"None of {of} has a feature that beats every control {held}."
    have = "has" if len(learnt) == 1 else "have"
    text = f"{len(learnt)} of {of} {have} a feature that beats every control"
    return f"{text} {held}: {_names(learnt)}."


def _clearest(evidence: Evidence) -> str:
    learnt = with_verdict(evidence, Verdict.LEARNT)
    row = learnt.sort_values("margin", ascending=False, kind="stable").iloc[0]
    ran = [c for c in Control if math.isfinite(row.get(c.margin, math.nan))]
    over = ""
    if ran:
        nearest = min(ran, key=lambda c: float(row[c.margin]))
        range_ = between(row.get(nearest.low), row.get(nearest.high))
        over = (
            f"; its margin in lift over the strongest control ({nearest.word}) is"
            f" {signed(row['margin'])} {range_}".rstrip()
        )
    return (
        f"The clearest is {row['track']} ({mode_words(row['mode'])}): feature {int(row['feature'])}"
        f" reaches an average precision of {fixed(row['average_precision'])} on the report split,"
        f" where chance is {fixed(row['base_rate'])} (q {probability(row['q'])}){over}."
    )


Rule = Callable[[Evidence], Iterator[Weakness]]


def _variance(evidence: Evidence) -> Iterator[Weakness]:
    value = evidence.quality["explained_variance"]
    if value < LOW_VARIANCE:
        yield Weakness(
            f"The autoencoder explains only {percent(value)} of the variance of held-out activations: what"
            " the rest encodes is invisible here.",
            f"explained variance below {percent(LOW_VARIANCE)}",
        )


def _dead(evidence: Evidence) -> Iterator[Weakness]:
    catalog = evidence.catalog
    number, share = int(catalog["dead"].sum()), float(catalog["dead"].mean())
    if share > MANY_DEAD:
        yield Weakness(
            f"{count(number)} of {plural(len(catalog), 'feature')} ({percent(share)}) are dead: they fire"
            " on too few bases to be tested.",
            f"more than {percent(MANY_DEAD)} dead",
        )


def _over_dense_features(evidence: Evidence) -> list[int]:
    catalog = evidence.catalog
    return catalog.loc[catalog["over_dense"], "feature"].tolist()


def _over_dense(evidence: Evidence) -> Iterator[Weakness]:
    catalog = evidence.catalog
    number, share = int(catalog["over_dense"].sum()), float(catalog["over_dense"].mean())
    if share > MANY_OVER_DENSE:
        yield Weakness(
            f"{count(number)} of {plural(len(catalog), 'feature')} ({percent(share)}) are over-dense: they"
            " fire on more than 10 % of bases and rarely mean one thing.",
            f"more than {percent(MANY_OVER_DENSE)} over-dense",
        )


def _bits(evidence: Evidence) -> Iterator[Weakness]:
    bits = evidence.quality.get("bits", {})
    recovered, clean = bits.get("recovered_mean", math.nan), bits.get("clean", math.nan)
    if math.isnan(clean) and bits.get("kl_recovered_mean", math.nan) < LOW_RECOVERY:
        yield Weakness(
            f"With the autoencoder spliced in, {_cost(bits)} (report split).",
            f"recovered share of the divergence (mean ablation) below {percent(LOW_RECOVERY)}",
        )
    if recovered < LOW_RECOVERY:
        yield Weakness(
            f"With the autoencoder spliced in, the model needs {fixed(bits['sae'])} bits a base instead of"
            f" {fixed(clean)} (report split): of what replacing the layer by its mean destroys, only"
            f" {percent(recovered)} comes back.",
            f"recovered share of bits (mean ablation) below {percent(LOW_RECOVERY)}",
        )
    if clean >= NEAR_CHANCE_BITS:
        yield Weakness(
            f"The model itself predicts this genome little better than chance: {fixed(clean)} bits a base"
            " on the report split, where knowing nothing costs 2. What it does not know, no feature can"
            " show.",
            f"at least {NEAR_CHANCE_BITS} bits a base",
        )


def _lost_tracks(evidence: Evidence) -> Iterator[Weakness]:
    total = plural(len(evidence.shown), "track")
    rows = with_verdict(evidence, Verdict.CHANCE)
    if len(rows):
        yield Weakness(
            f"{len(rows)} of {total} {'has' if len(rows) == 1 else 'have'} no feature that stands out from"
            f" chance by enough: {_names(rows)}.",
            f"verdict “{Verdict.CHANCE}”: {Verdict.CHANCE.rule}",
        )
    rows = with_verdict(evidence, Verdict.NOT_TESTED)
    if len(rows):
        yield Weakness(
            f"{len(rows)} of {total} could not be tested, which says nothing for or against"
            f" {'it' if len(rows) == 1 else 'them'}: {_names(rows)}.",
            f"verdict “{Verdict.NOT_TESTED}”: {Verdict.NOT_TESTED.rule}",
        )
    shown = judged(evidence.shown)
    best = shown[shown["feature"].isin(_over_dense_features(evidence))]
    if len(best):
        yield Weakness(
            f"The best feature fires on more than 10 % of bases for {listed(best['track'].tolist())}: it"
            " may mark a broad bias of the sequence rather than the track.",
            "best feature over-dense",
        )
    learnt = with_verdict(evidence, Verdict.LEARNT)
    small = learnt[learnt["ap_lift"] < SMALL_LIFT]
    if len(small):
        yield Weakness(
            f"Real but faint: for {_names(small)} the best feature beats every control, yet closes less"
            f" than {percent(SMALL_LIFT)} of the gap between chance and a perfect detector.",
            f"verdict “{Verdict.LEARNT}” with an average precision lift below {SMALL_LIFT}",
        )


def _controls(evidence: Evidence) -> Iterator[Weakness]:
    if not len(evidence.shown):
        return
    for control in Control:
        if control.lift not in evidence.shown or evidence.shown[control.lift].isna().all():
            yield Weakness(
                f"The control “{control.word}” did not run: no verdict here says anything about it.",
                "no score of this control for any track",
            )
    low = [control.low for control in Control if control.low in evidence.shown]
    if not low or evidence.shown[low].isna().all(axis=None):
        yield Weakness(
            "No margin has an interval: the report sample has too few blocks to resample.",
            "every bootstrap interval missing",
        )


def _intervals(evidence: Evidence) -> Iterator[Weakness]:
    shown = evidence.shown[["track", "mode", "n_intervals"]].itertuples(index=False)
    counted = {str(track): once(number, str(mode)) for track, mode, number in shown}
    few = {
        track: number for track, number in counted.items() if number is not None and number < FEW_INTERVALS
    }
    if few:
        names = [f"{track} ({count(number)})" for track, number in few.items()]
        yield Weakness(
            f"Few intervals to judge by in the report split: {listed(names)}. Their scores can move a lot"
            " with one gene more or less.",
            f"fewer than {FEW_INTERVALS} intervals in the report split",
        )


def _genome(evidence: Evidence) -> Iterator[Weakness]:
    manifest = evidence.manifest
    size = split_sizes(manifest)["report"][1]
    if size < SMALL_REPORT:
        yield Weakness(
            f"The report split holds only {bases(size)}: every printed score rests on little sequence.",
            f"report split under {bases(SMALL_REPORT)}",
        )
    window = int(manifest.windows["window"])
    short = [name for name, length in manifest.contigs.items() if length < window]
    if short:
        yield Weakness(
            f"{plural(len(short), 'contig')} shorter than a window of the model ({count(window)} bases):"
            f" {listed(short, 6)}. Bases there are read with little context.",
            "contig shorter than a window",
        )
    if shares_contigs(manifest):
        yield Weakness(
            "Training and report blocks lie on the same contigs. Gaps keep windows from overlapping, but"
            " repeats and gene families may still be in both.",
            "train and report blocks share a contig",
        )


def _shift(evidence: Evidence) -> Iterator[Weakness]:
    shift = evidence.quality.get("shift")
    if not shift:
        return
    later = [
        value
        for position, value in zip(shift["position"], shift["features"], strict=True)
        if position >= shift["warmup"] and math.isfinite(value)
    ]
    if not later:
        yield Weakness(
            "How much features depend on where a window begins could not be measured: no report cell has"
            " enough sequence before it.",
            "no shift curve after the warm-up",
        )
    elif max(later) > HIGH_SHIFT:
        yield Weakness(
            f"After the warm-up of {count(shift['warmup'])} bases, features still change by up to"
            f" {percent(max(later))} when the window begins {count(shift['offset'])} bases elsewhere: a"
            " longer warm-up would make values steadier.",
            f"a change above {percent(HIGH_SHIFT)} anywhere after the warm-up",
        )


RULES: tuple[Rule, ...] = (
    _lost_tracks,
    _variance,
    _bits,
    _dead,
    _over_dense,
    _shift,
    _controls,
    _intervals,
    _genome,
)


def weaknesses(evidence: Evidence) -> list[Weakness]:
    """What a reader should doubt, by rules that look at the numbers only."""
    return [weakness for rule in RULES for weakness in rule(evidence)]
