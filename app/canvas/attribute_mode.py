"""The mode Attribute: what raised or lowered the probability of a base, in bits, and what is left without it.

Its part of the address is ``CONTIG:POSITION:STRAND:FEATURES``, the position from 1, as in
``NC_000913.3:1042:+:12,40``: a base, the strand that is read, and the features that are switched off. Parts
are those of `workbench attribute` with the same question (`settings_of`), by the same code; there they are in
nats, here in bits.
"""

from __future__ import annotations

import re
import shlex
from math import log
from typing import Any, NamedTuple

import numpy as np

from app.canvas.browsing import find_place
from app.canvas.evidence import CONTROLS, beside, evidence, training_match
from app.canvas.kept import Kept
from app.canvas.message import View
from app.canvas.predictions import prediction_lane
from app.canvas.ready_model import ready_model
from app.canvas.requests import Answer, Asking, Request
from app.canvas.work import Job, submit
from app.data.study import Opened, key_of
from app.verdict_text import short_label
from feature_mining.attribution.bases import mean_loss
from feature_mining.attribution.features import FeatureAttribution
from feature_mining.attribution.switching import Switchboard
from genomic_models.dna import BASES, reverse_complement
from workbench import InputError
from workbench.experiments.attributed import Reading, log_sizes, sum_by_feature
from workbench.experiments.question import Question, question_text, subject_of
from workbench.experiments.settings import AttributeSettings
from workbench.experiments.targets import parse_target
from workbench.genome.interval import Interval
from workbench.study.locus import check_features
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

# Points of the integrated gradient: as many as a click can wait for; the error of the sum is shown.
STEPS = 5
# Features that are listed, and places of each that are marked.
LISTED, PLACES = 40, 12
# Bases before and behind the base whose predictions are drawn, in the direction of the reading; fewer behind
# it where the model does not read so many at once.
BEFORE, BEHIND = 48, 16
# Features that can be off at once.
MOST_OFF = 20
# A set of others is drawn from this many of about the size of each feature.
NEAREST = 24
_BITS = log(2)
_ASK = re.compile(r"(.{1,200}):(\d{1,12}):([+-])(?::([\d,]{0,200}))?")


class Asked(NamedTuple):
    """A base, 0-based, the strand that is read, and the features that are off."""

    place: Interval
    strand: str
    off: tuple[int, ...]

    @property
    def target(self) -> str:
        """As `workbench attribute` takes it."""
        return f"{self.place.chrom}:{self.place.start + 1}"


def read_ask(opened: Opened, text: str) -> Asked:
    """What the mode is asked. Raises ``InputError``, a sentence, for what is not in the study."""
    found = _ASK.fullmatch(text)
    if found is None:
        raise InputError(f"{text[:60]!r}: expected CONTIG:POSITION:STRAND:FEATURES, as in chr1:1042:+:12,40")
    position = int(found[2])
    place = find_place(opened, f"{found[1]}:{position - 1}-{position}") if position else None
    if place is None or place.size != 1:
        raise InputError(f"{found[1]}:{position}: there is no such base")
    off = tuple(dict.fromkeys(int(part[:10]) for part in (found[4] or "").split(",") if part))
    if len(off) > MOST_OFF:
        raise InputError(f"{len(off)} features are off; expected {MOST_OFF} at most")
    check_features(opened.study, off)
    return Asked(place, found[3], off)


def settings_of(asked: Asked) -> AttributeSettings:
    """The question whose answer is drawn."""
    return AttributeSettings(targets=[asked.target], strands=[asked.strand], steps=STEPS)


class Apart(NamedTuple):
    """A prediction taken apart, and the letters around it whose predictions are read again."""

    reading: Reading
    found: FeatureAttribution
    board: Switchboard
    letters: str
    first: int
    last: int

    @property
    def at(self) -> int:
        """Row of the base among those whose predictions are read."""
        return self.reading.before - self.first


_APART: Kept[Apart] = Kept(12)
_ANSWERS: Kept[Answer] = Kept(200)


