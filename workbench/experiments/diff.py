"""The study's model beside another: what changed, where, and whether by more than a null of other seeds.

Four questions, each a shard or more: what is predicted of the same bases; what the study's autoencoder finds
in both; what a crosscoder trained on both gives to either; which features of two dictionaries do the same on
the same bases. What cannot be compared is said in words, not left out.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from feature_mining.diff.crosscoder import describe_crosscoder, explained
from feature_mining.diff.features import compare_features
from feature_mining.diff.findings import compare_stretches, compare_words, detect
from feature_mining.diff.matching import universality
from feature_mining.diff.predictions import Words
from feature_mining.false_discovery import q_values
from feature_mining.sae.measures.dictionary import match, seed_stability
from feature_mining.sae.training.site_source import Site, site_widths
from genomic_models import DNAModel, load
from genomic_models.contract import ModelError
from workbench.analysis.model_diff import (
    Pair,
    draw,
    held_out_sides,
    one_dictionary,
    open_dictionary,
    read_dictionary,
    read_outputs,
    train_sites,
    two_dictionaries,
)
from workbench.errors import InputError
from workbench.experiments.diff_settings import DiffSettings
from workbench.experiments.differences import along, leading, locate_words
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.question import FOLDER
from workbench.files.arrays import read_arrays, write_arrays
from workbench.files.bigwig import write_bigwig
from workbench.files.facts import read_facts, write_facts
from workbench.files.parquet import read_parquet, write_parquet
from workbench.genome.windows import Grid
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.config import ModelConfig
from workbench.study.manifest import shown_model
from workbench.study.study import CONFIG as STUDY
from workbench.study.study import Study
from workbench.study.trust import refuse_untrusted, risky_model

OUTPUTS, FEATURES, CROSSCODER, PAIRS = "predictions", "features", "crosscoder", "pairs"
SIDES = {"+": "plus", "-": "minus"}
# Tracks that are written as bigWig, by the column of the predictions.
TRACKS = ("kl", "gain", "distance")


def resolve_model(study: Study, name: str) -> str:
    """A model's name; that of an experiment of the study that left one stands for it."""
    own = study.folder / FOLDER / name / "model"
    return str(own) if name and "/" not in name and own.is_dir() else name


def _model(study: Study, name: str) -> DNAModel:
    """Raises ``ModelError`` for what cannot be loaded, and for code that was not accepted on this machine."""
    if not name:
        return study.model
    resolved, given = resolve_model(study, name), study.config.model
    return _load(resolved, study.device, given.dtype, given.folder, accepted(study, resolved))


def code_of(name: str) -> dict[str, Any]:
    """What a model of this name would run of its own code, for its user to accept."""
    return risky_model(ModelConfig(name=name, trust_remote_code=True))


def accepted(study: Study, name: str) -> bool:
    """Whether the user of this machine accepted that this model's code runs in this study."""
    try:
        refuse_untrusted(study.folder, code_of(name))
    except InputError:
        return False
    return True


@lru_cache(maxsize=4)
def _load(name: str, device: str, dtype: str, folder: str, trusted: bool) -> DNAModel:
    return load(
        name,
        device=device,
        dtype=dtype,
        model_dir=Path(folder) if folder else None,
        trust_remote_code=trusted,
    )


