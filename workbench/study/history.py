"""What was painted in a study, as a tree: each change of a painting is a node under the one that it changed.

One JSON file of the study, written whole. It is of one model and one autoencoder, whose hashes it holds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import make_record, read_facts
from workbench.genome.interval import Interval
from workbench.wording import visible, visible_name

if TYPE_CHECKING:
    from workbench.study.study import Study

FILE, VERSION = "history.json", 1
# Nodes of a study, characters of a name, a note and a painting, sequences an arm.
MOST, LONGEST_NAME, LONGEST_NOTE, LONGEST_PAINTING, MOST_WRITTEN = 500, 80, 2000, 2_000_000, 64
# Two sessions of one server write in turn.
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Node:
    """A painting, and what the model wrote under it.

    Attributes
    ----------
    number : int
        From 1, never used again for another while the node is there.
    parent : int
        The node that was changed; 0 for the first of a tree.
    chrom, start, end : str, int, int
        The canvas on the genome, 0-based half-open.
    painting : str
        JSON of `feature_mining.painting.painting.Painting`.
    did : str
        What was changed, in words.
    asked : dict
        How it is filled in: settings of `workbench.experiments.settings.PaintSettings`.
    name, note : str
        Of a reader.
    written : dict of str to list of str
        Canvases by arm, each as long as the canvas; empty where nothing was written yet.
    experiment : str
        The experiment that was made of it; empty for none.
    """

    number: int
    parent: int
    chrom: str
    start: int
    end: int
    painting: str
    did: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    note: str = ""
    written: dict[str, list[str]] = field(default_factory=dict)
    experiment: str = ""

    @property
    def place(self) -> Interval:
        """The canvas on the genome."""
        return Interval(self.chrom, self.start, self.end)

    @property
    def title(self) -> str:
        """Its name, else what was done."""
        return self.name or self.did or f"node {self.number}"


class History(NamedTuple):
    """All nodes of a study, by number."""

    nodes: dict[int, Node]

    def node(self, number: int) -> Node:
        """A node; ``InputError`` where there is none."""
        if number not in self.nodes:
            raise InputError(
                f"there is no node {number} in the history; it has {len(self.nodes)}, numbered as"
                " `workbench history` lists them"
            )
        return self.nodes[number]

    def children(self, number: int) -> list[Node]:
        """Nodes that changed one; of 0 the first ones of all trees."""
        return [node for node in self.nodes.values() if node.parent == number]

    def branch(self, number: int) -> list[Node]:
        """A node and all that came of it."""
        found = [self.node(number)]
        for node in found:
            found += self.children(node.number)
        return found

    def path(self, number: int) -> list[Node]:
        """From the first node of its tree to a node."""
        found = [self.node(number)]
        while found[0].parent:
            found.insert(0, self.node(found[0].parent))
        return found


def read_history(study: Study) -> History:
    """The history of a study; empty where nothing was painted.

    Raises ``InputError`` for a file that is damaged, or of another model or autoencoder, with both hashes.
    """
    path = study.folder / FILE
    if not path.exists():
        return History({})
    values = read_facts(path)
    if values.get("version") != VERSION:
        raise InputError(
            f"{path}: version {str(values.get('version'))[:20]}; this workbench reads version {VERSION}"
        )
    refuse_others(study, values, str(path))
    return parse_nodes(study, values.get("nodes"), str(path))


def refuse_others(study: Study, values: dict[str, Any], where: str) -> None:
    """Raise ``InputError`` with both hashes for a history of another model or autoencoder."""
    for what, expected in _locks(study).items():
        if (found := str(values.get(what))) != expected:
            raise InputError(
                f"{where}: of another {what}, {found[:12]}; this study has {expected[:12]}: move the file"
                " elsewhere, or open the study that it is of"
            )


def parse_nodes(study: Study, listed: object, where: str) -> History:
    """The nodes of a file, as they are kept; ``InputError`` for what is none, with its place in the list."""
    if not isinstance(listed, list) or len(listed) > MOST:
        raise InputError(f"{where}: nodes are no list of {MOST} at most; mend it or move it elsewhere")
    nodes: dict[int, Node] = {}
    for at, one in enumerate(listed, 1):
        node = make_record(Node, one)
        if node is None or node.number in nodes or (node.parent and node.parent not in nodes):
            raise InputError(
                f"{where}: node {at} of the list cannot be read, has another's number, or comes before the"
                " one that it changed; mend it or move the file elsewhere"
            )
        try:
            nodes[node.number] = check_node(study, node)
        except InputError as error:
            raise InputError(f"{where}: node {at} of the list: {error}") from None
    return History(nodes)


def check_node(study: Study, node: Node) -> Node:
    """A node as it is kept. Raises ``InputError`` for one that a history does not hold."""
    if node.number < 1 or node.parent < 0 or node.parent >= node.number:
        raise InputError(f"number {node.number} under {node.parent}: expected a number above its parent's")
    if not 0 <= node.start < node.end <= study.manifest.contigs.get(node.chrom, 0):
        raise InputError(f"canvas {node.place}: is not on the genome")
    for what, text, most in (
        ("name", node.name, LONGEST_NAME),
        ("did", node.did, LONGEST_NOTE),
        ("note", node.note, LONGEST_NOTE),
        ("painting", node.painting, LONGEST_PAINTING),
    ):
        if len(text) > most:
            raise InputError(f"{what} of {len(text):,} characters: at most {most:,}")
    for arm, texts in node.written.items():
        if len(texts) > MOST_WRITTEN or any(
            len(text) != node.place.size or set(text) - set(BASES) for text in texts
        ):
            raise InputError(
                f"what was written as {arm[:40]!r}: expected {MOST_WRITTEN} sequences at most, of"
                f" {node.place.size:,} letters A, C, G and T"
            )
    return replace(
        node,
        name=visible_name(node.name).strip(),
        note=visible(node.note).strip(),
        did=visible_name(node.did),
    )


def write_history(study: Study, nodes: Sequence[Node]) -> None:
    """Keep these nodes and no others, in order of number."""
    values = {"version": VERSION, **_locks(study), "nodes": [vars(node) for node in nodes]}
    with write_atomic(study.folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


def add_node(study: Study, node: Node) -> Node:
    """Keep a new node under its parent; its number is the next one. Raises ``InputError``."""
    with _changing(study) as nodes:
        if node.parent:
            History(nodes).node(node.parent)
        if len(nodes) >= MOST:
            raise InputError(f"the history has {MOST} nodes, as many as it may; cut off a branch first")
        made = check_node(study, replace(node, number=max(nodes, default=0) + 1))
        nodes[made.number] = made
        return made


def add_nodes(study: Study, nodes: Sequence[Node]) -> None:
    """Keep the nodes of another history too, under new numbers; those that are there already stay once.

    Raises ``InputError`` where both together are too many; then nothing is written.
    """
    with _changing(study) as kept:
        numbers: dict[int, int] = {0: 0}
        own = {_but_number(node): number for number, node in kept.items()}
        for node in nodes:
            moved = replace(node, number=0, parent=numbers[node.parent])
            number = own.get(_but_number(moved)) or max(kept, default=0) + 1
            numbers[node.number] = number
            kept.setdefault(number, replace(moved, number=number))
        if len(kept) > MOST:
            raise InputError(f"{len(kept):,} nodes of both histories: at most {MOST}; cut off branches first")


def change_node(study: Study, number: int, **changes: Any) -> Node:
    """Give a node another name, note, experiment or other written sequences. Raises ``InputError``."""
    with _changing(study) as nodes:
        made = check_node(study, replace(History(nodes).node(number), **changes))
        nodes[number] = made
        return made


def cut_branch(study: Study, number: int) -> list[int]:
    """Take a node out with all that came of it; their numbers."""
    with _changing(study) as nodes:
        gone = [node.number for node in History(nodes).branch(number)]
        for each in gone:
            del nodes[each]
        return gone


@contextmanager
def _changing(study: Study) -> Iterator[dict[int, Node]]:
    """The nodes, which are written when the block has changed them."""
    with _LOCK:
        nodes = dict(read_history(study).nodes)
        yield nodes
        write_history(study, list(nodes.values()))


def _locks(study: Study) -> dict[str, str]:
    return {"model": study.manifest.model.weights_hash, "autoencoder": study.sae_hash}


def _but_number(node: Node) -> str:
    """All of a node but its number, as text."""
    return json.dumps(vars(replace(node, number=0)), sort_keys=True)
