"""A painting tried out while somebody waits: fewer arms, samples and bases than the experiment of it.

Only the stretch from the first base that is painted to the last is written anew, with what stands before and
after it as in the experiment; arms and readings are those of `painted` and `paint`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.painting.operations import moved
from feature_mining.painting.painting import Painting, Sheet
from feature_mining.painting.scene import Scene
from feature_mining.writing.measures import copied_words, gc_share
from genomic_models.contract import ModelError
from genomic_models.corpora import FRACTION, K, corpus_of
from genomic_models.dna import base_codes
from workbench.errors import InputError
from workbench.experiments.canvases import Canvas
from workbench.experiments.evidence import Verdict, verdict_of
from workbench.experiments.paint import read_strokes
from workbench.experiments.painted import NATURAL, PAINTED, RANDOM, UNPAINTED, WRONG, Easel, written_strand
from workbench.experiments.settings import PaintSettings
from workbench.study.study import Study

ARMS = (PAINTED, UNPAINTED, RANDOM, WRONG)
# Samples of an arm, and steps of a redesign, at most.
MOST_COPIES, MOST_STEPS = 8, 8


class Evidence(NamedTuple):
    """What came of a painting, as the tables of its experiment have it.

    Attributes
    ----------
    strokes : DataFrame
        A row an arm, sample and stroke: those of `read_strokes`, with ``bits``, bits a base of the whole
        sample where it was written, as the unedited model finds it, and ``gc`` of the same bases.
    levels : DataFrame
        ``arm, concept, strand, position, painted, level``, the mean over samples.
    verdicts : list of Verdict
        Of each stroke.
    copied : tuple of (int, int)
        Sampled words of the painted samples that meet what is painted (`with_words`), and those of them in
        the sketch of the training sequence.
    """

    strokes: pd.DataFrame
    levels: pd.DataFrame
    verdicts: list[Verdict]
    copied: tuple[int, int]


def painted_span(painting: Painting) -> tuple[int, int]:
    """From the first base that a stroke is on to the last; ``InputError`` for a painting without strokes."""
    if not painting.strokes:
        raise InputError("nothing is painted yet")
    return min(s.start for s in painting.strokes), max(s.end for s in painting.strokes)


def with_words(painting: Painting, text: str) -> str:
    """The letters of a canvas whose words meet what is painted: those farther off are the genome's own."""
    start, end = painted_span(painting)
    return text[max(0, start - K + 1) : end + K - 1]


def cropped(painting: Painting, context: int) -> Painting:
    """The painting on the stretch that is painted alone; the rest of its canvas stands before and after it.

    ``context`` is what the model reads at most.
    """
    start, end = painted_span(painting)
    lead = context - (end - start)
    before = (painting.before + painting.sequence[:start])[-lead:] if lead else ""
    after = (painting.sequence[end:] + painting.after)[:lead]
    sheets = [Sheet(s.name, tuple(moved(stroke, -start) for stroke in s.strokes)) for s in painting.sheets]
    free = [(max(a, start) - start, min(b, end) - start) for a, b in painting.free if a < end and b > start]
    return replace(
        painting, length=end - start, sequence=painting.sequence[start:end], before=before, after=after,
        sheets=tuple(sheets), free=tuple(free),
    )  # fmt: skip


def write_preview(
    study: Study, painting: Painting, given: PaintSettings, told: Callable[[int], object] = lambda count: None
) -> dict[str, list[str]]:
    """Canvases of `ARMS`, each as long as the painting's; ``InputError`` for what cannot be written."""
    start, end = painted_span(painting)
    small = cropped(painting, study.model.context)
    if given.fill == "write":
        written_strand(painting)
    quick = replace(
        given, copies=min(given.copies, MOST_COPIES), steps=min(given.steps, MOST_STEPS), track=""
    )
    canvas = Canvas(0, None, "+", small.before, small.sequence, small.after)
    try:
        found = Easel(study, quick, small, [canvas], told).fill(ARMS)
    except (ModelError, ValueError) as error:
        raise InputError(f"painting: {error}") from error
    head, tail = painting.sequence[:start], painting.sequence[end:]
    return {arm: [head + text + tail for text in found[arm]] for arm in ARMS}


def left_out(painting: Painting, given: PaintSettings) -> list[str]:
    """What a preview leaves out of the experiment, in sentences."""
    start, end = painted_span(painting)
    said = [
        f"{min(given.copies, MOST_COPIES)} samples an arm, at this place alone; the arms shifted place and"
        " same GC are left to the experiment."
    ]
    if end - start < painting.length:
        said.append(
            f"Written anew are the {end - start:,} bases from the first that is painted to the last; the"
            f" experiment goes through the whole canvas of {painting.length:,}."
        )
    if given.fill != "write" and given.steps > MOST_STEPS:
        said.append(f"{MOST_STEPS} steps of {given.steps}.")
    return said


