"""How an output comes about: a graph from bases through features of all blocks, and its certificate.

A graph is traced with gates held; whether it says what the model does is then asked of the model itself, by
interventions that the graph predicts. Beside it stand what could predict as well, and what a graph with its
weights dealt at random does.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from feature_mining.circuits.certificate import PREDICTORS, CertificatePlan, agreement, certify
from feature_mining.circuits.graph import BASE, OUTPUT, GraphPlan, trace
from feature_mining.circuits.lags import split_by_lag
from feature_mining.circuits.replaced import Replaced
from genomic_models.contract import ModelError
from workbench.errors import InputError
from workbench.experiments.attributed import Reading
from workbench.experiments.circuit_picture import own_tables
from workbench.experiments.circuit_settings import CircuitSettings
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.question import folder_of
from workbench.experiments.targets import Asked, parse_target
from workbench.experiments.transcode import WORDS, hash_of, study_transcoders
from workbench.files.atomic import write_atomic
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard, shards_of

STRANDS = ("+", "-")
PARTS = ("targets", "nodes", "edges", "lags", "interventions")
# Interventions by the number of nodes that they change, from this one on.
SIZES = (1, 4, 16, 64)


def _asked(experiment: Experiment) -> list[tuple[Asked, str]]:
    given: CircuitSettings = experiment.settings
    if not given.targets:
        raise InputError("circuit: no target given; expected CONTIG:POSITION and the like")
    if not given.strands or set(given.strands) - set(STRANDS):
        raise InputError(f"circuit: strands are {given.strands}; expected '+', '-' or both")
    if not 0 < given.nodes <= 1 or not 0 < given.edges <= 1:
        raise InputError(f"circuit: nodes {given.nodes}, edges {given.edges}: expected shares up to 1")
    if not 0 < given.strength < math.inf:
        raise InputError(f"circuit: strength {given.strength}: expected a finite number above 0")
    found = []
    for text in dict.fromkeys(given.targets):
        asked = parse_target(experiment.study, text, own=True)
        if asked.place.size > 1 or asked.output:
            raise InputError(f"{text}: a circuit is of one base; expected CONTIG:POSITION and the like")
        found += [(asked, strand) for strand in dict.fromkeys(given.strands)]
    return found


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    asked = _asked(experiment)
    study_transcoders(study, given.transcoders)
    for target, strand in asked:
        target.read(study, strand, given.context)
    # A feature is read forwards and backwards, an edge's source forwards, and interventions forwards.
    passes = 4 * given.features + given.interventions
    return shards_of(asked, lambda task: passes * (given.context + 1))


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    asked, strand = shard.task
    reading = Reading.of(study, asked, strand, given.context)
    position = reading.before - (0 if asked.layer else 1)
    transcoders = study_transcoders(study, given.transcoders)
    try:
        replaced = Replaced(study.model, reading.letters, transcoders, study.batch, given.held)
        graph = trace(replaced, reading.target, position, GraphPlan(given.features, given.nodes, given.edges))
        progress.advance(2 * given.features * len(reading.letters))
        lags = split_by_lag(replaced, reading.target, graph)
        progress.advance(2 * given.features * len(reading.letters))
        plan = CertificatePlan(given.interventions, given.strength, given.seed)
        tried = certify(replaced, reading.target, graph, plan, progress.advance)
    except ModelError as error:
        raise InputError(f"{asked.text}: {error}") from error
    nodes = graph.nodes.assign(
        chrom=asked.place.chrom,
        offset=graph.nodes["position"] - reading.before,
        letter=[reading.letters[at] for at in graph.nodes["position"]],
        position=reading.on_genome(graph.nodes["position"].to_numpy()),
        group=[_group(*row) for row in graph.nodes[["kind", "block", "position", "feature"]].to_numpy()],
    )
    named = read_parquet(folder_of(study, given.transcoders) / WORDS)[["block", "feature", "word", "share"]]
    nodes = nodes.merge(named.rename(columns={"share": "of_word"}), "left", ["block", "feature"])
    nodes["word"] = nodes["word"].fillna("")
    fits = agreement(*(tried[name].to_numpy(dtype=float) for name in ("measured", "predicted")))
    row = {
        "title": asked.title,
        "chrom": asked.place.chrom,
        "start": asked.place.start,
        "end": asked.place.end,
        "value": graph.value,
        "r2": fits.r2,
        "slope": fits.slope,
        "interventions": fits.tried,
        "replacement": graph.scores.replacement,
        "completeness": graph.scores.completeness,
        "active": graph.active,
        "traced": len(graph.sums) - 1,
        "nodes": len(nodes) - 1,
        "edges": len(graph.edges),
        "transcoders": hash_of(transcoders),
    }
    tables = {"targets": pd.DataFrame([row]), "nodes": nodes, "edges": graph.edges, "lags": lags}
    for name, table in (tables | {"interventions": tried}).items():
        for column, value in (("strand", strand), ("target", asked.text)):
            table.insert(0, "output" if name in ("edges", "lags") and column == "target" else column, value)
        write_parquet(_part(experiment, name, shard.index), table)
    return shard.size


def _group(kind: str, block: str, position: int, feature: int) -> str:
    """Nodes that are drawn as one: places of a feature, errors of a block; each base by itself."""
    named = {BASE: f"{block} {position}", OUTPUT: OUTPUT}
    return named.get(kind, f"{block} {kind}" + (f" {feature}" if feature >= 0 else ""))


def _part(experiment: Experiment, name: str, index: int) -> Path:
    return experiment.folder / "parts" / f"{index:05d}.{name}.parquet"


def certificates(interventions: pd.DataFrame) -> pd.DataFrame:
    """How well each predictor does: ``target, strand, predictor, least, most, r2, slope, count``.

    Over all interventions (``least`` 0), and over those that change from ``least`` to ``most`` nodes, NaN for
    any number.
    """
    rows = []
    ends = [*(first - 1 for first in SIZES[1:]), np.nan]
    for key, own in interventions.groupby(["target", "strand"], sort=False):
        for least, most in [(0, ends[-1]), *zip(SIZES, ends, strict=True)]:
            part = own[(own["nodes"] >= least) & ~(own["nodes"] > most)]
            if len(part) < 2:
                continue
            measured = part["measured"].to_numpy()
            rows += [
                (*key, name, least, most, *agreement(measured, part[name].to_numpy()))
                for name in PREDICTORS
            ]  # fmt: skip
    names = ["target", "strand", "predictor", "least", "most", "r2", "slope", "count"]
    return pd.DataFrame(rows, columns=names)


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.circuit_page import write_circuits  # Altair, which no shard needs

    tables = {}
    shards = range(len(_asked(experiment)))
    for name in PARTS:
        parts = [read_parquet(_part(experiment, name, index)) for index in shards]
        tables[name] = pd.concat(parts, ignore_index=True)
    if tables["targets"]["transcoders"].nunique() > 1:
        raise InputError(
            f"{experiment.folder}: parts were traced through different transcoders; remove the folder parts"
            " and run again"
        )
    tables["certificates"] = certificates(tables["interventions"])
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    for number, row in enumerate(tables["targets"].to_dict("records"), 1):
        own = own_tables(tables, row["target"], row["strand"])
        with write_atomic(experiment.folder / f"circuit.{number}.json") as temporary:
            temporary.write_text(json.dumps(_plain(row, own), indent=1), encoding="utf-8")
    write_circuits(experiment, tables)


def _plain(row: dict[str, Any], own: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """A graph as plain values; what is not a number is null."""
    found: dict[str, Any] = json.loads(pd.Series(row).to_json())
    for name in ("nodes", "edges", "lags", "certificates"):
        key = "output" if "output" in own[name] else "target"
        table = own[name].drop(columns=[key, "strand"])
        found[name] = json.loads(table.to_json(orient="records", double_precision=15))
    return found


KIND = Kind(
    name="circuit",
    title="how an output comes about, with a certificate",
    settings=CircuitSettings,
    needs=("sae",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
