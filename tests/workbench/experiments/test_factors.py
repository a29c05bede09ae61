"""A palette of factors, found on a finished study of a random network; and the commands on its concepts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.concepts.concept import Concept
from feature_mining.concepts.factors import explained, relative
from feature_mining.sae.measures.dictionary import unit
from tests.workbench.small_study import finished_study
from workbench.errors import InputError
from workbench.experiments.factors import choose
from workbench.experiments.question import QUESTION
from workbench.experiments.registry import create_experiment
from workbench.experiments.settings import FactorSettings
from workbench.files.parquet import read_parquet
from workbench.study.concepts import factor_path, resolve
from workbench.study.sampled_codes import sample_codes
from workbench.study.study import Study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study."""
    copy = tmp_path_factory.mktemp("factors") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


@pytest.fixture(scope="module")
def found(folder: Path, request: pytest.FixtureRequest) -> Path:
    """Folder of the experiment, asked for on the command line."""
    from typer.testing import CliRunner

    from workbench.cli import app

    options = ["--sizes", "3,5", "--seeds", "2", "--bases", "3000", "--held-out", "1000"]
    said = CliRunner().invoke(app, ["concepts", "find", str(folder), *options])
    assert said.exit_code == 0, said.output
    assert "page: " in said.output
    return folder / "experiments" / "factors"


def test_the_number_is_chosen_by_stability_then_by_reconstruction() -> None:
    sizes = pd.DataFrame({"explained": [0.3, 0.5, 0.6], "stability": [0.95, 0.8, 0.79]})
    assert choose(sizes) == 1
    assert choose(sizes.assign(stability=[0.5, 0.6, 0.4])) == 1
    assert choose(sizes.assign(stability=0.9)) == 2


def test_factors_are_concepts_of_the_study(folder: Path, found: Path) -> None:
    study = Study.open(folder)
    sizes, table = read_parquet(found / "sizes.parquet"), read_parquet(found / "factors.parquet")
    taken = sizes[sizes["taken"]].iloc[0]
    assert list(sizes["size"]) == [3, 5] and len(table) == taken["size"]
    weights = read_parquet(found / "weights.parquet")
    codes = sample_codes(study, "select", 10**9)
    units = study.dictionary.unit.numpy()
    dense = np.zeros((len(table), len(units)))
    for number in range(len(table)):
        concept = resolve(study, f"factor:{number}")
        assert concept == Concept.from_json(factor_path(study, "factors", number).read_text())
        assert concept.model == study.manifest.model.weights_hash
        assert concept.autoencoder == study.sae_hash
        assert concept.weights == dict(weights[weights["factor"] == number][["feature", "weight"]].to_numpy())
        assert min(concept.weights.values()) > 0 and table["features"][number] == len(concept.weights)
        # Painted at full strength it is as large as its strongest thousandth.
        levels = concept.level(codes, units)
        assert concept.top == 1 and np.quantile(levels[levels > 0], 0.999) == pytest.approx(1, rel=1e-3)
        assert concept.evidence.verdict == table["verdict"][number]
        dense[number, list(concept.weights)] = list(concept.weights.values())
    held = relative(sample_codes(study, "select", 1000), units)
    assert explained(held, unit(dense).astype(np.float32)) == pytest.approx(taken["explained"], abs=1e-3)


def test_a_random_network_has_no_learnt_factor(found: Path) -> None:
    table = read_parquet(found / "factors.parquet")
    assert "learnt" not in set(table["verdict"]) and (table["verdict"] != "").all()


def test_the_page_tells_numbers_and_verdicts(found: Path) -> None:
    page = (found / "page.html").read_text()
    table = read_parquet(found / "factors.parquet")
    assert page.count('<tr><th scope="row">') >= len(table)
    assert "A factor that is not <em>learnt</em> stays a number" in page
    assert all(verdict in page for verdict in set(table["verdict"]))


def test_a_question_of_another_autoencoder_is_refused(folder: Path, found: Path, tmp_path: Path) -> None:
    other = tmp_path / "study"
    shutil.copytree(folder, other)
    path = other / "experiments" / "factors" / QUESTION
    path.write_text(re.sub(r'autoencoder = "\w+"', f'autoencoder = "{"f" * 64}"', path.read_text()))
    with pytest.raises(InputError, match=f"asked of autoencoder {'f' * 64}; that of"):
        create_experiment(Study.open(other), "factors", "factors", FactorSettings())


@pytest.mark.parametrize("sizes", [[1], [3, 3], [65], []])
def test_numbers_that_cannot_be_tried_are_refused(folder: Path, sizes: list[int]) -> None:
    with pytest.raises(InputError, match="expected different numbers from 2 to 64, the features"):
        create_experiment(Study.open(folder), "other", "factors", FactorSettings(sizes))


