"""Rules along sequence that exists: where they fire on either strand; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feature_mining.rules.rule_set import RuleSet
from feature_mining.rules.watch import Watch
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.scans.source import Piece, Source
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
    scales = study.dictionary.unit.cpu().numpy()
    lengths = source.genome.lengths
    progress.begin("scanning", 2 * sum(lengths.values()), "bases")
    for chrom in lengths:
        cells = source.cells(chrom)
        for strand in "+-":
            watch = Watch(rules, strand)
            for piece in source.read(cells if strand == "+" else cells[::-1], [strand]):
                levels, places = _levels(rules, piece, scales)
                for fired in watch.read(levels, places):
                    rule = rules.rules[fired.rule]
                    kind = rule.action.kind
                    yield Event(
                        chrom,
                        fired.at if strand == "+" else lengths[chrom] - 1 - fired.at,
                        strand,
                        fired.rule + 1,
                        str(rule),
                        levels_in_words(rule, fired.levels),
                        fired.levels[0],
                        "recorded" if kind == "record" else f"would {rule.action}",
                    )
                progress.advance(len(places))
    progress.end()


def _levels(rules: RuleSet, piece: Piece, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels ``(n, concepts)`` and positions of a piece, in the direction of its reading."""
    found = np.full((len(piece.valued), len(rules.names)), np.nan)
    for column, name in enumerate(rules.names):
        concept = rules.concepts[name]
        level = concept.level(piece.features, scales) / concept.top
        found[piece.valued, column] = level[piece.valued]
    places = np.arange(piece.cell.start, piece.cell.end)
    return (found, places) if piece.strand == "+" else (found[::-1], places[::-1])
