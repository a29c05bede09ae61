"""Places that are attacked, what became of them, and what a detector learns from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.detection.attack import FAKE, HIDE, RANDOM, Place
from feature_mining.detection.detector import Detector
from feature_mining.feature_map import Csr, concatenate, take_rows
from genomic_models.activations import read_activations
from genomic_models.dna import reverse_complement
from workbench.errors import InputError
from workbench.experiments.question import folder_of
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.scans.coding import Coding
from workbench.scans.detectors import OTHER
from workbench.scans.making import Attacked, split_pieces, track_of
from workbench.study.study import Study

ATTACKS = "attacks.parquet"
# Bases between a place that is faked and any site.
APART = 100


def choose_spots(
    study: Study, detector: Detector, goal: str, split: str, count: int, reach: int, seed: int
) -> list[tuple[Interval, str]]:
    """Places of a split with the strand of the reading: sites of the track, or places far from any.

    More than ``count``, in a drawn order: those on which the detector is not as the goal needs it are passed
    over by who attacks. Places have their context, and room before the end of their piece.
    """
    rows = track_of(study, detector.track).intervals
    random = np.random.default_rng([seed, {HIDE: 0, FAKE: 1}[goal], {"select": 0, "report": 1}[split]])
    margin = detector.warmup + detector.gap + reach
    found: list[tuple[Interval, str]] = []
    for piece in split_pieces(study, split, 20_000_000):
        own = rows[(rows["chrom"] == piece.chrom) & (rows["start"] < piece.end) & (rows["end"] > piece.start)]
        spans = own[["start", "end", "strand"]].drop_duplicates()
        if goal == HIDE:
            for row in spans.itertuples(index=False):
                if piece.start + margin <= row.start and row.end <= piece.end - margin:
                    place = Interval(piece.chrom, int(row.start), int(row.end))
                    found.append((place, _reading_strand(detector, str(row.strand))))
            continue
        width = max(1, int(np.median(spans["end"] - spans["start"]))) if len(spans) else 1
        for at in random.integers(
            piece.start + margin, max(piece.start + margin + 1, piece.end - margin), 20 * count
        ):
            far = (spans["start"] >= at + width + APART) | (spans["end"] <= at - APART)
            if far.all() and at + width <= piece.end - margin:
                strand = "+" if detector.mode == "any" else str(random.choice(["+", "-"]))
                found.append((Interval(piece.chrom, int(at), int(at) + width), strand))
    return [found[i] for i in random.permutation(len(found))]


def _reading_strand(detector: Detector, strand: str) -> str:
    if detector.mode == "any" or strand not in OTHER:
        return "+"
    return strand if detector.mode == "same" else OTHER[strand]


def make_place(
    study: Study,
    detector: Detector,
    coding: Coding,
    spot: tuple[Interval, str],
    goal: str,
    reach: int,
    synonymous: bool,
) -> Place:
    """A place with its context, oriented as it is read; a site's own bases stay as they are."""
    (chrom, start, end), strand = spot
    both = detector.mode == "any"
    # A call that bridges a gap into the place counts as one.
    first, last = start - detector.gap, end + detector.gap
    ahead = reach if both or strand == "-" else 0
    behind = reach if both or strand == "+" else 0
    before = detector.warmup + behind if both or strand == "+" else 0
    after = detector.warmup + ahead if both or strand == "-" else 0
    lo, hi = first - before, last + after
    letters = study.genome.fetch(chrom, lo, hi).upper()
    free = coding.free(chrom, lo, hi, synonymous)
    allowed, group = free.allowed.copy(), free.group
    inside = np.zeros(hi - lo, bool)
    inside[first - behind - lo : last + ahead - lo] = True
    if goal == HIDE:
        inside[start - lo : end - lo] = False
    allowed[~inside] = False
    target = (first - lo, last - lo)
    if strand == "-" and not both:
        letters, allowed, group = reverse_complement(letters), allowed[::-1, ::-1], group[::-1]
        target = (hi - last, hi - first)
    return Place(letters, *target, np.ascontiguousarray(allowed), np.ascontiguousarray(group), both)


def read_attacks(study: Study, name: str) -> pd.DataFrame:
    """The table of an experiment that attacked; ``InputError`` where it has none."""
    path = folder_of(study, name) / ATTACKS
    if not path.exists():
        raise InputError(f"{path}: no such table; attack a detector first, or run what is missing of {name}")
    return read_parquet(path)


def _won(study: Study, name: str, split: str) -> pd.DataFrame:
    """Attacks on a split that had success, but for random changes."""
    table = read_attacks(study, name)
    return table[(table["split"] == split) & (table["needed"] > 0) & (table["way"] != RANDOM)]


def read_attacked(study: Study, name: str, split: str) -> Attacked:
    """Rows of the places that were attacked with success in a split, as the model reads them now."""
    rows = _won(study, name, split)
    if rows.empty:
        raise InputError(f"experiment {name}: no attack on the {split} split had success: nothing to learn")
    parts, site = [], []
    for csr, own in zip(_features(study, rows), rows.itertuples(), strict=True):
        parts.append(csr)
        site.append(np.full(csr.n_rows, own.goal == HIDE))
    return Attacked(concatenate(parts), np.concatenate(site))


def _features(study: Study, rows: pd.DataFrame) -> list[Csr]:
    """Features at the bases of each attacked place; of both readings where both count."""
    found = []
    for row in rows.itertuples():
        sides = [(row.letters, row.first, row.last)]
        if row.both:
            size = len(row.letters)
            sides.append((reverse_complement(row.letters), size - row.last, size - row.first))
        parts = []
        for letters, first, last in sides:
            (x,) = read_activations(study.model, study.layer, [letters[:last]])
            csr = study.sae.encode_sparse(np.ascontiguousarray(x.cpu().numpy()))
            parts.append(take_rows(csr, first, last))
        found.append(concatenate(parts))
    return found


def transfer(study: Study, detector: Detector, name: str) -> pd.DataFrame:
    """What a retrained detector makes of the attacks on the one before, on sites of the report split.

    Returns
    -------
    DataFrame
        ``goal, way, attacked`` (successful attacks on the old one) and ``held``, share of them that do not
        mislead the new one.
    """
    rows = _won(study, name, "report")
    best = [
        float(np.nanmax(detector.score(csr, np.ones(csr.n_rows, bool)))) for csr in _features(study, rows)
    ]
    called = np.array(best) >= detector.threshold
    held = np.where(rows["goal"] == HIDE, called, ~called)
    grouped = rows.assign(held=held).groupby(["goal", "way"], sort=False)["held"]
    return grouped.agg(attacked="size", held="mean").reset_index()
