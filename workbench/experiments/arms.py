"""The arms of steering: what the model writes with a feature added, and with all that could do the same.

Every prompt is continued under the same random draws, unedited and under each arm: the feature; a random
direction of the same norm; another feature of the same density; the same edit at a shifted place. Under draws
of its own, and with no edit, one more arm is held piece by piece to the GC of what the feature wrote. Judges
that know nothing of the autoencoder read the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Edit, Push, Steer
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.writing.constraints import GCRange
from feature_mining.writing.measures import gc_share
from feature_mining.writing.write import write
from genomic_models.contract import DNAModel, ModelError
from genomic_models.generation import Sampling
from workbench.errors import InputError
from workbench.experiments.prompts import Prompt
from workbench.experiments.response import CONTROLS, FEATURE, UNEDITED
from workbench.experiments.settings import WritingSettings
from workbench.judges.hearing import hear
from workbench.judges.judge import References
from workbench.judges.registry import Panel, assemble
from workbench.progress import Progress, Silent
from workbench.study.study import Study
from workbench.tracks import annotates

# How far the same-GC arm may be from the GC of what it is held to.
GC_SLACK = 0.02
# Bases, about, of the pieces of what is written in which that arm is held.
GC_PIECE = 30
EVERYWHERE = Where()


class Steered(NamedTuple):
    """A feature of a dictionary of the study's layer, and the other one that stands against it."""

    dictionary: Dictionary
    feature: int
    other: int


def refuse_unwritable(study: Study, given: WritingSettings, features: Sequence[int]) -> None:
    """Raise ``InputError`` where no feature, strength or room is given, or a feature cannot be added."""
    if not features or not given.strengths:
        raise InputError("no feature or no strength given")
    width = study.sae_config.d_sae
    for feature in features:
        if not 0 <= feature < width:
            raise InputError(f"feature {feature}: expected a number from 0 to {width - 1}")
    for strength in given.strengths:
        if not np.isfinite(strength) or strength <= 0:
            raise InputError(f"strength {strength}: expected a finite number above 0")
    if given.prompt < 2 * given.length:
        raise InputError(
            f"a prompt of {given.prompt} bases has no room for the edit at a shifted place; expected at least"
            f" {2 * given.length}, twice what is written"
        )
    for feature in features:
        if not float(study.dictionary.unit[feature]):
            raise InputError(f"feature {feature} was never active: it has no strength to go by")


def panel_of(study: Study, readouts: Sequence[str]) -> Panel:
    """The judges of some readouts ``JUDGE.COLUMN``; ``InputError`` for one that gives no number."""
    names = []
    for readout in readouts:
        judge, dot, _ = readout.partition(".")
        if not dot:
            raise InputError(f"readout {readout!r}: expected JUDGE.COLUMN")
        names.append(judge)
    given = study.config.input
    annotation = next(filter(annotates, map(study.resolve, given.tracks)), None)
    model = study.config.model
    references = References(study.resolve(given.genome), annotation, model.name, model.trust_remote_code)
    panel = assemble(list(dict.fromkeys(names)), references)
    for readout in readouts:
        judge, _, column = readout.partition(".")
        columns = [c.name for c in panel.ready[judge].card.columns if c.dtype != "string"]
        if column not in columns:
            known = ", ".join(columns)
            raise InputError(f"judge {judge} has no column of numbers {column!r}; expected {known}")
    return panel


def other_of_density(study: Study, feature: int) -> int:
    """The feature of the nearest density that is active and is another one."""
    return others_of_density(study, [feature])[0]


def others_of_density(study: Study, features: Sequence[int], without: Sequence[int] = ()) -> list[int]:
    """For each feature the active one of the nearest density; none of these or those, and none twice."""
    units = study.dictionary.unit.numpy()
    density = study.table("catalog").set_index("feature")["density"]
    others = density.drop([*{*features, *without}])
    others = np.log(others[(others > 0) & (units[others.index] > 0)])
    if len(others) < len(features):
        raise InputError(
            f"{len(features)} features have to be set beside others of the same density, and only"
            f" {len(others)} others are active"
        )
    found: list[int] = []
    for feature in features:
        apart = (others - np.log(max(float(density[feature]), 1e-9))).abs()
        found.append(int(apart.idxmin()))
        others = others.drop(found[-1])
    return found


def edit_of(
    arm: str, study: Study, steered: Steered, strength: float, seed: int, where: Where = EVERYWHERE
) -> Edit:
    """The edit of an arm, at every base or ``where``."""
    feature = steered.other if arm == "other feature" else steered.feature
    if arm == "random direction":
        return Push(study.layer, feature, strength, seed=seed, where=where)
    return Steer(study.layer, feature, strength, where=where)