# -- commands --------------------------------------------------------------------------------------


def test_concepts_are_made_mixed_turned_and_listed(cli, folder: Path, found: Path) -> None:
    study = Study.open(folder)
    alive = [int(f) for f in np.flatnonzero(study.dictionary.unit.numpy() > 0)[:3]]
    a, b, _ = alive
    code, said, err = cli("concepts", "make", folder, "pair", f"{a} + 0.5*{b}")
    assert code == 0, err
    assert f"pair (blocks.2): 1 of {a}, 0.5 of {b}; a number" in said
    pair = resolve(study, "pair")
    assert pair.weights == {a: 1.0, b: 0.5} and pair.name == "pair"
    assert cli("concepts", "make", folder, "turned", "pair", "--scale", f"{b}=3")[0] == 0
    assert resolve(study, "turned").weights == {a: 1.0, b: 1.5}
    assert resolve(study, "turned").top == pair.top
    assert cli("concepts", "mix", folder, "between", "pair", "factor:0", "--share", "0.25")[0] == 0
    factor, between = resolve(study, "factor:0"), resolve(study, "between")
    expected = {f: 0.75 * pair.top * w for f, w in pair.weights.items()}
    for feature, weight in factor.weights.items():
        expected[feature] = expected.get(feature, 0) + 0.25 * weight
    assert between.weights == pytest.approx(expected)
    assert between.how == "0.75 of pair with 0.25 of factor:0"
    code, said, _ = cli("concepts", "list", folder)
    assert code == 0 and all(name in said for name in ("pair", "turned", "between", "factor:0", "factor:1"))
    first = [line.split()[0] for line in said.splitlines() if line.strip()]
    assert [name for name in first if name in ("between", "pair", "turned")] == ["between", "pair", "turned"]


def test_a_broken_concept_hides_no_other(cli, folder: Path, found: Path) -> None:
    broken = folder / "concepts" / "broken.json"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text('{"version": 1,\n "name" }')
    code, said, _ = cli("concepts", "list", folder)
    broken.unlink()
    assert code == 0 and "refused" in said and "line 2" in said and "factor:0" in said


def test_a_concept_is_opened(cli, folder: Path, found: Path) -> None:
    study = Study.open(folder)
    concept = resolve(study, "factor:0")
    code, said, err = cli("concepts", "open", folder, "factor:0")
    assert code == 0, err
    rows = [line.split() for line in said.splitlines() if line.strip()[:1].isdigit()]
    assert [int(row[0]) for row in rows] == sorted(concept.weights, key=lambda f: -concept.weights[f])
    assert concept.how in said


def test_kept_concepts_are_tested_and_keep_what_was_found(cli, folder: Path, found: Path) -> None:
    study = Study.open(folder)
    feature = int(study.dictionary.unit.argmax())
    assert cli("concepts", "make", folder, "single", feature)[0] == 0
    code, said, err = cli("concepts", "test", folder, "single", "factor:0")
    assert code == 0, err
    kept = json.loads((folder / "concepts" / "single.json").read_text())
    assert kept["evidence"]["verdict"] in said and kept["evidence"]["track"] in said


def test_a_contrast_is_made_and_told(cli, refused, folder: Path) -> None:
    asked = ("concepts", "contrast", folder, "genes", "--here", "gene:any", "--features", "3")
    code, said, err = cli(*asked)
    assert code == 0, err
    kept = resolve(Study.open(folder), "genes")
    assert 1 <= len(kept.features) <= 3 and str(kept) in said
    told = [line for line in said.splitlines() if "composition alone would show" in line]
    assert len(told) == 1 and "%" in told[0] and "composition alone shows" in kept.how
    # Two blocks of a plasmid are too few for a verdict.
    assert kept.evidence.verdict == "not tested"
    assert "a concept has the name" in refused(*asked)


MISTAKES = {
    "expected a name of letters, digits and _": ("make", "{}", "my concept", "3"),
    "--scale 3: expected FEATURE=FACTOR": ("make", "{}", "a", "3", "--scale", "3"),
    "concept feature 3 has no feature 4": ("make", "{}", "a", "3", "--scale", "4=1"),
    "character 3: found '4'": ("open", "{}", "3 4"),
    "--share 2.0: expected 0 to 1": ("mix", "{}", "a", "3", "4", "--share", "2"),
    "no track and no BED file": ("contrast", "{}", "a", "--here", "nowhere"),
    "--sizes a: expected whole numbers": ("find", "{}", "--sizes", "a"),
    "no such concept": ("test", "{}", "missing"),
}


@pytest.mark.parametrize("told", MISTAKES)
def test_mistakes_get_one_sentence(refused, folder: Path, told: str) -> None:
    assert told in refused("concepts", *(str(folder) if word == "{}" else word for word in MISTAKES[told]))
