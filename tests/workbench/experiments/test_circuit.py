"""Circuits of a finished study: transcoders once, graphs on the genome, a certificate said in words."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from feature_mining.circuits.certificate import PREDICTORS, agreement
from feature_mining.circuits.graph import GraphPlan, trace
from feature_mining.circuits.replaced import Replaced
from genomic_models import ModelError, ModuleModel
from tests.workbench.small_study import finished_study
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import circuit, transcode
from workbench.experiments.circuit import certificates
from workbench.experiments.circuit_page import verdict
from workbench.experiments.circuit_picture import circuit_svg, drawn, own_tables
from workbench.experiments.circuit_settings import CircuitSettings, TranscodeSettings
from workbench.experiments.registry import create_experiment, propose
from workbench.experiments.targets import parse_target
from workbench.experiments.transcode import study_transcoders
from workbench.files.parquet import read_parquet, write_parquet
from workbench.interruption import Stopped
from workbench.study.study import Study

CONTIG = "NC_005816.1"
MADE = TranscodeSettings(width=3, k=4, bases=8_192, batch=256)
PLACE = f"{CONTIG}:901"
NAMES = ("targets", "nodes", "edges", "lags", "interventions", "certificates")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    copy = tmp_path_factory.mktemp("circuit") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def transcoded(study):
    made = create_experiment(study, "transcoders", "transcode", MADE)
    run_experiment(study, "transcoders")
    return made


def active_feature(study: Study) -> tuple[str, int]:
    """A place, and a feature of the study's layer that is active there."""
    letters = study.genome.fetch(CONTIG, 840, 901, "+").upper()
    x = study.model.forward([letters], taps=[study.layer]).taps[study.layer][0]
    return PLACE, int(study.sae.encode(x)[-1].argmax())


@pytest.fixture(scope="module")
def traced(study, transcoded):
    asked = CircuitSettings(targets=[PLACE], strands=["+", "-"], context=60, features=24, interventions=60)
    made = create_experiment(study, "traced", "circuit", asked)
    run_experiment(study, "traced")
    return made


def tables(experiment) -> dict[str, pd.DataFrame]:
    return {name: read_parquet(experiment.folder / f"{name}.parquet") for name in NAMES}


def test_transcoders_of_all_mlps_are_trained_and_measured(study, transcoded):
    fits = read_parquet(transcoded.folder / "fits.parquet")
    found = study_transcoders(study, "transcoders")
    assert list(fits["block"]) == list(found) == [f"blocks.{i}" for i in range(4)]
    page = (transcoded.folder / "page.html").read_text()
    assert "experiments/transcoders/transcoders" in page and not (transcoded.folder / "training").exists()
    # What is said of the last one, on letters of the genome that were not trained on, in another way.
    letters = [study.genome.fetch(CONTIG, at, at + 128, "+") for at in range(0, 9_000, 128)]
    read = study.model.forward(letters, taps=["blocks.3.post_norm", "blocks.3.mlp"]).taps.values()
    x, y = (each[:, 32:].reshape(-1, 16) for each in read)
    error = (found["blocks.3"].reconstruct(x) - y).square().sum() / (y - y.mean(0)).square().sum()
    row = fits.set_index("block").loc["blocks.3"]
    assert 1 - float(error) == pytest.approx(row["explained"], abs=0.1)
    assert row["explained"] > row["linear"] and row["l0"] == pytest.approx(4, abs=0.5)


def test_a_graph_lies_on_the_genome_and_is_that_of_the_library(study, traced):
    found = tables(traced)
    assert list(found["targets"]["strand"]) == ["+", "-"]
    for row in found["targets"].itertuples():
        own = own_tables(found, row.target, row.strand)
        nodes = own["nodes"]
        for node in nodes.itertuples():
            assert study.genome.fetch(CONTIG, node.position, node.position + 1, row.strand) == node.letter
            away = node.position - 900 if row.strand == "+" else 900 - node.position
            assert away == node.offset < 0 and (node.offset >= -60)
        letters, before, target = parse_target(study, PLACE).read(study, row.strand, 60)
        replaced = Replaced(study.model, letters, study_transcoders(study, "transcoders"))
        graph = trace(replaced, target, before - 1, GraphPlan(24, 0.8, 0.98))
        assert len(graph.nodes) == len(nodes) == row.nodes + 1 and len(graph.edges) == row.edges
        assert own["edges"]["weight"].to_numpy() == pytest.approx(graph.edges["weight"].to_numpy(), abs=1e-5)
        logits = study.model.forward([letters]).logits[0, before - 1].log_softmax(-1)
        assert row.value == pytest.approx(float(logits[ord(letters[before])]), abs=1e-5)
        parts = own["lags"].groupby(["source", "target"])["weight"].sum()
        whole = own["edges"].set_index(["source", "target"])["weight"]
        assert parts.reindex(whole.index).to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-5)