def open_pair(experiment: Experiment) -> Pair:
    """Both sides and the null. Raises ``InputError`` where they do not go together."""
    study, given = experiment.study, experiment.settings
    b = _model(study, given.model)
    layer = given.layer or (study.layer if study.layer in b.layers else b.default_layer)
    layer = b.resolve(layer)
    same = b.weights_hash == study.model.weights_hash
    if same and layer == study.layer and not given.sae:
        raise InputError(
            "nothing to compare: b is the study's own model at its own layer; give --model, --layer or --sae"
        )
    if len(given.null) == 1:
        raise InputError("one model is no null: give --null twice or more, models of different seeds")
    null = tuple(_model(study, name) for name in given.null)
    for name, model in zip(given.null, null, strict=True):
        if layer not in model.layers or model.d_model(layer) != b.d_model(layer):
            raise InputError(f"--null {name}: has no layer {layer} of b's width; expected models like b")
        if model.predicts_bases != b.predicts_bases:
            raise InputError(f"--null {name}: does not predict what b does; expected models like b")
    hashes = [b.weights_hash, *(model.weights_hash for model in null)]
    if len(set(hashes)) < len(hashes):
        raise InputError("--null: the models of the null and b must differ; one of them is there twice")
    windows = study.config.windows
    sighted = study.grid.lookahead or (0 if b.causal else windows.warmup)
    if windows.window > b.longest:
        raise InputError(
            f"model {given.model}: reads {b.longest:,} bases at most; windows of the study have"
            f" {windows.window:,}: make a study with a smaller window"
        )
    grid = Grid(windows.window, windows.warmup, lookahead=sighted)
    return Pair(Site(study.model, study.layer), Site(b, layer), null, grid)


def _without(pair: Pair) -> str:
    """Why predictions are not compared; empty where they are."""
    a, b = pair.a.model, pair.b.model
    if a.weights_hash == b.weights_hash:
        return "both sides are one model: its predictions are the same"
    for model in (a, b):
        try:
            model.require_bases("there are none to set side by side")
        except ModelError as error:
            return str(error).replace(model.name, shown_model(model.name))
    return ""


