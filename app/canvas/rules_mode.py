"""The mode Rules: a rule as a sentence, where it holds, and what the model would say under it.

Its part of the address is the sentence, in the language of `feature_mining.rules.rule`. Places are those of
`workbench rules scan`, by the same code, from the feature maps; only the dry run needs the model.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from app.canvas.evidence import CONTROLS, beside, evidence, training_match
from app.canvas.kept import Kept
from app.canvas.message import View, around
from app.canvas.predictions import prediction_lane
from app.canvas.ready_model import ready_model
from app.canvas.requests import Answer, Asking
from app.canvas.rule_form import EDITS, WORDS, choices_of, read_rule, sentence_of
from app.canvas.work import Job, submit
from app.data.study import Opened, key_of
from app.verdict_text import short_label
from feature_mining.attribution.switching import Switchboard
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule import FORM, Rule
from feature_mining.rules.rule_set import RuleSet
from genomic_models.dna import BASES, reverse_complement
from workbench import InputError
from workbench.experiments.targets import CONTEXT
from workbench.genome.interval import Interval
from workbench.scans.rules import scan_contig
from workbench.scans.source import StudySource
from workbench.study.concepts import concept_files
from workbench.study.rules import make_rules
from workbench.wording import NOT_VALIDATED, spoken

# Views on each side of the present one whose places are sent.
VIEWS = 10
# Places that are sent, bases of a dry run, and how often a rule acts on one of them, at most.
MOST_PLACES, MOST_BASES, MOST_AT_ONCE = 20_000, 1_000, 50


def rules_form(asking: Asking) -> Answer:
    """The sentence of what was chosen, or what the form shows of a sentence; and what can be chosen."""
    opened, chosen = asking.opened, asking.event.get("choices")
    sentence = sentence_of(opened, chosen) if isinstance(chosen, Mapping) else asking.text("ask")
    shown_choices = choices_of(read_rule(opened, sentence)[0]) if sentence else None
    evidence = opened.evidence
    features = [[str(f), f"{f} · {short_label(evidence, f)}"] for f in asking.view.features]
    kept = [[name, f"concept {name}"] for name in concept_files(opened.study)]
    return {
        "sentence": sentence,
        "choices": shown_choices,
        "concepts": features + kept,
        "features": features,
        "tracks": [
            track.name for track in asking.view.tracks if track.kind == "interval" and " " not in track.name
        ],
        "edits": [[kind, WORDS[kind]] for kind in EDITS],
        "form": FORM,
    }


# -- places ----------------------------------------------------------------------------------------

# A place: 0-based, whether the plus strand was read, and the level of the first condition. A rule may hold at
# every base of a genome.
_PLACE = np.dtype([("at", np.int64), ("plus", bool), ("level", np.float32)])
_PLACES: Kept[np.ndarray] = Kept(4)
_DRY: Kept[Answer] = Kept(32)


def find_places(opened: Opened, sentence: str, chrom: str) -> tuple[RuleSet, np.ndarray]:
    """A rule, and where it fires on a contig, `_PLACE`: plus strand first, in the order of each reading."""
    rule, plans = read_rule(opened, sentence)
    made = make_rules(opened.study, [str(rule)], plans)

    def scan() -> np.ndarray:
        events = scan_contig(opened.study, made, StudySource(opened.study), chrom, lambda count: None)
        return np.fromiter(((event.at, event.strand == "+", event.level) for event in events), _PLACE)

    return made, _PLACES.get((key_of(opened), str(rule), chrom), scan)


def rules_count(asking: Asking) -> Job:
    """Where the rule holds, around the view, and how often on the contig."""
    opened, view, sentence = asking.opened, asking.view, asking.text("ask")
    read_rule(opened, sentence)
    return lambda: _count(opened, view, sentence)


def _count(opened: Opened, view: View, sentence: str) -> Answer:
    made, found = find_places(opened, sentence, view.locus.chrom)
    wide = around(opened, view.locus, VIEWS * view.locus.size)
    near = found[(found["at"] >= wide.start) & (found["at"] < wide.end)]
    return {
        "sentence": str(made),
        "chrom": view.locus.chrom,
        "contig": len(found),
        "span": [wide.start, wide.end],
        "near": len(near),
        "places": [
            [at, "+" if on else "-", round(level, 4)] for at, on, level in near[:MOST_PLACES].tolist()
        ],
        "command": command_of(opened),
    }


def command_of(opened: Opened) -> str:
    """The command that gives the same places of all contigs, with the file that is saved."""
    folder = str(opened.study.folder)
    return shlex.join(["workbench", "rules", "scan", folder, "--rules", "rules.json", "--out", "fired.tsv"])


def rules_save(asking: Asking) -> Job:
    """The rule as a file for `workbench rules scan` and `workbench write`."""
    opened, sentence = asking.opened, asking.text("ask")
    rule, plans = read_rule(opened, sentence)

    def job() -> Answer:
        return {"text": make_rules(opened.study, [str(rule)], plans).to_json() + "\n", "name": "rules.json"}

    return job


# -- the dry run -----------------------------------------------------------------------------------


def rules_dry(asking: Asking) -> Job:
    """What the model would say under the rule on the stretch in view, beside the unedited model."""
    return _dry_run(asking, tested=False)


def rules_test(asking: Asking) -> Job:
    """The dry run beside random directions and other features."""
    return _dry_run(asking, tested=True)


def _dry_run(asking: Asking, tested: bool) -> Job:
    opened, sentence, span, strand = asking.opened, asking.text("ask"), asking.span, asking.text("strand")
    rule, _ = read_rule(opened, sentence)
    strand = rule.strand or strand
    if strand not in ("+", "-"):
        raise InputError("strand: expected + or -")
    if span.size > MOST_BASES:
        raise InputError(
            f"{spoken(*span)} has {span.size:,} bases: a dry run takes {MOST_BASES:,} at most; zoom in"
        )
    if rule.action.kind not in ("apply", "switch"):
        raise InputError(
            f"“{rule.action}” changes no prediction along sequence that exists: choose set, add, scale or"
            " ablate"
        )
    key = (key_of(opened), str(rule), span, strand, tested)
    return lambda: _DRY.get(key, lambda: _dry(opened, str(rule), span, strand, tested))


def _plan_at(plan: EditPlan, rule: Rule, fired: list[int], length: int) -> EditPlan:
    """The plan on the bases after each firing, as it acts while a sequence is written.

    Where firings overlap it acts as often. Raises ``InputError`` where that is too often.
    """
    ends = [min(length, at + 1 + rule.action.bases) if rule.action.bases else length for at in fired]
    places = [(at + 1, end) for at, end in zip(fired, ends, strict=True) if at + 1 < end]
    if rule.action.kind == "switch":
        places = places[:1]
    # Places that do not overlap are one edit.
    layers: list[list[tuple[int, int]]] = []
    for place in places:
        free = next((layer for layer in layers if layer[-1][1] <= place[0]), None)
        if free is None:
            layers.append([place])
        else:
            free.append(place)
    if len(layers) > MOST_AT_ONCE:
        raise InputError(
            f"the rule acts {len(layers)} times at once here: a dry run takes {MOST_AT_ONCE}; let it act on"
            " fewer bases"
        )
    return EditPlan(
        tuple(replace(edit, where=Where(tuple(layer))) for layer in layers for edit in plan.edits)
    )


def _dry(opened: Opened, sentence: str, span: Interval, strand: str, tested: bool) -> Answer:
    study = opened.study
    made, found = find_places(opened, sentence, span.chrom)
    (rule,) = made.rules
    length = opened.evidence.manifest.contigs[span.chrom]
    plus = strand == "+"
    model = ready_model(study, command_of(opened))
    if span.size > model.longest:
        raise InputError(
            f"{spoken(*span)} has {span.size:,} bases: {model.name} reads {model.longest:,} at once; zoom in"
        )
    context = min(CONTEXT, model.longest - span.size)
    first, last = (
        (max(0, span.start - context), span.end) if plus else (span.start, min(length, span.end + context))
    )
    letters = study.genome.fetch(span.chrom, first, last, strand).upper()
    before = len(letters) - span.size
    own = found["at"][found["plus"] == plus]
    at = own - first if plus else last - 1 - own
    fired = sorted(at[(at >= 0) & (at < len(letters))].tolist())
    begin = max(1, before)
    board = Switchboard(model, letters, study.dictionary, begin, len(letters))
    plan = made.plans[rule.action.of]
    change = board.planned(_plan_at(plan, rule, fired, len(letters)))
    changes = [None, change]
    others: list[int] = []
    if tested:
        others = _others(opened, plan.edits[0].features[0])
        changes += [board.random(change, seed) for seed in range(CONTROLS)]
        swapped = (EditPlan((replace(plan.edits[0], feature=other),)) for other in others)
        changes += [board.planned(_plan_at(own, rule, fired, len(letters))) for own in swapped]
    logs = board.predict(changes)
    standing, start = letters[begin:], span.start + (begin - before if plus else 0)
    known = [i for i, letter in enumerate(standing) if letter in BASES]
    if not known:
        raise InputError(f"{spoken(*span)} holds no base that the model predicts")
    bits = -logs[:, known, [BASES.index(standing[i]) for i in known]].mean(axis=1).astype(float)
    # Kullback-Leibler divergence from the unedited prediction, bits, mean over the bases.
    moved = (
        (2.0 ** logs[:1, known] * (logs[:1, known] - logs[:, known])).sum(axis=2).mean(axis=1).astype(float)
    )
    answer: Answer = {
        "chrom": span.chrom,
        "span": [span.start, span.end],
        "strand": strand,
        "fired": len(fired),
        "inside": sum(place >= before for place in fired),
        "before": prediction_lane(start, strand, standing, logs[0]),
        "after": prediction_lane(start, strand, standing, logs[1]),
        "bits": bits[:2].tolist(),
        "moved": float(moved[1]),
        "note": NOT_VALIDATED,
    }
    if tested:
        acts = bool(change.abs().max() > 0)
        answer["evidence"] = _evidence(opened, letters, strand, bits, moved, others, acts)
    return answer


def _others(opened: Opened, feature: int) -> list[int]:
    """Other active features, those of the nearest density first."""
    catalog, units = opened.evidence.catalog, opened.study.dictionary.unit.cpu().numpy()
    density = catalog.set_index("feature")["density"].drop(feature)
    density = density[(density > 0) & (units[density.index] > 0)]
    own = max(float(catalog.set_index("feature")["density"][feature]), 1e-9)
    apart = (np.log(density) - math.log(own)).abs().sort_values(kind="stable")
    return [int(f) for f in apart.index[:CONTROLS]]


def _evidence(
    opened: Opened,
    letters: str,
    strand: str,
    bits: np.ndarray,
    moved: np.ndarray,
    others: list[int],
    acts: bool,
) -> dict[str, Any]:
    idle = "" if acts else "the rule changes nothing here"
    arms, verdict = beside("the rule", "moved, bits", moved, bits, True, idle)
    lines = [
        "moved: how far predictions are from the unedited ones, Kullback-Leibler, bits a base (mean, and the"
        f" furthest of each arm). {CONTROLS} random directions, as long at each base as the edit;"
        f" {len(others)} other active features of the nearest density under the same edit.",
        "Judges: not tested, since nothing is written.",
    ]
    plus = reverse_complement(letters) if strand == "-" else letters
    return evidence(arms, verdict, training_match(opened.study, plus), lines)


def shown(opened: Opened, view: View) -> dict[str, Any]:
    """What a page by itself shows of the rule: where it holds."""
    read_rule(opened, view.request.ask)
    return submit(lambda: _count(opened, view, view.request.ask)).result()


REQUESTS = {"rules_form": rules_form}
WORKS = {
    "rules_count": rules_count,
    "rules_save": rules_save,
    "rules_dry": rules_dry,
    "rules_test": rules_test,
}
