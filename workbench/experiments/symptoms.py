"""What is wrong with a model, as a number that can be followed, and as a loss that can be taken apart.

``flag:NAME`` is a flag of the audit: how unevenly the features with it fire. ``detector:NAME`` is a detector:
its false calls and the sites that it misses. ``loci:TRACK`` (or a BED file) is the bits a base there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from feature_mining.detection.detector import Detector
from feature_mining.detection.precision import tally
from feature_mining.edits.places import Where
from genomic_models.dna import UNKNOWN, base_codes
from workbench.analysis.audit.flags import MANY
from workbench.analysis.audit.position_bias import PARTS
from workbench.analysis.audit.window_edges import EARLY
from workbench.analysis.labels import labels_of, named_regions
from workbench.errors import InputError
from workbench.experiments.detect import find_detector
from workbench.experiments.follow_up import COUNTED, LOCI, FollowUp, Heard, draws_of, inside_loci
from workbench.experiments.question import FOLDER
from workbench.genome.windows import Cell, CellSequence
from workbench.scans.detectors import OTHER, check_detector
from workbench.study.study import Study

FORMS = "flag:NAME, detector:NAME or loci:TRACK (or a BED file)"
# Share of its firings that a feature must keep under treatment: one that falls silent is not cured.
KEEPS = 0.5
# Entropy, bits, from which the model counts as unsure where no place can be named.
UNSURE = 1.5


class Focus(NamedTuple):
    """The loss of one reading: a weighted sum over the letters of its window.

    features, coefficients : whose activations are summed, int64 and float64 (m); none for the bits of letters
    weights : ``weights(cell, strand, part, shifted)``, float64 (window); ``shifted`` puts it elsewhere
    """

    features: np.ndarray
    coefficients: np.ndarray
    weights: Callable[[Cell, str, CellSequence, bool], np.ndarray]


class Symptom(Protocol):
    """What is followed.

    unit : what its strength is, in words; less is better
    """

    @property
    def unit(self) -> str: ...

    @property
    def loci(self) -> pd.DataFrame | None:
        """Bases whose bits are counted for it."""

    def strength(self, arm: FollowUp, untreated: FollowUp) -> np.ndarray:
        """How strong it is, float64 ``(1 + DRAWS,)``: as it is, and on draws of blocks."""

    def held(self, arm: FollowUp) -> int:
        """Blocks that hold something of it."""

    def focus(self, study: Study, untreated: FollowUp) -> Focus:
        """The loss that the diagnosis takes apart, from what the model does untreated."""

    def where(self, study: Study) -> Where:
        """Where a rule acts."""


@dataclass(frozen=True)
class FlagSymptom:
    """Features with a flag of the audit."""

    name: str
    features: np.ndarray
    window: tuple[int, int]
    unit: str = "median over its features of log2 of how many times as often they fire"
    loci: pd.DataFrame | None = None

    def _rates(self, arm: FollowUp, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rates on the two sides that are compared, float64 ``(draws, features)``."""
        own = self.features
        if self.name == "window_position":
            first, rest = arm.place[:, own, 0], arm.place[:, own, 1:].sum(axis=2)
            bases = arm.place_bases[:, 0], arm.place_bases[:, 1:].sum(axis=1)
        elif self.name == "warmup":
            first, rest = arm.early[:, own], arm.active[:, :, own].sum(axis=1)
            bases = arm.early_bases, arm.bases.sum(axis=1)
        else:
            first, rest = arm.active[:, 0, own], arm.active[:, 1, own]
            bases = arm.bases[:, 0], arm.bases[:, 1]
        sides = zip((first, rest), bases, strict=True)
        one, other = ((times @ fired + 0.5) / (times @ n + 1)[:, None] for fired, n in sides)
        return one, other

    def strength(self, arm: FollowUp, untreated: FollowUp) -> np.ndarray:
        """A feature that fires less than half as often as untreated counts as it was: silence is no cure."""
        times = draws_of(arm.size)
        fired, before = (each.active.sum(axis=(0, 1))[self.features] for each in (arm, untreated))
        uneven, was = (np.abs(np.log2(np.divide(*self._rates(each, times)))) for each in (arm, untreated))
        uneven = np.where(fired < KEEPS * before, np.maximum(uneven, was), uneven)
        enough = before >= MANY
        if not enough.any():
            return np.full(len(times), np.nan)
        found: np.ndarray = np.median(uneven[:, enough], axis=1)
        return found

    def held(self, arm: FollowUp) -> int:
        return arm.size

    def focus(self, study: Study, untreated: FollowUp) -> Focus:
        one, other = self._rates(untreated, np.ones((1, len(untreated.bits))))
        sign = np.sign(one[0] - other[0])
        fired = np.maximum(untreated.active.sum(axis=(0, 1))[self.features], 1)
        # Each feature counts alike, however often it fires.
        return Focus(self.features, sign / fired / len(fired) * untreated.bases.sum(), self._weights)

    def _weights(self, cell: Cell, strand: str, part: CellSequence, shifted: bool) -> np.ndarray:
        found, n = np.zeros(len(part.sequence)), len(part.callable)
        kept = slice(part.skip, part.skip + n)
        if self.name == "strand_inconsistent":
            half = np.where(np.arange(n) < n // 2, 1.0, -1.0)
            found[kept] = (half if shifted else 1.0 if strand == "+" else -1.0) / n
            return found
        at = np.arange(n) * PARTS // self.window[1] == (PARTS // 2 if shifted else 0)
        if self.name == "warmup" and not shifted:
            found[: self.window[0]] = 1 / self.window[0]
            at = np.zeros(n, bool)
        found[kept] += np.where(at, 1 / max(1, at.sum()), -1 / max(1, n - at.sum()))
        return found

    def where(self, study: Study) -> Where:
        if self.name == "strand_inconsistent":
            return Where(strand="+")
        warmup = study.grid.warmup
        end = self.window[0] if self.name == "warmup" else warmup + study.grid.stride // PARTS
        return Where(((0 if self.name == "warmup" else warmup, end),))


@dataclass(frozen=True)
class DetectorSymptom:
    """A detector that calls what is no site, and misses what is one."""

    name: str
    detector: Detector
    unit: str = "1 less F1 of its calls"
    loci: pd.DataFrame | None = None

    def strength(self, arm: FollowUp, untreated: FollowUp) -> np.ndarray:
        return 1 - call_scores(self.detector, arm.detectors[self.name]).f1

    def held(self, arm: FollowUp) -> int:
        return call_scores(self.detector, arm.detectors[self.name]).held

    def focus(self, study: Study, untreated: FollowUp) -> Focus:
        detector, false = self.detector, {}
        column = [(detector.track, detector.mode)]
        for tile in untreated.detectors[self.name].cells:
            for strand in "+-":
                labels = labels_of(study, column, tile.chrom, tile.start, tile.end, strand)
                site = labels.table[labels.states][:, 0]
                of = {"any": ".", "same": strand, "opposite": OTHER[strand]}[detector.mode]
                # NaN, where a base has no score, is not called.
                false[tile.chrom, tile.start, strand] = (tile.scores[of] >= detector.threshold) & ~site
        total = max(1, sum(int(own.sum()) for own in false.values()))

        def weights(cell: Cell, strand: str, part: CellSequence, shifted: bool) -> np.ndarray:
            return _placed(part, false[cell.chrom, cell.start, strand], strand, shifted) / total

        return Focus(np.array(detector.concept.features, np.int64), detector.coefficients, weights)

    def where(self, study: Study) -> Where:
        return Where(entropy=UNSURE)


@dataclass(frozen=True)
class LociSymptom:
    """Places where the model predicts badly."""

    loci: pd.DataFrame
    unit: str = "bits a base at the loci"

    def strength(self, arm: FollowUp, untreated: FollowUp) -> np.ndarray:
        at, times = arm.classes.index(LOCI), draws_of(arm.size)
        with np.errstate(invalid="ignore"):
            found: np.ndarray = (times @ arm.bits[:, at]) / (times @ arm.letters[:, at])
        return found

    def held(self, arm: FollowUp) -> int:
        return int((arm.letters[:, arm.classes.index(LOCI)] > 0).sum())

    def focus(self, study: Study, untreated: FollowUp) -> Focus:
        total = max(1.0, untreated.letters[:, untreated.classes.index(LOCI)].sum())

        def weights(cell: Cell, strand: str, part: CellSequence, shifted: bool) -> np.ndarray:
            return _placed(part, inside_loci(self.loci, cell) & part.callable, strand, shifted) / total

        return Focus(np.zeros(0, np.int64), np.zeros(0), weights)

    def where(self, study: Study) -> Where:
        return Where(entropy=UNSURE)


def _placed(part: CellSequence, inside: np.ndarray, strand: str, shifted: bool) -> np.ndarray:
    """Bases of a cell, genome order, as letters of its window; half a cell further on where ``shifted``."""
    found = np.zeros(len(part.sequence))
    own = inside if strand == "+" else inside[::-1]
    own = np.roll(own, len(own) // 2) if shifted else own
    found[part.skip : part.skip + len(own)] = own
    found[base_codes(part.sequence) == UNKNOWN] = 0
    return found


class CallScores(NamedTuple):
    """A detector as it is and on draws of stretches, float64 ``(1 + DRAWS,)`` each; ``held`` hold a site.

    Precision is where sites are as dense as the detector states; F1 is 0 where nothing is called.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    held: int


def call_scores(detector: Detector, heard: Heard) -> CallScores:
    """How good a detector's calls are."""
    found = tally(heard.readings, np.array([detector.threshold]), detector.gap)
    times = draws_of(len(found.bases))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = found.precision(detector.sites_per_megabase / 1e6, times)[:, 0]
        recall = (times @ found.hit[:, 0]) / (times @ found.sites)
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    f1 = np.where(np.isnan(recall), np.nan, f1)
    return CallScores(precision, recall, f1, int((found.sites > 0).sum()))


def find_symptom(study: Study, text: str) -> Symptom:
    """The symptom that a text names; ``InputError`` where the study has none such."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in SYMPTOMS or not name:
        raise InputError(f"symptom {text!r}: expected {FORMS}")
    return SYMPTOMS[kind](study, name)


def _flag(study: Study, name: str) -> Symptom:
    if name not in COUNTED:
        raise InputError(
            f"symptom flag:{name}: expected one of {', '.join(COUNTED)}; other flags are of the sequence, not"
            " of how the model reads it"
        )
    audit = study.table("audit")
    has = audit["flags"].fillna("").str.split(",").map(lambda words: name in words).to_numpy(bool)
    if not has.any():
        raise InputError(f"symptom flag:{name}: no feature of the study has this flag: nothing to treat")
    early = min(EARLY, study.grid.warmup) or EARLY
    return FlagSymptom(name, audit.loc[has, "feature"].to_numpy(np.int64), (early, study.grid.stride))


def _detector(study: Study, name: str) -> Symptom:
    detector = find_detector(study, name)
    check_detector(study, detector)
    return DetectorSymptom(name, detector)


def _loci(study: Study, name: str) -> Symptom:
    return LociSymptom(named_regions(study, name, "the loci"))


SYMPTOMS: dict[str, Callable[[Study, str], Symptom]] = {"flag": _flag, "detector": _detector, "loci": _loci}


def detectors_of(study: Study) -> dict[str, Detector]:
    """All detectors that were made on the study, by the name of their experiment."""
    names = sorted(path.parent.name for path in study.folder.glob(f"{FOLDER}/*/detector.json"))
    found = {name: find_detector(study, name) for name in names}
    for detector in found.values():
        check_detector(study, detector)
    return found
