"""Embeddings of a planned study's regions: read as its features are, whole or pooled, as files of arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from workbench.analysis.labels import named_regions
from workbench.errors import InputError
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.settings import EmbedSettings
from workbench.files.parquet import write_parquet
from workbench.models.embedding import Asked, Components, cut_regions, embed_regions, whole_records
from workbench.models.embedding_files import Parts, write_embeddings
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study

STRANDS = ("+", "-")
# Regions that the picture shows at most, spread over all.
MOST_DRAWN = 3000
# Table of where regions lie on it.
MAP = "map"


def _asked(experiment: Experiment) -> Asked:
    study, given = experiment.study, experiment.settings
    # The model is loaded for layers that were named alone: a plan by itself need not wait for it.
    asked = tuple(study.model.resolve(layer) for layer in dict.fromkeys(given.layers))
    layers = asked or (study.layer,)
    if not given.strands or set(given.strands) - set(STRANDS):
        raise InputError(f"embed: strands are {given.strands}; expected '+', '-' or both")
    return Asked(layers, given.pool, tuple(dict.fromkeys(given.strands)), given.phases)


def _regions(study: Study, name: str) -> pd.DataFrame:
    """Intervals of a track, of a BED file, or whole contigs; ``chrom, start, end, name``."""
    if not name:
        return whole_records(study.manifest.contigs)
    return named_regions(study, name, "regions")


def _shards(experiment: Experiment) -> list[Shard]:
    study, asked = experiment.study, _asked(experiment)
    # The study's layer stands for all: widths of others are known once the model is loaded.
    width = len(asked.layers) * study.manifest.model.d_model
    shards = []
    for index, regions in enumerate(cut_regions(_regions(study, experiment.settings.regions), asked, width)):
        cells = study.grid.cells_of(regions, study.manifest.contigs)
        size = len(asked.strands) * sum(cell.end - cell.start for cell in cells)
        shards.append(Shard(index, size, regions))
    if not shards:
        raise InputError(f"regions {experiment.settings.regions!r}: there is none")
    return shards


def _parts(experiment: Experiment) -> Parts:
    return Parts(experiment.folder / "parts", _asked(experiment))


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, parts = experiment.study, _parts(experiment)
    made = embed_regions(
        study.model, study.genome, study.grid, shard.task, parts.asked, study.batch, progress.advance
    )
    parts.write(shard.index, made)
    return shard.size


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.embedding_page import write_embedding  # Altair, which no shard needs

    study, parts = experiment.study, _parts(experiment)
    manifest = study.manifest
    words = {
        "model": manifest.model.shown_name,
        "weights": manifest.model.weights_hash,
        "manifest": manifest.hash,
        "regions": experiment.settings.regions or "whole contigs",
        "pool": parts.asked.pool,
        "window": str(study.grid.window),
        "warmup": str(study.grid.warmup),
        "phases": str(parts.asked.phases),
    }
    files = write_embeddings(parts, experiment.settings.format, experiment.folder, words)
    found = [_drawn(study, parts, layer) for layer in parts.asked.layers]
    drawn = [each for each in found if each is not None]
    if drawn:
        write_parquet(experiment.folder / f"{MAP}.parquet", pd.concat(map(_as_table, drawn)))
    write_embedding(experiment, files, parts.regions(), drawn)


def _as_table(drawn: Components) -> pd.DataFrame:
    """Regions with their place on the map of one layer, and the share of variance of its two axes."""
    first, second = drawn.shares
    return drawn.table.assign(layer=drawn.layer, first_share=first, second_share=second)


def _drawn(study: Study, parts: Parts, layer: str) -> Components | None:
    """The first two principal components of pooled regions; None where there are too few, or no pools."""
    if parts.asked.pool == "none":
        return None
    rows = parts.regions()
    known = np.flatnonzero(rows["bases"])
    if len(known) < 3:
        return None
    some = known[np.unique(np.linspace(0, len(known) - 1, MOST_DRAWN).round().astype(int))]
    values = parts.chosen(layer, some)
    pca = PCA(2, random_state=0).fit(values)
    table = rows.iloc[some].reset_index(drop=True)
    table[["first", "second"]] = pca.transform(values)
    letters = [study.genome.fetch(row.chrom, row.start, row.end) for row in table.itertuples()]
    table["gc"] = [(text.count("G") + text.count("C")) / len(text) for text in letters]
    return Components(layer, table, tuple(pca.explained_variance_ratio_))


KIND = Kind(
    name="embed",
    title="embeddings of regions",
    settings=EmbedSettings,
    needs=("plan",),
    shards=_shards,
    run=_run,
    finish=_finish,
    features=False,
)
