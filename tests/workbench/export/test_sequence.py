"""Features of sequence that no study was made of, against the maps of the study that reads it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from tests.conftest import ROOT
from tests.workbench.small_study import finished_study, keep_readings
from workbench import Study
from workbench.browse.value_scale import read_scale

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose genome is not there any more."""
    copied = tmp_path_factory.mktemp("own") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copied)
    text = (copied / "study.toml").read_text()
    (copied / "study.toml").write_text(text.replace("yersinia_pPCP1.fa", "gone.fa"))
    return copied


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return Study.open(folder)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plasmid, circular as the study has it, a stretch shorter than its window, and unknown letters.

    In GenBank's format, since a FASTA cannot say what is circular.
    """
    letters = "".join((ROOT / "data_samples" / "yersinia_pPCP1.fa").read_text().splitlines()[1:])
    parts = [(CONTIG, letters), ("short", letters[500:600]), ("unknown", "N" * 300)]
    path = tmp_path_factory.mktemp("records") / "own.gb"
    found = [SeqRecord(Seq(text), name, name, annotations={"molecule_type": "DNA"}) for name, text in parts]
    found[0].annotations["topology"] = "circular"
    SeqIO.write(found, path, "genbank")
    return path


def maps(study: Study, strand: str) -> tuple[np.ndarray, np.ndarray]:
    """Dense features of the whole plasmid, and which bases have a value."""
    rows = study.features.rows(CONTIG, 0, study.manifest.contigs[CONTIG], strand)
    return rows.features.dense(), rows.callable


def test_the_strongest_bases_are_those_of_the_maps(cli, folder, study, records, tmp_path) -> None:
    out = tmp_path / "f.tsv"
    code, said, err = cli("features", records, "--study", folder, "--out", out)
    assert code == 0, err
    assert str(out) in said
    table = pd.read_csv(out, sep="\t", keep_default_na=False)
    own = table[table["chrom"] == CONTIG].set_index("feature")
    dense = {s: maps(study, s)[0] for s in "+-"}
    active = {f for f in range(64) if any((dense[s][:, f] > 0).any() for s in "+-")}
    assert set(own.index) == active and len(active) > 10
    catalog, labels = study.table("catalog").set_index("feature"), study.feature_labels()
    scale = read_scale(study, catalog.reset_index())
    for feature, row in own.iterrows():
        top = max(dense[s][:, feature].max() for s in "+-")
        assert row["largest"] == pytest.approx(top, rel=1e-4)
        assert dense[row["strand"]][row["start"], feature] == pytest.approx(top, rel=1e-4)
        assert row["end"] == row["start"] + 1
        assert row["aside"] == ("dead" if catalog.loc[feature, "dead"] else "")
        assert row["bases"] == sum((dense[s][:, feature] > 0).sum() for s in "+-")
        assert row["of_top"] == pytest.approx(row["largest"] / scale.top[feature], rel=1e-4)
        assert row["label"] == labels[feature].text
        assert row["verdict"] == catalog.loc[feature, "verdict"]
        assert row["track"] == catalog.loc[feature, "best_track"]
    assert own.loc[own["aside"] == "", "rarity"].is_monotonic_increasing
    assert own["aside"].is_monotonic_increasing
    assert set(table["chrom"]) == {CONTIG, "short"}


def test_a_short_record_is_read_whole(cli, folder, study, records, tmp_path) -> None:
    out = tmp_path / "runs.parquet"
    arguments = ("--what", "activations", "--format", "parquet", "--features", "1,5,9")
    code, _, err = cli("features", records, "--study", folder, *arguments, "--out", out)
    assert code == 0, err
    table = pd.read_parquet(out)
    short = table[table["chrom"] == "short"]
    letters = str(next(r for r in SeqIO.parse(records, "genbank") if r.id == "short").seq)
    model, sae = study.model, study.sae
    tap = model.forward([letters], taps=[study.layer], until=study.layer).taps[study.layer][0]
    dense = sae.encode(tap.float()).numpy()[:, [1, 5, 9]]
    plus = short[short["strand"] == "+"]
    assert len(plus) == (dense > 0).sum()
    for row in plus.itertuples():
        assert row.value == pytest.approx(dense[row.start, [1, 5, 9].index(row.feature)], rel=1e-4)


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line[0] != "#"]


def test_signals_and_runs_are_as_an_export_of_the_study(
    cli, folder, study, records, tmp_path, monkeypatch
) -> None:
    keep_readings(monkeypatch, study)
    busy = int(study.table("catalog").sort_values("density")["feature"].iloc[-1])
    common = ("--what", "activations", "--features", busy, "--format")
    for form in ("bigwig", "bed", "gff3", "tsv"):
        theirs, ours = tmp_path / f"theirs.{form}", tmp_path / f"ours.{form}"
        assert cli("features", records, "--study", folder, *common, form, "--out", ours)[0] == 0
        assert cli("export", folder, *common, form, "--out", theirs)[0] == 0
        if form == "bigwig":
            with pyBigWig.open(str(ours / f"f{busy}.minus.bw")) as a:
                values, usable = maps(study, "-")
                found = np.array(a.values(CONTIG, 0, len(values)))
                assert np.array_equal(np.isfinite(found), usable)
                assert np.allclose(found[usable], values[usable, busy], atol=1e-4)
        else:
            mine, same = (lines(path) for path in (ours, theirs))
            assert mine[: len(same)] == same and len(same) > 20
            assert all("short" in line for line in mine[len(same) :])
    origin = (tmp_path / "ours.tsv.provenance.json").read_text()
    assert '"sequence"' in origin and '"genome"' not in origin


def test_on_the_terminal_places_count_from_one(cli, folder, study, records) -> None:
    code, said, err = cli("features", records, "--study", folder, "--strand", "+")
    assert code == 0, err
    length = study.manifest.contigs[CONTIG]
    share = maps(study, "+")[1].mean()
    assert f"{CONTIG}: {length:,} bases, {share:.1%} of readings have a value\n" in said
    assert "short: 100 bases, 100.0% of readings have a value\n" in said
    assert "unknown: no feature is active at the 0 readings with a value" in said
    rows = [line.split() for line in said.splitlines() if " + " in line]
    values = maps(study, "+")[0]
    feature = int(rows[0][0])
    place = int(rows[0][rows[0].index("+") - 1].replace(",", ""))
    assert place == int(values[:, feature].argmax()) + 1
    assert "rows of 3 records in all" in said


def test_what_cannot_be_read_is_refused(refused, folder, records, tmp_path) -> None:
    base = ("features", records, "--study", folder)
    assert "strand 'x': expected one of" in refused(*base, "--strand", "x")
    assert "feature 64: no such feature" in refused(*base, "--features", 64)
    assert "name one with --out" in refused(*base, "--what", "activations")
    out = tmp_path / "o"
    said = refused(*base, "--what", "activations", "--format", "hub", "--out", out)
    assert "cannot write activations of a sequence as hub; expected one of: strongest as tsv" in said
    assert "expected numbers" in refused(*base, "--features", "a")
    assert "no such file" in refused("features", tmp_path / "x.fa", "--study", folder).lower()
    assert not out.exists()