def _shards(experiment: Experiment) -> list[Shard]:
    pair, given = open_pair(experiment), experiment.settings
    study = experiment.study
    tasks: list[tuple[int, Any]] = []
    if not _without(pair):
        cells = _cells(experiment, pair)
        size = 2 * sum(cell.end - cell.start for cell in cells) * len(pair.sites)
        parts = max(1, min(8, len(cells) // 24))
        tasks += [(size // parts, (OUTPUTS, i, parts)) for i in range(parts)]
    path, _ = _given_dictionary(experiment)
    if path:
        open_dictionary(path, pair.b)
    draw(study, pair.grid, "report", given.bases)
    if pair.alike:
        tasks.append((given.bases * (2 + len(pair.sites)), (FEATURES, 0, 1)))
    if given.train:
        tasks.append((given.train + 2 * given.bases, (CROSSCODER, 0, 1)))
    if given.train or given.sae:
        tasks.append(((0 if given.sae else given.train) + 4 * given.bases, (PAIRS, 0, 1)))
    return [Shard(i, size, task) for i, (size, task) in enumerate(tasks)]


def _cells(experiment: Experiment, pair: Pair) -> list:
    study, given = experiment.study, experiment.settings
    if given.whole:
        lengths = study.manifest.contigs
        return [cell for chrom, length in lengths.items() for cell in pair.grid.cells(chrom, length)]
    return [each.cell for each in draw(study, pair.grid, "report", given.bases)]


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    pair, task = open_pair(experiment), shard.task[0]
    found = _RUNS[task](experiment, pair, shard, progress)
    facts = {
        "models": {_role(i): site.model.weights_hash for i, site in enumerate(pair.sites)},
        "task": task,
        **found,
    }
    write_facts(_path(experiment, shard, "json"), facts)
    return shard.size


def _role(i: int) -> str:
    return "ab"[i] if i < 2 else f"null {i - 1}"


def _path(experiment: Experiment, shard: Shard, suffix: str) -> Path:
    return experiment.part(shard.index).with_suffix(f".{suffix}")


def _predictions(experiment: Experiment, pair: Pair, shard: Shard, progress: Progress) -> dict[str, Any]:
    _, part, parts = shard.task
    study = experiment.study
    cells = _cells(experiment, pair)
    cuts = np.linspace(0, len(cells), parts + 1).astype(int)
    own = cells[cuts[part] : cuts[part + 1]]
    bases, words = read_outputs(pair, study.genome, own, study.batch, progress)
    write_arrays(_path(experiment, shard, "npz"), {"counts": words.counts, "sums": words.sums})
    write_parquet(experiment.part(shard.index), bases)
    return {}


def _features(experiment: Experiment, pair: Pair, shard: Shard, progress: Progress) -> dict[str, Any]:
    study = experiment.study
    sums, peaks, marks = one_dictionary(study, pair, experiment.settings.bases, progress)
    table = pd.concat([compare_features(sums), peaks], axis=1)
    for side, found in zip("ab", marks, strict=True):
        table = table.assign(**{f"marks_{side}": _marked(found), f"lift_{side}": found["lift"].to_numpy()})
    write_parquet(experiment.part(shard.index), table.assign(**_named(study, table["feature"])))
    return {"bases": sums.bases}


def _marked(found: pd.DataFrame) -> np.ndarray:
    """``CDS (same)``, empty for a feature that marks nothing."""
    return np.where(found["track"] == "", "", found["track"] + " (" + found["mode"] + ")")


def _named(study: Study, features: pd.Series) -> dict[str, np.ndarray]:
    """Labels and verdicts of the study's features."""
    labels = study.feature_labels()
    verdicts = study.table("catalog").set_index("feature")["verdict"].reindex(features).fillna("")
    return {
        "label": np.array([labels[int(f)].text if int(f) in labels else "" for f in features], object),
        "verdict": verdicts.to_numpy(),
    }


def _crosscoder(experiment: Experiment, pair: Pair, shard: Shard, progress: Progress) -> dict[str, Any]:
    study, given = experiment.study, experiment.settings
    sites = [pair.a, pair.b]
    folder = experiment.folder / CROSSCODER
    sae, _ = train_sites(study, sites, pair.grid, given.train, given.seed, folder, progress)
    sides = held_out_sides(study, pair, sae, given.bases, progress)
    write_parquet(experiment.part(shard.index), describe_crosscoder(sae, sides))
    shares = explained(sides, site_widths(sites))
    return {
        "bases": int(sides.bases),
        "explained_a": float(shares[0]),
        "explained_b": float(shares[1]),
        "active_a_base": float(sides.active.sum() / sides.bases),
    }


def _given_dictionary(experiment: Experiment) -> tuple[Path | None, Study | None]:
    """Where the autoencoder of b lies that was asked for, and the study of b that it is of; None for none."""
    given = experiment.settings.sae
    if not given:
        return None, None
    own = experiment.study.folder / "sae" / given
    path = own if "/" not in given and own.is_dir() else Path(given)
    if (path / STUDY).is_file():
        return path / "sae", Study.open(path)
    return path, None


def _pairs(experiment: Experiment, pair: Pair, shard: Shard, progress: Progress) -> dict[str, Any]:
    study, given = experiment.study, experiment.settings
    path, other = _given_dictionary(experiment)
    if path:
        sae, values = read_dictionary(path, study, pair.b, pair.grid)
    else:
        folder = experiment.folder / "sae"
        sae, values = train_sites(study, [pair.b], pair.grid, given.train, given.seed, folder, progress)
    found = two_dictionaries(study, pair, sae, values, given.bases, progress)
    try:
        same = universality(*found.codes, given.shifts, given.seed)
    except ValueError as error:
        raise InputError(f"features cannot be matched: {error}") from None
    table = pd.DataFrame(
        {name: getattr(same, name) for name in ("feature", "partner", "correlation", "chance", "p")}
    )
    table["q"] = q_values(table["p"].to_numpy())
    facts: dict[str, Any] = {
        "bases": found.codes[0].n_rows,
        "score": same.score,
        "null": [float(each) for each in same.null],
        "p": float((1 + (same.null >= same.score).sum()) / (1 + len(same.null))),
        "autoencoder": sae.hash,
    }
    table["cosine"], table["by_cosine"] = np.nan, -1
    if pair.alike:
        a, b = study.sae.W_dec.cpu().numpy(), sae.W_dec.cpu().numpy()
        matched = match(a, b)
        table["by_cosine"] = matched.partner[table["feature"]]
        table["cosine"] = matched.cosine[table["feature"]]
        facts["cosine"] = float(matched.cosine.mean())
        facts["cosine_chance"] = seed_stability(a, [b], given.seed).chance
    for side, column, marks in zip("ab", ("feature", "partner"), found.marks, strict=True):
        own = marks.iloc[table[column]].reset_index(drop=True)
        table[f"marks_{side}"], table[f"lift_{side}"] = _marked(own), own["lift"].to_numpy()
    table = table.assign(**_named(study, table["feature"]))
    named = _named(other, table["partner"]) if other else dict.fromkeys(("label", "verdict"), "")
    write_parquet(
        experiment.part(shard.index), table.assign(**{f"{name}_b": each for name, each in named.items()})
    )
    return facts


_RUNS = {OUTPUTS: _predictions, FEATURES: _features, CROSSCODER: _crosscoder, PAIRS: _pairs}


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.diff_page import write_diff  # Altair, which no shard needs

    pair, shards = open_pair(experiment), _shards(experiment)
    facts = [read_facts(_path(experiment, shard, "json")) for shard in shards]
    if len({tuple(each["models"].values()) for each in facts}) > 1:
        raise InputError(
            f"{experiment.folder}: parts were made with different models; remove the folder parts and run"
            " again"
        )
    by_task = {str(each.pop("task")): each for each in facts}
    tables = {
        task: read_parquet(experiment.part(shard.index))
        for shard in shards
        if (task := shard.task[0]) != OUTPUTS
    }
    said: dict[str, Any] = {"without": _without(pair), "models": _models(experiment, pair)}
    own = [shard for shard in shards if shard.task[0] == OUTPUTS]
    if own:
        bases = pd.concat([read_parquet(experiment.part(s.index)) for s in own], ignore_index=True)
        words = Words(len(pair.sites))
        for shard in own:
            arrays = read_arrays(_path(experiment, shard, "npz"))
            words.counts += arrays["counts"]
            words.sums += arrays["sums"]
        tables["words"] = compare_words(words)
        gains = ["gain", *(f"gain_{i}" for i in range(len(pair.null)))]
        tables["stretches"] = compare_stretches(bases, gains)
        said |= _sums(bases, len(pair.null)) | detect(tables["words"], tables["stretches"])._asdict()
        tables["along"] = along(bases)
        _write_tracks(experiment, bases)
        tables["words"] = locate_words(tables["words"], experiment.study.genome, bases)
    tables["leading"] = leading(experiment.study, tables)
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_facts(experiment.folder / "facts.json", said | by_task)
    write_diff(experiment, tables, said | by_task)


def _models(experiment: Experiment, pair: Pair) -> list[dict[str, str]]:
    given = experiment.settings
    names = [experiment.study.manifest.model.shown_name, given.model or "the study's own", *given.null]
    return [
        {"role": _role(i), "name": Path(name).name, "layer": site.layer, "hash": site.model.weights_hash}
        for i, (name, site) in enumerate(zip(names, pair.sites, strict=True))
    ]


def _sums(bases: pd.DataFrame, null: int) -> dict[str, Any]:
    names = ["kl", "gain", "distance", *(["null_kl", "null_distance"] if null else [])]
    means = {name: float(bases[name].mean()) for name in names}
    return means | {"bases": len(bases), "null_gain": [float(bases[f"gain_{i}"].mean()) for i in range(null)]}


def _write_tracks(experiment: Experiment, bases: pd.DataFrame) -> None:
    """Divergence, gain and distance as bigWig, a file each and strand."""
    lengths = experiment.study.manifest.contigs
    order = {chrom: i for i, chrom in enumerate(lengths)}
    for strand, own in bases.groupby("strand", sort=False):
        ranked = own.assign(rank=own["chrom"].map(order)).sort_values(["rank", "position"])
        for track in TRACKS:
            part = ranked[ranked[track].notna()]
            entries = zip(
                part["chrom"].tolist(),
                part["position"].tolist(),
                (part["position"] + 1).tolist(),
                part[track].astype(float).tolist(),
                strict=True,
            )
            if len(part):
                write_bigwig(experiment.folder / f"{track}.{SIDES[str(strand)]}.bw", lengths, entries)


KIND = Kind(
    name="diff",
    title="what differs from another model",
    settings=DiffSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
