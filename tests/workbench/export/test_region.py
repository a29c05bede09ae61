"""Exports of one stretch, against the dense arrays."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from tests.workbench.study_factory import Synthetic, make_study
from workbench.errors import InputError
from workbench.export import export


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("region"))


def test_a_row_an_active_base_across_shards(made: Synthetic, tmp_path: Path) -> None:
    out = tmp_path / "r.tsv"
    export(made.study, "activations", "tsv", out, [7, 3], at="chrA:1,150-1,260")
    table = pd.read_csv(out, sep="\t")
    seen = set(zip(table["start"], table["strand"], table["feature"], strict=True))
    expected = {
        (p, s, f)
        for s in "+-"
        for f in (3, 7)
        for p in range(1150, 1260)
        if made.dense["chrA", s][0][p, f] > 0
    }
    assert seen == expected and len(table) == len(expected)
    for row in table.itertuples():
        assert row.value == pytest.approx(made.dense["chrA", row.strand][0][row.start, row.feature])
    assert (tmp_path / "r.tsv.provenance.json").read_text().count("chrA:1150-1260") == 1


def test_bedgraph_and_bed_stay_in_the_stretch(made: Synthetic, tmp_path: Path) -> None:
    export(made.study, "activations", "bedgraph", tmp_path / "b", [3], "+", at="chrA:300-420")
    lines = (tmp_path / "b" / "f3.plus.bedgraph").read_text().splitlines()[1:]
    values = np.full(3000, np.nan)
    for line in lines:
        _, start, end, value = line.split("\t")
        values[int(start) : int(end)] = float(value)
    assert np.array_equal(np.flatnonzero(~np.isnan(values)), np.arange(300, 420))
    assert values[300:420] == pytest.approx(made.dense["chrA", "+"][0][300:420, 3])
    export(made.study, "activations", "bed", tmp_path / "r.bed", [3], at="gene0")
    rows = [line.split("\t") for line in (tmp_path / "r.bed").read_text().splitlines()[1:]]
    assert rows and all(0 <= int(r[1]) < int(r[2]) <= 1300 for r in rows)


def test_a_table_has_no_place(made: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no place to choose"):
        export(made.study, "catalog", "tsv", tmp_path / "c.tsv", at="chrA")


def test_parquet_has_the_rows_of_the_table(made: Synthetic, tmp_path: Path) -> None:
    at = "chrA:1,150-1,260"
    export(made.study, "activations", "tsv", tmp_path / "r.tsv", [7, 3], at=at)
    export(made.study, "activations", "parquet", tmp_path / "r.parquet", [7, 3], at=at)
    text = pd.read_csv(tmp_path / "r.tsv", sep="\t", dtype={"value": "float32"})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r.parquet"), text, check_dtype=False, rtol=1e-6)


def test_a_stretch_as_a_session_and_as_a_hub(made: Synthetic, tmp_path: Path) -> None:
    export(made.study, "activations", "igv", tmp_path / "igv", [3], "+", at="chrA:300-420")
    session = ElementTree.parse(tmp_path / "igv" / "session.xml").getroot()
    assert session.get("locus") == "chrA:301-420" and session.get("genome") == "genome.fa"
    paths = [r.get("path") or "" for r in session.iter("Resource")]
    assert paths == ["signals/f3.plus.bw"]
    with pyBigWig.open(str(tmp_path / "igv" / paths[0])) as wig:
        values = np.array(wig.values("chrA", 300, 420))
        assert np.isnan(wig.values("chrA", 420, 430)).all()
    expected, usable = made.dense["chrA", "+"]
    assert usable[300:420].all()
    np.testing.assert_allclose(values, expected[300:420, 3], rtol=1e-6)
    index = (tmp_path / "igv" / "genome.fa.fai").read_text().split()
    assert index[:2] == ["chrA", "3000"]
    export(made.study, "activations", "hub", tmp_path / "hub", [3], "+", at="chrA:300-420")
    stanzas = (tmp_path / "hub" / "hub.txt").read_text().split("\n\n")
    assert "defaultPos chrA:301-420" in stanzas[1] and "twoBitPath genome.2bit" in stanzas[1]
    assert "bigDataUrl signals/f3.plus.bw" in stanzas[2]
    assert (tmp_path / "hub" / "genome.2bit").read_bytes()[:4] == (0x1A412743).to_bytes(4, "little")
