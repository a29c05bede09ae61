"""A study's model beside others: tables and tracks found again, other kinds of models, errors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import entropy

from feature_mining.sae.model import SparseAutoencoder
from genomic_models import load
from genomic_models.dna import BASES
from tests.workbench.small_study import finished_study, write_model
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import diff
from workbench.experiments.diff_settings import DiffSettings
from workbench.experiments.registry import create_experiment, remove_experiment
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.genome.windows import read_sequence
from workbench.study.study import Study

CONTIG = "NC_005816.1"
QUICK = DiffSettings(bases=3000, train=4096, shifts=4)
NET = """
import torch
from genomic_models import ModuleModel, Outputs


def build():
    first = torch.nn.Conv1d(4, 12, 9, padding=4)
    return torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Conv1d(12, 3, 5, padding=2))


def model():
    torch.manual_seed(0)
    return ModuleModel(build, build().state_dict(), ["1"], Outputs("classes", ("exon", "intron", "neither")))
"""


def nudged(model: Path, folder: Path, seed: int, far: float) -> Path:
    """A model with its weights a little off, as a short training leaves them."""
    shutil.copytree(model, folder)
    torch.manual_seed(seed)
    state = load_file(folder / "model.safetensors")
    moved = {
        k: v + far * v.std(correction=0) * torch.randn_like(v) if v.ndim == 2 else v for k, v in state.items()
    }
    save_file(moved, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Study, Path]:
    """A copy of the finished study; beside it a model, two of a null, another network."""
    folder = tmp_path_factory.mktemp("diff")
    shutil.copytree(finished_study(tmp_path_factory).parent, folder / "made")
    shutil.move(folder / "made" / "done", folder / "study")
    study = Study.open(folder / "study")
    tiny = Path(study.config.model.name)
    for name, seed, far in (("b", 1, 0.2), ("one", 2, 0.02), ("two", 3, 0.02)):
        nudged(tiny, folder / name, seed, far)
    write_model(folder / "other", seed=9)
    (folder / "net.py").write_text(NET)
    return study, folder


@pytest.fixture(scope="module")
def tuned(world):
    study, folder = world
    null = [str(folder / name) for name in ("one", "two")]
    asked = DiffSettings(str(folder / "b"), null=null, **small())
    made = create_experiment(study, "tuned", "diff", asked)
    run_experiment(study, "tuned")
    return made


def small():
    return {"bases": QUICK.bases, "train": QUICK.train, "shifts": QUICK.shifts}


def table(experiment, name):
    return read_parquet(experiment.folder / f"{name}.parquet")


def predicted(model, text):
    logits = model.forward([text]).logits[0].double()[:, [ord(b) for b in BASES]]
    return logits.softmax(-1).detach().numpy()


def test_tracks_hold_what_both_models_predict(world, tuned):
    study, folder = world
    a, b = study.model, load(str(folder / "b"))
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    for strand, side in (("+", "plus"), ("-", "minus")):
        tracks = {
            name: pyBigWig.open(str(tuned.folder / f"{name}.{side}.bw"))
            for name in ("kl", "gain", "distance")
        }
        cell = cells[1]
        part = read_sequence(study.genome, study.grid, cell, strand)
        p, q = (predicted(model, part.sequence) for model in (a, b))
        x, y = (m.forward([part.sequence], taps=[study.layer]).taps[study.layer][0].numpy() for m in (a, b))
        values = {name: each.values(CONTIG, cell.start, cell.end) for name, each in tracks.items()}
        for along in (0, 7, 40, cell.end - cell.start - 1):
            at = part.skip + along
            place = along if strand == "+" else cell.end - cell.start - 1 - along
            letter = BASES.index(part.sequence[at])
            assert values["kl"][place] == pytest.approx(entropy(p[at - 1], q[at - 1], base=2), abs=1e-4)
            gain = np.log2(q[at - 1, letter]) - np.log2(p[at - 1, letter])
            assert values["gain"][place] == pytest.approx(gain, abs=1e-4)
            far = np.linalg.norm(y[at] - x[at]) / np.linalg.norm(x[at])
            assert values["distance"][place] == pytest.approx(far, rel=1e-3)
        for each in tracks.values():
            each.close()


def test_what_is_more_than_the_null_is_said_and_placed(world, tuned):
    study, _ = world
    facts = read_facts(tuned.folder / "facts.json")
    assert facts["kl"] > 5 * facts["null_kl"] > 0 and len(facts["null_gain"]) == 2
    assert [m["role"] for m in facts["models"]] == ["a", "b", "null 1", "null 2"]
    words = table(tuned, "words")
    assert words["p"].notna().all() and (words["q"] >= words["p"]).all()
    leading = table(tuned, "leading")
    assert {"word", "feature"} <= set(leading["kind"])
    first = leading[(leading["kind"] == "word") & (leading["chrom"] != "")].iloc[0]
    start, strand = int(first["start"]), first["strand"]
    word = first["what"].split(" after ")[1].split(":")[0]
    before = (start - len(word), start) if strand == "+" else (start + 1, start + 1 + len(word))
    assert study.genome.fetch(CONTIG, *before, strand) == word and first["beside"]
    page = (tuned.folder / "page.html").read_text()
    assert "single pairs were not tested: 4 shifts are too few" in page
    assert page.count("<svg") == 3 and "null 2" in page and "Universality" in page
    assert f"{CONTIG}:{start + 1:,}" in page
    # Neither where the study lies nor where the models do.
    assert str(study.folder.parent) not in page and "<td>one, two</td>" in page


def test_features_with_both_models_are_found_again(world, tuned):
    study, folder = world
    features = table(tuned, "features")
    assert len(features) == 64 and features["counts"].sum() <= (features["change"] != "silent").sum()
    one = features[features["change"] != "silent"].sort_values("apart", ascending=False).iloc[0]
    values = []
    for model in (study.model, load(str(folder / "b"))):
        cell = next(
            c
            for c in study.grid.cells(CONTIG, study.manifest.contigs[CONTIG])
            if c.start <= one["position"] < c.end
        )
        part = read_sequence(study.genome, study.grid, cell, one["strand"])
        rows = part.own(model.forward([part.sequence], taps=[study.layer]).taps[study.layer][0])
        codes = study.sae.encode(rows).numpy()[:, int(one["feature"])]
        values.append((codes if one["strand"] == "+" else codes[::-1])[int(one["position"]) - cell.start])
    assert abs(values[1] - values[0]) == pytest.approx(one["apart"], abs=1e-3)
    crosscoder = table(tuned, "crosscoder")
    made = SparseAutoencoder.load(tuned.folder / "crosscoder")
    assert made.config.sites == (16, 16) and len(crosscoder) == made.config.d_sae
    facts = read_facts(tuned.folder / "facts.json")
    assert 0 < facts["crosscoder"]["explained_a"] < 1 and 0 < facts["crosscoder"]["explained_b"] < 1
    pairs = table(tuned, "pairs")
    assert pairs["feature"].is_unique and pairs["partner"].is_unique and pairs["cosine"].between(-1, 1).all()
    assert len(facts["pairs"]["null"]) == QUICK.shifts and facts["pairs"]["cosine_chance"] < 1


def test_the_same_autoencoder_on_both_sides_matches_itself(world):
    """A copy of the study's own autoencoder, its features in another order; as many shifts as by default."""
    study, folder = world
    sae = study.sae
    order = torch.randperm(64, generator=torch.Generator().manual_seed(4))
    own = {"W_enc": sae.W_enc[:, order], "W_dec": sae.W_dec[order], "b_dec": sae.b_dec}
    own |= {"b_enc": sae.b_enc[order], "threshold": sae.threshold[order]}
    SparseAutoencoder(**own, config=sae.config).save(folder / "shuffled")
    asked = DiffSettings(sae=str(folder / "shuffled"), bases=3000, train=0)
    made = create_experiment(study, "same", "diff", asked)
    run_experiment(study, "same")
    pairs, facts = table(made, "pairs"), read_facts(made.folder / "facts.json")
    assert order.numpy()[pairs["partner"]].tolist() == pairs["feature"].tolist()
    assert facts["pairs"]["score"] == pytest.approx(1) and pairs["cosine"].to_numpy() == pytest.approx(1)
    assert f"of {len(pairs)} q is below 0.05 over the shifts" in (made.folder / "page.html").read_text()
    assert "both sides are one model" in facts["without"]
    assert (table(made, "features")["change"].isin(["kept", "silent"])).all()
    assert not list(made.folder.glob("*.bw"))