def read_written(
    study: Study, painting: Painting, given: PaintSettings, written: Mapping[str, Sequence[str]]
) -> Evidence:
    """What the unedited model and the judges say of canvases that were written, beside what stood there."""
    start, end = painted_span(painting)
    small = cropped(painting, study.model.context)
    arms = {arm: [text[start:end] for text in texts] for arm, texts in written.items()}
    arms |= {NATURAL: [small.sequence]} if small.sequence else {}
    rows = [(arm, 0, copy, text) for arm, texts in arms.items() for copy, text in enumerate(texts)]
    table = pd.DataFrame(rows, columns=["arm", "canvas", "copy", "sequence"])
    scene = Scene(study.model, study.layer, [small.before], [small.after])
    table["gc"] = table["sequence"].map(gc_share)
    table["bits"] = _bits(scene, table["sequence"].tolist(), small.strokes[0].strand)
    strokes, levels = read_strokes(study, given.readouts, small, scene, table)
    levels["level"] /= levels.pop("canvases")
    levels["position"] += start
    strokes["start"] += start
    strokes["end"] += start
    strokes["sequence"] = [
        painting.sequence[:start] + text + painting.sequence[end:] for text in strokes["sequence"]
    ]
    verdicts = [judged(own, given) for _, own in strokes.groupby("stroke", sort=True)]
    return Evidence(strokes, levels, verdicts, _copied(study, painting, strokes))


def read_tables(
    study: Study, painting: Painting, given: PaintSettings, tables: Mapping[str, pd.DataFrame]
) -> Evidence:
    """The same of the tables of an experiment at one place, ``strokes`` and ``levels``.

    Its letters are read once more for their bits and words; all else is as the tables have it.
    """
    strokes = tables["strokes"]
    scene = Scene(study.model, study.layer, [painting.before], [painting.after])
    letters = strokes.loc[strokes["stroke"] == 0, "sequence"].tolist()
    bits = dict(zip(letters, _bits(scene, letters, painting.strokes[0].strand), strict=True))
    strokes = strokes.assign(bits=strokes["sequence"].map(bits))
    verdicts = [judged(own, given) for _, own in strokes.groupby("stroke", sort=True)]
    return Evidence(strokes, tables["levels"], verdicts, _copied(study, painting, strokes))


def _copied(study: Study, painting: Painting, strokes: pd.DataFrame) -> tuple[int, int]:
    sketch = _sketch(study.config.model.name)
    own = strokes.loc[(strokes["stroke"] == 0) & (strokes["arm"] == PAINTED), "sequence"]
    if sketch is None or own.empty:
        return 0, 0
    counts = [copied_words(with_words(painting, text), sketch, K, FRACTION) for text in own]
    sampled, shared = np.sum(counts, axis=0).tolist()
    return sampled, shared


def judged(strokes: pd.DataFrame, given: PaintSettings) -> Verdict:
    """The verdict on one stroke's rows, by the first readout."""
    readout = given.readouts[0]
    by_arm = {arm: own for arm, own in strokes.groupby("arm", sort=False) if arm not in (PAINTED, NATURAL)}
    own, natural = strokes[strokes["arm"] == PAINTED], strokes.loc[strokes["arm"] == NATURAL, "bits"]
    return verdict_of(
        own[readout].to_numpy(float),
        {str(arm): rows[readout].to_numpy(float) for arm, rows in by_arm.items()},
        given.expect == "more", _least(own["bits"].to_numpy()), given.seed,
        unedited=float(natural.mean()) if len(natural) else 0.0,
    )  # fmt: skip


def _least(bits: np.ndarray) -> float:
    """Two standard errors below the mean of samples, so that chance alone breaks no model."""
    spread = bits.std(ddof=1) / np.sqrt(len(bits)) if len(bits) > 1 else 0.0
    return float(bits.mean() - 2 * spread)


def _bits(scene: Scene, texts: Sequence[str], strand: str) -> np.ndarray:
    """Mean bits a base of canvases in the unedited reading of a strand, float64 ``(n,)``."""
    logs = scene.read(texts, strand).logs.double().cpu().numpy()
    codes = np.stack([base_codes(text) for text in texts])
    found: np.ndarray = -np.take_along_axis(logs, codes[..., None].astype(int), 2)[..., 0].mean(axis=1)
    return found / np.log(2)


@lru_cache(maxsize=2)
def _sketch(model: str) -> np.ndarray | None:
    path = corpus_of(model).sketch
    return None if path is None else np.load(path, allow_pickle=False)
