"""A contrast of two sets of regions: found on the select split, scored on the report split.

How much of it goes with composition is always said: a model of the sequence alone is fitted to tell the two
sets apart on select, and held fixed, or set beside the concept, on report.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association import composition
from feature_mining.association.labels import MODES, label_states, track_columns
from feature_mining.association.margin import Bases, Resampled, draw_blocks, interval, resample
from feature_mining.association.verdict import FEWEST, MIN_LIFT, Verdict
from feature_mining.concepts.concept import Concept, Evidence
from feature_mining.concepts.contrast import ADJUSTMENTS, Compared, Difference
from feature_mining.concepts.contrast import composition_share as share_of
from feature_mining.concepts.contrast import contrast as contrast_features
from feature_mining.concepts.contrast import difference as difference_of
from feature_mining.concepts.factors import relative
from feature_mining.feature_map import Csr, concatenate, select_rows
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.controls import refuse_without_work
from workbench.analysis.detectors import composition_reading, composition_scores
from workbench.analysis.labels import intervals_by_track
from workbench.analysis.readings import STRANDS
from workbench.analysis.sample import Drawn, blocks, draw_cells, sequence_codes, tracks_in_cells
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.study.concepts import measured
from workbench.study.study import Study
from workbench.tracks import read_regions
from workbench.wording import listed

HERE, THERE = "here", "there"
# Draws of blocks for an interval of a difference.
DRAWS = 1000


class Regions(NamedTuple):
    """A set of regions: what it was called, its intervals, and which strand's reading counts (a mode)."""

    text: str
    intervals: pd.DataFrame
    mode: str


class Contrast(NamedTuple):
    """A contrast and what held-out bases say of it.

    concept : with its evidence
    here, there : int, bases of either kind in the report sample, both strands
    difference, held : of the concept's level as a share of its top, plain and with composition regressed out
    matched : the same with composition matched
    share : how much of the plain difference composition alone would show
    lift, composition_lift : how well level and composition tell the kinds apart
    margin : interval of the first less the second
    """

    concept: Concept
    here: int
    there: int
    difference: Difference
    held: Difference
    matched: Difference
    share: Difference
    lift: Difference
    composition_lift: float
    margin: Difference


def parse_regions(study: Study, text: str) -> Regions:
    """Regions from the name of a track, ``TRACK:MODE``, or the path of a BED file.

    Without a mode the strand of the regions is read, or both where they have none. Raises ``InputError`` for
    anything else.
    """
    name, _, mode = text.rpartition(":")
    name, mode = (name, mode) if mode in MODES and name else (text, "")
    tracks = intervals_by_track(study)
    if name in tracks:
        intervals = tracks[name]
    elif name.endswith(".bed") or "/" in name:
        intervals = read_regions(Path(name), study.genome, study.config.input.rename)
    else:
        raise InputError(f"{text!r}: no track and no BED file; tracks are {listed(list(tracks))}")
    modes = [found for _, found in track_columns({name: intervals})]
    if mode and mode not in modes:
        raise InputError(f"{text!r}: the regions have no strand, so that only any can be asked for")
    return Regions(text, intervals, mode or modes[0])