def _apart(opened: Opened, asked: Asked) -> Apart:
    study = opened.study

    def compute() -> Apart:
        model, given = ready_model(study, command_of(study, asked)), settings_of(asked)
        if not model.causal or not model.predicts_bases:
            raise InputError(
                f"model {model.name} does not predict base after base; ask by `workbench attribute`"
            )
        reading = Reading.of(study, parse_target(study, asked.target), asked.strand, given.context)
        chrom, start, end = asked.place
        length = opened.evidence.manifest.contigs[chrom]
        more = max(0, min(BEHIND, model.longest - len(reading.letters)))
        behind = (end, min(length, end + more)) if asked.strand == "+" else (max(0, start - more), start)
        letters = reading.letters + study.genome.fetch(chrom, *behind, asked.strand).upper()
        first = max(1, reading.before - BEFORE)
        board = Switchboard(model, letters, study.dictionary, first, len(letters))
        return Apart(reading, reading.take_apart(given), board, letters, first, len(letters))

    return _APART.get((key_of(opened), asked.place, asked.strand), compute)


def _keep(opened: Opened, what: str, asked: Asked, compute: Job) -> Answer:
    return _ANSWERS.get((key_of(opened), what, asked), compute)


# -- what is computed ------------------------------------------------------------------------------


def attribute(asking: Asking) -> Job:
    """The parts of a prediction by feature, and the predictions around it."""
    opened, asked = asking.opened, read_ask(asking.opened, asking.text("ask"))._replace(off=())
    return lambda: _keep(opened, "parts", asked, lambda: _parts(opened, asked))


def attribute_bases(asking: Asking) -> Job:
    """The part of each of the last bases before it."""
    opened, asked = asking.opened, read_ask(asking.opened, asking.text("ask"))._replace(off=())
    return lambda: _keep(opened, "bases", asked, lambda: _bases(opened, asked))


def attribute_off(asking: Asking) -> Job:
    """The predictions with features switched off."""
    opened, asked = asking.opened, read_ask(asking.opened, asking.text("ask"))
    return lambda: _keep(opened, "off", asked, lambda: _off(opened, asked))


def attribute_test(asking: Asking) -> Job:
    """What random directions and other features do in place of those that are off."""
    opened, asked = asking.opened, read_ask(asking.opened, asking.text("ask"))
    if not asked.off:
        raise InputError("no feature is off: there is nothing to test")
    return lambda: _keep(opened, "test", asked, lambda: _test(opened, asked))


def _parts(opened: Opened, asked: Asked) -> Answer:
    study, apart = opened.study, _apart(opened, asked)
    reading, found = apart.reading, apart.found
    sums, table = sum_by_feature(found), found.table
    listed = []
    for feature, row in sums.head(LISTED).iterrows():
        own = table[table["feature"] == feature].head(PLACES)
        places = reading.on_genome(own["position"].to_numpy()).tolist()
        bits = (own["attribution"] / _BITS).tolist()
        listed.append(
            {
                "id": int(str(feature)),
                "label": short_label(opened.evidence, int(str(feature))),
                "bits": row["attribution"] / _BITS,
                "bases": int(row["bases"]),
                "places": list(zip(places, bits, strict=True)),
            }
        )
    from_features = float(table["attribution"].sum())
    unexplained = float(found.error.sum())
    chrom, start, _ = asked.place
    return {
        "chrom": chrom,
        "position": start,
        "strand": asked.strand,
        "letter": reading.letters[reading.before],
        "bits": found.value / _BITS,
        "baseline": found.baseline / _BITS,
        "from_features": from_features / _BITS,
        "unexplained": unexplained / _BITS,
        "apart": (found.value - found.baseline - from_features - unexplained) / _BITS,
        "features": listed,
        "more": max(0, len(sums) - LISTED),
        "more_bits": float(sums["attribution"].iloc[LISTED:].sum()) / _BITS,
        "lane": _lane(apart, apart.board.predict([None])[0]),
        "command": command_of(study, asked),
        "question": question_text(Question("attribute", settings_of(asked), subject_of(study))),
        "note": NOT_VALIDATED,
    }


def command_of(study: Study, asked: Asked) -> str:
    """The command that gives the same parts."""
    words = ["workbench", "attribute", str(study.folder), "--target", asked.target]
    return shlex.join([*words, "--strand", asked.strand, "--steps", str(STEPS)])


