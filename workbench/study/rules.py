"""Files of rules, and traces of what they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule import Rule
from feature_mining.rules.rule_set import RuleSet
from genomic_models.files import remove_leftovers
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.gff3 import gff3_header, gff3_line
from workbench.files.text import read_text
from workbench.study.concepts import resolve
from workbench.study.study import Study

TRACES = (".tsv", ".gff3")


class Event(NamedTuple):
    """A rule that fired at a base.

    sequence, at, strand : where, 0-based on the plus strand, and the strand that was read
    rule, sentence : its number in the file, from 1, and what it says
    levels : the concepts of its conditions, as ``name=level`` with blanks between, shares of their ``top``
    level : of the first of them
    done : what was done
    """

    sequence: str
    at: int
    strand: str
    rule: int
    sentence: str
    levels: str
    level: float
    done: str


def levels_in_words(rule: Rule, levels: Sequence[float]) -> str:
    """``Event.levels`` of a rule."""
    pairs = zip(rule.conditions, levels, strict=True)
    return " ".join(f"{condition.concept}={level:.4g}" for condition, level in pairs)


def read_rules(path: Path) -> RuleSet:
    """A file of rules; ``InputError`` where it is none, with its line and field."""
    try:
        return RuleSet.from_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def make_rules(study: Study, sentences: Sequence[str], plans: Mapping[str, EditPlan]) -> RuleSet:
    """Rules of sentences, whose concepts are written as for `workbench.study.concepts.resolve`.

    Raises ``InputError`` for a sentence that is no rule, and names that stand for nothing.
    """
    try:
        rules = [Rule.of(sentence) for sentence in sentences]
        named = dict.fromkeys(each.concept for rule in rules for each in rule.conditions)
        found = RuleSet(tuple(rules), {name: resolve(study, name) for name in named}, plans)
        found.check(study.manifest.model.weights_hash, {study.layer: study.sae_hash})
    except ValueError as error:
        raise InputError(str(error)) from None
    return found


def write_rules(path: Path, rules: RuleSet) -> None:
    """Write a file of rules, atomically."""
    with write_atomic(path) as temporary:
        temporary.write_text(rules.to_json() + "\n", encoding="utf-8")


def check_trace(path: Path) -> None:
    """Raise ``InputError`` for a trace of an unknown format, or in a folder that is not there."""
    if path.suffix not in TRACES:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; expected {' or '.join(TRACES)}")
    if not path.resolve().parent.is_dir():
        raise InputError(f"{path}: no such folder; make it first")


def write_trace(path: Path, events: Iterable[Event], lengths: Mapping[str, int]) -> int:
    """Write a trace, atomically, as TSV (0-based ``start`` and ``end``) or GFF3; the number of events."""
    check_trace(path)
    remove_leftovers(path.parent, path.name)
    count = 0
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        if path.suffix == ".gff3":
            handle.write(gff3_header(lengths))
        else:
            handle.write("sequence\tstart\tend\tstrand\trule\tlevels\tdone\tsentence\n")
        for count, event in enumerate(events, 1):
            handle.write(_gff3(event, count) if path.suffix == ".gff3" else _tsv(event))
    return count


def _tsv(event: Event) -> str:
    place = f"{event.sequence}\t{event.at}\t{event.at + 1}\t{event.strand}"
    return f"{place}\t{event.rule}\t{event.levels}\t{event.done}\t{event.sentence}\n"


def _gff3(event: Event, number: int) -> str:
    attributes = {
        "ID": f"fired{number}",
        "Name": f"rule {event.rule}",
        "levels": event.levels,
        "done": event.done,
        "Note": event.sentence,
    }
    score = f"{event.level:.6g}"
    return gff3_line(event.sequence, event.at, event.at + 1, score, event.strand, attributes)
