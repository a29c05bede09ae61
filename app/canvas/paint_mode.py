"""The mode Paint: strokes of concepts on the genome, what the model writes under them, and their history.

Its part of the address is ``NODE``, a node of the history, ``NODE,OTHER`` with one to compare it with, or
``NODE:experiment`` for what the experiment of the node wrote. Strokes, nodes and files are those of
`workbench history` and `workbench paint`.
"""

from __future__ import annotations

import base64
import math
import re
import shlex
from collections.abc import Callable
from functools import partial
from typing import Any

from app import links
from app.canvas.kept import Kept
from app.canvas.message import View
from app.canvas.paint_work import Asked, painted_samples, preview, read_ask, read_sample
from app.canvas.painted_picture import MOST_SAMPLES
from app.canvas.ready_model import ready_model
from app.canvas.requests import Answer, Asking
from app.data.study import Opened, key_of
from app.verdict_text import short_label
from feature_mining.concepts.concept import Concept
from feature_mining.concepts.opened import open_concept
from feature_mining.feature_map import Csr
from feature_mining.painting.painting import STRANDS, STRONGEST
from workbench import InputError
from workbench.engines import background
from workbench.experiments import brush
from workbench.experiments.preview import left_out
from workbench.experiments.registry import as_stage, create_experiment
from workbench.experiments.settings import FILLS
from workbench.experiments.written_files import FILES, commands_of, experiment_name, file_of
from workbench.judges.judge import References
from workbench.judges.registry import assemble
from workbench.study.concepts import TOP_BASES, concept_files, resolve
from workbench.study.history import History, Node, add_node, change_node, cut_branch, read_history
from workbench.study.sampled_codes import sample_codes

# Concepts that are listed, and features of one that is opened.
MOST_CONCEPTS, MOST_OPENED = 60, 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_CODES: Kept[Csr] = Kept(1)
_STRONGEST: Kept[float] = Kept(200)


def _state(opened: Opened, number: int, kept: History | None = None) -> Answer:
    """The tree, and one node of it, none for 0."""
    kept = read_history(opened.study) if kept is None else kept
    tree = [
        [node.number, node.parent, node.title, node.name, bool(node.written), node.experiment]
        for node in kept.nodes.values()
    ]
    return {"tree": tree, "node": _described(opened, kept.node(number)) if number else None}


def _strongest(opened: Opened, concept: Concept) -> float:
    """The strongest that the genome shows of a concept, in units of its top."""
    study = opened.study
    codes = partial(_CODES.get, key_of(opened), lambda: sample_codes(study, "select", TOP_BASES))
    return _STRONGEST.get((key_of(opened), concept), lambda: brush.strongest(study, concept, codes))


def _described(opened: Opened, node: Node) -> dict[str, Any]:
    study = opened.study
    painting, given = brush.painting_of(study, node), brush.settings_of(study, node)
    sheets = [
        {
            "name": sheet.name,
            "strokes": [
                {
                    "concept": stroke.concept,
                    "start": node.start + stroke.start,
                    "end": node.start + stroke.end,
                    "strand": stroke.strand,
                    "values": stroke.values().astype(float).round(4).tolist(),
                }
                for stroke in sheet.strokes
            ],
        }
        for sheet in painting.sheets
    ]
    return {
        "number": node.number,
        "parent": node.parent,
        "chrom": node.chrom,
        "start": node.start,
        "end": node.end,
        "title": node.title,
        "name": node.name,
        "note": node.note,
        "sheets": sheets,
        "palette": [
            [concept.name, str(concept.evidence), _strongest(opened, concept)] for concept in painting.palette
        ],
        "asked": brush.asked_of(given),
        "written": bool(node.written),
        "experiment": node.experiment,
        "commands": commands_of(study, node),
        "left_out": left_out(painting, given) if painting.strokes else [],
        "files": list(FILES),
    }


def _node(asking: Asking, name: str = "node") -> Node | None:
    """The node of a request; None for 0."""
    number = asking.number(name)
    return read_history(asking.opened.study).node(number) if number else None