def _lane(apart: Apart, logs: np.ndarray) -> dict[str, Any]:
    """Predictions around the base."""
    start = int(apart.reading.on_genome(np.array([apart.first, apart.last - 1])).min())
    return prediction_lane(start, apart.reading.strand, apart.letters[apart.first : apart.last], logs)


def _bases(opened: Opened, asked: Asked) -> Answer:
    changes = _apart(opened, asked).reading.substitute(settings_of(asked).bases)
    bits = mean_loss(changes[list(BASES)].to_numpy()) / _BITS
    rows = zip(changes["position"].tolist(), changes["base"].tolist(), bits.tolist(), strict=True)
    return {"bases": [list(row) for row in rows]}


def _off(opened: Opened, asked: Asked) -> Answer:
    apart = _apart(opened, asked)
    if not asked.off:
        return {"off": [], "lane": None, "effect": 0.0}
    before, after = apart.board.predict([None, apart.board.taken(asked.off)])
    own = BASES.index(apart.reading.letters[apart.reading.before])
    effect = float(after[apart.at, own] - before[apart.at, own])
    return {"off": list(asked.off), "lane": _lane(apart, after), "effect": effect}


def _test(opened: Opened, asked: Asked) -> Answer:
    apart, study = _apart(opened, asked), opened.study
    board, found = apart.board, apart.found
    taken = board.taken(asked.off)
    others = _other_sets(study, found, asked.off)
    randoms = [board.random(taken, seed) for seed in range(CONTROLS)]
    logs = board.predict([None, taken, *randoms, *map(board.taken, others)])
    own = BASES.index(apart.reading.letters[apart.reading.before])
    letters = apart.letters[apart.first : apart.last]
    known = [i for i, letter in enumerate(letters) if letter in BASES]
    standing = [BASES.index(letters[i]) for i in known]
    bits = -logs[:, known, standing].mean(axis=1).astype(float)
    effects = (logs[:, apart.at, own] - logs[0, apart.at, own]).astype(float)
    parts = found.table[found.table["feature"].isin(asked.off)]["attribution"].sum()
    idle = "" if parts else "none of these features is active before the base"
    arms, verdict = beside("switched off", "p, bits", effects, bits, parts < 0, idle)
    lines = [
        f"log2 p of the base, change from unedited (mean, and the furthest of each arm), and bits a base of"
        f" the {len(known)} bases drawn. {CONTROLS} random directions, as long at each base as what is taken"
        f" away; {len(others)} sets of other active features of about the same size, switched off.",
        "Judges: not tested, since nothing is written.",
    ]
    letters = reverse_complement(apart.letters) if asked.strand == "-" else apart.letters
    return {"evidence": evidence(arms, verdict, training_match(study, letters), lines)}


def _other_sets(study: Study, found: FeatureAttribution, off: tuple[int, ...]) -> list[list[int]]:
    """Sets of other active features, each of about the size of one that is off."""
    size = log_sizes(study, sum_by_feature(found))
    rest = size.drop(list(off), errors="ignore")
    random = np.random.default_rng(0)
    sets: list[list[int]] = []
    for _ in range(10 * CONTROLS):  # sets that were drawn before do not count
        if len(sets) == CONTROLS:
            break
        left, chosen = rest, []
        for feature in (f for f in off if f in size.index):
            near = (left - size[feature]).abs().sort_values(kind="stable").index[:NEAREST]
            if len(near):
                chosen.append(int(random.choice(near)))
                left = left.drop(chosen[-1])
        if chosen and chosen not in sets:
            sets.append(chosen)
    return sets


def shown(opened: Opened, view: View) -> dict[str, Any]:
    """All that the mode shows of a base, for a page by itself."""
    asked = read_ask(opened, view.request.ask)
    none = asked._replace(off=())

    def job() -> Answer:
        parts = _keep(opened, "parts", none, lambda: _parts(opened, none))
        bases = _keep(opened, "bases", none, lambda: _bases(opened, none))
        off = _keep(opened, "off", asked, lambda: _off(opened, asked))
        return {"parts": parts, "bases": bases, "off": off}

    return submit(job).result()


REQUESTS: dict[str, Request] = {}
WORKS = {
    "attribute_base": attribute,
    "attribute_bases": attribute_bases,
    "attribute_off": attribute_off,
    "attribute_test": attribute_test,
}