def write_arms(
    study: Study,
    given: WritingSettings,
    steered: Steered,
    strengths: Sequence[float],
    prompts: Sequence[Prompt],
    readouts: Sequence[str],
    progress: Progress,
) -> pd.DataFrame:
    """What every arm writes after some prompts, and how judges read it.

    Returns
    -------
    DataFrame
        A row a sequence: ``feature, other, arm, strength, prompt, copy, written, gc, place, strand`` and a
        column float64 a readout, NaN where its judge could not say.

    Raises ``InputError`` for a model that cannot write.
    """
    # The last base of the prompt predicts the first that is written.
    end = given.prompt + given.length
    here = Where(((given.prompt - 1, end),))
    shifted = Where(((given.prompt - 2 * given.length, given.prompt - given.length),))
    arms: list[tuple[str, float]] = [(UNEDITED, 0.0)]
    plans = [EditPlan()]
    for strength in strengths:
        for arm in (FEATURE, *CONTROLS[:-1]):
            where = shifted if arm == "shifted place" else here
            arms.append((arm, strength))
            plans.append(EditPlan((edit_of(arm, study, steered, strength, given.seed, where),)))
    letters = [prompt.letters(study) for prompt in prompts]
    # Draws belong to the prompt, whatever shard it is in.
    sampling = Sampling(given.temperature, seed=given.seed + 1_000_003 * prompts[0].number)
    ends = np.linspace(0, given.length, 1 + max(1, round(given.length / GC_PIECE))).round().astype(int)[1:]
    try:
        found = write(
            study.model, letters, given.length, plans, {study.layer: steered.dictionary}, sampling=sampling,
            number=given.copies, told=progress.advance,
        )  # fmt: skip
        rows = [(*arms[each.plan], prompts[each.prompt].number, each.copy, each.sequence) for each in found]
        heads = [text for text in letters for _ in range(given.copies)]
        for strength in strengths:
            own = [row for row in rows if row[:2] == (FEATURE, strength)]
            held = write_same_gc(
                study.model, heads, [row[4] for row in own], ends.tolist(), sampling, progress.advance
            )
            rows += [("same GC", *row[1:4], text) for row, text in zip(own, held, strict=True)]
    except (ModelError, ValueError) as error:
        raise InputError(f"feature {steered.feature}: {error}") from error
    table = pd.DataFrame(rows, columns=["arm", "strength", "prompt", "copy", "written"])
    panel = panel_of(study, readouts)
    heard = hear(panel, {str(i): text for i, text in enumerate(table["written"])}, Silent())
    for readout in readouts:
        table[readout] = heard[readout].to_numpy(float, na_value=np.nan)
    table["gc"] = table["written"].map(gc_share)
    of = {prompt.number: prompt for prompt in prompts}
    table["place"] = table["prompt"].map(lambda number: str(of[number].place))
    table["strand"] = table["prompt"].map(lambda number: of[number].strand)
    table.insert(0, "feature", steered.feature)
    return table.assign(other=steered.other)


def write_same_gc(
    model: DNAModel,
    heads: Sequence[str],
    texts: Sequence[str],
    ends: Sequence[int],
    sampling: Sampling,
    told: Callable[[int], object],
) -> list[str]:
    """What a model writes after some heads where each piece is held to the mean GC that texts have there.

    A limit on the whole would bind at its end alone.

    Parameters
    ----------
    model : DNAModel
    heads : sequence of str
        One for each text that is given.
    texts : sequence of str
        All of one length.
    ends : sequence of int
        Of the pieces, ascending; the last is the length.
    sampling : Sampling
        Piece ``i`` is drawn with its seed and ``i`` more.
    told : callable
        Called with the number of bases written since the last call.
    """
    found = [""] * len(heads)
    for number, (start, end) in enumerate(pairwise([0, *ends])):
        size, gc = end - start, float(np.mean([gc_share(text[start:end]) for text in texts]))
        # Outwards to whole bases, so that there is one in every range.
        low, high = np.floor((gc - GC_SLACK) * size) / size, np.ceil((gc + GC_SLACK) * size) / size
        written = write(
            model, [head + own for head, own in zip(heads, found, strict=True)], size,
            constraints=[GCRange(max(0.0, low), min(1.0, high))],
            sampling=replace(sampling, seed=sampling.seed + number), told=told,
        )  # fmt: skip
        found = [own + each.sequence for own, each in zip(found, written, strict=True)]
    return found
