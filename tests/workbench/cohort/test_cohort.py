"""Phenotype tables, relatedness and bringing samples together; one sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.cohort.feature_matrix import read_feature_matrix
from workbench.cohort.relatedness import read_matrix, read_tree
from workbench.cohort.samples import Cohort, read_cohort
from workbench.errors import InputError


def write(folder: Path, text: str, name: str = "p.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    text = "sample,mic,resistant,age,batch,lineage\na,0.5,1,30,x,L1\nb,NA,0,41.5,y,\nc,2,1,NA,x,L2\n"
    cohort = read_cohort(write(tmp_path, text, "p.csv"), (), ["age", "batch"], ["lineage"])
    assert [tuple(p) for p in cohort.phenotypes] == [("mic", "quantitative"), ("resistant", "binary")]
    np.testing.assert_array_equal(cohort.samples["mic"], [0.5, np.nan, 2])
    np.testing.assert_array_equal(cohort.samples["age"], [30, 41.5, np.nan])
    assert cohort.samples["batch"].tolist() == ["x", "y", "x"]
    assert cohort.samples["lineage"].tolist() == ["L1", "", "L2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample\tr\na\tR\nb\tS\n", r"line 2: phenotype r is 'R'; expected a number"),
        ("sample\tr\na\t1\nb\t1\nc\tNA\n", r"phenotype r is constant \(1 in every sample\)"),
        ("sample\tr\na\tNA\nb\t\n", r"phenotype r is constant \(no value\)"),
        ("sample\tr\na\t1\nb\t0\na\t1\n", r"1 samples are there twice: a; keep one line"),
        ("sample\tr\na\t1\nb\t2\n", "looks like PLINK's coding"),
        ("id\tr\na\t1\nb\t2\n", "no column sample; found id, r"),
        ("sample\tr\na\t1\t3\n", "line 2: 3 columns, the header has 2"),
        ("sample\tr\tr\na\t1\t3\n", "column r is there twice"),
        ("sample\na\n", "no phenotype"),
        ("sample\tr\n", "no samples"),
        ("", "empty"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_cohort(write(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", ["-9", "-99", "-999.0", "9999"])
def test_codes_of_missing_values_are_not_measurements(tmp_path: Path, code: str) -> None:
    path = write(tmp_path, f"sample\theight\tage\na\t171\t30\nb\t{code}\t31\nc\t165\t{code}\n")
    with pytest.raises(InputError, match=rf"phenotype height is {code} in 1 of 3 rows, .*line 3"):
        read_cohort(path, ["height"])
    with pytest.raises(InputError, match=rf"covariate age is {code} in 1 of 3 rows, .*line 4"):
        read_cohort(write(tmp_path, path.read_text().replace(f"b\t{code}", "b\t1")), ["height"], ["age"])
    path = write(tmp_path, f"sample\theight\tage\na\t171\t30\nb\t{code}\t31\nc\t165\t{code}\n")
    cohort = read_cohort(path, ["height"], ["age"], missing=[code])
    np.testing.assert_array_equal(cohort.samples["height"], [171, np.nan, 165])
    np.testing.assert_array_equal(cohort.samples["age"], [30, 31, np.nan])
    measured = read_cohort(path, ["height"], ["age"], missing=["NA"])
    assert measured.samples["height"].tolist() == [171, float(code), 165]
    with pytest.raises(InputError, match=rf"feature height is {code} in 1 of 3"):
        read_feature_matrix(path)
    assert np.isnan(read_feature_matrix(path, [code]).values).sum() == 2


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["0", "1", "9"], "9"),
        (["1", "2", "1", "9"], "9"),
        (["0", "3", "5", "99"], "99"),
        (["171.5", "165", "999"], "999"),
        (["0", "1", "-1"], "-1"),
        (["0.5", "12", "-1"], "-1"),
        (["0", "1", "2"], "0"),
        (["0", "1", "2", "-1"], "-1"),
        (["3", "9", "5"], ""),
        (["300", "500", "999"], ""),
        (["1.5", "0.7", "9"], ""),
        (["-1", "-2.5", "1"], ""),
        (["0", "1", "2", "3"], ""),
        (["-1", "1"], ""),
    ],
)
def test_codes_are_told_by_the_other_values(tmp_path: Path, values: list[str], code: str) -> None:
    path = write(tmp_path, "".join(["sample\tr\n", *(f"s{i}\t{v}\n" for i, v in enumerate(values))]))
    if code:
        line = rf" in 1 of {len(values)} rows.*missing = \[\"NA\"\] (in \[cohort\] )?if "
        with pytest.raises(InputError, match=rf"phenotype r is {code}{line}"):
            read_cohort(path)
    measured = read_cohort(path, missing=["NA"] if code else [])
    assert measured.samples["r"].tolist() == [float(v) for v in values]


@pytest.mark.parametrize(
    ("values", "code"), [(["A", "-9", "B"], "-9"), (["1", "-1", "4"], "-1"), (["1", "9", "2"], "")]
)
def test_codes_among_groups(tmp_path: Path, values: list[str], code: str) -> None:
    rows = (f"s{i}\t{i % 2}\t{v}\n" for i, v in enumerate(values))
    path = write(tmp_path, "".join(["sample\tr\tlineage\n", *rows]))
    if code:
        with pytest.raises(InputError, match=rf'group lineage is {code} in 1 of 3 .*missing = \["{code}"\]'):
            read_cohort(path, ["r"], groups=["lineage"])
    found = read_cohort(path, ["r"], groups=["lineage"], missing=[code] if code else [])
    assert found.samples["lineage"].tolist() == [v if v != code else "" for v in values]


@pytest.mark.parametrize("strange", ["1_000", "inf", "-Infinity", "1e999", "٣"])
def test_what_only_python_takes_for_a_number(tmp_path: Path, strange: str) -> None:
    path = write(tmp_path, f"sample\tr\na\t1\nb\t{strange}\nc\t3\n")
    with pytest.raises(InputError, match=rf"line 3: phenotype r is '{strange}'; expected a number"):
        read_cohort(path)
    with pytest.raises(InputError, match=rf"line 3: feature r is '{strange}'; expected a number"):
        read_feature_matrix(path)
    with pytest.raises(InputError, match=r"a branch of length"):
        read_tree(write(tmp_path, f"(a:1,b:{strange});\n", "t.nwk"), ["a"])


def test_a_phenotype_constant_among_the_samples_kept(tmp_path: Path) -> None:
    cohort = read_cohort(write(tmp_path, "sample\tr\na\t1\nb\t0\nc\t1\n"))
    assert cohort.take(["b", "a"]).names == ["b", "a"]
    with pytest.raises(InputError, match="no sample z; the cohort has a, b, c"):
        cohort.take(["a", "z"])
    with pytest.raises(InputError, match="the samples kept: phenotype r is constant"):
        cohort.take(["a", "c"])


def test_a_tree_as_kinship_and_distance(tmp_path: Path) -> None:
    tree = write(tmp_path, "((a:1,b:2):0.5,(c:1,'d e':3):0);\n", "t.nwk")
    found = read_tree(tree, ["d e", "a", "b"])
    assert found.kinship is not None and found.distance is not None
    assert found.kinship.tolist() == [[3, 0, 0], [0, 1.5, 0.5], [0, 0.5, 2.5]]
    assert found.distance.tolist() == [[0, 4.5, 5.5], [4.5, 0, 3], [5.5, 3, 0]]
    with pytest.raises(InputError, match="1 samples of the cohort are not in it: x"):
        read_tree(tree, ["a", "x"])
    with pytest.raises(InputError, match="a branch without length"):
        read_tree(write(tmp_path, "(a,b);", "u.nwk"), ["a"])


def test_a_matrix_in_the_order_of_the_samples(tmp_path: Path) -> None:
    path = write(tmp_path, "\ta\tb\tc\na\t1\t2\t3\nb\t2\t4\t5\nc\t3\t5\t6\n", "k.tsv")
    assert read_matrix(path, ["c", "a"]).tolist() == [[6, 3], [3, 1]]
    path.write_text("\ta\tb\na\t1\t2\nb\t0\t4\n")
    with pytest.raises(InputError, match="not symmetric: a, b is 2 one way and 0 the other"):
        read_matrix(path, ["a"])
    path.write_text("\ta\tb\na\t1\tx\nb\t0\t4\n")
    with pytest.raises(InputError, match=r"line 2: .*'x'; expected a number in each cell"):
        read_matrix(path, ["a"])


def test_a_matrix_of_features(tmp_path: Path) -> None:
    matrix = read_feature_matrix(write(tmp_path, "sample\tf\tg\na\t1\tNA\nb\t2.5\t0\n"))
    assert matrix.features == ["f", "g"]
    np.testing.assert_array_equal(matrix.values, [[1, np.nan], [2.5, 0]])
    with pytest.raises(InputError, match="line 3: feature f is 'high'; expected a number"):
        read_feature_matrix(write(tmp_path, "sample\tf\na\t1\nb\thigh\n"))


def test_a_cohort_without_phenotypes_is_one() -> None:
    import pandas as pd

    assert Cohort(pd.DataFrame({"sample": ["a"]}), ()).names == ["a"]
