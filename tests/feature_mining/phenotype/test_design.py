"""Phenotypes and covariates that cannot be used are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feature_mining.phenotype.design import build_design, encode_covariates, read_phenotype


def test_two_numbers_make_a_binary_trait():
    trait = read_phenotype(pd.Series([1, 2, np.nan, 2], index=list("abcd"), name="plink"))
    assert trait.binary and trait.values[[0, 1, 3]].tolist() == [0, 1, 1]
    assert trait.known.tolist() == [True, True, False, True]
    assert not read_phenotype(pd.Series([0.5, 1, 2], name="mic")).binary


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (["R", "S", "S"], "sample a has 'R', expected a number"),
        ([1, 1, np.nan], "is 1 in all 2 samples"),
        ([np.nan, np.nan, np.nan], "no value in any sample"),
        ([1, 2, np.inf], "infinite"),
    ],
)
def test_bad_phenotypes(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_phenotype(pd.Series(values, index=list("abc"), name="drug"))


def test_text_becomes_indicators():
    table = encode_covariates(pd.DataFrame({"site": ["x", "y", "z"], "age": [1, 2, 3]}))
    assert table.columns.tolist() == ["site_y", "site_z", "age"]
    assert table["site_y"].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"a": [1, 2, 3, 4, 5, 7], "b": [2, 4, 6, 8, 10, 14]}, "covariate b: is constant or a linear"),
        ({"a": [3, 3, 3, 3, 3, 3]}, "covariate a: is constant"),
        ({"a": [1, 2, np.nan, 4, 5, 6]}, "covariate a: missing in 1 samples"),
        ({c: np.arange(6.0) ** i for i, c in enumerate("abcde", 1)}, "6 samples for 6 covariates"),
    ],
)
def test_bad_covariates(columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_design(pd.DataFrame(columns), 6)
