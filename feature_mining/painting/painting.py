"""Strokes of concepts on a stretch of DNA, as a file that says which model and autoencoders it is for.

A painting has a canvas, what stands before and after it, and sheets of strokes, one above the other. Where
strokes of one strand overlap, the uppermost sheet with a stroke there alone shows; strokes of one sheet add
up. Positions are 0-based half-open on the plus strand of the canvas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from feature_mining.concepts.concept import Concept
from feature_mining.edits.edit import Edit
from feature_mining.edits.places import Strength, Where, as_text, check_strength, strength_at
from feature_mining.edits.plan import EditPlan
from feature_mining.json_fields import JsonFields
from genomic_models.dna import BASES, check_letters

VERSION = 1
STRANDS = ("+", "-")
# Bases of a canvas, and size of a strength, at most.
LONGEST, STRONGEST = 1_000_000, 1e6


@dataclass(frozen=True)
class Stroke:
    """One concept along an interval of a strand.

    Attributes
    ----------
    concept : str
        Its name in the palette.
    start, end : int
    strand : str
        ``+`` or ``-``: the reading in which the concept is to be seen.
    strength : float or ramp
        In units of the concept's ``top``; the positions of a ramp are those of the canvas.
    """

    concept: str
    start: int
    end: int
    strand: str = "+"
    strength: Strength = 1.0

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} {getattr(self, name)!r} of a stroke: expected a whole number")
        if not 0 <= self.start < self.end:
            raise ValueError(f"stroke {self.start}-{self.end}: expected 0 <= start < end")
        if self.strand not in STRANDS:
            raise ValueError(f"strand {self.strand!r} of a stroke: expected '+' or '-'")
        object.__setattr__(self, "strength", check_strength(self.strength, "strength of a stroke"))
        if not self._size <= STRONGEST:
            raise ValueError(f"strength of a stroke is {self._size:g}: expected {STRONGEST:g} at most")

    def __str__(self) -> str:
        strand = "plus" if self.strand == "+" else "minus"
        return (
            f"{self.concept} on {self.start + 1:,}-{self.end:,}, {strand} strand, by {as_text(self.strength)}"
        )

    @property
    def _size(self) -> float:
        given = self.strength
        return abs(given) if isinstance(given, float) else max(abs(value) for _, value in given)

    def values(self) -> np.ndarray:
        """Float32 ``(end - start,)``: the strength at each of its bases."""
        return strength_at(self.strength, self.start, self.end - self.start).numpy()


@dataclass(frozen=True)
class Sheet:
    """Strokes that lie in one plane, as a layer of a drawing (a *layer* here is the model's)."""

    name: str
    strokes: tuple[Stroke, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "strokes", tuple(self.strokes))


@dataclass(frozen=True)
class Painting:
    """A canvas with its strokes.

    Attributes
    ----------
    length : int
        Bases of the canvas.
    palette : tuple of Concept
        Each name once.
    sheets : tuple of Sheet
        The lowest first.
    sequence : str
        The canvas as it is; empty where it is to be written.
    before, after : str
        What stands before and after it on the plus strand.
    free : tuple of (int, int)
        Intervals of bases that a redesign may change; none for all.
    model : str
        ``DNAModel.weights_hash``; empty for any model.
    autoencoders : dict of str to str
        ``SparseAutoencoder.hash`` by layer.
    """

    length: int
    palette: tuple[Concept, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    sequence: str = ""
    before: str = ""
    after: str = ""
    free: tuple[tuple[int, int], ...] = ()
    model: str = ""
    autoencoders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("palette", "sheets"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "free", tuple((start, end) for start, end in self.free))
        if isinstance(self.length, bool) or not isinstance(self.length, int):
            raise ValueError(f"a canvas of length {self.length!r}: expected a whole number")
        if not 1 <= self.length <= LONGEST:
            raise ValueError(f"a canvas of length {self.length:,}: expected 1 to {LONGEST:,} bases")
        for name in ("sequence", "before", "after"):
            letters = check_letters(getattr(self, name))
            if strange := set(letters) - set(BASES):
                raise ValueError(f"{name} holds {', '.join(sorted(strange))}: expected A, C, G and T")
            object.__setattr__(self, name, letters)
        if self.sequence and len(self.sequence) != self.length:
            raise ValueError(
                f"the canvas has {len(self.sequence):,} bases, and its length is {self.length:,}"
            )
        names = [concept.name for concept in self.palette]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two concepts of the palette are called {twice}")
        for start, end in self.free:
            if not 0 <= start < end <= self.length:
                raise ValueError(f"free bases {start}-{end}: expected 0 <= start < end <= {self.length}")
        for stroke in self.strokes:
            if stroke.concept not in names:
                raise ValueError(
                    f"there is no concept {stroke.concept!r} in the palette; it has"
                    f" {', '.join(names) or 'none'}"
                )
            if stroke.end > self.length:
                raise ValueError(
                    f"stroke {stroke.start}-{stroke.end} leaves the canvas of {self.length} bases"
                )

    def __str__(self) -> str:
        lines = [f"a canvas of {self.length:,} bases"]
        lines += [f"{sheet.name}: {stroke}" for sheet in self.sheets for stroke in sheet.strokes]
        return "\n".join(lines)

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """All strokes, the lowest sheet first."""
        return tuple(stroke for sheet in self.sheets for stroke in sheet.strokes)

    def concept(self, name: str) -> Concept:
        """A concept of the palette by its name."""
        return next(concept for concept in self.palette if concept.name == name)

    def may_change(self) -> np.ndarray:
        """Bool ``(length,)``: the bases that a redesign may change."""
        found = np.full(self.length, not self.free)
        for start, end in self.free:
            found[start:end] = True
        return found

    def check(self, model: str, autoencoders: Mapping[str, str]) -> None:
        """Raise ``ValueError`` with both hashes where it is for another model or autoencoder."""
        if self.model and self.model != model:
            raise ValueError(f"the painting is for a model with hash {self.model}; this one has {model}")
        for layer in dict.fromkeys([*self.autoencoders, *(concept.layer for concept in self.palette)]):
            if layer not in autoencoders:
                raise ValueError(
                    f"the painting is on {layer}; there is an autoencoder for {', '.join(autoencoders)}"
                )
            wanted = self.autoencoders.get(layer, "")
            if wanted and wanted != autoencoders[layer]:
                raise ValueError(
                    f"the painting is for an autoencoder of {layer} with hash {wanted}; this one has"
                    f" {autoencoders[layer]}"
                )
        for concept in self.palette:
            concept.check(model, autoencoders[concept.layer])

    def to_json(self) -> str:
        """The painting as text; ``from_json`` gives it back."""
        values = asdict(self)
        values["palette"] = [json.loads(concept.to_json()) for concept in self.palette]
        values["autoencoders"] = dict(self.autoencoders)
        return json.dumps({"version": VERSION} | values, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Painting:
        """The painting that a text says.

        Raises ``ValueError`` for what is not JSON, another version, and a field that is unknown, missing or
        of another kind, with line and field.
        """
        read = JsonFields(text, "the painting")
        read.check_keys(
            (), ("version", "length"),
            ("palette", "sheets", "sequence", "before", "after", "free", "model", "autoencoders"),
        )  # fmt: skip
        if read.values["version"] != VERSION:
            raise read.wrong(("version",), f"{VERSION}, which this program reads")
        if not 1 <= (length := read.number("length")) <= LONGEST or length % 1:
            raise read.wrong(("length",), f"a whole number of bases, 1 to {LONGEST:,}")
        texts = {key: _letters(read, key) for key in ("sequence", "before", "after") if key in read.values}
        if texts.get("sequence") and len(texts["sequence"]) != length:
            raise read.wrong(("sequence",), f"{length:g} bases, as the length says")
        hashes = read.values.get("autoencoders", {})
        if not isinstance(hashes, dict):
            raise read.wrong(("autoencoders",), "hashes by layer")
        palette = [Concept.from_json(read.part("palette", i)) for i in _items(read, "palette")]
        names = [concept.name for concept in palette]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise read.wrong(("palette", i, "name"), "a name that no other concept of the palette has")
        return cls(
            int(length),
            tuple(palette),
            tuple(_sheet(read, i, int(length), names) for i in _items(read, "sheets")),
            free=tuple(_interval(read, ("free", i), (0, 1), int(length)) for i in _items(read, "free")),
            model=read.string("model") if "model" in read.values else "",
            autoencoders={layer: read.string("autoencoders", layer) for layer in hashes},
            **texts,
        )


def strengths(painting: Painting, strand: str) -> dict[str, np.ndarray]:
    """What shows of each concept on a strand: float32 ``(length,)`` by name, of those that show at all."""
    found: dict[str, np.ndarray] = {}
    for sheet in painting.sheets:
        own = [stroke for stroke in sheet.strokes if stroke.strand == strand]
        for stroke in own:
            for values in found.values():
                values[stroke.start : stroke.end] = 0
        for stroke in own:
            values = found.setdefault(stroke.concept, np.zeros(painting.length, np.float32))
            values[stroke.start : stroke.end] += stroke.values()
    return {name: values for name, values in found.items() if values.any()}


def plan_of(painting: Painting, strand: str) -> EditPlan:
    """Edits of a strand's reading that paint what shows on it.

    The reading begins with what stands before the canvas in its direction; each base is painted where it is
    predicted, so that a stroke of ``[start, end)`` acts at the readings from the base before ``start`` to the
    one before ``end - 1``. What nothing predicts, the first base of all, cannot be painted.
    """
    lead = len(painting.before if strand == "+" else painting.after)
    edits: list[Edit] = []
    for name, values in strengths(painting, strand).items():
        concept = painting.concept(name)
        values = values if strand == "+" else values[::-1]
        inside = np.flatnonzero(values)
        for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
            places = [(int(at) + lead - 1, float(values[at])) for at in run if at + lead]
            if not places:
                continue
            where = Where(((places[0][0], places[-1][0] + 1),))
            same = len({value for _, value in places}) == 1
            edits += concept.edits(places[0][1] if same else tuple(places), where)
    return EditPlan(tuple(edits), painting.model, painting.autoencoders)


def _items(read: JsonFields, key: str, path: tuple[str | int, ...] = ()) -> range:
    """Numbers of the items of a list, which may be absent."""
    values: Any = read.values
    for step in (*path, key):
        values = values.get(step, []) if isinstance(values, dict) else values[step]
    if not isinstance(values, list):
        raise read.wrong((*path, key), "a list")
    return range(len(values))


def _letters(read: JsonFields, key: str) -> str:
    text = read.string(key).upper()
    if set(text) - set(BASES):
        raise read.wrong((key,), "the letters A, C, G and T")
    return text


def _interval(
    read: JsonFields, path: tuple[str | int, ...], keys: tuple[str | int, str | int], length: int
) -> tuple[int, int]:
    found = []
    for key in keys:
        try:
            value = read.number(*path, key)
        except (KeyError, IndexError, TypeError):
            raise read.wrong(path, "a start and an end") from None
        if value % 1 or not 0 <= value <= length:
            raise read.wrong((*path, key), f"a whole number from 0 to {length}, the length of the canvas")
        found.append(int(value))
    start, end = found
    if start >= end:
        raise read.wrong((*path, keys[1]), f"an end after the start, {start}")
    return start, end


def _sheet(read: JsonFields, number: int, length: int, names: list[str]) -> Sheet:
    path = ("sheets", number)
    read.check_keys(path, ("name", "strokes"))
    strokes = [_stroke(read, (*path, "strokes", i), length, names) for i in _items(read, "strokes", path)]
    return Sheet(read.string(*path, "name"), tuple(strokes))


def _stroke(read: JsonFields, path: tuple[str | int, ...], length: int, names: list[str]) -> Stroke:
    given = read.check_keys(path, ("concept", "start", "end"), ("strand", "strength"))
    concept = read.string(*path, "concept")
    if concept not in names:
        raise read.wrong((*path, "concept"), f"one of the palette, {', '.join(names) or 'which is empty'}")
    if given.get("strand", "+") not in STRANDS:
        raise read.wrong((*path, "strand"), "'+' or '-'")
    start, end = _interval(read, path, ("start", "end"), length)
    try:
        return Stroke(concept, start, end, given.get("strand", "+"), given.get("strength", 1.0))
    except (ValueError, OverflowError):
        expected = f"a number, or ascending pairs of position and number, {STRONGEST:g} at most"
        raise read.wrong((*path, "strength"), expected) from None
