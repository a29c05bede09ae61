"""Whether a phenotype's predictor rests on loci or on lineage, of the cohort and of single samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from feature_mining.phenotype.explanation import (
    Cohort,
    Explained,
    between_share,
    explain,
    explain_sample,
    fits_of,
)
from feature_mining.phenotype.kinship import components
from workbench.analysis.phenotypes.blocks import burden_names
from workbench.analysis.phenotypes.inputs import one_sentence, read_inputs
from workbench.analysis.phenotypes.prediction import read_columns
from workbench.cohort.store import MISSING
from workbench.errors import InputError
from workbench.experiments.explain_settings import ExplainSettings
from workbench.experiments.kind import Experiment, Kind
from workbench.files.facts import read_facts, write_facts
from workbench.files.parquet import read_parquet, write_parquet
from workbench.interruption import heed
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study
from workbench.wording import listed

# Components of relatedness among the rivals.
AXES = 5
SEEN, UNSEEN = "others of its lineage seen", "its lineage held out"
TABLES = ("scores", "null", "loci", "samples", "parts")
FACTS = "facts"


class _Asked(NamedTuple):
    """Samples with the trait, where they stand among all, and what is asked of them."""

    cohort: Cohort
    names: list[str]
    burden: str


def _burden(study: Study, asked: str) -> str:
    known = burden_names(study)
    if asked and asked not in known:
        raise InputError(f"burden {asked!r}: expected one of {', '.join(known)}")
    return asked or known[0]


def _check(experiment: Experiment) -> str:
    """The burden that is meant; ``InputError`` for what does not fit the study."""
    study, given = experiment.study, experiment.settings
    if not study.config.has_phenotypes:
        raise InputError(f"{study.folder}: has no samples with phenotypes: nothing to explain")
    inputs = read_inputs(study, given.phenotype)
    if inputs.lineage is None:
        raise InputError(
            f"{study.folder}: no lineage of its samples is known, and without one loci and lineage cannot be"
            " told apart: name a column that tells it under [cohort] groups"
        )
    known = study.cohort.samples.set_index("sample")[given.phenotype].notna()
    for name in given.samples:
        if name not in known.index:
            raise InputError(f"sample {name!r}: the study has none of this name")
        if not known[name]:
            raise InputError(
                f"sample {name!r}: its {given.phenotype} is not known, so that no fold can leave it out;"
                f" expected one of {listed(list(known.index[known]), 6)}"
            )
    return _burden(study, given.burden)


def _shards(experiment: Experiment) -> list[Shard]:
    _check(experiment)
    return [Shard(0, fits_of(experiment.settings.permutations, len(experiment.study.burdens.regions)))]


def _asked(experiment: Experiment) -> _Asked:
    study, given, burden = experiment.study, experiment.settings, _check(experiment)
    inputs, columns = read_inputs(study, given.phenotype), read_columns(study, burden)
    known = inputs.phenotype.known
    if not columns.names:
        raise InputError(
            f"{study.folder}: nothing of {burden} differs in {study.config.phenotype.fewest} samples or more:"
            " nothing predicts"
        )
    # Each column of a ready matrix is a locus of its own, at its median where a region has its reference.
    ready = bool(study.config.cohort.matrix)
    of = columns.names if ready else columns.regions
    reference = np.nanmedian(columns.values[known], axis=0) if ready else columns.reference
    loci = list(dict.fromkeys(of))
    rivals = inputs.lineages.to_numpy(np.float64)
    if inputs.kinship is not None:
        rivals = np.column_stack([rivals, components(inputs.kinship, AXES)])
    assert inputs.lineage is not None
    cohort = Cohort(
        columns.values[known],
        np.array([loci.index(each) for each in of], np.int64),
        loci,
        reference,
        inputs.phenotype.values[known],
        inputs.phenotype.binary,
        inputs.lineage[known],
        rivals[known],
    )
    names = study.cohort.samples["sample"].to_numpy()[known]
    return _Asked(cohort, names.tolist(), burden)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    given = experiment.settings
    cohort, names, burden = _asked(experiment)

    def told() -> None:
        heed()
        progress.advance(1)

    with one_sentence(f"{experiment.study.folder}: phenotype {given.phenotype}"):
        found = explain(cohort, given.permutations, given.seed, told)
    samples, parts = _samples(experiment, cohort, names, found)
    tables = {
        "scores": found.scores,
        "null": pd.DataFrame({"score": found.null}),
        "loci": found.loci,
        "samples": samples,
        "parts": parts,
    }
    for name, table in tables.items():
        write_parquet(experiment.folder / "parts" / f"{name}.parquet", table)
    facts = _facts(cohort, burden, found) | {"simulated": experiment.study.facts("cohort")["simulated"]}
    write_facts(experiment.folder / "parts" / f"{FACTS}.json", facts)
    return 0


def _facts(cohort: Cohort, burden: str, found: Explained) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "own": found.own,
        "p": found.p,
        "between": between_share(found.seen.whole, cohort.lineage),
        "burden": burden,
        "binary": cohort.binary,
        "samples": len(cohort.y),
        "cases": int(cohort.y.sum()) if cohort.binary else -1,
        "lineages": int(np.unique(cohort.lineage).size),
    }


def _samples(
    experiment: Experiment, cohort: Cohort, names: list[str], found: Explained
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of the samples that were asked for, and their parts by locus, by folds.

    The first has ``sample, folds, lineage, trait, relatives`` (mean of the trait of others of the lineage),
    ``predicted`` (a probability, or the trait), ``without`` (all loci at their reference), ``of_lineage``,
    ``own`` and ``rests``; the second ``sample, folds, locus, part, lineage, own``, ``at_reference`` (the
    prediction with this locus at its reference) and ``carries``, the variants that it has there.
    """
    rows, parts = [], []
    carried = _carried(experiment.study, experiment.settings.samples)
    for sample in dict.fromkeys(experiment.settings.samples):
        at = names.index(sample)
        same = (cohort.lineage == cohort.lineage[at]) & (np.arange(len(names)) != at)
        relatives = float(cohort.y[same].mean()) if same.any() else np.nan
        for folds, own in ((SEEN, found.seen), (UNSEEN, found.unseen)):
            side, whole = explain_sample(cohort, own, at), own.whole[at]
            shown = expit if cohort.binary else np.asarray
            rows.append(
                (
                    sample, folds, cohort.lineage[at], cohort.y[at], relatives, float(shown(whole)),
                    float(shown(own.base[at])), side.lineage, side.own, side.rests,
                )
            )  # fmt: skip
            table = side.table.assign(at_reference=shown(whole - side.table["part"].to_numpy()))
            table["carries"] = [carried.get((sample, locus), "") for locus in table["locus"]]
            table.insert(0, "folds", folds)
            table.insert(0, "sample", sample)
            parts.append(table)
    columns = ["sample", "folds", "lineage", "trait", "relatives", "predicted", "without", "of_lineage"]
    first = pd.DataFrame(rows, columns=[*columns, "own", "rests"])
    second = ["sample", "folds", "locus", "part", "lineage", "own", "at_reference", "carries"]
    return first, pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=second)


