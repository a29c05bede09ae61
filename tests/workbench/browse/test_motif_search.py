"""A planted motif is found by its matrix; matrices and alleles that cannot be read get a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feature_mining.logo import information
from workbench.browse.alleles import gained_and_lost
from workbench.browse.motif_search import find_matrix, parse_matrix
from workbench.browse.pasted_sequence import Pasted
from workbench.browse.value_scale import ValueScale
from workbench.errors import InputError

TATAAT = np.full((6, 4), 0.01)
TATAAT[np.arange(6), [3, 0, 3, 0, 0, 3]] = 0.97


def logos_with(planted: int, offset: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for feature in range(12):
        frequencies = rng.dirichlet(np.full(4, 30.0), 51)
        if feature == planted:
            frequencies[25 + offset : 31 + offset] = TATAAT
        bits = information(frequencies, 100)
        columns = {"feature": feature, "position": np.arange(-25, 26), "information": bits}
        parts.append(pd.DataFrame(columns | dict(zip("ACGT", frequencies.T, strict=True))))
    return pd.concat(parts)


def test_a_planted_matrix_is_found_first_and_where_it_is() -> None:
    found = find_matrix(logos_with(planted=4, offset=-8), TATAAT)
    first = found.iloc[0]
    assert first["feature"] == 4 and first["offset"] == -8
    assert first["fit"] > 0.8 > found["fit"].iloc[1] + 0.3
    assert first["p"] <= 0.05


JASPAR = """>MA0000.1
A [ 0 9 0 9 9 0 ]
C [ 0 0 0 0 0 0 ]
G [ 1 1 1 1 1 1 ]
T [ 9 0 9 0 0 9 ]"""


def test_matrices_of_both_forms_are_read() -> None:
    matrix = parse_matrix(JASPAR)
    assert matrix.shape == (6, 4)
    np.testing.assert_allclose(matrix[0], [0, 0, 0.1, 0.9])
    columns = "\n".join(" ".join(map(str, row)) for row in TATAAT)
    np.testing.assert_allclose(parse_matrix(columns), TATAAT / TATAAT.sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "matrix of 0 lines"),
        ("1 2 3\n4 5 6", "of 3 numbers"),
        ("1 2\n3 4\n5 6\n7 8", "expected 3 to 30"),
        ("1 0 0\n-1 0 0\n0 0 1\n0 1 0", "at least 0"),
    ],
)
def test_other_matrices_get_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_matrix(text)


def test_features_gained_and_lost() -> None:
    def pasted(fires: dict[int, float]) -> Pasted:
        table = pd.DataFrame(
            {"feature": list(fires), "strand": "+", "position": 0, "value": list(fires.values())}
        )
        return Pasted("ACGT", {}, table)

    catalog = pd.DataFrame({"dead": [False] * 5}, index=range(5))
    scale = ValueScale(np.full(5, 10.0), np.full(5, 0.01), np.zeros(1), np.full((5, 1), np.nan))
    before, after = pasted({0: 4, 1: 5, 2: 2, 3: 1}), pasted({1: 9, 2: 1, 3: 1.1, 4: 8})
    found = gained_and_lost(before, after, catalog, scale)
    assert found.set_index("feature")["change"].to_dict() == {
        4: "gained", 0: "lost", 1: "stronger", 2: "weaker"
    }  # fmt: skip
    assert found["feature"].tolist() == [4, 0, 1, 2]
    assert found["difference"].tolist() == [8, -4, 4, -1]
    dead = gained_and_lost(before, after, catalog.assign(dead=[False, False, False, False, True]), scale)
    assert dead["feature"].tolist() == [0, 1, 2, 4] and dead["dead"].tolist() == [False, False, False, True]
    # Fires in both and hardly in the genome: a tiny change is not told, a whole one is.
    low = scale._replace(top=np.full(5, 0.1))
    found = gained_and_lost(pasted({0: 5}), pasted({0: 5.01, 1: 3}), catalog, low)
    assert found["feature"].tolist() == [1] and found["of_largest"].tolist() == [1]
