"""What the numbers say in plain words, and what is weak: every sentence by a fixed rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from workbench.report.context import CONTROLS, Evidence, shares_contigs, split_sizes
from workbench.report.formats import (
    bases,
    between,
    count,
    fixed,
    listed,
    mode_words,
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
    "A feature beats a control when the block-bootstrap interval of its margin in average precision lift"
    " lies above 0 (without an interval: a margin of at least 0.02), its own lift is at least 0.02 and q is"
    " at most 0.05. Features, thresholds and modes were chosen on the select split, every score is from the"
    " report split."
)


class Weakness(NamedTuple):
    """A sentence on what is weak, and the rule that called for it."""

    sentence: str
    rule: str


def _with_verdict(evidence: Evidence, verdict: str) -> list[str]:
    shown = evidence.shown
    return shown.loc[(shown["verdict"] == verdict) & (shown["feature"] >= 0), "track"].tolist()


def _untested(evidence: Evidence) -> list[str]:
    """Tracks without a tested feature."""
    return evidence.shown.loc[~(evidence.shown["feature"] >= 0), "track"].tolist()


def summary(evidence: Evidence) -> list[str]:
    """Sentences for a reader who reads nothing else."""
    shown, quality = evidence.shown, evidence.quality
    total, learnt = len(shown), _with_verdict(evidence, "learnt")
    held = "on held-out bases (report split)"
    if not total:
        sentences = ["No track was tested: features are described, not judged."]
    elif learnt:
        have = "has" if len(learnt) == 1 else "have"
        text = (
            f"{len(learnt)} of {plural(total, 'track')} {have} a feature that beats every control"
        )
        sentences = [f"{text} {held}: {listed(learnt)}."]
    else:
        sentences = [
            f"None of {plural(total, 'track')} has a feature that beats every control {held}."
        ]
    others = {
        "raw neuron as good": "a single neuron of the model does as well as the best feature",
        "principal direction as good": "one principal direction of the layer does as well",
        "random-weights too": "the same recipe on a model with random weights does as well",
        "composition": "local base composition, fitted or kept in a shuffled genome, does as well",
        "not distinguishable": "no feature stands out from chance by enough",
    }
    for verdict, text in others.items():
        names = _with_verdict(evidence, verdict)
        if names:
            sentences.append(f"For {len(names)} of {total}, {text}: {listed(names)}.")
    if _untested(evidence):
        names = _untested(evidence)
        sentences.append(f"{len(names)} of {total} could not be tested: {listed(names)}.")
    if learnt:
        sentences.append(_clearest(evidence))
    bits = quality.get("bits", {})
    sentences.append(
        f"The autoencoder explains {percent(quality['explained_variance'])} of the variance of held-out"
        f" activations with {fixed(quality['l0'], 1)} active features a base on average; put in place of"
        f" the layer's activations it costs the model"
        f" {fixed(bits.get('sae', math.nan) - bits.get('clean', math.nan))} bits a base."
    )
    return sentences


def _clearest(evidence: Evidence) -> str:
    learnt = evidence.shown[evidence.shown["verdict"] == "learnt"]
    row = learnt.sort_values("margin", ascending=False, kind="stable").iloc[0]
    ran = {k: v for k, v in CONTROLS.items() if math.isfinite(row.get(f"margin_{k}", math.nan))}
    nearest = min(ran, key=lambda k: row[f"margin_{k}"]) if ran else ""
    range_ = between(row.get(f"margin_{nearest}_low"), row.get(f"margin_{nearest}_high"))
    over = ""
    if ran:
        over = (
            f"; its margin in lift over the strongest control ({ran[nearest]}) is"
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
    if not value >= LOW_VARIANCE:
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
    total = len(evidence.shown)
    names = _with_verdict(evidence, "not distinguishable")
    if names:
        yield Weakness(
            f"{len(names)} of {plural(total, 'track')} {'has' if len(names) == 1 else 'have'} no feature"
            f" that stands out from chance by enough: {listed(names)}.",
            "verdict “not distinguishable”: lift below 0.02 or q above 0.05",
        )
    names = _untested(evidence)
    if names:
        yield Weakness(
            f"Not tested, for want of intervals in the select or the report split: {listed(names)}.",
            "no feature with a score",
        )
    best = evidence.shown[evidence.shown["feature"].isin(_over_dense_features(evidence))]
    if len(best):
        yield Weakness(
            f"The best feature fires on more than 10 % of bases for {listed(best['track'].tolist())}: it"
            " may mark a broad bias of the sequence rather than the track.",
            "best feature over-dense",
        )
    small = evidence.shown[
        (evidence.shown["verdict"] == "learnt") & (evidence.shown["ap_lift"] < SMALL_LIFT)
    ]["track"].tolist()
    if small:
        yield Weakness(
            f"Real but faint: for {listed(small)} the best feature beats every control, yet closes less"
            f" than {percent(SMALL_LIFT)} of the gap between chance and a perfect detector.",
            f"verdict “learnt” with an average precision lift below {SMALL_LIFT}",
        )


def _controls(evidence: Evidence) -> Iterator[Weakness]:
    if not len(evidence.shown):
        return
    for key, name in CONTROLS.items():
        column = f"{key}_ap_lift"
        if column not in evidence.shown or evidence.shown[column].isna().all():
            yield Weakness(
                f"The control “{name}” did not run: no verdict here says anything about it.",
                "no score of this control for any track",
            )
    low = [f"margin_{key}_low" for key in CONTROLS if f"margin_{key}_low" in evidence.shown]
    if not low or evidence.shown[low].isna().all(axis=None):
        yield Weakness(
            "No margin has an interval: the report sample has too few blocks to resample.",
            "every bootstrap interval missing",
        )


def _intervals(evidence: Evidence) -> Iterator[Weakness]:
    few = evidence.shown[evidence.shown["n_intervals"] < FEW_INTERVALS]
    if len(few):
        names = [f"{row.track} ({count(float(str(row.n_intervals)))})" for row in few.itertuples()]
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
