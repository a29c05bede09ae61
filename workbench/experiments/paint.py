"""Concepts painted onto canvases, and what came of it, read by the model as it is and by judges.

What is painted is compiled into bases and not forced: of every stroke stand side by side how strongly it was
painted, how strongly the concept is there when the unedited model reads the result, and what judges that know
nothing of the autoencoder say of its bases, beside the arms of `painted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.painting.goals import level_of
from feature_mining.painting.painting import STRANDS, Painting, plan_of, strengths
from feature_mining.painting.scene import Scene
from feature_mining.writing.measures import copied_words, gc_share
from genomic_models.contract import ModelError
from genomic_models.corpora import FRACTION, K, corpus_of
from genomic_models.dna import reverse_complement
from workbench.errors import InputError
from workbench.experiments.arms import panel_of
from workbench.experiments.canvases import Canvas, choose_canvases
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.painted import (
    CONTROLS,
    NATURAL,
    PAINTED,
    UNPAINTED,
    Easel,
    constraints_of,
    written_strand,
)
from workbench.experiments.response import UNEDITED, summarise
from workbench.experiments.settings import PaintSettings
from workbench.files.atomic import write_atomic
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.fasta import write_fasta
from workbench.judges.hearing import hear
from workbench.progress import Progress, Silent
from workbench.stages.stage import Shard, shards_of
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

# Places a shard.
TOGETHER = 16
PAINTING = "painting.json"
CANVASES = "painted.fa"
# Arms and a reading of each, of the strokes' strand, for the bar.
_PASSES = 2 * (2 + len(CONTROLS))


class Asked(NamedTuple):
    """A painting, and the places where it is put."""

    painting: Painting
    canvases: list[Canvas]


def read_painting(study: Study, text: str) -> Painting:
    """A painting of the study's model and autoencoder from its text; ``InputError`` otherwise."""
    try:
        painting = Painting.from_json(text)
        painting.check(study.manifest.model.weights_hash, {study.layer: study.sae_hash})
    except ValueError as error:
        raise InputError(str(error)) from None
    width, units = study.sae_config.d_sae, study.dictionary.unit
    for concept in painting.palette:
        for feature in concept.features:
            if feature >= width or not float(units[feature]):
                raise InputError(
                    f"concept {concept.name}: feature {feature} does not exist or was never active"
                )
    return painting


def _asked(experiment: Experiment) -> Asked:
    study, given = experiment.study, experiment.settings
    painting = read_painting(study, given.painting)
    if not painting.strokes:
        raise InputError("the painting has no stroke")
    if given.track:
        canvases = choose_canvases(study, given, painting.length)
    else:
        canvases = [Canvas(0, None, "+", painting.before, painting.sequence, painting.after)]
    return Asked(painting, canvases)


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    painting, canvases = _asked(experiment)
    panel_of(study, given.readouts)
    first = canvases[0]
    longest = max(len(first.before), len(first.after)) + painting.length
    if longest > study.model.context:
        raise InputError(
            f"a canvas of {painting.length:,} bases and what is read before it are {longest:,}: the model"
            f" reads at most {study.model.context:,}"
        )
    placed = replace(painting, before=first.before, after=first.after)
    if not any(plan_of(placed, strand).edits for strand in STRANDS):
        raise InputError(
            "nothing of the painting shows: its strokes have strength 0, lie beneath an upper sheet, or are"
            " on a first base of all, which nothing predicts"
        )
    if given.fill == "write":
        written_strand(painting)
    if not first.sequence and painting.free:
        raise InputError("the painting says which bases may change, and has no sequence to change")
    for constraint in constraints_of(given):
        try:
            constraint.check(painting.length)
        except ValueError as error:
            raise InputError(str(error)) from None
    size = painting.length * given.copies * (1 if given.fill == "write" else 4 * given.steps)
    groups = np.array_split(np.arange(len(canvases)), max(1, round(len(canvases) / TOGETHER)))
    return shards_of([list(map(int, group)) for group in groups], lambda task: size * _PASSES * len(task))


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    painting, canvases = _asked(experiment)
    chosen = [canvases[i] for i in shard.task]
    easel = Easel(study, given, painting, chosen, progress.advance)
    try:
        arms = easel.fill()
    except (ModelError, ValueError) as error:
        raise InputError(f"painting: {error}") from error
    if all(canvas.sequence for canvas in chosen):
        arms[NATURAL] = [canvas.sequence for canvas in chosen for _ in range(given.copies)]
    rows = [
        (arm, canvas.number, copy, str(canvas.place or ""), canvas.strand, texts[i * given.copies + copy])
        for arm, texts in arms.items()
        for i, canvas in enumerate(chosen)
        for copy in range(given.copies)
    ]
    table = pd.DataFrame(rows, columns=["arm", "canvas", "copy", "place", "strand", "sequence"])
    strokes, levels = read_strokes(study, given.readouts, painting, easel.scene, table)
    write_parquet(experiment.part(shard.index), strokes)
    write_parquet(_levels(experiment, shard.index), levels)
    return shard.size


