"""A palette of factors: features that are active together, how many there are, and what each is.

Every number of factors is tried from several seeds on bases of the train split. Taken is the number that
reconstructs bases of the select split best among those whose factors other seeds find too. Each factor of it
then gets what a feature gets: a track and a threshold from the select split, a verdict from the report split.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from feature_mining.concepts.concept import Concept
from feature_mining.concepts.factors import amounts, explained, factorise, relative, stability
from workbench.analysis.naming import name_concepts, with_evidence
from workbench.errors import InputError
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.page import write_experiment
from workbench.experiments.settings import FactorSettings
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress, Silent
from workbench.stages.stage import Shard
from workbench.study.concepts import TOP_BASES, factor_path, measured, write_concept
from workbench.study.sampled_codes import sample_codes

# Median cosine of a number's factors with those of other seeds from which it counts as found again.
STABLE = 0.8


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    width = study.sae_config.d_sae
    different = len(set(given.sizes)) == len(given.sizes) > 0
    if not different or not all(2 <= size <= width for size in given.sizes):
        raise InputError(f"sizes {given.sizes}: expected different numbers from 2 to {width}, the features")
    tasks = [(size, seed) for size in given.sizes for seed in range(given.seeds)]
    return [Shard(i, given.bases, task) for i, task in enumerate(tasks)]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    """Factors of one number and seed, a row a weight, and what they explain of held-out bases."""
    study, given = experiment.study, experiment.settings
    size, seed = shard.task
    units = study.dictionary.unit.numpy()
    factors = factorise(relative(sample_codes(study, "train", given.bases), units), size, seed)
    progress.advance(given.bases)
    held = relative(sample_codes(study, "select", given.held_out), units)
    energy = (amounts(held, factors) ** 2).sum(axis=0)
    # By what each holds, the largest first.
    factors = factors[np.argsort(-energy, kind="stable")]
    number, feature = np.nonzero(factors)
    table = pd.DataFrame({"factor": number, "feature": feature, "weight": factors[number, feature]})
    table = table.assign(size=size, seed=seed, explained=explained(held, factors))
    write_parquet(experiment.part(shard.index), table)
    return shard.size


def _dense(table: pd.DataFrame, size: int, width: int) -> np.ndarray:
    factors = np.zeros((size, width), np.float32)
    factors[table["factor"], table["feature"]] = table["weight"]
    return factors


def choose(sizes: pd.DataFrame) -> int:
    """Row of the number of factors that is taken.

    Parameters
    ----------
    sizes : DataFrame
        A row a number: ``explained`` of held-out bases, ``stability``, median cosine with other seeds.

    Returns
    -------
    int
        Of those with a stability of at least `STABLE` the one that explains most; the most stable one where
        none has that.
    """
    stable = sizes[sizes["stability"] >= STABLE]
    return int(stable["explained"].idxmax() if len(stable) else sizes["stability"].idxmax())


def _finish(experiment: Experiment) -> None:
    study = experiment.study
    parts = [read_parquet(experiment.part(shard.index)) for shard in _shards(experiment)]
    found = pd.concat(parts, ignore_index=True)
    rows = []
    for size, own in found.groupby("size", sort=False):
        by_seed = own.groupby("seed")["explained"].first()
        best = int(by_seed.idxmax())
        factors = {
            seed: _dense(each, int(str(size)), study.sae_config.d_sae) for seed, each in own.groupby("seed")
        }
        cosines = stability(factors.pop(best), list(factors.values()))
        rows.append(
            {
                "size": size,
                "seed": best,
                "explained": float(by_seed.max()),
                "explained_least": float(by_seed.min()),
                "stability": float(np.median(cosines)),
                "found_again": float((cosines >= STABLE).mean()),
                "cosines": cosines,
            }
        )
    sizes = pd.DataFrame(rows)
    taken = sizes.loc[choose(sizes)]
    own = found[(found["size"] == taken["size"]) & (found["seed"] == taken["seed"])]
    concepts = _concepts(experiment, own)
    named = name_concepts(study, concepts, Silent())
    named.insert(1, "features", [len(concept.weights) for concept in concepts])
    named.insert(2, "stability", taken["cosines"][: len(concepts)])
    for number, concept in enumerate(with_evidence(concepts, named)):
        write_concept(factor_path(study, experiment.name, number), concept)
    weights = [(n, *item) for n, concept in enumerate(concepts) for item in concept.weights.items()]
    tables = {
        "sizes": sizes.drop(columns="cosines").assign(taken=sizes.index == choose(sizes)),
        "factors": named.assign(autoencoder=study.sae_hash),
        "weights": pd.DataFrame(weights, columns=["factor", "feature", "weight"]),
    }
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_experiment(
        experiment,
        "factors.html.j2",
        sizes=tables["sizes"].to_dict("records"),
        factors=named.to_dict("records"),
        stable=STABLE,
        most_taken=taken["size"] == sizes["size"].max(),
        largest=[str(concept).split("; ")[0].split(": ", 1)[1] for concept in concepts],
    )


def _concepts(experiment: Experiment, factors: pd.DataFrame) -> list[Concept]:
    """Factors as concepts whose weights are what is painted at full strength."""
    study, given = experiment.study, experiment.settings
    codes = sample_codes(study, "select", TOP_BASES)
    concepts = []
    for number, own in factors.groupby("factor"):
        weights = dict(zip(own["feature"].tolist(), own["weight"].tolist(), strict=True))
        how = (
            f"factor {number} of {factors['factor'].nunique()}, non-negative factorisation of the features of"
            f" {given.bases:,} bases of the train split"
        )
        concept = measured(study, f"factor {number}", weights, how, codes)
        painted = {feature: weight * concept.top for feature, weight in weights.items()}
        concepts.append(replace(concept, weights=painted, top=1.0))
    return concepts


KIND = Kind(
    name="factors",
    title="features that are active together",
    settings=FactorSettings,
    needs=("catalog", "controls"),
    shards=_shards,
    run=_run,
    finish=_finish,
    command="concepts find",
)