def test_the_certificate_is_that_of_the_interventions(traced):
    found = tables(traced)
    for row in found["targets"].itertuples():
        tried = own_tables(found, row.target, row.strand)["interventions"]
        assert len(tried) == row.interventions == 60
        residual = ((tried["measured"] - tried["predicted"]) ** 2).mean() / tried["measured"].var(ddof=0)
        assert row.r2 == pytest.approx(1 - residual)
        assert row.slope == pytest.approx(np.polyfit(tried["predicted"], tried["measured"], 1)[0])
    certs = found["certificates"]
    assert set(certs["predictor"]) == set(PREDICTORS)
    by_size = certs[(certs["predictor"] == "predicted") & (certs["least"] > 0)]
    assert by_size.groupby("strand")["count"].sum().le(60).all()
    own = found["interventions"]
    again = certificates(own[own["nodes"] >= 4])
    assert again["least"].isin([0, 4, 16, 64]).all()


def test_the_page_says_whether_a_graph_is_to_be_trusted(traced):
    page = (traced.folder / "page.html").read_text()
    assert page.count('class="circuit"') == 2
    doubted = tables(traced)["targets"]["r2"] < 0.8
    assert page.count("<strong>Do not trust this graph") == doubted.sum()
    assert verdict(0.8, 1000) == "It predicts interventions on the model (R² 0.80)."
    assert "Do not trust this graph" in verdict(0.79, 1000) and "Do not trust it" in verdict(np.nan, 1000)
    few = "R² is 0.95, but 60 interventions are too few to say so, expected 1,000 or more"
    assert verdict(0.95, 60) == f"Do not trust this graph yet: {few}."
    assert page.count("<td>do not trust</td>") == 2  # of 60 interventions, whatever their R²
    assert "the graph, weights shuffled" in page and str(traced.study.folder) not in page


def test_parts_of_different_transcoders_are_not_put_together(study, traced):
    names = [study_transcoders(study, "transcoders")[f"blocks.{i}"].hash for i in range(4)]
    own = hashlib.sha256("".join(names).encode()).hexdigest()
    assert set(tables(traced)["targets"]["transcoders"]) == {own}
    assert own[:16] in (traced.folder / "page.html").read_text()
    part = circuit._part(traced, "targets", 1)
    kept = part.read_bytes()
    write_parquet(part, read_parquet(part).assign(transcoders="0" * 64))
    with pytest.raises(InputError, match="traced through different transcoders"):
        circuit._finish(traced)
    part.write_bytes(kept)


def test_a_graph_as_json_is_its_tables(traced):
    found = tables(traced)
    for number, row in enumerate(found["targets"].itertuples(), 1):
        held = json.loads((traced.folder / f"circuit.{number}.json").read_text())
        own = own_tables(found, row.target, row.strand)
        assert held["title"] == row.title and held["r2"] == pytest.approx(row.r2)
        for name in ("nodes", "edges", "lags", "certificates"):
            assert len(held[name]) == len(own[name])
        for edge, weight in zip(held["edges"], own["edges"]["weight"], strict=True):
            assert edge["weight"] == pytest.approx(weight) and edge["source"] < edge["target"]


def test_places_of_a_feature_are_drawn_as_one(traced):
    found = tables(traced)
    row = found["targets"].iloc[0]
    own = own_tables(found, row["target"], row["strand"])
    single, grouped = (drawn(own, each) for each in (False, True))
    features = own["nodes"][own["nodes"]["kind"] == "feature"]
    assert (single.nodes["kind"] == "feature").sum() == len(features)
    assert (grouped.nodes["kind"] == "feature").sum() == len(features[["block", "feature"]].drop_duplicates())
    assert grouped.edges["weight"].sum() == pytest.approx(own["edges"]["weight"].sum(), abs=1e-6)
    # Later blocks lie above earlier ones, the output on top of all and bases below all.
    heights = grouped.nodes.groupby("block")["y"].agg(["min", "max"])
    order = [
        b for b in ("output", *(f"blocks.{i}" for i in (3, 2, 1, 0)), "embedding_layer") if b in heights.index
    ]
    for above, below in pairwise(order):
        assert heights.loc[above, "max"] < heights.loc[below, "min"]
    assert not grouped.nodes.duplicated(["x", "y"]).any()
    svg = str(circuit_svg(own, True, "<script>"))
    assert "<script>" not in svg and "&lt;script&gt;" in svg
    assert svg.count("<path") == len(grouped.edges) and re.search(r"blocks\.\d, lag \d+ [+-]", svg)


