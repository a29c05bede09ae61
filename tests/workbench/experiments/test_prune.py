"""A smaller model of a finished study: what is written loads, what is said of it is found again."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from feature_mining.pruning.effect import costs
from feature_mining.pruning.network import cut_network
from feature_mining.pruning.parts import Parts
from genomic_models import load
from genomic_models.released import parameter_count
from genomic_models.striped_hyena.model import StripedHyenaModel
from tests.workbench.small_study import finished_study
from workbench.analysis.pruning import Compared, draw_readings, features_kept, regions_of
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import healing, prune
from workbench.experiments.prune_page import write_pruned
from workbench.experiments.registry import create_experiment
from workbench.experiments.settings import PruneSettings
from workbench.files.parquet import read_parquet
from workbench.interruption import Stopped
from workbench.progress import Silent
from workbench.study.study import Study

# The embedding is half of the little network: it stays.
ASKED = PruneSettings(track="CDS", size=0.7, sizes=[0.9, 0.7], heal=2048, bases=2000, exact=2)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    copy = tmp_path_factory.mktemp("prune") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def pruned(study):
    made = create_experiment(study, "small", "prune", ASKED)
    run_experiment(study, "small")
    return made


def table(experiment, name):
    return read_parquet(experiment.folder / f"{name}.parquet")


def test_the_model_that_is_written_is_smaller_and_loads_like_any_other(cli, study, pruned, samples):
    folder = pruned.folder / "model"
    model = load(str(folder))
    config = json.loads((folder / "config.json").read_text())
    whole = parameter_count(study.model.network.config)
    assert parameter_count(model.network.config) <= 0.7 * whole and sum(config["inners"]) < 4 * 32
    held = sum(p.numel() for p in model.network.parameters())
    assert held == parameter_count(model.network.config)
    assert (folder / "model.safetensors").stat().st_size < 0.75 * 4 * whole
    code, said, _ = cli("models", folder)
    assert code == 0 and model.weights_hash in said and study.model.weights_hash in said
    assert f"{held:,} of {whole:,} parameters" in said and "trained further on 2,048 bases" in said
    genome = samples / "yersinia_pPCP1.fa"
    assert cli("score", genome, "--model", folder)[0] == 0
    following = ("--model", folder, "--layer", "blocks.2")
    code, _, err = cli("new", study.folder.parent / "next", "--genome", genome, *following)
    assert code == 0, err
    assert not (pruned.folder / "healing").exists()


def test_what_is_said_of_it_is_found_again(study, pruned):
    models = table(pruned, "models")
    assert list(models["model"].unique()) == ["whole", "cut", "healed", prune.TRAINED]
    assert (models.loc[models["model"] == prune.TRAINED, "more"] < 0).all()
    readings = draw_readings(study, "report", ASKED.bases, regions_of(study, "CDS"))
    found = costs(load(str(pruned.folder / "model")), readings, 3)
    healed = models[models["model"] == "healed"].set_index("bases")
    whole = costs(study.model, readings, 3)
    for which, bases in enumerate(("kept", "other")):
        assert healed.loc[bases, "bits"] == pytest.approx(found.a_base[which], abs=1e-5)
        more = found.a_base[which] - whole.a_base[which]
        assert healed.loc[bases, "more"] == pytest.approx(more, abs=1e-5) and healed.loc[bases, "error"] > 0
    assert (models["bases_per_s"].dropna() > 0).all()
    # A random network has learnt nothing: a few steps of training change it most.
    cut = models[models["model"] == "cut"].set_index("bases")
    assert healed.loc["kept", "bits"] < cut.loc["kept", "bits"] - 0.1


def test_letters_are_kept_or_other_by_their_own_place(study):
    cds = regions_of(study, "CDS")
    for reading, cell in zip(*cells_of(study, cds), strict=True):
        chrom, start, end, strand = cell
        inside = {p for a, b in zip(cds["start"], cds["end"], strict=True) for p in range(a, b)}
        letters = study.genome.fetch(chrom, start, end, strand)
        places = range(start, end) if strand == "+" else range(end - 1, start - 1, -1)
        at = np.flatnonzero(reading.use.any(axis=0))
        assert "".join(reading.sequence[i] for i in at) == letters
        assert [bool(reading.use[0, i]) for i in at] == [p in inside for p in places]


def cells_of(study, regions):
    drawn = draw_readings(study, "report", 1000, regions)
    found = []
    for number, reading in enumerate(drawn):
        text = "".join(reading.sequence[i] for i in np.flatnonzero(reading.use.any(axis=0)))
        for chrom, length in study.manifest.contigs.items():
            strand = "+-"[number % 2]
            start = study.genome.fetch(chrom, 0, length, strand).find(text)
            if strand == "-":
                start = length - start - len(text)
            found.append((chrom, start, start + len(text), strand))
    return drawn, found


def test_the_curve_is_of_networks_cut_in_each_order(study, pruned):
    curve = table(pruned, "curve")
    assert list(curve["order"].unique()) == [prune.REGIONS, prune.GENOME, prune.MAGNITUDE, prune.RANDOM]
    whole = parameter_count(study.model.network.config)
    assert (curve["parameters"] <= curve["asked"] * whole).all()
    components = table(pruned, "components")
    parts = Parts(study.model.network.config)
    own = curve[(curve["order"] == prune.REGIONS) & (curve["asked"] == 0.9)].set_index("bases")
    went = components["went"].to_numpy()
    for count in range(1, int(went.max()) + 2):
        kept = (went < 0) | (went >= count)
        if parts.parameters(kept) <= 0.9 * whole:
            break
    small = StripedHyenaModel(cut_network(study.model.network, parts, kept), "small")
    readings = draw_readings(study, "report", ASKED.bases, regions_of(study, "CDS"))
    bits = costs(small, readings, 4).a_base
    assert list(own.loc[["kept", "other"], "bits"]) == pytest.approx(bits.tolist(), abs=1e-5)
    assert set(components["kind"]) == {"block", "head", "filter", "channel"}
    agreement = table(pruned, "agreement").set_index("kind")
    assert agreement.loc["channel", "tried"] == 4 and agreement.loc["block", "tried"] == 4
    assert agreement["correlation"].dropna().between(-1, 1).all()
    assert np.isnan(agreement.loc["head", "correlation"])  # of two heads nothing can be said


def test_features_are_compared_base_by_base(study, pruned):
    readings = draw_readings(study, "report", 600, None)
    found = features_kept(study, study.model, readings, Silent())
    active = found["active"] > 0
    assert active.any() and found["correlation"][active].to_numpy() == pytest.approx(1)
    assert found["correlation"][~active].isna().all()
    small = load(str(pruned.folder / "model"))
    found = features_kept(study, small, readings, Silent())
    maps = []
    for model in (study.model, small):
        rows = []
        for reading in readings:
            x = model.forward([reading.sequence], taps=[study.layer]).taps[study.layer][0]
            rows.append(study.sae.encode(x[torch.from_numpy(reading.use.any(axis=0))]))
        maps.append(torch.cat(rows).double().numpy())
    for feature in np.flatnonzero(found["correlation"].notna())[:10]:
        pair = [each[:, feature] for each in maps]
        expected = np.corrcoef(*pair)[0, 1] if pair[1].std() else 0
        assert found["correlation"][feature] == pytest.approx(expected, abs=1e-4)
        assert found["active"][feature] == (pair[0] > 0).sum()
    assert set(table(pruned, "features")) == {"feature", "active", "correlation", "track", "verdict", "kept"}


def test_stopped_while_healing_it_goes_on_to_the_same_model(study, pruned, monkeypatch):
    made = create_experiment(study, "again", "prune", ASKED)
    asked = []

    def requested() -> bool:
        asked.append(1)
        return len(asked) > 5

    with monkeypatch.context() as patch:
        patch.setattr(healing, "requested", requested)
        with pytest.raises(Stopped):
            run_experiment(study, "again")
    stamp = json.loads((made.folder / "healing" / "progress.json").read_text())
    assert 0 < stamp["step"] < 4 and not (made.folder / "model").exists()
    with monkeypatch.context() as patch:  # the order is not made anew
        patch.setattr(
            prune, "_plan", lambda e, arm, p: _fails(arm) if arm == prune.REGIONS else _PLAN(e, arm, p)
        )
        run_experiment(study, "again")
    first, second = (e.folder / "model" / "model.safetensors" for e in (pruned, made))
    assert first.read_bytes() == second.read_bytes()


_PLAN = prune._plan


def _fails(arm):
    raise AssertionError(arm)


def test_cut_to_a_loss_it_loses_no_more_and_one_part_more_would(study):
    asked = PruneSettings(size=0.6, sizes=[0.6], loss=0.02, bases=1000, exact=0)
    made = create_experiment(study, "budget", "prune", asked)
    run_experiment(study, "budget")
    parts = Parts(study.model.network.config)
    went = table(made, "components")["went"].to_numpy()
    small = load(str(made.folder / "model"))
    held = parameter_count(small.network.config)
    readings = draw_readings(study, "select", asked.bases, None)
    whole = costs(study.model, readings, 4).a_base[0]
    assert costs(small, readings, 4).a_base[0] - whole <= 0.02 + 1e-6
    count = next(n for n in range(went.max() + 2) if parts.parameters((went < 0) | (went >= n)) == held)
    if count <= went.max():
        kept = (went < 0) | (went > count)
        more = StripedHyenaModel(cut_network(study.model.network, parts, kept), "more")
        assert costs(more, readings, 4).a_base[0] - whole > 0.02 - 1e-6
    assert set(table(made, "curve")["order"]) == {prune.GENOME, prune.MAGNITUDE, prune.RANDOM}
    assert "outside" not in (made.folder / "page.html").read_text().split("What was asked")[0]


def test_the_page_and_the_command(cli, refused, study, pruned):
    page = (pruned.folder / "page.html").read_text()
    assert page.count("<svg") == 3 and "outside CDS" in page and "size of weights" in page
    assert "experiments/small/model" in page and str(study.folder) not in page
    ask = ("prune", study.folder, "--name")
    assert "have none of this name" in refused(*ask, "a", "--track", "nothing").replace("has", "have")
    assert "shares between 0 and 1" in refused(*ask, "b", "--size", "1.5")
    assert "of the parameters are left" in refused(*ask, "c", "--size", "0.05")
    assert "numbers with commas" in refused(*ask, "d", "--sizes", "half")
    assert not any((study.folder / "experiments" / each).exists() for each in "abcd")
    code, out, err = cli(*ask, "e", "--size", 0.7, "--later")
    assert code == 0 and "question.toml" in out, err


def test_a_loss_that_nothing_meets_is_said(study, monkeypatch):
    asked = PruneSettings(size=0.9, sizes=[0.9], loss=1e-12, bases=500, exact=0)
    experiment = create_experiment(study, "strict", "prune", asked)
    monkeypatch.setattr(prune, "compare", lambda whole, small, which: Compared(2.0, 1.0, 0.1))
    with pytest.raises(InputError, match="no part can go for so little"):
        prune._steps(experiment, prune._planned(experiment, Silent()), Silent())


def test_the_page_lists_features_with_a_verdict_and_says_which_are_kept(pruned):
    """Where the layer's block is still there; above it went."""
    names = ("curve", "models", "components", "agreement")
    tables = {name: table(pruned, name) for name in names}
    rows = [(3, 40, 0.91, "CDS_stop", "learnt", True), (5, 9, 0.2, "promoter", "learnt", False)]
    rows += [(7, 4, 0.99, "gene", "composition", True), (9, 0, np.nan, "", "", False)]
    columns = ["feature", "active", "correlation", "track", "verdict", "kept"]
    tables["features"] = pd.DataFrame(rows, columns=columns)
    write_pruned(pruned, tables)
    page = (pruned.folder / "page.html").read_text()
    assert "Of the 3 features that are active on these bases, 2 are kept" in page
    kept = re.findall(r'<th scope="row">(\d)</th><td>(\w+)</td>.*?<td>(yes|no)</td>', page)
    assert kept == [("3", "CDS_stop", "yes"), ("5", "promoter", "no")]
    tables["features"] = table(pruned, "features")
    write_pruned(pruned, tables)
    assert "its features were not tested" in (pruned.folder / "page.html").read_text()