def _some_node(asking: Asking) -> Node:
    node = _node(asking)
    if node is None:
        raise InputError("nothing is painted yet")
    return node


def _real(asking: Asking, name: str) -> float:
    """A finite number of a request; ``InputError`` for anything else."""
    value = asking.event.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{name}: expected a number")
    if abs(value) > STRONGEST:
        raise InputError(f"{name} is {value:g}: expected {STRONGEST:g} at most")
    return float(value)


def _strand(asking: Asking, none: bool = False) -> str:
    strand = asking.text("strand")
    if strand not in (*STRANDS, *([""] if none else [])):
        raise InputError(f"strand {strand[:20]!r}: expected + or -")
    return strand


def history(asking: Asking) -> Answer:
    """The tree, and the nodes of the address."""
    opened, text = asking.opened, asking.text("ask")
    asked = read_ask(text) if text else Asked(0, 0, False)
    kept = read_history(opened.study)
    other = _described(opened, kept.node(asked.other)) if asked.other else None
    return {**_state(opened, asked.node, kept), "other": other, "fills": list(FILLS)}


def palette(asking: Asking) -> Answer:
    """Concepts that can be painted: the study's, and the features in view; named by evidence alone."""
    opened = asking.opened
    found = [
        [str(feature), f"feature {feature}", short_label(opened.evidence, feature)]
        for feature in asking.view.features
        if not opened.evidence.catalog.loc[feature, "dead"]
    ]
    for word in list(concept_files(opened.study))[:MOST_CONCEPTS]:
        try:
            concept = resolve(opened.study, word)
        except InputError:  # of another model, or damaged: named where it is asked for
            continue
        found.append([word, concept.name, str(concept.evidence)])
    return {"concepts": found, "readouts": _readouts(opened)}


def _readouts(opened: Opened) -> list[str]:
    """Numbers that judges give who are installed and need no reference."""
    ready = assemble((), References(model=opened.study.config.model.name)).ready
    return [
        f"{name}.{column.name}"
        for name, judge in ready.items()
        for column in judge.card.columns
        if column.dtype != "string" and not judge.card.needs
    ]


def _concept(asking: Asking, node: Node | None) -> Concept:
    """The concept that is named: one of the painting's palette, else one that can be resolved."""
    study, word = asking.opened.study, asking.text("concept")
    if node is not None:
        for concept in brush.painting_of(study, node).palette:
            if concept.name == word:
                return concept
    return resolve(study, word)


def opened_concept(asking: Asking) -> Answer:
    """A concept with its features, and the strongest that the genome shows of it, in units of its top."""
    opened, study = asking.opened, asking.opened.study
    concept = _concept(asking, _node(asking))
    table = open_concept(concept, study.sae, study.dictionary.unit.numpy())
    rows = [
        [int(row.feature), short_label(opened.evidence, int(row.feature)), float(row.weight)]
        for row in table.head(MOST_OPENED).itertuples()
    ]
    return {
        "concept": {
            "word": asking.text("concept"),
            "name": concept.name,
            "said": str(concept.evidence),
            "how": concept.how,
            "most": _strongest(opened, concept),
            "features": rows,
            "more": max(0, len(table) - MOST_OPENED),
        }
    }


def _kept(asking: Asking, made: Node) -> Answer:
    return _state(asking.opened, add_node(asking.opened.study, made).number)


def stroke(asking: Asking) -> Answer:
    """One more stroke: a node under the one in view, or a new tree."""
    node, study = _node(asking), asking.opened.study
    # A canvas is as long as the model can read.
    ready_model(study, shlex.join(["workbench", "paint", str(study.folder)]))
    concept = _concept(asking, node)
    made = brush.put_stroke(study, node, concept, asking.span, _strand(asking), _real(asking, "strength"))
    return _kept(asking, made)


