"""What two models make of a study's bases: outputs side by side, features, dictionaries of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from feature_mining.association.labels import Column
from feature_mining.diff.crosscoder import Sides, measure_sides
from feature_mining.diff.features import FeatureSums
from feature_mining.diff.matching import sparse
from feature_mining.diff.predictions import Read, Words, divergence, read_bases, surprisal_bits
from feature_mining.feature_map import Csr, concatenate, select_rows
from feature_mining.sae.calibrate import Calibration, calibrate, describe
from feature_mining.sae.formats import read as read_format
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.shuffled_rows import ShuffledRows
from feature_mining.sae.training.site_source import ShuffledSites, Site, site_rows, site_widths
from feature_mining.sae.training.source import ShuffledActivations
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.train_config import TrainConfig
from genomic_models.contract import DNAModel
from genomic_models.dna import base_codes
from workbench.analysis.activations import StrandWindows
from workbench.analysis.labelled_bases import Labelled, feature_counter
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.probing import ANSWERS, lifts
from workbench.analysis.readings import CellReading, read_cells
from workbench.analysis.sample import Drawn, sample
from workbench.analysis.training import fit, save, telling
from workbench.errors import InputError
from workbench.genome.windows import Cell, Grid, Sequences, read_sequence
from workbench.progress import Progress
from workbench.study.study import Study

# One train cell in so many is kept for thresholds.
HELD_OUT = 10
HELD_CELLS = 32


class Pair(NamedTuple):
    """Two sides: model and layer of each, and the models of the null, which are read at b's layer."""

    a: Site
    b: Site
    null: tuple[DNAModel, ...]
    grid: Grid

    @property
    def sites(self) -> list[Site]:
        """All of them, a and b first."""
        return [self.a, self.b, *(Site(model, self.b.layer) for model in self.null)]

    @property
    def alike(self) -> bool:
        """Whether both layers have one width."""
        a, b = site_widths([self.a, self.b])
        return a == b


def read_outputs(
    pair: Pair,
    genome: Sequences,
    cells: Sequence[Cell],
    batch: int,
    progress: Progress,
    read: Callable[[DNAModel, str, Sequence[str]], list[Read]] = read_bases,
) -> tuple[pd.DataFrame, Words]:
    """Predictions of both models, and of the null, on both strands of cells.

    Returns
    -------
    DataFrame
        A row a callable base and reading: ``chrom, position`` (0-based), ``strand``; ``kl``, divergence of
        b's prediction from a's, bits; ``gain``, bits that the base is cheaper with b; ``distance`` of the
        activations in units of a's length, NaN where widths differ; ``null_kl``, ``null_distance``, means
        over the null; ``gain_0, gain_1, ...`` of each of the null. All float32.
    Words
        Sums of all models.
    """
    words, rows = Words(len(pair.sites)), []
    jobs = ((cell, strand) for cell in cells for strand in "+-")
    while group := list(islice(jobs, batch)):
        parts = [read_sequence(genome, pair.grid, cell, strand) for cell, strand in group]
        texts = [part.sequence for part in parts]
        reads = [read(site.model, site.layer, texts) for site in pair.sites]
        for i, ((cell, strand), part) in enumerate(zip(group, parts, strict=True)):
            own = [read[i] for read in reads]
            codes = base_codes(part.sequence).astype(np.int64)
            use = np.zeros(len(codes), bool)
            use[part.skip : part.skip + len(part.callable)] = (
                part.callable if strand == "+" else part.callable[::-1]
            )
            use[0] = False  # nothing is predicted of it
            words.add(codes, [read.probabilities for read in own], use)
            at = np.flatnonzero(use)
            along = at - part.skip
            position = cell.start + along if strand == "+" else cell.end - 1 - along
            table = _base_rows(own, codes, at, pair.alike)
            table.insert(0, "strand", strand)
            table.insert(0, "position", position)
            table.insert(0, "chrom", cell.chrom)
            rows.append(table)
        progress.advance(sum(cell.end - cell.start for cell, _ in group) / 2 * len(pair.sites))
    return pd.concat(rows, ignore_index=True), words


