"""A base has one value, whatever else is read with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.genomic_models.tiny import random_model
from workbench.analysis.readings import read_cells
from workbench.genome.reference import Genome
from workbench.genome.windows import Cell, Grid

CHROM = "NC_005816.1"


@pytest.fixture(scope="module")
def genome(tmp_path_factory):

    path = ROOT / "data_samples" / "yersinia_pPCP1.fa"
    return Genome(path, cache=tmp_path_factory.mktemp("cache"))


def values(genome, grid, cells, batch):
    model = random_model()
    found = {}
    for r in read_cells(model, "blocks.2", genome, grid, cells, batch):
        found[r.cell.start, r.strand] = r.activations
    return found


def test_batch_size_and_company_change_nothing(genome):
    grid = Grid(200, 50)
    cells = grid.cells(CHROM, genome.lengths[CHROM])
    whole = values(genome, grid, cells, 8)
    assert len(whole) == 2 * len(cells)
    for batch, some in ((1, cells[3:6]), (3, cells[5:20]), (7, [cells[40], cells[2], cells[11]])):
        for key, rows in values(genome, grid, some, batch).items():
            np.testing.assert_allclose(rows, whole[key], atol=1e-5)


def test_overlapping_regions_read_the_cells_of_the_whole_contig(genome):
    grid = Grid(200, 50)
    lengths = {CHROM: genome.lengths[CHROM]}
    whole = values(genome, grid, grid.cells(CHROM, lengths[CHROM]), 8)
    for start, end in ((1000, 1900), (1333, 2750)):
        region = pd.DataFrame({"chrom": [CHROM], "start": [start], "end": [end]})
        cells = grid.cells_of(region, lengths)
        assert cells[0].start <= start and cells[-1].end >= end
        for key, rows in values(genome, grid, cells, 4).items():
            np.testing.assert_allclose(rows, whole[key], atol=1e-5)


def test_minus_reading_is_the_model_on_the_reverse_complement(genome):
    grid = Grid(200, 50)
    cell = Cell(CHROM, 300, 450, 2)
    found = values(genome, grid, [cell], 2)
    turned = genome.fetch(CHROM, 300, 500, "-")
    rows = random_model().forward([turned], taps=["blocks.2"]).taps["blocks.2"][0, 50:].numpy()
    np.testing.assert_allclose(found[300, "-"], rows[::-1], atol=1e-5)
