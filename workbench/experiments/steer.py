"""Does a feature steer what the model writes? Dose and response beside the arms that could do the same.

Every prompt is continued under the same random draws, unedited and under each arm: the feature; a random
direction of the same norm; another feature of the same density; the same edit at a shifted place; and, with
no edit, sequence held to the GC of what the feature wrote. A judge that knows nothing of the autoencoder
reads the result. What the edit does to natural sequence stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feature_mining.edits.edit import Edit, Push, Steer
from feature_mining.edits.passes import forward
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.writing.constraints import GCRange
from feature_mining.writing.measures import gc_share
from feature_mining.writing.write import Written, write
from genomic_models.contract import ModelError
from genomic_models.dna import UNKNOWN, base_codes
from genomic_models.generation import Sampling
from workbench.errors import InputError
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.page import write_steering
from workbench.experiments.response import CONTROLS, FEATURE, UNEDITED, arms_of, summarise
from workbench.experiments.settings import SteerSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.interval import Interval
from workbench.genome.windows import Cell, read_sequence
from workbench.judges.hearing import hear
from workbench.judges.judge import References
from workbench.judges.registry import Panel, assemble
from workbench.progress import Progress, Silent
from workbench.stages.stage import Shard
from workbench.study.study import Study

# Prompts a shard.
TOGETHER = 8
# How far the same-GC arm may be from the GC of what it is held to.
GC_SLACK = 0.02
# Windows of natural sequence on which damage is measured.
NATURAL = 12


def _prompts(study: Study, given: SteerSettings) -> list[tuple[Interval, str]]:
    track = next((t for t in study.tracks if t.name == given.track), None)
    if track is None or not len(track.intervals):
        names = ", ".join(t.name for t in study.tracks if len(t.intervals))
        raise InputError(f"steer: track {given.track!r} has no interval; expected one of {names or 'none'}")
    report = [block.interval for block in study.split.blocks if block.split == "report"]
    found: list[tuple[Interval, str]] = []
    rows = track.intervals.drop_duplicates(["chrom", "start", "end", "strand"])
    for row in rows.sort_values(["chrom", "start"]).itertuples():
        if row.end - row.start < given.prompt + given.length or row.strand not in ("+", "-"):
            continue
        first = int(row.start) if row.strand == "+" else int(row.end) - given.prompt
        place = Interval(str(row.chrom), first, first + given.prompt)
        inside = any(place.chrom == b.chrom and b.start <= place.start and place.end <= b.end for b in report)
        if inside and set(study.genome.fetch(*place).upper()) <= set("ACGT"):
            found.append((place, str(row.strand)))
    if len(found) < given.prompts:
        raise InputError(
            f"steer: {len(found)} stranded intervals of {given.track} in the report split have"
            f" {given.prompt + given.length:,} bases; {given.prompts} prompts are asked for: give fewer or"
            " shorter ones, or another track"
        )
    return [found[i] for i in np.linspace(0, len(found) - 1, given.prompts).round().astype(int)]


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    if not given.features or not given.strengths:
        raise InputError("steer: no feature or no strength given")
    width = study.sae_config.d_sae
    for feature in given.features:
        if not 0 <= feature < width:
            raise InputError(f"steer: feature {feature}: expected a number from 0 to {width - 1}")
    for strength in given.strengths:
        if not np.isfinite(strength) or strength <= 0:
            raise InputError(f"steer: strength {strength}: expected a finite number above 0")
    if given.prompt < 2 * given.length:
        raise InputError(
            f"steer: a prompt of {given.prompt} bases has no room for the edit at a shifted place; expected"
            f" at least {2 * given.length}, twice what is written"
        )
    _panel(experiment)
    for feature in given.features:
        if not float(study.dictionary.unit[feature]):
            raise InputError(f"steer: feature {feature} was never active: it has no strength to go by")
    places, natural = _prompts(study, given), _natural(study)
    if not natural:
        raise InputError("steer: the report split holds no whole cell; make a study with a smaller window")
    numbers = np.array_split(np.arange(len(places)), max(1, round(len(places) / TOGETHER)))
    arms = arms_of(given.strengths)
    shards: list[Shard] = []
    for feature in given.features:
        for chosen in numbers:
            task = ("write", feature, [(int(i), *places[i]) for i in chosen])
            shards.append(Shard(len(shards), len(chosen) * given.copies * given.length * arms, task))
        damage = 2 * len(natural) * study.grid.window * (1 + 2 * len(given.strengths))
        shards.append(Shard(len(shards), damage, ("damage", feature, [])))
    return shards


def _panel(experiment: Experiment) -> Panel:
    study = experiment.study
    judge, dot, column = experiment.settings.readout.partition(".")
    if not dot:
        raise InputError(f"steer: readout {experiment.settings.readout!r}: expected JUDGE.COLUMN")
    given = study.config.input
    references = References(study.resolve(given.genome), None, study.manifest.model.name)
    panel = assemble([judge], references)
    columns = [c.name for c in panel.ready[judge].card.columns if c.dtype != "string"]
    if column not in columns:
        known = ", ".join(columns)
        raise InputError(f"steer: judge {judge} has no column of numbers {column!r}; expected {known}")
    return panel


def other_of_density(study: Study, feature: int) -> int:
    """The feature of the nearest density that is active and is another one."""
    units = study.dictionary.unit.numpy()
    catalog = study.table("catalog").set_index("feature")["density"]
    own = float(catalog[feature])
    others = catalog.drop(feature)
    others = others[(others > 0) & (units[others.index] > 0)]
    return int((np.log(others) - np.log(max(own, 1e-9))).abs().idxmin())


def _edit(arm: str, study: Study, feature: int, other: int, strength: float, where: Where, seed: int) -> Edit:
    if arm == "random direction":
        return Push(study.layer, feature, strength, seed=seed, where=where)
    return Steer(study.layer, other if arm == "other feature" else feature, strength, where=where)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    what, feature, places = shard.task
    run = _write_arms if what == "write" else _damage
    table, bases = run(experiment, feature, places, progress)
    write_parquet(experiment.part(shard.index), table)
    return bases


def _write_arms(
    experiment: Experiment, feature: int, places: Sequence[tuple[int, Interval, str]], progress: Progress
) -> tuple[pd.DataFrame, int]:
    study, given = experiment.study, experiment.settings
    other = other_of_density(study, feature)
    prompts = [study.genome.fetch(*place, strand).upper() for _, place, strand in places]
    # The last base of the prompt predicts the first that is written.
    end = given.prompt + given.length
    here = Where(((given.prompt - 1, end),))
    shifted = Where(((given.prompt - 2 * given.length, given.prompt - given.length),))
    arms: list[tuple[str, float]] = [(UNEDITED, 0.0)]
    plans = [EditPlan()]
    for strength in given.strengths:
        for arm in (FEATURE, *CONTROLS[:-1]):
            where = shifted if arm == "shifted place" else here
            arms.append((arm, strength))
            plans.append(EditPlan((_edit(arm, study, feature, other, strength, where, given.seed),)))
    try:
        found = _written(study, given, prompts, plans, places, progress)
        rows = [(*arms[each.plan], places[each.prompt][0], each.copy, each.sequence) for each in found]
        for strength in given.strengths:
            own = [row[4] for row in rows if row[:2] == (FEATURE, strength)]
            gc = float(np.mean([gc_share(text) for text in own]))
            held = [GCRange(max(0.0, gc - GC_SLACK), min(1.0, gc + GC_SLACK))]
            found = _written(study, given, prompts, [EditPlan()], places, progress, held)
            rows += [("same GC", strength, places[e.prompt][0], e.copy, e.sequence) for e in found]
    except (ModelError, ValueError) as error:
        raise InputError(f"steer: feature {feature}: {error}") from error
    table = pd.DataFrame(rows, columns=["arm", "strength", "prompt", "copy", "written"])
    heard = hear(_panel(experiment), {str(i): text for i, text in enumerate(table["written"])}, Silent())
    table["response"] = heard[given.readout].to_numpy(float, na_value=np.nan)
    table["gc"] = table["written"].map(gc_share)
    where_of = {number: (str(place), strand) for number, place, strand in places}
    table["place"] = table["prompt"].map(lambda number: where_of[number][0])
    table["strand"] = table["prompt"].map(lambda number: where_of[number][1])
    table.insert(0, "feature", feature)
    return table.assign(other=other), len(rows) * given.length


def _written(
    study: Study,
    given: SteerSettings,
    prompts: Sequence[str],
    plans: Sequence[EditPlan],
    places: Sequence[tuple[int, Interval, str]],
    progress: Progress,
    constraints: Sequence[GCRange] = (),
) -> list[Written]:
    # Draws belong to the prompt, whatever shard it is in.
    sampling = Sampling(given.temperature, seed=given.seed + 1_000_003 * places[0][0])
    return write(
        study.model,
        prompts,
        given.length,
        plans,
        {study.layer: study.dictionary},
        constraints=constraints,
        sampling=sampling,
        number=given.copies,
        told=progress.advance,
    )


def _natural(study: Study) -> list[Cell]:
    """Cells of the report split, spread over it, on which damage is measured."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    return cells[:: max(1, len(cells) // NATURAL)][:NATURAL]