def _base_rows(own: Sequence[Read], codes: np.ndarray, at: np.ndarray, alike: bool) -> pd.DataFrame:
    p = [read.probabilities[at] for read in own]
    bits = [surprisal_bits(each, codes[at]) for each in p]
    x = [read.activations[at] for read in own]
    found: dict[str, np.ndarray] = {"kl": divergence(p[0], p[1]), "gain": bits[0] - bits[1]}
    if alike:
        length = np.maximum(np.linalg.norm(x[0], axis=1), np.finfo(np.float32).tiny)
        far = [np.linalg.norm(each - x[0], axis=1) / length for each in x[1:]]
    else:
        far = [np.full(len(at), np.nan)] * (len(own) - 1)
    found["distance"] = far[0]
    if len(own) > 2:
        found["null_kl"] = np.mean([divergence(p[0], each) for each in p[2:]], axis=0)
        found["null_distance"] = np.mean(far[1:], axis=0)
    found |= {f"gain_{i}": bits[0] - each for i, each in enumerate(bits[2:])}
    return pd.DataFrame({name: values.astype(np.float32) for name, values in found.items()})


class Coded(NamedTuple):
    """Features of each of some dictionaries on one reading, on all of its bases."""

    reading: CellReading
    codes: list[Csr]
    weight: float


def read_codes(
    study: Study,
    sites: Sequence[Site],
    dictionaries: Sequence[SparseAutoencoder],
    grid: Grid,
    drawn: Sequence[Drawn],
    progress: Progress,
) -> Iterator[Coded]:
    """Features of each dictionary on its own site's activations, the same reading on all sites at once."""
    cells = [each.cell for each in drawn]
    weight = {each.cell: each.weight for each in drawn}
    streams = [read_cells(s.model, s.layer, study.genome, grid, cells, study.batch) for s in sites]
    for together in zip(*streams, strict=True):
        codes = [
            sae.encode_sparse(np.ascontiguousarray(reading.activations))
            for sae, reading in zip(dictionaries, together, strict=True)
        ]
        first = together[0]
        progress.advance((first.cell.end - first.cell.start) / 2 * len(sites))
        yield Coded(first, codes, weight[first.cell])


