"""Rules along sequence that exists: where they fire on either strand; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from feature_mining.rules.rule_set import RuleSet
from feature_mining.rules.watch import Watch
from workbench.errors import InputError
from workbench.genome.windows import Cell
from workbench.progress import Progress
from workbench.scans.source import Piece, Source, StudySource
from workbench.study.rules import Event, levels_in_words
from workbench.study.study import Study


def scan_rules(study: Study, rules: RuleSet, source: Source, progress: Progress) -> Iterator[Event]:
    """Where rules fire, in the order of each strand's reading, plus strand first.

    Rules run along a strand as they do along a sequence that is written: the minus strand from the end of
    the plus strand to its start. Positions in rules are those of the plus strand.

    Raises ``InputError`` for rules of another model or autoencoder.
    """
    try:
        rules.check(study.manifest.model.weights_hash, {study.layer: study.sae_hash})
    except ValueError as error:
        raise InputError(str(error)) from None
    lengths = source.genome.lengths
    progress.begin("scanning", 2 * sum(lengths.values()), "bases")
    for chrom in lengths:
        yield from scan_contig(study, rules, source, chrom, progress.advance)
    progress.end()


def scan_contig(
    study: Study, rules: RuleSet, source: Source, chrom: str, told: Callable[[int], object]
) -> Iterator[Event]:
    """`scan_rules` of one sequence; ``told`` is called with the number of bases read since the last call."""
    scales = study.dictionary.unit.cpu().numpy()
    length, cells = source.genome.lengths[chrom], source.cells(chrom)
    nearby = _nearby(rules, source)
    for strand in "+-":
        watch = Watch(rules, strand)
        for piece in source.read(cells if strand == "+" else cells[::-1], [strand]):
            levels, places = _levels(rules, piece, scales)
            for fired in watch.read(levels, places, near=_near(rules, nearby, piece.cell, strand)):
                rule = rules.rules[fired.rule]
                kind = rule.action.kind
                yield Event(
                    chrom,
                    fired.at if strand == "+" else length - 1 - fired.at,
                    strand,
                    fired.rule + 1,
                    str(rule),
                    levels_in_words(rule, fired.levels),
                    fired.levels[0],
                    "recorded" if kind == "record" else f"would {rule.action}",
                )
            told(len(places))


def _nearby(rules: RuleSet, source: Source) -> dict[str, pd.DataFrame]:
    """Intervals of the tracks that rules name; ``InputError`` for one that the sequence does not have."""
    named = dict.fromkeys(rule.near for rule in rules.rules if rule.near)
    if not named:
        return {}
    if not isinstance(source, StudySource):
        raise InputError(
            f"a rule names the track {next(iter(named))}: it runs along a study, not along a file"
        )
    tracks = {track.name: track for track in source.study.tracks if track.kind == "interval"}
    for name in named:
        if name not in tracks:
            raise InputError(f"a rule names the track {name!r}; the study has {', '.join(tracks) or 'none'}")
    return {name: tracks[name].intervals for name in named}


def _near(rules: RuleSet, nearby: Mapping[str, pd.DataFrame], cell: Cell, strand: str) -> np.ndarray | None:
    """Bool ``(n, rules)`` of a cell in the direction of the reading: bases near enough to what a rule names.

    Intervals count that lie on the strand that is read, or on none.
    """
    if not nearby:
        return None
    size = cell.end - cell.start
    found = np.ones((size, len(rules.rules)), bool)
    for number, rule in enumerate(rules.rules):
        if not rule.near:
            continue
        table = nearby[rule.near]
        table = table[(table["chrom"] == cell.chrom) & (table["strand"] != ("-" if strand == "+" else "+"))]
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        if rule.side:
            left = (table["strand"].to_numpy() != "-") == (rule.side == "start")
            start, end = np.where(left, start, end - 1), np.where(left, start + 1, end)
        first = np.clip(start - rule.distance - cell.start, 0, size)
        last = np.clip(end + rule.distance - cell.start, 0, size)
        steps = np.zeros(size + 1, np.int64)
        np.add.at(steps, first, 1)
        np.add.at(steps, last, -1)
        found[:, number] = np.cumsum(steps[:-1]) > 0
    return found if strand == "+" else found[::-1]


def _levels(rules: RuleSet, piece: Piece, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels ``(n, concepts)`` and positions of a piece, in the direction of its reading."""
    found = np.full((len(piece.valued), len(rules.names)), np.nan)
    for column, name in enumerate(rules.names):
        concept = rules.concepts[name]
        level = concept.level(piece.features, scales) / concept.top
        found[piece.valued, column] = level[piece.valued]
    places = np.arange(piece.cell.start, piece.cell.end)
    return (found, places) if piece.strand == "+" else (found[::-1], places[::-1])
