"""Detectors made on a study: probe and threshold on its select split, what is promised tested on its report.

The select split is cut in two: the probe is fitted on the first part, the threshold and the probabilities are
calibrated on the second, which the probe has not seen. What sequence is like its own is learnt on the train
split, without labels, and how far from that is too far on the select split. Near copies of other splits'
sequence are left out of the report split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.labels import of_mode
from feature_mining.association.probe import Sample
from feature_mining.concepts.concept import Concept
from feature_mining.detection.calls import find_calls, meets
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import Domain, densest
from feature_mining.detection.precision import (
    Bin,
    Measured,
    NotReached,
    Reading,
    call_labels,
    choose_threshold,
    fit_curve,
    measure,
    probability,
    reliability,
    tally,
)
from feature_mining.detection.probe import fit_weights
from feature_mining.feature_map import Csr, concatenate, select_rows
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.labels import labels_of
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.progress import Progress
from workbench.scans.detectors import Tile, tiles
from workbench.scans.source import StudySource
from workbench.study.concepts import measured
from workbench.study.study import Study
from workbench.tracks.track import Track

# Bases that a probe is fitted on, that thresholds are calibrated and tested on, and of a piece, at most.
FITTED, JUDGED, PIECE = 1_000_000, 20_000_000, 98_304
# Stretches over which intervals are drawn: so many, but of no more bases than this.
STRETCHES, LONGEST = 40, 10_000
# Sites in each part below which nothing is said.
FEWEST_SITES = 8


class Asked(NamedTuple):
    """What a detector is asked to find, and how surely.

    track, mode : of which sites; concept : None for a probe of at most ``features``
    precision : that is to be promised; sites_per_megabase : where, 0 for as many as in the select split
    """

    name: str
    track: str
    mode: str
    concept: Concept | None
    features: int
    precision: float
    sites_per_megabase: float


class Attacked(NamedTuple):
    """Rows of sequence that was changed to mislead a detector.

    features : Csr (n rows); site : bool (n), whether a base is of a true site
    """

    features: Csr
    site: np.ndarray


class Scored(NamedTuple):
    """What is kept of a tile, without its features, so that a whole split fits in memory.

    scores : by the strand that a call is of, float64 (n); description : float64 (p), as of `Tile.describe`
    """

    chrom: str
    start: int
    end: int
    scores: dict[str, np.ndarray]
    description: np.ndarray


class Made(NamedTuple):
    """A detector with what it was on the calibration part and on the report split.

    bins : reliability on report; calls : DataFrame of report's calls ``chrom, start, end, strand, peak,
    probability, true``; abstained : share of report's bases
    """

    detector: Detector
    calibration: Measured
    report: Measured
    bins: list[Bin]
    calls: pd.DataFrame
    abstained: float


class NotTested(InputError):
    """There is too little of something to make or to judge a detector by."""


def track_of(study: Study, name: str) -> Track:
    """A track of intervals; ``InputError`` where there is none."""
    found = next((t for t in study.tracks if t.name == name and t.kind == "interval"), None)
    if found is None or not len(found.intervals):
        names = ", ".join(t.name for t in study.tracks if t.kind == "interval" and len(t.intervals))
        raise InputError(f"there is no interval of a track {name!r}; expected one of {names or 'none'}")
    return found


def mode_of(track: Track, mode: str) -> str:
    """The mode that is meant: ``any`` for a track without strands."""
    stranded = track.intervals["strand"].isin(("+", "-")).any()
    return mode if stranded else "any"


def split_pieces(study: Study, split: str, most: int) -> list[Interval]:
    """Stretches of a split of at most ``PIECE`` bases, whole cells; evenly spread where they are too many."""
    stride = study.grid.stride
    size = max(1, PIECE // stride) * stride
    found = [
        Interval(chrom, at, min(at + size, end))
        for chrom, start, end, _ in study.manifest.blocks(split)
        for at in range(start, end, size)
    ]
    found = [piece for piece in found if piece.size >= stride]
    keep = max(1, most // PIECE)
    if len(found) <= keep:
        return found
    return [found[i] for i in np.linspace(0, len(found) - 1, keep).round().astype(int)]


def halves(pieces: Sequence[Interval], stride: int) -> tuple[list[Interval], list[Interval]]:
    """Pieces in two parts of about as many bases, a piece cut at a cell where it lies in both."""
    half = sum(piece.size for piece in pieces) / 2
    first: list[Interval] = []
    second: list[Interval] = []
    for piece in pieces:
        room = half - sum(each.size for each in first)
        cut = piece.start + max(0, round(min(room, piece.size) / stride)) * stride
        if cut > piece.start:
            first.append(piece._replace(end=min(cut, piece.end)))
        if cut < piece.end:
            second.append(piece._replace(start=cut))
    return first, second


def bases_read(study: Study) -> int:
    """Bases that `make_detector` goes through."""
    limits = {"train": FITTED, "select": JUDGED, "report": JUDGED}
    return sum(piece.size for split, most in limits.items() for piece in split_pieces(study, split, most))


def make_detector(study: Study, asked: Asked, progress: Progress, attacked: Attacked | None = None) -> Made:
    """Make a detector and measure it once; progress is by the bases of `bases_read`.

    Raises ``NotTested`` where there are too few sites, or too little sequence, and where no threshold reaches
    what is asked for.
    """
    track, source = track_of(study, asked.track), StudySource(study)
    fitted, calibrated = halves(split_pieces(study, "select", JUDGED), study.grid.stride)
    parts = {"fit": fitted, "calibration": calibrated, "report": split_pieces(study, "report", JUDGED)}
    for name, pieces in parts.items():
        count = sum(len(_sites(track, asked.mode, piece)) for piece in pieces)
        if count < FEWEST_SITES:
            raise NotTested(
                f"not tested: {count} sites of {asked.track} in the {name} part"
                f" ({sum(p.size for p in pieces):,} bases); at least {FEWEST_SITES} are needed in each: read"
                " more sequence that holds them"
            )
    train = split_pieces(study, "train", FITTED) or fitted
    few = [tile for piece in fitted[: max(1, FITTED // PIECE)] for tile in _tiles(source, piece, progress)]
    sample = _sample(study, asked, few)
    concept = asked.concept or _probe(study, asked, sample, attacked)
    counts = np.bincount(sample.features.indices, minlength=sample.features.n_features)
    described = densest(counts / max(1, sample.features.n_rows))
    made_on = np.stack([t.describe(source, described) for p in train for t in _tiles(source, p, progress)])
    scales = study.dictionary.unit.cpu().numpy()
    draft = Detector(
        asked.name, concept, {f: float(scales[f]) for f in concept.features}, asked.track, asked.mode,
        study.grid.window, study.grid.warmup, 0.0, study.config.statistics.merge_gap, (0.0, 1.0),
        asked.precision, asked.sites_per_megabase,
        Domain(described, made_on[0], np.eye(made_on.shape[1]), np.inf),
    )  # fmt: skip
    held = _scored(source, draft, calibrated, progress)
    try:
        rows = [*(tile.describe(source, described) for tile in few), *(tile.description for tile in held)]
        draft = replace(draft, domain=Domain.fit(made_on, np.stack(rows), described))
        readings = read_scores(draft, track, held)
        density = asked.sites_per_megabase / 1e6 or tally(readings, np.array([np.inf]), draft.gap).density
        threshold = choose_threshold(readings, asked.precision, density, draft.gap)
    except NotReached as error:
        raise NotTested(str(error)) from None
    except ValueError as error:
        raise NotTested(f"not tested: {error}") from None
    peaks, true, _ = call_labels(readings, threshold, draft.gap)
    # False calls are as common beside true ones as where sites are as dense as stated.
    rarer = tally(readings, np.array([threshold]), draft.gap).density / density
    curve = fit_curve(peaks, true, np.where(true, 1.0, rarer))
    detector = replace(draft, threshold=threshold, curve=curve, sites_per_megabase=1e6 * density)
    calibration = measure(readings, threshold, draft.gap, density)
    return _judged(study, source, detector, track, parts["report"], calibration, progress)


def _judged(
    study: Study,
    source: StudySource,
    detector: Detector,
    track: Track,
    pieces: Sequence[Interval],
    calibration: Measured,
    progress: Progress,
) -> Made:
    density, threshold, gap = detector.sites_per_megabase / 1e6, detector.threshold, detector.gap
    copied = read_copies(study).masks if (study.folder / "work" / "copies").exists() else {}
    held = _scored(source, detector, pieces, progress)
    readings = read_scores(detector, track, held, copied)
    report = measure(readings, threshold, gap, density)
    if report.sites < FEWEST_SITES:
        raise NotTested(
            f"not tested: {report.sites} sites of {detector.track} in the report split that are no near"
            f" copies of other splits; at least {FEWEST_SITES} are needed"
        )
    calls = _calls(detector, readings, held)
    peaks, true, stretch = call_labels(readings, threshold, gap)
    rarer = tally(readings, np.array([threshold]), gap).density / density
    said = probability(peaks, detector.curve)
    bins = reliability(said, true, np.where(true, 1.0, rarer), stretch) if len(peaks) else []
    inside = detector.domain.covers(np.stack([tile.description for tile in held]))
    sizes = np.array([tile.end - tile.start for tile in held])
    abstained = float(sizes[~inside].sum() / sizes.sum())
    figures = {
        f"{part}_{name}": value
        for part, found in (("calibration", calibration), ("report", report))
        for name, value in (
            *zip(("precision", "precision_low", "precision_high"), found.precision, strict=True),
            *zip(("recall", "recall_low", "recall_high"), found.recall, strict=True),
            ("calls", float(found.calls)), ("sites", float(found.sites)), ("bases", float(found.bases)),
        )
        if np.isfinite(value)
    }  # fmt: skip
    detector = replace(detector, measured=figures | {"report_abstained": abstained})
    return Made(detector, calibration, report, bins, calls, abstained)


def _tiles(source: StudySource, piece: Interval, progress: Progress) -> list[Tile]:
    found = list(tiles(source, *piece))
    progress.advance(piece.size)
    return found


def _scored(
    source: StudySource, detector: Detector, pieces: Sequence[Interval], progress: Progress
) -> list[Scored]:
    found = []
    for piece in pieces:
        for tile in _tiles(source, piece, progress):
            description = tile.describe(source, detector.domain.features)
            found.append(Scored(tile.chrom, tile.start, tile.end, tile.scores(detector), description))
    return found


def _sites(track: Track, mode: str, piece: Interval, strand: str = "") -> np.ndarray:
    """Intervals of a track that meet a stretch, int64 ``(k, 2)`` within it, of calls on one strand or all."""
    rows = track.intervals
    rows = rows[(rows["chrom"] == piece.chrom) & (rows["start"] < piece.end) & (rows["end"] > piece.start)]
    if mode != "any":
        rows = rows[of_mode(rows, "same", strand)] if strand else rows[rows["strand"].isin(("+", "-"))]
    spans = rows[["start", "end"]].drop_duplicates().to_numpy(np.int64)
    return np.clip(spans, piece.start, piece.end) - piece.start


def read_scores(
    detector: Detector, track: Track, held: Sequence[Scored], left_out: Mapping[str, np.ndarray] | None = None
) -> list[Reading]:
    """A detector's scores with the sites, plus strand first.

    None where it abstains and where bases are left out. Neighbouring tiles are read as one.
    """
    total = sum(tile.end - tile.start for tile in held)
    length = int(np.clip(total / STRETCHES, 500, LONGEST))
    found, first = [], 0
    for run in _runs(held):
        piece = Interval(run[0].chrom, run[0].start, run[-1].end)
        scores: dict[str, list[np.ndarray]] = {}
        for tile in run:
            like = detector.domain.covers(tile.description[None])[0]
            for strand, own in tile.scores.items():
                kept = own if like else np.full(len(own), np.nan)
                if left_out and tile.chrom in left_out:
                    kept = np.where(left_out[tile.chrom][tile.start : tile.end], np.nan, kept)
                scores.setdefault(strand, []).append(kept)
        stretch = first + np.arange(piece.size) // length
        first = int(stretch[-1]) + 1
        for strand, parts in scores.items():
            sites = _sites(track, detector.mode, piece, strand)
            found.append(Reading(np.concatenate(parts), sites, stretch, len(scores)))
    return found


def _runs(held: Sequence[Scored]) -> list[list[Scored]]:
    runs: list[list[Scored]] = []
    for tile in held:
        if runs and (runs[-1][-1].chrom, runs[-1][-1].end) == (tile.chrom, tile.start):
            runs[-1].append(tile)
        else:
            runs.append([tile])
    return runs


def _calls(detector: Detector, readings: Sequence[Reading], held: Sequence[Scored]) -> pd.DataFrame:
    rows, strands = [], (".",) if detector.mode == "any" else ("+", "-")
    places = [(run[0].chrom, run[0].start, strand) for run in _runs(held) for strand in strands]
    for (chrom, start, strand), reading in zip(places, readings, strict=True):
        calls = find_calls(reading.scores, detector.threshold, detector.gap)
        true = meets(calls, reading.sites[reading.valued])[0]
        said = detector.probability(calls.peak)
        for row in zip(calls.start + start, calls.end + start, calls.peak, said, true, strict=True):
            rows.append((chrom, row[0], row[1], strand, *row[2:]))
    names = ["chrom", "start", "end", "strand", "peak", "probability", "true"]
    return pd.DataFrame(rows, columns=names).sort_values(["chrom", "start", "strand"], ignore_index=True)


def _sample(study: Study, asked: Asked, made_on: Sequence[Tile]) -> Sample:
    features, labels = [], []
    for tile in made_on:
        for strand, (csr, use) in tile.readings.items():
            column = [(asked.track, asked.mode)]
            states = labels_of(study, column, tile.chrom, tile.start, tile.end, strand)
            features.append(select_rows(csr, use))
            labels.append(states.table[states.states[use]])
    every = np.concatenate(labels)
    return Sample(concatenate(features), every, np.ones(len(every)))


def _probe(study: Study, asked: Asked, sample: Sample, attacked: Attacked | None) -> Concept:
    """A concept of at most ``asked.features`` features, fitted on the sample and on attacked sequence.

    Attacked bases of each kind weigh as much together as the sites of the sample.
    """
    how = f"L1 probe for {asked.track} ({asked.mode}) on the first part of the select split"
    if attacked is not None:
        weight = np.zeros(len(attacked.site))
        for kind in (attacked.site, ~attacked.site):
            weight[kind] = sample.labels.sum() / max(1, kind.sum())
        sample = Sample(
            concatenate([sample.features, attacked.features]),
            np.concatenate([sample.labels, attacked.site[:, None]]),
            np.concatenate([sample.weight, weight]),
        )
        how += " and on attacked sequence"
    try:
        weights = fit_weights(sample, study.dictionary.unit.cpu().numpy(), asked.features)
        return measured(study, f"probe of {asked.track}", weights, how)
    except ValueError as error:
        raise NotTested(f"not tested: {error}") from None