def _damage(
    experiment: Experiment, feature: int, places: Sequence[object], progress: Progress
) -> tuple[pd.DataFrame, int]:
    """Bits a base of natural sequence with the edit everywhere: of the feature and of a random direction."""
    study, given = experiment.study, experiment.settings
    arms, plans = [(UNEDITED, 0.0)], [EditPlan()]
    for strength in given.strengths:
        for arm in (FEATURE, CONTROLS[0]):
            arms.append((arm, strength))
            plans.append(EditPlan((_edit(arm, study, feature, 0, strength, Where(), given.seed),)))
    rows, read = [], 0
    for cell in _natural(study):
        for strand in "+-":
            letters, skip, _ = read_sequence(study.genome, study.grid, cell, strand)
            sequences = [letters] * len(plans)
            logits = forward(study.model, sequences, plans, {study.layer: study.dictionary}).logits
            assert logits is not None
            ids = study.model.tokenize(sequences).ids[:, 1:, None].to(logits.device)
            nats = logits[:, :-1].float().log_softmax(-1).gather(-1, ids)[..., 0]
            known = base_codes(letters) != UNKNOWN
            known[: max(1, skip)] = False
            bits = -nats[:, known[1:]].mean(dim=1) / np.log(2)
            place = str(Interval(cell.chrom, cell.start, cell.end))
            rows += [(feature, *arm, place, strand, float(own)) for arm, own in zip(arms, bits, strict=True)]
            read += len(letters) * len(plans)
            progress.advance(len(letters) * len(plans))
    return pd.DataFrame(rows, columns=["feature", "arm", "strength", "place", "strand", "response"]), read


def _finish(experiment: Experiment) -> None:
    found: dict[str, list[pd.DataFrame]] = {"write": [], "damage": []}
    for shard in _shards(experiment):
        found[shard.task[0]].append(read_parquet(experiment.part(shard.index)))
    written, damage = (pd.concat(parts, ignore_index=True) for parts in found.values())
    given = experiment.settings
    sign = 1 if given.expect == "more" else -1
    summary = summarise(written, damage, sign, given.seed)
    for name, table in {"written": written, "damage": damage, "responses": summary}.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_steering(experiment, summary)


KIND = Kind(
    name="steer",
    title="whether features steer what the model writes",
    settings=SteerSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