def make_contrast(
    study: Study, name: str, here: Regions, there: Regions | None, adjust: str, most: int, progress: Progress
) -> Contrast:
    """The concept of what is active here and not there, and its scores on the report split.

    Parameters
    ----------
    study : Study
        Finished.
    name : str
    here, there : Regions
        Every other base for ``there`` None; bases of both count for neither.
    adjust : str
        ``none``, ``match`` or ``regress``: whether composition is held fixed where the features are chosen.
    most : int
        Features, at most.
    progress : Progress
        Told of cells.

    Raises
    ------
    InputError
        For a split without bases of either kind, and where no feature is clearly more active here.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError(f"--adjust {adjust}: expected one of {', '.join(ADJUSTMENTS)}")
    refuse_without_work(study)
    text = f"{here.text} against {there.text if there else 'every other base'}"
    chosen = {split: _drawn(study, split, here, there) for split in ("select", "report")}
    progress.begin(text, sum(map(len, chosen.values())), "cells")
    select = _read(study, chosen["select"], here, there, None, progress)
    report = _read(study, chosen["report"], here, there, select.model, progress)
    progress.end()
    units = study.dictionary.unit.numpy()
    try:
        weights = contrast_features(relative(select.codes, units), select.compared, adjust, most)
        held = {"none": "", "match": ", composition matched", "regress": ", composition regressed out"}
        plain = measured(study, name, weights, f"contrast of {text} on the select split{held[adjust]}")
        values = plain.level(report.codes, units) / plain.top
        return _score(study, plain, text, here.mode, values, report.compared)
    except ValueError as error:
        raise InputError(f"{text}: {error}") from None


def _score(
    study: Study, concept: Concept, text: str, mode: str, values: np.ndarray, compared: Compared
) -> Contrast:
    times = draw_blocks(int(compared.block.max()) + 1, DRAWS, study.config.run.seed)
    bases = Bases(compared.here, compared.weight, compared.block)
    own, rival = (resample(scores, bases, times) for scores in (values, compared.composition))
    nothing = Resampled(0.0, np.zeros(len(times)))
    lift = Difference(own.lift, *interval(own, nothing, bases.held))
    margin = Difference(own.lift - rival.lift, *interval(own, rival, bases.held))
    verdict = judge(lift, margin, bases.held)
    evidence = Evidence(verdict.value, text, mode, *(None if np.isnan(x) else float(x) for x in lift))
    plain, held, matched = (
        difference_of(values, compared, adjust, times) for adjust in ("none", "regress", "match")
    )
    share = share_of(values, compared, times)
    return Contrast(
        replace(concept, evidence=evidence), int(compared.here.sum()), int((~compared.here).sum()),
        plain, held, matched, share, lift, rival.lift, margin,
    )  # fmt: skip


def judge(lift: Difference, margin: Difference, held: int) -> Verdict:
    """The word for a contrast: that of a track's feature with composition for the only control.

    ``held`` are blocks with bases here.
    """
    if held < FEWEST or np.isnan(lift.value):
        return Verdict.NOT_TESTED
    if lift.value < MIN_LIFT or not lift.low > 0:
        return Verdict.CHANCE
    return Verdict.LEARNT if margin.value >= MIN_LIFT and margin.low > 0 else Verdict.COMPOSITION


# -- bases -----------------------------------------------------------------------------------------


class _Sample(NamedTuple):
    codes: Csr
    compared: Compared
    model: composition.CompositionModel


def _drawn(study: Study, split: str, here: Regions, there: Regions | None) -> list[Drawn]:
    """Cells of a split with bases of either kind, both kinds with their share."""
    cells = study.split.cells(study.grid, study.manifest.contigs, split)
    sets = {HERE: here.intervals} | ({THERE: there.intervals} if there else {})
    present = tracks_in_cells(cells, sets)
    use = np.flatnonzero(present.any(axis=1)) if there else np.arange(len(cells))
    drawn = draw_cells(
        [cells[i] for i in use], present[use], study.config.controls.bases, [study.config.run.seed, 17]
    )
    if not drawn:
        raise InputError(f"{here.text}: none of the regions lies in a whole cell of the {split} split")
    return drawn


def _read(
    study: Study,
    drawn: list[Drawn],
    here: Regions,
    there: Regions | None,
    model: composition.CompositionModel | None,
    progress: Progress,
) -> _Sample:
    """Features, kinds and composition of the bases of one kind; the model is fitted where none is given."""
    sets = {HERE: here.intervals} | ({THERE: there.intervals} if there else {})
    columns = [(HERE, here.mode)] + ([(THERE, there.mode)] if there else [])
    # What train or select hold a near copy of says nothing on report.
    copied = read_copies(study).masks if model else {}
    number = blocks(drawn)
    kinds, parts, readings, order = [], [], [], []
    for cell, weight in drawn:
        codes = sequence_codes(study, cell)
        own = {name: rows[rows["chrom"] == cell.chrom] for name, rows in sets.items()}
        for strand in STRANDS:
            stored = study.features.rows(cell.chrom, cell.start, cell.end, strand)
            states = label_states(own, cell.start, cell.end, strand, columns)
            inside = states.table[states.states]
            other = inside[:, 1] if there else ~inside[:, 0]
            use = stored.callable & (inside[:, 0] != other)
            if model:
                use &= ~copied[cell.chrom][cell.start : cell.end]
            first = states._replace(table=states.table[:, :1], columns=columns[:1])
            readings.append(composition_reading(codes, first, strand, use))
            order.append((codes, strand, use))
            parts.append(select_rows(stored.features, use))
            place = np.full(int(use.sum()), number[cell.chrom, cell.start])
            kinds.append((inside[use, 0], np.full(len(place), weight), place))
        progress.advance(1)
    labels, weights, place = (np.concatenate(part) for part in zip(*kinds, strict=True))
    if labels.all() or not labels.any():
        which = there.text if there and labels.all() else "every other base" if labels.all() else here.text
        raise InputError(f"{which}: no base of it in the sample of a split")
    if model is None:
        model = composition.CompositionModel.fit(readings, seed=study.config.run.seed)
    odds = [composition_scores(model, codes, strand)[use, 0] for codes, strand, use in order]
    compared = Compared(labels, np.concatenate(odds).astype(np.float64), weights, place)
    return _Sample(concatenate(parts), compared, model)