def _carried(study: Study, samples: list[str]) -> dict[tuple[str, str], str]:
    """Variants of samples by region, names in the order of the genome; none of a ready matrix."""
    if study.config.cohort.matrix or not samples:
        return {}
    table = study.table("haplotypes").set_index(["region", "haplotype"])["variants"]
    every = {name: at for at, name in enumerate(study.cohort.samples["sample"])}
    found = {}
    for region in study.burdens:
        for sample in samples:
            own = region.sample_haplotype[every[sample]].tolist()
            names = dict.fromkeys(name for h in own if h >= 0 for name in table[region.region, h])
            plain = "not known" if MISSING in own else "as the reference"
            found[sample, region.region] = ", ".join(names) or plain
    return found


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.explain_page import write_explained  # Altair, which no shard needs

    folder = experiment.folder / "parts"
    tables = {name: read_parquet(folder / f"{name}.parquet") for name in TABLES}
    for name, table in tables.items():
        if len(table):
            write_parquet(experiment.folder / f"{name}.parquet", table)
    facts = read_facts(folder / f"{FACTS}.json")
    write_facts(experiment.folder / f"{FACTS}.json", facts)
    write_explained(experiment, facts, tables)


KIND = Kind(
    name="explain",
    title="what a phenotype's predictor rests on: loci or lineage",
    settings=ExplainSettings,
    needs=("burdens",),
    shards=_shards,
    run=_run,
    finish=_finish,
    unit="fits",
)
