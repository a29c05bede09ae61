"""The quality stage of a small study, planted units and probes, and what the command prints."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import Ridge
from typer.testing import CliRunner

from feature_mining.association.probe import Sample
from feature_mining.feature_map import from_dense
from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.analysis.labelled_bases import Stacked
from workbench.analysis.probing import absorption, dense_probe, probing, tracks_answered
from workbench.analysis.quality_table import gather_quality, polysemanticity, probing_curve, quality_lines
from workbench.cli import app
from workbench.genome.region_classes import CLASSES, cells_by_class, region_classes
from workbench.genome.windows import Cell
from workbench.tracks import Track


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Study:
    samples = ROOT / "data_samples"
    model = write_model(tmp_path_factory.mktemp("model") / "tiny")
    config = small_config(samples, model)
    config = replace(config, sae=replace(config.sae, seeds=2))
    study = Study.create(tmp_path_factory.mktemp("study") / "quality", config)
    study.run(until="quality")
    return Study.open(study.folder)


def test_every_figure_is_there(done: Study) -> None:
    facts = done.facts("quality")
    assert facts["split"] == "report" and facts["bases"] > 1000
    assert facts["dictionary"]["stability"]["seeds"] == 2
    assert facts["dictionary"]["stability"]["exact"]
    assert facts["l0_training"] > 0
    low = facts["explained_by_dimension"]
    assert low["least"] <= low["p5"] <= low["median"] <= 1
    classes = facts["bits_by_class"]
    assert "coding" in classes and set(classes) <= set(CLASSES)
    assert all(part["kl_sae"] >= 0 for part in classes.values())
    assert 0 <= facts["shift"]["after_warmup"]["features"] < 2
    table = done.table("quality_features")
    assert len(table) == 64
    assert table["stability"].between(-1, 1.0001).all()
    assert set(done.table("quality_units")["kind"]) == {"feature", "neuron"}
    sizes = done.table("quality_probing").groupby("track")["size"].apply(sorted)
    assert all(s == [0, 1, 2, 5, 20] for s in sizes)


def test_the_command_prints_and_recomputes_nothing(done: Study) -> None:
    path = done.folder / "tables" / "quality.json"
    before = path.stat().st_mtime_ns
    found = CliRunner().invoke(app, ["quality", str(done.folder), "--json"])
    assert found.exit_code == 0, found.output
    values = json.loads(found.stdout)
    assert values["explained_variance"] == done.facts("quality")["explained_variance"]
    assert {row["size"] for row in values["probing"]} == {0, 1, 2, 5, 20}
    plain = CliRunner().invoke(app, ["quality", str(done.folder)], env={"COLUMNS": "160"})
    assert plain.exit_code == 0 and "seed stability" in plain.stdout
    assert path.stat().st_mtime_ns == before
    names = [line.name for line in quality_lines(gather_quality(done))]
    assert {"explained variance", "  by dimension", "  coding", "probe of the whole layer"} <= set(names)


def test_saelens_is_told_how_often_features_fire(done: Study, tmp_path: Path) -> None:
    asked = ["export-sae", str(done.folder), "--format", "saelens", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, asked).exit_code == 0
    logs = load_file(tmp_path / "out" / "sparsity.safetensors")["sparsity"]
    density = done.table("quality_features")["density"].to_numpy()
    np.testing.assert_allclose(10.0**logs, density, atol=1e-6)


def frame(rows: list[tuple[int, int, str]]) -> pd.DataFrame:
    return pd.DataFrame([("c", s, e, "", 0.0, d) for s, e, d in rows],
                        columns=["chrom", "start", "end", "name", "score", "strand"])  # fmt: skip


def test_a_base_has_the_first_of_its_classes() -> None:
    tracks = [
        Track("intergenic", frame([(0, 10, ".")]), ""),
        Track("x:tRNA", frame([(8, 14, "+")]), "", type="tRNA"),
        Track("CDS", frame([(12, 20, "-")]), "", type="CDS"),
        Track("peaks", frame([(0, 100, ".")]), ""),
    ]
    names = [CLASSES[i] for i in region_classes(tracks, Cell("c", 6, 24, 0))]
    expected = ["intergenic"] * 2 + ["tRNA"] * 4 + ["coding"] * 8 + ["other"] * 4
    assert names == expected
    counts = cells_by_class(tracks, [Cell("c", 6, 24, 0), Cell("d", 0, 5, 0)])
    assert counts.tolist() == [[8, 4, 0, 0, 2, 4], [0, 0, 0, 0, 0, 5]]


def test_tracks_are_counted_once_and_on_both_samples() -> None:
    columns = [("a", "same"), ("a", "any"), ("b", "any")]
    select = np.zeros((4, 3, 2))
    report = np.zeros((4, 3, 2))
    select[0, :, 0] = report[0, :, 0] = 0.5  # both tracks; two modes of one count once
    select[1, 0, 0], report[1, 0, 0] = 0.5, 0.01  # select alone
    select[2, 2, 0], report[2, 2, 1] = 0.5, 0.5  # another sign on report
    select[3, 2, 1] = report[3, 2, 1] = 0.05
    report[3, 1, 0] = np.nan
    assert tracks_answered(select, report, columns).tolist() == [2, 0, 0, 1]
    units = pd.DataFrame({"kind": "neuron", "unit": range(4), "tracks": [2, 0, 0, 1]})
    row = polysemanticity(units).iloc[0]
    assert row[["none", "one", "several", "mean"]].tolist() == [2, 1, 1, 1.5]


COLUMNS = [("gene", "same"), ("stop", "same"), ("noise", "any")]


def planted(seed: int, n: int = 4000, stops: float = 0.25) -> Stacked:
    """Activations with a direction for the gene and one for the stop in it; features 0 and 1 absorb.

    ``stops`` is the share of the gene that the stops take.
    Feature 0 marks the gene but for its stops, feature 1 the stops and writes both; feature 2 is noise.
    """
    rng = np.random.default_rng(seed)
    gene = rng.random(n) < 0.4
    stop = gene & (rng.random(n) < stops)
    noise = rng.random(n) < 0.3
    x = 0.1 * rng.standard_normal((n, 6))
    x[:, 0] += 2 * gene
    x[:, 1] += 2 * stop
    f = np.zeros((n, 3))
    f[:, 0] = 2 * (gene & ~stop)
    f[:, 1] = 2 * math.sqrt(2) * stop
    f[:, 2] = rng.random(n) * (rng.random(n) < 0.1)
    labels = np.stack([gene, stop, noise], axis=1)
    sample = Sample(from_dense(f.astype(np.float32)), labels, rng.choice([1.0, 3.0], n))
    return Stacked(x.astype(np.float32), sample)


DECODER = np.eye(6, dtype=np.float32)[:3].copy()
DECODER[1] = [math.sqrt(0.5), math.sqrt(0.5), 0, 0, 0, 0]


def test_probes_find_what_was_planted() -> None:
    select, report = planted(0), planted(1)
    probe = dense_probe(select)
    table = probing(select, report, probe, COLUMNS).set_index(["track", "size"])
    lift = table["ap_lift"]
    assert lift["stop", 1] == pytest.approx(1) and lift["stop", 0] > 0.99
    # The gene needs both features: one leaves out its stops.
    assert lift["gene", 1] < 0.9 and lift["gene", 2] == pytest.approx(1, abs=1e-6)
    assert lift["gene", 0] > 0.99
    assert abs(lift["noise", 0]) < 0.05 and abs(lift["noise", 20]) < 0.05
    curve = probing_curve(table.reset_index()).set_index("size")
    assert curve.loc[2, "ap_lift"] == pytest.approx(lift[:, 2].mean())
    # The dense probe is scikit-learn's ridge with the same penalty.
    weight = select.sample.weight
    size = 1e-3 * np.average((select.activations - probe.centre) ** 2, axis=0, weights=weight).mean()
    ridge = Ridge(alpha=size * weight.sum()).fit(
        select.activations.astype(float), select.sample.labels, sample_weight=weight
    )
    np.testing.assert_allclose(probe.weights.T, ridge.coef_, rtol=1e-4, atol=1e-6)


def test_a_parent_that_its_main_features_cover_is_not_absorbed() -> None:
    select, report = planted(0), planted(1)
    probe = dense_probe(select)
    found = absorption(select, report, probe, COLUMNS, DECODER)
    assert found[["parent", "child", "mode"]].to_numpy().tolist() == [["gene", "stop", "same"]]
    row = found.iloc[0]
    # Sparse probing takes both features for the gene: nothing is silent then, nothing absorbed.
    assert row["main"] == [0, 1]
    assert row["silent_child"] == row["absorbed_child"] == 0 and row["absorber"] == -1


def test_a_parent_silent_on_a_rare_child_is_absorbed_by_its_feature() -> None:
    """With few stops the gene needs feature 0 alone, which is silent on each stop by construction."""
    select, report = planted(2, 8000, 0.03), planted(3, 8000, 0.03)
    found = absorption(select, report, dense_probe(select), COLUMNS, DECODER)
    assert found[["parent", "child", "mode"]].to_numpy().tolist() == [["gene", "stop", "same"]]
    row = found.iloc[0]
    stops = int(report.sample.labels[:, 1].sum())
    assert row["main"] == [0] and row["child_bases"] == stops > 50
    assert row["silent_child"] == row["absorbed_child"] == row["absorber_share"] == 1
    assert row["absorber"] == 1
    assert row["silent_rest"] == row["absorbed_rest"] == 0
    # Where the stops' feature writes the stop alone, the gene is lost on them, not absorbed.
    apart = DECODER.copy()
    apart[1] = [0, 1, 0, 0, 0, 0]
    lost = absorption(select, report, dense_probe(select), COLUMNS, apart).iloc[0]
    assert lost["silent_child"] == 1 and lost["absorbed_child"] == 0 and lost["absorber"] == -1