def act(asking: Asking) -> Answer:
    """Another change of the painting."""
    names: dict[str, Callable[[str], Any]] = {
        "sheet": asking.number, "stroke": asking.number, "by": asking.number, "start": asking.number,
        "end": asking.number, "feature": asking.number, "strength": partial(_real, asking),
        "factor": partial(_real, asking), "concept": asking.text,
    }  # fmt: skip
    given: dict[str, Any] = {
        name: read(name) for name, read in names.items() if asking.event.get(name) is not None
    }
    given["strand"] = _strand(asking, none=True) if asking.event.get("strand") is not None else ""
    name = asking.text("act")
    try:
        made = brush.act(asking.opened.study, _some_node(asking), name, given)
    except KeyError as missing:
        raise InputError(f"{name[:40]}: {missing.args[0]} is missing") from None
    return _kept(asking, made)


def settings(asking: Asking) -> Answer:
    """The same painting, filled in by other settings."""
    changes = asking.event.get("changes")
    if not isinstance(changes, dict) or not changes:
        raise InputError("changes: expected settings by name")
    return _kept(asking, brush.ask_anew(asking.opened.study, _some_node(asking), **changes))


def note(asking: Asking) -> Answer:
    """A name and a note for a node."""
    study, node = asking.opened.study, _some_node(asking)
    change_node(study, node.number, name=asking.text("name"), note=asking.text("note"))
    return _state(asking.opened, node.number)


def cut(asking: Asking) -> Answer:
    """A node taken out with all that came of it; its parent is in view then."""
    study, node = asking.opened.study, _some_node(asking)
    cut_branch(study, node.number)
    return _state(asking.opened, node.parent)


def saved(asking: Asking) -> Answer:
    """A node as a file."""
    study, node, form = asking.opened.study, _some_node(asking), asking.text("format")
    data = base64.b64encode(file_of(study, node, form).encode()).decode()
    name = f"{study.folder.name}_node{node.number}.{FILES[form][0]}"
    return {"file": {"name": name, "mime": "text/plain", "data": data}}


def run(asking: Asking) -> Answer:
    """Begin the experiment of a node, in a process that goes on when the browser is closed."""
    study, node = asking.opened.study, _some_node(asking)
    name = asking.text("name") or experiment_name(node)
    if not _NAME.fullmatch(name):
        raise InputError(f"experiment {name[:80]!r}: expected letters, digits, - and _")
    create_experiment(study, name, "paint", brush.settings_of(study, node))
    background.start_experiment(study, name)
    change_node(study, node.number, experiment=name)
    return {**_state(asking.opened, node.number), **_standing(asking.opened, name)}


def standing(asking: Asking) -> Answer:
    """How far the experiment of a node is."""
    node = _some_node(asking)
    return _standing(asking.opened, node.experiment) if node.experiment else {"standing": ""}


def _standing(opened: Opened, name: str) -> Answer:
    from workbench.engines.survey import stand  # PyTorch

    study = opened.study
    found = stand(study, as_stage(study, name))
    going = background.state(study.folder)
    running = found.state != "done" and (going.running or background.held(study.folder))
    last = going.output.strip().splitlines()[-1:] if not running and found.state != "done" else []
    return {
        "standing": "running" if running else found.state,
        "said": last[0][:300] if last else "",
        "page": str(links.experiments(study.folder.name, name)),
    }


def shown(opened: Opened, view: View) -> dict[str, Any]:
    """What a page by itself holds: the node, and the letters that were written under it."""
    study, asked = opened.study, read_ask(view.request.ask)
    node = read_history(study).node(asked.node)
    samples = painted_samples(study, node, asked.experiment)
    reference = study.genome.fetch(*node.place).upper()
    return {"node": _described(opened, node), "samples": samples[:MOST_SAMPLES], "reference": reference}


REQUESTS: dict[str, Callable[[Asking], Answer | None]] = {
    "paint_history": history,
    "paint_palette": palette,
    "paint_open": opened_concept,
    "paint_stroke": stroke,
    "paint_act": act,
    "paint_settings": settings,
    "paint_note": note,
    "paint_cut": cut,
    "paint_save": saved,
    "paint_run": run,
    "paint_standing": standing,
}
WORKS = {"paint_preview": preview, "paint_sample": read_sample}
