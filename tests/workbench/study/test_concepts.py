"""What people write as a concept, against weights by hand and levels of the dense features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_mining.concepts.concept import Concept
from feature_mining.edits.apply import Dictionary
from tests.workbench.study_factory import DEAD, LAYER, N_FEATURES, WEIGHTS, Synthetic, make_study
from workbench.errors import InputError
from workbench.study.concepts import concept_paths, factor_path, keep_concept, resolve, write_concept
from workbench.study.feature_lists import write_list
from workbench.study.sampled_codes import sample_codes
from workbench.study.study import Study

UNIT = np.arange(1.0, N_FEATURES + 1)
UNIT[DEAD] = 0


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    made = make_study(tmp_path_factory.mktemp("concepts"))
    unit = torch.from_numpy(UNIT.astype(np.float32))
    made.study.dictionary = Dictionary(made.study.sae, (LAYER,), (LAYER,), unit)
    return made


@pytest.fixture
def study(synthetic: Synthetic, tmp_path: Path) -> Study:
    """The study with no concept kept yet."""
    for path in [*concept_paths(synthetic.study), factor_path(synthetic.study, "factors", 12)]:
        path.unlink(missing_ok=True)
    return synthetic.study


def select_rows(synthetic: Synthetic, split: str = "select") -> np.ndarray:
    """Dense features of the callable bases of the split's whole cells, in the store's order."""
    study, parts = synthetic.study, []
    for cell in study.split.cells(study.grid, study.manifest.contigs, split):
        for strand in "+-":
            values, use = synthetic.dense[cell.chrom, strand]
            parts.append(values[cell.start : cell.end][use[cell.start : cell.end]])
    return np.concatenate(parts)


def test_the_sample_is_the_whole_split_or_even_cells_of_it(synthetic: Synthetic) -> None:
    whole = sample_codes(synthetic.study, "train", 10**9).dense()
    assert np.array_equal(whole, select_rows(synthetic, "train"))
    some = sample_codes(synthetic.study, "train", 900).dense()
    assert 0 < len(some) < len(whole)
    with pytest.raises(KeyError):
        sample_codes(synthetic.study, "nowhere", 1)


def test_a_feature_is_itself(study: Study) -> None:
    concept = resolve(study, " 7 ")
    assert concept == Concept.of_feature(7, LAYER, WEIGHTS, study.sae_hash)


def test_the_top_of_a_sum_is_measured_on_select(synthetic: Synthetic, study: Study) -> None:
    concept = resolve(study, "3 - 7 + 0.5*5")
    assert concept.weights == {3: 1.0, 5: 0.5, 7: -1.0}
    relative = select_rows(synthetic)[:, [3, 5, 7]] / UNIT[[3, 5, 7]]
    levels = relative @ [1.0, 0.5, -1.0] / 2.25
    assert concept.top == pytest.approx(np.quantile(levels[levels > 0], 0.999))
    assert (concept.model, concept.autoencoder) == (WEIGHTS, study.sae_hash)
    # What only takes away is as large as it falls.
    falling = resolve(study, "-3 - 7")
    levels = select_rows(synthetic)[:, [3, 7]] @ (1 / UNIT[[3, 7]]) / 2
    assert falling.top == pytest.approx(np.quantile(levels[levels > 0], 0.999))


def test_a_multiple_of_one_feature_is_painted_as_the_feature_times_its_sign(study: Study) -> None:
    for text, strength in (("2*7", 1.0), ("-7", -1.0)):
        (edit,) = resolve(study, text).edits(1.0)
        assert (edit.feature, edit.strength) == (7, pytest.approx(strength))


def test_kept_concepts_factors_and_files_are_found_by_name(study: Study, tmp_path: Path) -> None:
    mixed = Concept("mixed", LAYER, {3: 2.0, 5: 1.0}, 0.5, WEIGHTS, study.sae_hash)
    path = keep_concept(study, mixed)
    assert path == study.folder / "concepts" / "mixed.json"
    assert resolve(study, "mixed") == resolve(study, str(path)) == mixed
    keep_concept(study, mixed)
    with pytest.raises(InputError, match="another concept has the name"):
        keep_concept(study, mixed.scaled({3: 2.0}))
    factor = Concept("factor 12", LAYER, {9: 1.0, 5: 1.0}, 0.7, WEIGHTS, study.sae_hash)
    write_concept(factor_path(study, "factors", 12), factor)
    assert resolve(study, "factor:12") == resolve(study, "factor:factors:12") == factor
    # In a sum each is taken at its top.
    assert resolve(study, "mixed - 2*factor:12").weights == pytest.approx({3: 1.0, 5: -0.9, 9: -1.4})


def test_a_pinned_list_is_its_features_alike(study: Study) -> None:
    write_list(study.folder, "my two", [5, 3])
    assert resolve(study, "list:my two").weights == {3: 1.0, 5: 1.0}
    with pytest.raises(InputError, match="no such list of features; there are my two"):
        resolve(study, "list:other")
    write_list(study.folder, "my two", [5, DEAD])
    with pytest.raises(InputError, match="feature 19 was never active"):
        resolve(study, "list:my two")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("20", "blocks.3 has features 0 to 19, no 20"),
        ("9" * 5000, "no 9999999999"),
        ("19", "feature 19 was never active"),
        ("3 - 3", "every weight is 0"),
        ("3 4", "character 3: found '4'"),
        ("unknown", "no such concept; none is kept in"),
        ("factor:3", "no such concept"),
        ("../other", "no such concept"),
        ("nowhere.json", "no such concept"),
        ("", "found its end"),
        ("1e999*3 - 4", "not finite"),
    ],
)
def test_other_text_gets_one_sentence(study: Study, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        resolve(study, text)
    assert "\n" not in str(error.value)


def test_files_of_another_model_autoencoder_and_layer_are_refused(study: Study, tmp_path: Path) -> None:
    own = Concept("own", LAYER, {3: 1.0}, 1.0, WEIGHTS, study.sae_hash)
    for key, value, told in (
        ("model", "f" * 64, f"hash {'f' * 64}; this one has {WEIGHTS}"),
        ("autoencoder", "f" * 64, f"hash {'f' * 64}; this one has {study.sae_hash}"),
        ("layer", "blocks.1", "is of blocks.1, the study's autoencoder of blocks.3"),
        ("top", "x", 'line 8, field top: found "x"; expected a finite number'),
        ("weights", {"25": 1}, "has features 0 to 19, no 25"),
    ):
        path = tmp_path / "other.json"
        path.write_text(json.dumps(json.loads(own.to_json()) | {key: value}, indent=1))
        with pytest.raises(InputError, match=told) as error:
            resolve(study, str(path))
        assert str(error.value).startswith(f"{path}: ")
