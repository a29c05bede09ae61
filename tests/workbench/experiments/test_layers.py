"""The scan of layers against scikit-learn on the same readings, and bits against the model's own passes."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, roc_auc_score

from genomic_models import ModelError, ModuleModel, Outputs
from tests.workbench.small_study import finished_study
from workbench.analysis import layer_scan
from workbench.analysis.activations import StrandWindows
from workbench.analysis.detectors import RIDGE
from workbench.analysis.labels import labels_of, study_columns
from workbench.analysis.layer_scan import lost_bits, participation_ratio
from workbench.analysis.readings import read_cells
from workbench.analysis.sample import sample
from workbench.engines.local import run_experiment
from workbench.experiments.layers import advise
from workbench.experiments.registry import create_experiment
from workbench.experiments.settings import LayersSettings
from workbench.files.parquet import read_parquet
from workbench.study.study import Study

BASES = 3000


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    copy = tmp_path_factory.mktemp("layers") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def scan(study):
    made = create_experiment(study, "scan", "layers", LayersSettings(bases=BASES))
    with pytest.MonkeyPatch.context() as patch:
        # The plasmid is small: no track has as many intervals as a verdict asks for.
        patch.setattr(layer_scan, "FEWEST", 2)
        run_experiment(study, "scan")
    return made


def stacked(study: Study, drawn, layer: str):
    """Activations, labels and weights of the callable bases of cells, one strand after another."""
    columns, weight = study_columns(study), {d.cell: d.weight for d in drawn}
    x, y, w = [], [], []
    for reading in read_cells(study.model, layer, study.genome, study.grid, list(weight), study.batch):
        cell = reading.cell
        states = labels_of(study, columns, cell.chrom, cell.start, cell.end, reading.strand)
        x.append(reading.activations[reading.callable])
        y.append(states.table[states.states[reading.callable]])
        w.append(np.full(len(x[-1]), weight[cell]))
    return np.concatenate(x).astype(float), np.concatenate(y), np.concatenate(w)


def test_probes_are_those_of_scikit_learn(study, scan):
    probes = read_parquet(scan.folder / "probes.parquet")
    columns = study_columns(study)
    select, report = sample(study, "select", BASES), sample(study, "report", BASES)
    layer = "blocks.2"
    x, y, w = stacked(study, select[: len(select) // 2], layer)
    held = stacked(study, report, layer)
    assert set(probes["layer"]) == {f"blocks.{i}" for i in range(4)}
    mean = np.average(x, axis=0, weights=w)
    variance = np.trace(np.cov(x.T, aweights=w, ddof=0)) / x.shape[1]
    own = probes[(probes["layer"] == layer) & probes["lift"].notna()]
    assert len(own)
    for row in own.itertuples():
        column = columns.index((row.track, row.mode))
        ridge = Ridge(alpha=RIDGE * variance * w.sum()).fit(x - mean, y[:, column], sample_weight=w)
        scores = (held[0] - mean) @ ridge.coef_
        expected = average_precision_score(held[1][:, column], scores, sample_weight=held[2])
        assert row.ap == pytest.approx(expected, abs=2e-3)
        area = roc_auc_score(held[1][:, column], scores, sample_weight=held[2])
        assert row.auroc == pytest.approx(area, abs=2e-3)
        assert row.lift == pytest.approx((row.ap - row.chance) / (1 - row.chance))


def test_bits_lost_are_those_of_a_pass_at_the_mean(study):
    layer = "blocks.1"
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")[1:3]
    mean = np.linspace(-1, 1, 16)
    clean, ablated = lost_bits(study.model, layer, mean, StrandWindows(study.genome, study.grid, cells), 3)
    total = np.zeros(2)
    letters = 0
    for cell in cells:
        for strand in "+-":
            start = cell.start - 32 if strand == "+" else cell.start
            text = study.genome.fetch(cell.chrom, start, start + 128, strand)
            targets = torch.tensor([ord(c) for c in text[33:]])

            def at_mean(values, context):
                return torch.cat([values[:, :32], torch.tensor(mean).float().expand(1, 96, 16)], 1)

            for i, edits in enumerate((None, {layer: at_mean})):
                logits = study.model.forward([text], edits=edits).logits[0, 32:127].log_softmax(-1)
                total[i] -= float(logits.gather(-1, targets[:, None]).sum()) / np.log(2)
            letters += len(targets)
    assert (clean, ablated) == pytest.approx(tuple(total / letters), abs=1e-4)
    assert ablated != pytest.approx(clean, abs=1e-3)


def test_a_model_of_classes_has_no_bits_to_lose(study):
    """Though it sees no base further right: its outputs are not letters."""

    def build():
        return torch.nn.Sequential(torch.nn.Conv1d(4, 6, 1), torch.nn.Conv1d(6, 300, 1))

    said = Outputs("classes", tuple(map(str, range(300))))
    model = ModuleModel(build, build().state_dict(), ["0"], said, causal=True)
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")[1:3]
    windows = StrandWindows(study.genome, study.grid, cells)
    with pytest.raises(ModelError, match="does not predict base after base"):
        lost_bits(model, "0", np.zeros(6), windows, 2)


def test_dimensions_count_the_directions_that_vary():
    assert participation_ratio(np.diag([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert participation_ratio(np.diag([1.0, 0.0])) == pytest.approx(1)
    assert np.isnan(participation_ratio(np.zeros((2, 2))))


def probes(**lifts: tuple[float, float]) -> pd.DataFrame:
    rows = [
        {"layer": layer, "track": "CDS", "intervals": 20, "lift_select": select, "lift": report}
        for layer, (select, report) in lifts.items()
    ]
    return pd.DataFrame(rows)


def test_the_first_layer_that_is_as_good_on_select_is_recommended():
    """What a layer does on report says nothing for it: that is what is reported of it."""
    table = probes(a=(0.2, 0.9), b=(0.49, 0.4), c=(0.5, 0.8), d=(0.3, 0.3))
    found = advise(table, ["a", "b", "c", "d"])
    assert found.layer == "b" and "0.400" in found.reason and "c, has 0.500" in found.reason
    none = advise(table.assign(intervals=3), ["a", "b", "c", "d"])
    assert none.layer == "" and "no track has enough intervals" in none.reason


def test_the_page_and_the_command(cli, refused, study, scan):
    page = (scan.folder / "page.html").read_text()
    assert "<svg" in page and "blocks.3" in page and " strand)" in page
    table = read_parquet(scan.folder / "layers.parquet")
    assert table["dimensions"].between(1, 16).all() and table["bits_lost"].notna().all()
    asked = ("layers", study.folder, "--name", "two", "--bases", 500, "--layer", "blocks.1")
    assert cli(*asked)[0] == 0
    assert "has no layer" in refused("layers", study.folder, "--name", "none", "--layer", "blocks.99")
    assert not (study.folder / "experiments" / "none").exists()
