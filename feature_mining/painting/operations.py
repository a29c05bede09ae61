"""Changes of a painting: each gives a new one, and leaves the one that it was given as it is.

A sheet is named by its place from 0, the lowest first, and a stroke by its sheet and its place on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feature_mining.edits.places import Strength
from feature_mining.painting.painting import Painting, Sheet, Stroke


def add(painting: Painting, sheet: int, stroke: Stroke) -> Painting:
    """With one more stroke, the last on a sheet; the sheet after the last one is a new one."""
    if sheet == len(painting.sheets):
        return replace(painting, sheets=(*painting.sheets, Sheet(f"sheet {sheet + 1}", (stroke,))))
    return _with(painting, sheet, [*_strokes(painting, sheet), stroke])


def remove(painting: Painting, sheet: int, number: int) -> Painting:
    """Without one stroke."""
    _stroke(painting, sheet, number)
    return _with(painting, sheet, [s for i, s in enumerate(_strokes(painting, sheet)) if i != number])


def move(painting: Painting, sheet: int, number: int, by: int) -> Painting:
    """With a stroke so many bases further on (less than 0: back), its ramp with it."""
    return _changed(painting, sheet, number, moved(_stroke(painting, sheet, number), by))


def copy(painting: Painting, sheet: int, number: int, start: int) -> Painting:
    """With the same stroke once more, beginning at ``start``."""
    stroke = _stroke(painting, sheet, number)
    return add(painting, sheet, moved(stroke, start - stroke.start))


def stretch(painting: Painting, sheet: int, number: int, start: int, end: int) -> Painting:
    """With a stroke from ``start`` to ``end``; a ramp is drawn out with it."""
    stroke = _stroke(painting, sheet, number)
    strength = stroke.strength
    if not isinstance(strength, float):
        longer = (end - 1 - start) / max(stroke.end - 1 - stroke.start, 1)
        ends = {round(start + (at - stroke.start) * longer): value for at, value in strength}
        strength = tuple((max(at, 0), value) for at, value in sorted(ends.items()))
    return _changed(painting, sheet, number, replace(stroke, start=start, end=end, strength=strength))


def strengthen(painting: Painting, sheet: int, number: int, strength: Strength) -> Painting:
    """With another strength, or another ramp, of a stroke."""
    return _changed(painting, sheet, number, replace(_stroke(painting, sheet, number), strength=strength))


def erase(painting: Painting, start: int, end: int, strand: str = "", sheets: Sequence[int] = ()) -> Painting:
    """With nothing painted on an interval: strokes are cut there, and those within it go.

    ``strand`` empty for both; ``sheets`` empty for all.
    """
    for sheet in sheets or range(len(painting.sheets)):
        left: list[Stroke] = []
        for stroke in _strokes(painting, sheet):
            if strand not in ("", stroke.strand) or stroke.end <= start or end <= stroke.start:
                left.append(stroke)
                continue
            if stroke.start < start:
                left.append(replace(stroke, end=start))
            if end < stroke.end:
                left.append(replace(stroke, start=end))
        painting = _with(painting, sheet, left)
    return painting


def reorder(painting: Painting, order: Sequence[int]) -> Painting:
    """With the sheets in another order, the lowest first; ``order`` names each once."""
    if sorted(order) != list(range(len(painting.sheets))):
        raise ValueError(f"order {list(order)}: expected each of the {len(painting.sheets)} sheets once")
    return replace(painting, sheets=tuple(painting.sheets[i] for i in order))


def moved(stroke: Stroke, by: int) -> Stroke:
    """A stroke so many bases further on, its ramp with it; ``ValueError`` where it would begin before 0."""
    if stroke.start + by < 0:
        raise ValueError(f"stroke {stroke.start}-{stroke.end} moved by {by} would leave the canvas")
    strength = stroke.strength
    if not isinstance(strength, float):
        if strength[0][0] + by < 0:  # what lies before the canvas does not show
            at = stroke.values()
            strength = tuple((stroke.start + i, float(value)) for i, value in enumerate(at))
        strength = tuple((position + by, value) for position, value in strength)
    return replace(stroke, start=stroke.start + by, end=stroke.end + by, strength=strength)


def _strokes(painting: Painting, sheet: int) -> tuple[Stroke, ...]:
    if not 0 <= sheet < len(painting.sheets):
        raise ValueError(f"sheet {sheet}: expected 0 to {len(painting.sheets) - 1}")
    return painting.sheets[sheet].strokes


def _stroke(painting: Painting, sheet: int, number: int) -> Stroke:
    strokes = _strokes(painting, sheet)
    if not 0 <= number < len(strokes):
        raise ValueError(f"stroke {number} of sheet {sheet}: expected 0 to {len(strokes) - 1}")
    return strokes[number]


def _changed(painting: Painting, sheet: int, number: int, stroke: Stroke) -> Painting:
    strokes = list(_strokes(painting, sheet))
    strokes[number] = stroke
    return _with(painting, sheet, strokes)


def _with(painting: Painting, sheet: int, strokes: Sequence[Stroke]) -> Painting:
    sheets = list(painting.sheets)
    sheets[sheet] = replace(sheets[sheet], strokes=tuple(strokes))
    return replace(painting, sheets=tuple(sheets))