def _levels(experiment: Experiment, index: int) -> Path:
    return experiment.folder / "parts" / f"{index:05d}.levels.parquet"


def read_strokes(
    study: Study, readouts: Sequence[str], painting: Painting, scene: Scene, table: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a canvas and stroke, and levels along the canvas, summed over canvases, by arm.

    ``table`` has ``arm, canvas, copy, sequence``, as many at each place of the scene. The first: ``stroke,
    concept, start, end, stroke_strand, painted``, ``achieved`` and ``peak`` (mean and largest level over its
    bases in the unedited reading of its strand, in units of the concept's top), and a column a readout.
    """
    texts = table["sequence"].tolist()
    # As many at each place, those of the first place first.
    places = table.reset_index().sort_values(["canvas", "arm", "copy"], kind="stable")["index"].to_numpy()
    back = np.argsort(places)
    levels: dict[tuple[str, str], np.ndarray] = {}
    for strand in dict.fromkeys(stroke.strand for stroke in painting.strokes):
        x = scene.read([texts[i] for i in places], strand, predictions=False).x
        for concept in painting.palette:
            levels[strand, concept.name] = level_of(concept, study.dictionary)(x).cpu().numpy()[back]
    panel = panel_of(study, readouts)
    shown = {strand: strengths(painting, strand) for strand in STRANDS}
    parts = []
    for number, stroke in enumerate(painting.strokes):
        own = levels[stroke.strand, stroke.concept][:, stroke.start : stroke.end]
        painted = shown[stroke.strand].get(stroke.concept, np.zeros(painting.length))
        letters = [text[stroke.start : stroke.end] for text in texts]
        if stroke.strand == "-":
            letters = [reverse_complement(text) for text in letters]
        heard = hear(panel, {str(i): text for i, text in enumerate(letters)}, Silent())
        part = table.assign(
            stroke=number, concept=stroke.concept, start=stroke.start, end=stroke.end,
            stroke_strand=stroke.strand, painted=float(painted[stroke.start : stroke.end].mean()),
            achieved=own.mean(axis=1), peak=own.max(axis=1),
        )  # fmt: skip
        for readout in readouts:
            part[readout] = heard[readout].to_numpy(float, na_value=np.nan)
        parts.append(part)
    sums = [
        pd.DataFrame(
            {
                "arm": arm,
                "concept": name,
                "strand": strand,
                "position": np.arange(painting.length),
                "painted": shown[strand].get(name, np.zeros(painting.length)),
                "level": values[table["arm"] == arm].sum(axis=0),
                "canvases": int((table["arm"] == arm).sum()),
            }
        )
        for (strand, name), values in levels.items()
        for arm in table["arm"].unique()
    ]
    return pd.concat(parts, ignore_index=True), pd.concat(sums, ignore_index=True)


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.painting_page import write_painting  # Altair, which no shard needs

    study, given = experiment.study, experiment.settings
    painting = _asked(experiment).painting
    shards = range(len(_shards(experiment)))
    strokes = pd.concat([read_parquet(experiment.part(i)) for i in shards], ignore_index=True)
    levels = pd.concat([read_parquet(_levels(experiment, i)) for i in shards], ignore_index=True)
    keys = ["arm", "concept", "strand", "position", "painted"]
    levels = levels.groupby(keys, sort=False)[["level", "canvases"]].sum().reset_index()
    levels["level"] /= levels["canvases"]
    strokes.insert(0, "gc", strokes["sequence"].map(gc_share))
    answers = summarise_strokes(strokes, given)
    copied = copied_share(study, strokes)
    tables = {"strokes": strokes, "levels": levels, "answers": answers, "copied": copied}
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    with write_atomic(experiment.folder / PAINTING) as temporary:
        temporary.write_text(painting.to_json(), encoding="utf-8")
    own = strokes[(strokes["arm"] == PAINTED) & (strokes["stroke"] == 0)]
    names = [f"canvas{row.canvas}_{row.copy + 1} {NOT_VALIDATED}" for row in own.itertuples()]
    write_fasta(zip(names, ([text] for text in own["sequence"]), strict=True), experiment.folder / CANVASES)
    write_painting(experiment, painting, answers, levels, copied)


def summarise_strokes(strokes: pd.DataFrame, given: PaintSettings) -> pd.DataFrame:
    """What every arm gives, stroke by stroke.

    Parameters
    ----------
    strokes : DataFrame
        A row a canvas, arm, copy and stroke.

    Returns
    -------
    DataFrame
        ``stroke, concept, start, end, stroke_strand, painted, arm, achieved, peak``, ``gc_shift`` (from
        unpainted), ``readout``, and of `summarise` the response with its interval, the
        change from unpainted, and for the painted arm its win rate over the best control over canvases.
    """
    sign = 1 if given.expect == "more" else -1
    tests = strokes["stroke"].nunique() * len(given.readouts)
    found = []
    for number, own in strokes.groupby("stroke", sort=False):
        means = own.groupby("arm")[["achieved", "peak", "gc"]].mean()
        about = own.iloc[0][["concept", "start", "end", "stroke_strand", "painted"]].to_dict()
        for readout in given.readouts:
            table = own.rename(columns={"canvas": "prompt", readout: "response"}).assign(
                feature=number, strength=1.0
            )
            # Unpainted is what changes are counted from, and a rival too.
            base = table[table["arm"] == UNPAINTED].assign(arm=UNEDITED, strength=0.0)
            summary = summarise(pd.concat([base, table]), None, sign, given.seed, tests, CONTROLS, PAINTED)
            summary = summary[summary["arm"] != UNEDITED].drop(columns=["feature", "strength", "damage"])
            if NATURAL in means.index:
                natural = float(table.loc[table["arm"] == NATURAL, "response"].mean())
                summary = pd.concat([summary, pd.DataFrame([{"arm": NATURAL, "response": natural}])])
            summary = summary.assign(stroke=number, readout=readout, **about)
            for name in ("achieved", "peak"):
                summary[name] = summary["arm"].map(means[name])
            summary["gc"] = summary["arm"].map(means["gc"])
            summary["gc_shift"] = summary["gc"] - means.loc[UNPAINTED, "gc"]
            found.append(summary)
    return pd.concat(found, ignore_index=True)


def copied_share(study: Study, strokes: pd.DataFrame) -> pd.DataFrame:
    """How many sampled words of each arm's canvases are in the sketch of the training sequence.

    ``arm, sampled, in_training``; no rows for a model without a sketch. A canvas alone is too short to say.
    """
    sketch = corpus_of(study.config.model.name).sketch
    columns = ["arm", "sampled", "in_training"]
    if sketch is None:
        return pd.DataFrame(columns=columns)
    words = np.load(sketch, allow_pickle=False)
    rows = []
    for arm, own in strokes[strokes["stroke"] == 0].groupby("arm", sort=False):
        counts = np.array([copied_words(text, words, K, FRACTION) for text in own["sequence"]])
        rows.append((arm, *map(int, counts.sum(axis=0))))
    return pd.DataFrame(rows, columns=columns)


KIND = Kind(
    name="paint",
    title="concepts painted onto sequence, and what came of them",
    settings=PaintSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