def draw(study: Study, grid: Grid, split: str, bases: int) -> list[Drawn]:
    """Cells of a split that hold about ``bases / 2`` bases. Raises ``InputError`` where it holds none."""
    drawn = sample(study, split, max(1, bases // 2), grid)
    if not drawn:
        raise InputError(f"the {split} split holds no whole cell: make a study with a smaller window")
    return drawn


class Marks:
    """What features mark, by one rule on both sides: average precision lift on select and on report."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.columns: list[Column] = study_columns(study)
        self.readings: dict[tuple[str, int], list[Labelled]] = {}

    def add(self, split: str, coded: Coded) -> None:
        """Take a reading."""
        reading = coded.reading
        place = (reading.cell.chrom, reading.cell.start, reading.cell.end)
        labels = labels_of(self.study, self.columns, *place, reading.strand)
        nothing = np.zeros((len(reading.callable), 0), np.float32)
        for side, codes in enumerate(coded.codes[:2]):
            kept = Labelled(nothing, codes, labels, reading.callable, coded.weight)
            self.readings.setdefault((split, side), []).append(kept)

    def table(self, side: int, edges: np.ndarray) -> pd.DataFrame:
        """``track, mode`` with the largest lift on select, and that ``lift`` on report, a row a feature.

        Empty and NaN where a feature marks nothing: a lift of less than `ANSWERS` on either. ``edges`` are
        bin edges of the side's calibration.
        """
        if not self.columns:
            return pd.DataFrame({"track": [""] * len(edges), "mode": "", "lift": np.nan})
        found = {
            split: np.nan_to_num(
                lifts(self.readings[split, side], len(edges), len(self.columns), feature_counter(edges))
            )[..., 0]
            for split in ("select", "report")
        }
        best = found["select"].argmax(axis=1)
        at = np.arange(len(edges))
        select, report = found["select"][at, best], found["report"][at, best]
        marked = (select >= ANSWERS) & (report >= ANSWERS)
        names = np.array([*self.columns, ("", "")], dtype=object)[np.where(marked, best, len(self.columns))]
        return pd.DataFrame(
            {"track": names[:, 0], "mode": names[:, 1], "lift": np.where(marked, report, np.nan)}
        )


class _Peaks:
    """Where each feature differs most between two sides."""

    def __init__(self, features: int) -> None:
        self.value = np.zeros(features)
        self.place = pd.DataFrame({"chrom": [""] * features, "position": -1, "strand": ""})

    def add(self, coded: Coded) -> None:
        """Take a reading with both sides."""
        reading = coded.reading
        a, b = (sparse(select_rows(code, reading.callable)) for code in coded.codes[:2])
        if not a.shape[0]:
            return
        apart = abs(b - a).tocsc()
        most = apart.max(axis=0).toarray().ravel()
        better = np.flatnonzero(most > self.value)
        if not better.size:
            return
        rows = np.asarray(apart[:, better].argmax(axis=0)).ravel()
        self.value[better] = most[better]
        position = reading.cell.start + np.flatnonzero(reading.callable)[rows]
        self.place.loc[better, "chrom"] = reading.cell.chrom
        self.place.loc[better, "position"] = position
        self.place.loc[better, "strand"] = reading.strand

    def table(self) -> pd.DataFrame:
        """``chrom, position, strand`` and ``apart``, the difference there, a row a feature; -1 for none."""
        return self.place.assign(apart=self.value)


def one_dictionary(
    study: Study, pair: Pair, bases: int, progress: Progress
) -> tuple[FeatureSums, pd.DataFrame, list[pd.DataFrame]]:
    """The study's autoencoder on every side.

    Returns sums over the report split, where each feature differs most in it (``chrom, position, strand,
    apart``), and what features mark with a and with b.
    """
    sae, marks = study.sae, Marks(study)
    peaks = _Peaks(sae.config.d_sae)
    sums = FeatureSums(len(pair.sites), sae.config.d_sae)
    for split in ("select", "report"):
        sites = pair.sites if split == "report" else pair.sites[:2]
        drawn = draw(study, pair.grid, split, bases)
        for coded in read_codes(study, sites, [sae] * len(sites), pair.grid, drawn, progress):
            marks.add(split, coded)
            if split == "report":
                sums.add([select_rows(code, coded.reading.callable) for code in coded.codes])
                peaks.add(coded)
    edges = study.calibration.bin_edges
    return sums, peaks.table(), [marks.table(side, edges) for side in (0, 1)]


class Dictionaries(NamedTuple):
    """Features of two dictionaries on the same bases of report, the + readings first, and what they mark."""

    codes: tuple[Csr, Csr]
    marks: list[pd.DataFrame]


def two_dictionaries(
    study: Study, pair: Pair, other: SparseAutoencoder, values: Calibration, bases: int, progress: Progress
) -> Dictionaries:
    """The study's autoencoder on a, another on b."""
    marks = Marks(study)
    kept: dict[str, list[list[Csr]]] = {"+": [[], []], "-": [[], []]}
    for split in ("select", "report"):
        drawn = draw(study, pair.grid, split, bases)
        for coded in read_codes(study, pair.sites[:2], [study.sae, other], pair.grid, drawn, progress):
            marks.add(split, coded)
            if split == "report":
                for side, code in zip(kept[coded.reading.strand], coded.codes, strict=True):
                    side.append(select_rows(code, coded.reading.callable))
    a, b = (concatenate([*kept["+"][side], *kept["-"][side]]) for side in (0, 1))
    edges = (study.calibration.bin_edges, values.bin_edges)
    return Dictionaries((a, b), [marks.table(side, edges[side]) for side in (0, 1)])


def train_sites(
    study: Study, sites: Sequence[Site], grid: Grid, rows: int, seed: int, folder: Path, progress: Progress
) -> tuple[SparseAutoencoder, Calibration]:
    """An autoencoder of one site, or a crosscoder of two, as wide and as sparse as the study's own.

    Trained on ``rows`` rows of the train split, thresholds set on cells of it that are kept for that. It is
    written to ``folder``, and goes on from a checkpoint there; ``Stopped`` after a request to stop. Raises
    ``InputError`` where the split is too short.
    """
    cells = study.split.cells(grid, study.manifest.contigs, "train")
    step = min(HELD_OUT, len(cells))
    own = study.sae.config
    widths = site_widths(sites)
    one = len(sites) == 1
    batch = min(study.config.sae.batch, rows)
    config = TrainConfig(
        d_sae=own.d_sae,
        k=own.k or study.config.sae.k,
        steps=max(1, rows // batch),
        batch=batch,
        seed=seed,
        sites=() if one else widths,
        model=sites[0].model.name if one else "",
        layer=sites[0].layer if one else "",
        weights_hash=sites[0].model.weights_hash if one else "",
    )
    kept = [cell for i, cell in enumerate(cells) if i % step != step - 1]
    try:
        source = _stream(sites, StrandWindows(study.genome, grid, kept), batch, study.batch, seed)
    except ValueError as error:
        raise InputError(f"an autoencoder of b cannot be trained: {error}") from None
    folder.mkdir(parents=True, exist_ok=True)
    result = fit(study, [config], source, folder / "training.safetensors", telling(progress, batch), progress)
    held = cells[step - 1 :: step]
    windows = StrandWindows(study.genome, grid, held[:: max(1, len(held) // HELD_CELLS)])
    sae, values = set_thresholds(result[0].sae, site_rows(sites, windows, study.batch))
    save(sae, values, folder)
    (folder / "training.safetensors").unlink(missing_ok=True)
    return sae, values


def _stream(
    sites: Sequence[Site], windows: StrandWindows, batch: int, together: int, seed: int
) -> ShuffledRows:
    if len(sites) > 1:
        return ShuffledSites(sites, windows, batch, together, seed=seed)
    return ShuffledActivations(sites[0].model, sites[0].layer, windows, batch, together, seed=seed)


def held_out_sides(
    study: Study, pair: Pair, crosscoder: SparseAutoencoder, bases: int, progress: Progress
) -> Sides:
    """What a crosscoder of both sides does on bases of the report split."""
    cells = [each.cell for each in draw(study, pair.grid, "report", bases)]
    windows = StrandWindows(study.genome, pair.grid, cells)
    found: Sides | None = None
    for rows in site_rows([pair.a, pair.b], windows, study.batch):
        if len(rows):
            part = measure_sides(crosscoder, rows)
            found = part if found is None else found.plus(part)
        progress.advance(2 * len(rows))
    if found is None:
        raise InputError("no base of the report split has enough context: make a study with a smaller window")
    return found


def open_dictionary(path: Path, site: Site) -> tuple[SparseAutoencoder, Tensor | None]:
    """An autoencoder of b from a file, and the proportions of its thresholds where they are to be set.

    Raises ``InputError`` for what cannot be read, is of another width, or says that it is of another model.
    """
    try:
        sae, shape = read_format(path)
    except ValueError as error:
        raise InputError(str(error)) from None
    config, width = sae.config, site.model.d_model(site.layer)
    if config.d_out or sae.W_skip is not None or config.sites:
        raise InputError(f"{path}: no autoencoder of one layer")
    if config.d_in != width:
        raise InputError(
            f"{path}: reads activations of width {config.d_in}; {site.layer} of b has {width}: name its layer"
            " with --layer"
        )
    if config.weights_hash and config.weights_hash != site.model.weights_hash:
        raise InputError(
            f"{path}: was trained on weights {config.weights_hash}; b has {site.model.weights_hash}"
        )
    return sae, shape


def read_dictionary(
    path: Path, study: Study, site: Site, grid: Grid
) -> tuple[SparseAutoencoder, Calibration]:
    """An autoencoder of b, its values measured on cells of the train split; raises as `open_dictionary`."""
    sae, shape = open_dictionary(path, site)
    cells = study.split.cells(grid, study.manifest.contigs, "train")
    windows = StrandWindows(study.genome, grid, cells[:: max(1, len(cells) // HELD_CELLS)])
    rows = site_rows([site], windows, study.batch)
    try:
        return describe(sae, rows) if shape is None else calibrate(sae, rows, shape)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
