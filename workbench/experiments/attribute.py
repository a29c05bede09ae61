"""What a prediction hangs on: features of the layer with the error's share, ablations, and single bases.

The features with the largest attribution are taken out by themselves, exactly, beside as many active
features of nearly the same size that are not among them: what attribution says must show there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from feature_mining.attribution.bases import saturate
from feature_mining.attribution.features import ablate_features, attribute_features
from genomic_models.contract import ModelError
from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.page import write_attribution
from workbench.experiments.settings import FORMS, AttributeSettings
from workbench.experiments.targets import Asked, parse_target
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard, shards_of

STRANDS = ("+", "-")
PARTS = ("targets", "features", "ablations", "bases")


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
    return shards_of(asked, lambda task: given.context + task[0].place.size)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    asked, strand = shard.task
    letters, before, target = asked.read(study, strand, given.context)
    try:
        found = attribute_features(study.model, letters, target, study.dictionary, given.method, given.steps)
    except ModelError as error:
        raise InputError(f"{asked.text}: {error}") from error
    chrom, start, end = asked.place

    def on_genome(positions: np.ndarray) -> np.ndarray:
        return start - before + positions if strand == "+" else end - 1 + before - positions

    key = {"target": asked.text, "strand": strand}
    table = found.table
    sums = table.groupby("feature").agg(
        attribution=("attribution", "sum"), size=("activation", "sum"), bases=("position", "size")
    )
    sums = sums.reindex(sums["attribution"].abs().sort_values(ascending=False, kind="stable").index)
    leading = sums.index[: given.ablated].to_numpy()
    norms = study.sae.W_dec.norm(dim=1).cpu().numpy()
    controls = _matched(sums, leading, norms)
    ablated = ablate_features(
        study.model, letters, target, study.layer, study.dictionary, [*leading, *controls]
    ).assign(control=np.repeat([False, True], [len(leading), len(controls)]))
    ablated["attribution"] = sums["attribution"].reindex(ablated["feature"]).to_numpy()
    row = {
        "title": asked.title,
        "chrom": chrom,
        "start": start,
        "end": end,
        "value": found.value,
        "baseline": found.baseline,
        "from_features": float(table["attribution"].sum()),
        "from_error": float(found.error.sum()),
        "completeness_error": found.completeness_error,
        "active": len(sums),
    }
    parts = {
        "targets": pd.DataFrame([row]),
        "features": table.assign(chrom=chrom, position=on_genome(table["position"].to_numpy())),
        "ablations": ablated,
    }
    if given.bases:
        first = max(0, before - given.bases)
        # The last base of the place is what is predicted: a change there is another question.
        last = before if asked.place.size == 1 else len(letters)
        changes = saturate(study.model, letters, first, last, target)
        places = np.arange(first, last)
        bases = pd.DataFrame(changes, columns=list(BASES))
        bases.insert(0, "base", list(letters[first:last]))
        bases.insert(0, "position", on_genome(places))
        parts["bases"] = bases.assign(chrom=chrom)
    for name, part in parts.items():
        for column, value in reversed(key.items()):
            part.insert(0, column, value)
        write_parquet(_part(experiment, name, shard.index), part)
    read = len(letters)
    progress.advance(read)
    return read


def _matched(sums: pd.DataFrame, leading: np.ndarray, norms: np.ndarray) -> list[int]:
    """As many active features as are leading, each of nearly the size of one of them, and none of them.

    Size: summed activation times the norm that it is written with.
    """
    size = np.log((sums["size"] * norms[sums.index]).clip(lower=1e-12))
    rest, chosen = size.drop(leading), []
    for feature in leading[: len(rest)]:
        chosen.append(int((rest - size[feature]).abs().idxmin()))
        rest = rest.drop(chosen[-1])
    return chosen


def _part(experiment: Experiment, name: str, index: int) -> Path:
    return experiment.folder / "parts" / f"{index:05d}.{name}.parquet"


def _finish(experiment: Experiment) -> None:
    tables: dict[str, pd.DataFrame] = {}
    shards = len(_asked(experiment))
    for name in PARTS:
        paths = [_part(experiment, name, index) for index in range(shards)]
        found = [read_parquet(path) for path in paths if path.exists()]
        if found:
            tables[name] = pd.concat(found, ignore_index=True)
            write_parquet(experiment.folder / f"{name}.parquet", tables[name])
    write_attribution(experiment, tables)


KIND = Kind(
    name="attribute",
    title="which features and bases a prediction hangs on",
    settings=AttributeSettings,
    needs=("sae",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