def test_a_network_of_another_kind_is_compared_by_what_its_features_do(world, cli, refused):
    study, folder = world
    net = f"file:{folder / 'net.py'}"
    ask = ("diff", study.folder, "--bases", 3000, "--train", 4096, "--shifts", 4)
    assert "allow it with --trust-remote-code" in refused(*ask, "--model", net, "--name", "net")
    assert not (study.folder / "experiments" / "net").exists()
    code, _, err = cli(*ask, "--model", net, "--name", "net", "--trust-remote-code")
    assert code == 0 and "sha256" in err, err
    made = study.folder / "experiments" / "net"
    facts = read_facts(made / "facts.json")
    assert (
        "gives classes (exon, intron, neither)" in facts["without"]
        and not (made / "features.parquet").exists()
    )
    pairs, page = read_parquet(made / "pairs.parquet"), (made / "page.html").read_text()
    assert pairs["cosine"].isna().all() and len(pairs) and "the layers differ in width" in page
    assert facts["pairs"]["score"] > np.mean(facts["pairs"]["null"])
    assert "Predictions are not compared" in page and str(folder) not in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "nothing to compare"),
        (("--model", "OTHER", "--null", "ONE"), "one model is no null"),
        (("--model", "OTHER", "--null", "ONE", "--null", "ONE"), "one of them is there twice"),
        (("--model", "OTHER", "--layer", "blocks.9"), "has no layer 'blocks.9'"),
        (("--model", "nowhere"), "unknown model 'nowhere'"),
        (("--layer", "blocks.1", "--sae", "WIDE"), "reads activations of width"),
        (("--model", "OTHER", "--sae", "OWN"), "was trained on weights"),
        (("--sae", "/nowhere"), "/nowhere"),
        (("--model", "OTHER", "--bases", "0"), "bases 0 must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(world, refused, given, said):
    study, folder = world
    if "WIDE" in given and not (folder / "wide").exists():
        wide = SparseAutoencoder(
            torch.zeros(9, 4), torch.zeros(4), torch.eye(4, 9), torch.zeros(9), torch.ones(4), replaced(study)
        )
        wide.save(folder / "wide")
    places = {"OTHER": folder / "other", "ONE": folder / "one", "WIDE": folder / "wide"}
    places |= {"OWN": study.folder / "sae"}
    words = [str(places.get(word, word)) for word in given]
    assert said in refused("diff", study.folder, "--name", "wrong", *words)
    assert not (study.folder / "experiments" / "wrong").exists()


def test_a_model_that_has_gone_leaves_the_list_and_is_a_sentence(world, cli, refused):
    study, folder = world
    shutil.copytree(folder / "b", folder / "gone")
    ask = ("diff", study.folder, "--model", folder / "gone", "--name", "late", "--later")
    assert cli(*ask)[0] == 0
    shutil.rmtree(folder / "gone")
    diff._load.cache_clear()
    code, listed, _ = cli("experiments", study.folder)
    assert code == 0 and "late" in listed
    assert "gone" in refused("experiments", study.folder, "--run", "late")
    remove_experiment(study, "late")


def replaced(study):
    return replace(study.sae.config, d_in=9, d_sae=4, weights_hash="", model="", layer="", k=1)


def test_parts_of_different_models_are_not_put_together(tuned):
    part = next(iter((tuned.folder / "parts").glob("*.json")))
    kept = part.read_text()
    facts = json.loads(kept)
    facts["models"]["b"] = "0" * 64
    part.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="made with different models"):
        diff._finish(tuned)
    part.write_text(kept)
