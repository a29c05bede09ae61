"""What the mode Paint has computed: what is written under a node, its experiment, two nodes compared.

What the study reads of one of the samples is asked for afterwards.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pandas as pd

from app.canvas.kept import Kept
from app.canvas.painted_picture import MOST_SAMPLES, Surroundings, picture, reading, surroundings
from app.canvas.ready_model import ready_model
from app.canvas.requests import Answer, Asking
from app.canvas.work import Job
from app.data.study import Opened, key_of
from feature_mining.painting.painting import Painting
from workbench import InputError, Study
from workbench.browse.written import variants_of
from workbench.experiments import brush
from workbench.experiments.painted import PAINTED
from workbench.experiments.preview import Evidence, left_out, read_tables, read_written, write_preview
from workbench.experiments.question import folder_of
from workbench.experiments.registry import open_experiment
from workbench.experiments.settings import PaintSettings
from workbench.experiments.written_files import commands_of
from workbench.files.parquet import read_parquet
from workbench.study.history import Node, change_node, read_history

_ASK = re.compile(r"(\d{1,6})(?:,(\d{1,6})|(:experiment))?")
_EVIDENCE: Kept[Evidence] = Kept(24)
_READ: Kept[dict[str, Any]] = Kept(24)


class Asked(NamedTuple):
    """A node, one to compare with (0: none), and whether its experiment is meant."""

    node: int
    other: int
    experiment: bool


def read_ask(text: str) -> Asked:
    """The mode's part of an address; ``InputError`` for any other text."""
    found = _ASK.fullmatch(text)
    if found is None:
        raise InputError(f"{text[:60]!r}: expected a node of the history, as in 12, or two, as in 12,7")
    return Asked(int(found[1]), int(found[2] or 0), bool(found[3]))


def preview(asking: Asking) -> Job:
    """What the model writes under a node, read without edits; kept with the node."""
    opened, study = asking.opened, asking.opened.study
    asked = read_ask(asking.text("ask"))
    kept = read_history(study)
    node = kept.node(asked.node)
    painting, given = brush.painting_of(study, node), brush.settings_of(study, node)
    if not painting.strokes:
        raise InputError("nothing is painted on this canvas; it is as it was")
    around = surroundings(opened, node.place)
    other = kept.node(asked.other) if asked.other else None
    command = " && ".join(commands_of(study, node))

    def job() -> Answer:
        ready_model(study, command)
        if asked.experiment:
            return _result(opened, node, painting, around)
        own = read_history(study).node(node.number)
        if not own.written:
            written = write_preview(study, painting, given)
            own = change_node(study, node.number, written=written)
        key = (key_of(opened), node.painting, str(node.asked))
        found = _EVIDENCE.get(key, lambda: read_written(study, painting, given, own.written))
        drawn = picture(around, own, painting, found, given.readouts)
        said = left_out(painting, given)
        return {"picture": drawn, "left_out": said, **_compared(study, own, other)}

    return job


def read_sample(asking: Asking) -> Job:
    """One sample of what is written as the study's windows read it; ``InputError`` where there is none."""
    opened, study = asking.opened, asking.opened.study
    asked, sample = read_ask(asking.text("ask")), asking.number("sample")
    node = read_history(study).node(asked.node)
    texts = painted_samples(study, node, asked.experiment)[:MOST_SAMPLES]
    if not texts:
        raise InputError(f"nothing was written under node {node.number} yet")
    letters, painting = texts[min(max(sample, 0), len(texts) - 1)], brush.painting_of(study, node)
    around, command = surroundings(opened, node.place), " && ".join(commands_of(study, node))

    def compute() -> dict[str, Any]:
        ready_model(study, command)
        return reading(around, node, painting, letters)

    key = (key_of(opened), node.painting, letters)
    return lambda: {"sample": _READ.get(key, compute), "letters": letters}


def _tables(study: Study, node: Node) -> tuple[PaintSettings, dict[str, pd.DataFrame]]:
    """What a node's experiment was asked, and its tables ``strokes`` and ``levels``.

    Raises ``InputError`` where it has none, it is not finished, or it is of another painting.
    """
    if not node.experiment:
        raise InputError("this node has no experiment yet")
    asked = open_experiment(study, node.experiment)
    if asked.settings != brush.settings_of(study, node):
        raise InputError(f"the experiment {node.experiment} is of another painting than node {node.number}")
    folder = folder_of(study, node.experiment)
    if not (folder / "answers.parquet").exists():
        raise InputError(f"the experiment {node.experiment} is not finished")
    return asked.settings, {name: read_parquet(folder / f"{name}.parquet") for name in ("strokes", "levels")}


def painted_samples(study: Study, node: Node, experiment: bool) -> list[str]:
    """Canvases that were written as painted: in the preview of a node, or in its experiment."""
    if not experiment:
        return node.written.get(PAINTED, [])
    strokes = _tables(study, node)[1]["strokes"]
    own: list[str] = strokes.loc[(strokes["stroke"] == 0) & (strokes["arm"] == PAINTED), "sequence"].tolist()
    return own


def _result(opened: Opened, node: Node, painting: Painting, around: Surroundings) -> Answer:
    """The tables of a node's experiment, drawn as a preview is."""
    given, tables = _tables(opened.study, node)
    found = read_tables(opened.study, painting, given, tables)
    drawn = picture(around, node, painting, found, given.readouts)
    said = f"The experiment {node.experiment}: all arms, {given.copies} samples, the whole canvas."
    return {"picture": drawn, "left_out": [said]}


def _compared(study: Study, node: Node, other: Node | None) -> Answer:
    """Another node's samples beside this one's: letters of the first that differ, on the genome."""
    if other is None:
        return {}
    if not other.written:
        raise InputError(f"nothing was written under node {other.number} yet; open it first")
    texts = {each.number: each.written[PAINTED][0] for each in (node, other)}
    shared = node.place.within(other.place) if node.place.meets(other.place) else None
    differing = []
    if shared is not None:
        own, their = (
            texts[each.number][shared.start - each.start : shared.end - each.start] for each in (node, other)
        )
        differing = [v.name for v in variants_of(their, own, shared)]
    return {
        "other": {
            "node": other.number, "start": other.start, "letters": texts[other.number],
            "samples": other.written[PAINTED], "differing": differing,
            "reference": study.genome.fetch(*other.place).upper(),
        }
    }  # fmt: skip
