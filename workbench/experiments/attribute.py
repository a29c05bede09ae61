"""What a prediction hangs on: features of the layer with the error's share, ablations, bases and intervals.

The features with the largest attribution are taken out by themselves, exactly, beside as many active
features of nearly the same size that are not among them: what attribution says must show there. Beside the
total effect of a feature stands its direct one, with gates and attention held as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from feature_mining.attribution.bases import ablate, marginalize, mean_loss
from feature_mining.attribution.features import ablate_features, attribute_features
from feature_mining.attribution.target import Target
from genomic_models.contract import ModelError
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.attributed import Reading, log_sizes, sum_by_feature
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.settings import FORMS, AttributeSettings
from workbench.experiments.targets import CONTEXT, Asked, parse_target
from workbench.files.bigwig import write_bigwig
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.interval import Interval
from workbench.progress import Progress
from workbench.stages.stage import Shard, shards_of

STRANDS = ("+", "-")
PARTS = ("targets", "features", "ablations", "bases", "intervals")
SIDES = {"+": "plus", "-": "minus"}


def _asked(experiment: Experiment) -> list[tuple[Asked, str]]:
    given: AttributeSettings = experiment.settings
    if not given.targets:
        raise InputError(f"attribute: no target given; expected {FORMS}")
    if not given.strands or set(given.strands) - set(STRANDS):
        raise InputError(f"attribute: strands are {given.strands}; expected '+', '-' or both")
    targets, strands = (dict.fromkeys(each) for each in (given.targets, given.strands))
    return [(parse_target(experiment.study, target), strand) for target in targets for strand in strands]


def _shards(experiment: Experiment) -> list[Shard]:
    given: AttributeSettings = experiment.settings
    asked = _asked(experiment)
    for target, strand in asked:
        target.read(experiment.study, strand, given.context)
    if given.track:
        _intervals(experiment)
    return shards_of(asked, lambda task: (given.context or CONTEXT) + task[0].place.size)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    asked, strand = shard.task
    reading = Reading.of(study, asked, strand, given.context)
    letters, before, target = reading.letters, reading.before, reading.target
    found = reading.take_apart(given)
    chrom, start, end = asked.place
    key = {"target": asked.text, "strand": strand}
    table, sums = found.table, sum_by_feature(found)
    leading = sums.index[: given.ablated].to_numpy()
    controls = _matched(log_sizes(study, sums), leading)
    ablated = ablate_features(
        study.model, letters, target, study.layer, study.dictionary, [*leading, *controls]
    ).assign(control=np.repeat([False, True], [len(leading), len(controls)]))
    ablated["attribution"] = sums["attribution"].reindex(ablated["feature"]).to_numpy()
    direct = _direct(experiment, letters, target, table)
    row = {
        "title": asked.title,
        "chrom": chrom,
        "start": start,
        "end": end,
        "value": found.value,
        "baseline": found.baseline,
        "from_features": float(table["attribution"].sum()),
        "direct_from_features": float(direct.sum()),
        "from_error": float(found.error.sum()),
        "completeness_error": found.completeness_error,
        "active": len(sums),
    }
    parts = {
        "targets": pd.DataFrame([row]),
        "features": table.assign(
            direct=direct, chrom=chrom, position=reading.on_genome(table["position"].to_numpy())
        ),
        "ablations": ablated,
    }
    if given.bases:
        parts["bases"] = reading.substitute(given.bases)
    if given.track:
        parts["intervals"] = _shuffled(experiment, letters, before, asked.place, strand, target)
    for name, part in parts.items():
        for column, value in reversed(key.items()):
            part.insert(0, column, value)
        write_parquet(_part(experiment, name, shard.index), part)
    read = len(letters)
    progress.advance(read)
    return read


def _direct(experiment: Experiment, letters: str, target: Target, table: pd.DataFrame) -> np.ndarray:
    """The direct attribution of the rows of a table, float32; NaN of a model that cannot hold its gates."""
    study = experiment.study
    try:
        found = attribute_features(study.model, letters, target, study.dictionary, "direct").table
    except ModelError:
        return np.full(len(table), np.nan, np.float32)
    key = ["feature", "position"]
    direct: np.ndarray = table[key].merge(found, on=key, how="left")["attribution"].to_numpy()
    return direct


def _intervals(experiment: Experiment) -> pd.DataFrame:
    study, name = experiment.study, experiment.settings.track
    track = next((t for t in study.tracks if t.name == name and t.kind == "interval"), None)
    if track is None:
        names = ", ".join(t.name for t in study.tracks if t.kind == "interval")
        raise InputError(f"there is no track {name!r}; expected one of {names or 'none'}")
    return track.intervals.drop_duplicates(["chrom", "start", "end"])


def _shuffled(
    experiment: Experiment, letters: str, before: int, place: Interval, strand: str, target: Target
) -> pd.DataFrame:
    """A row an interval of the track that lies whole in the context, each shuffled and marginalized."""
    model, given = experiment.study.model, experiment.settings
    first = place.start - before if strand == "+" else place.end + before - len(letters)
    left, right = first, first + len(letters)
    rows = _intervals(experiment)
    rows = rows[(rows["chrom"] == place.chrom) & (rows["start"] >= left) & (rows["end"] <= right)]
    rows = rows[(rows["end"] <= place.start) | (rows["start"] >= place.end)]
    found = []
    for row in rows.sort_values("start").itertuples():
        start, end = int(row.start), int(row.end)
        at = (start - left, end - left) if strand == "+" else (right - end, right - start)
        lost = ablate(model, letters, *at, target, given.shuffles)
        gained = marginalize(model, letters, *at, target, before, before + place.size, given.shuffles)
        found.append((place.chrom, start, end, lost.mean(), lost.std(), gained.mean(), gained.std()))
    names = ["chrom", "start", "end", "ablated", "ablated_sd", "marginal", "marginal_sd"]
    return pd.DataFrame(found, columns=names).assign(track=given.track, shuffles=given.shuffles)


def _matched(size: pd.Series, leading: np.ndarray) -> list[int]:
    """As many active features as are leading, each of nearly the size of one of them, and none of them."""
    rest, chosen = size.drop(leading), []
    for feature in leading[: len(rest)]:
        chosen.append(int((rest - size[feature]).abs().idxmin()))
        rest = rest.drop(chosen[-1])
    return chosen


def _part(experiment: Experiment, name: str, index: int) -> Path:
    return experiment.folder / "parts" / f"{index:05d}.{name}.parquet"


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.attribution_page import write_attribution  # Altair, which no shard needs

    tables: dict[str, pd.DataFrame] = {}
    shards = len(_asked(experiment))
    for name in PARTS:
        paths = [_part(experiment, name, index) for index in range(shards)]
        found = [read_parquet(path) for path in paths if path.exists()]
        if found:
            tables[name] = pd.concat(found, ignore_index=True)
            write_parquet(experiment.folder / f"{name}.parquet", tables[name])
    if "bases" in tables:
        _write_tracks(experiment, tables["bases"])
    write_attribution(experiment, tables)


def _write_tracks(experiment: Experiment, bases: pd.DataFrame) -> None:
    """`mean_loss` as bigWig, a file an output and strand, numbered in the order of the targets."""
    lengths = experiment.study.manifest.contigs
    numbers = {text: number for number, text in enumerate(dict.fromkeys(experiment.settings.targets), 1)}
    for (target, strand), own in bases.groupby(["target", "strand"]):
        own = own.assign(value=mean_loss(own[list(BASES)].to_numpy())).sort_values("position")
        entries = [(row.chrom, row.position, row.position + 1, row.value) for row in own.itertuples()]
        path = experiment.folder / f"bases.{numbers[target]}.{SIDES[strand]}.bw"
        write_bigwig(path, lengths, entries)


KIND = Kind(
    name="attribute",
    title="which features and bases a prediction hangs on",
    settings=AttributeSettings,
    needs=("sae",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