def test_a_feature_of_the_studys_layer_is_traced(study, transcoded):
    place, feature = active_feature(study)
    text = f"{place}@{study.layer}#{feature}"
    asked = CircuitSettings(targets=[text], context=60, features=12, interventions=20)
    made = create_experiment(study, "feature", "circuit", asked)
    run_experiment(study, "feature")
    row = tables(made)["targets"].iloc[0]
    letters = study.genome.fetch(CONTIG, 840, 901, "+").upper()
    x = study.model.forward([letters], taps=[study.layer]).taps[study.layer][0]
    assert row["value"] == pytest.approx(float(study.sae.encode(x)[-1, feature]), abs=1e-4)
    nodes = tables(made)["nodes"]
    assert nodes["offset"].max() == 0  # it reads the base that it is at
    # Nothing after its layer leads to it.
    assert set(nodes["block"]) <= {"embedding_layer", "blocks.0", "blocks.1", "blocks.2", "output"}


def test_training_goes_on_where_it_was_stopped(study, transcoded, monkeypatch):
    made = create_experiment(study, "again", "transcode", MADE)
    asked = []

    def requested() -> bool:
        asked.append(1)
        return len(asked) > 20  # the first ten batches are no point to go on from

    with monkeypatch.context() as patch:
        patch.setattr(transcode, "requested", requested)
        with pytest.raises(Stopped):
            run_experiment(study, "again")
    assert list((made.folder / "training").iterdir()) and not (made.folder / "transcoders").exists()
    run_experiment(study, "again")
    first, second = (study_transcoders(study, name) for name in ("transcoders", "again"))
    assert {b: s.hash for b, s in first.items()} == {b: s.hash for b, s in second.items()}


def test_the_commands_refuse_in_a_sentence(cli, refused, study, transcoded, monkeypatch):
    ask = ("circuit", study.folder, "--name", "none", "--target")
    assert "train them first with `workbench transcode" in refused(*ask, PLACE, "--transcoders", "other")
    assert "has 9,609 bases" in refused(*ask, f"{CONTIG}:99999").replace("9609", "9,609")
    assert "a circuit is of one base" in refused(*ask, f"{CONTIG}:5-9")
    assert "that of the study or one after" in refused(*ask, f"{PLACE}@blocks.0#3")
    assert "expected shares up to 1" in refused(*ask, PLACE, "--nodes", "1.5")
    assert "expected a finite number above 0" in refused(*ask, PLACE, "--strength", "inf")
    assert "strength 0" in refused(*ask, PLACE, "--strength", "0")
    assert "nothing lies before it" in refused(*ask, f"{CONTIG}:1")
    assert "a transcoder has 16 features" in refused(
        "transcode", study.folder, "--name", "n", "--width", 1, "--k", 99
    )
    assert not (study.folder / "experiments" / "none").exists()
    assert "more than the 256 that tiny reads at once" in refused(*ask, PLACE)
    code, out, err = cli(*ask[:-2], "later", "--target", PLACE, "--context", 60, "--later")
    assert code == 0 and "question.toml" in out, err


def test_a_model_without_such_mlps_is_refused(study, monkeypatch):
    def build():
        return torch.nn.Sequential(torch.nn.Conv1d(4, 6, 1), torch.nn.Conv1d(6, 4, 1))

    other = ModuleModel(build, build().state_dict(), ["0"], causal=True)
    again = Study.open(study.folder)
    monkeypatch.setattr(type(again), "model", property(lambda self: other))
    with pytest.raises(InputError, match="has no taps at what its MLPs read and write"):
        propose(again, "x", "transcode", MADE)
    with pytest.raises(InputError, match="no circuit traced"):
        study_transcoders(again, "transcoders")
    with pytest.raises(ModelError, match="expected mini or its kind"):
        Replaced(other, "ACGT", {})


def test_no_agreement_of_nothing():
    assert np.isnan(agreement(np.zeros(2), np.zeros(2)).r2)
    assert (
        len(certificates(pd.DataFrame(columns=["target", "strand", "nodes", "measured", *PREDICTORS]))) == 0
    )
