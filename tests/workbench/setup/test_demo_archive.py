"""The demo study that ships: packed, unpacked elsewhere, and what this code reads."""

from __future__ import annotations

import json
import re
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks import demo_study
from feature_mining.association.verdict import Verdict
from genomic_models import load
from tests.workbench.study_factory import make_study
from workbench.browse.atlas import feature_map
from workbench.browse.tiles import TileReader
from workbench.browse.track_cache import interval_tracks
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.report.context import gather
from workbench.setup import demo_archive
from workbench.setup.demo import GENOME
from workbench.study.damage import refuse_damage


def test_a_packed_study_opens_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_study(tmp_path / "made")
    folder = made.study.folder
    (folder / "ledger" / "plan").mkdir(parents=True)
    outputs = {"manifest.json": [1, "a"], "work/big.npy": [9999, "b"]}
    record = {"host": "node7", "fingerprint": "x", "seconds": 1.0, "bases": 0, "outputs": outputs}
    (folder / "ledger" / "plan" / "00000.done.json").write_text(json.dumps(record))
    (folder / "ledger" / "plan.done.json").write_text(json.dumps(record))
    (folder / "work").mkdir()
    (folder / "work" / "big.npy").write_bytes(b"0" * 9999)
    archive = tmp_path / demo_archive.ARCHIVE
    size = demo_study.pack(made.study, archive)
    assert size == archive.stat().st_size
    with tarfile.open(archive) as tar:
        entries = {e.name.removeprefix("./"): e for e in tar.getmembers()}
        text = tar.extractfile(entries["ledger/plan.done.json"]).read()  # type: ignore[union-attr]
    assert "work/big.npy" not in entries and json.loads(text)["host"] == ""
    assert json.loads(text)["outputs"] == {"manifest.json": [1, "a"]}
    assert {(e.mtime, e.uid, e.uname) for e in entries.values()} == {(0, 0, "")}
    monkeypatch.setattr(demo_archive, "samples_folder", lambda: tmp_path)
    study = demo_archive.unpack(tmp_path / "there" / "demo")
    ((shard, done),) = study.ledger.finished("plan", "x")
    assert (shard, done.host, done.outputs) == (0, "", {"manifest.json": [1, "a"]})
    values, _ = made.dense["chrA", "+"]
    row = study.features.rows("chrA", 200, 260, "+")
    assert row.features.values.sum() == pytest.approx(values[200:260].sum(), rel=1e-5)
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["demo"]
    with pytest.raises(InputError, match="cannot put the demo study here"):
        demo_archive.unpack(tmp_path / "there" / "demo")
    archive.unlink()
    with pytest.raises(InputError, match="run `workbench demo` instead"):
        demo_archive.unpack(tmp_path / "there" / "again")


@pytest.mark.skipif(demo_archive.shipped() is None, reason="this copy ships no ready demo study")
def test_what_ships_is_what_this_code_reads(tmp_path: Path) -> None:
    archive = demo_archive.shipped()
    assert archive is not None and archive.stat().st_size < 9_500_000
    study = demo_archive.unpack(tmp_path / "moved" / "demo")
    refuse_damage(study)
    assert abs(time.time() - study.folder.stat().st_mtime) < 3600
    # The map and the annotation are there: nothing is made anew.
    kept = sorted((study.folder / "cache").glob("*.parquet"))
    assert len(feature_map(study)) == demo_study.SAE.width and interval_tracks(study)
    assert len(kept) == 2 and kept == sorted((study.folder / "cache").glob("*.parquet"))
    assert study.config.sae == demo_study.SAE
    assert study.manifest.model.weights_hash == load("mini").weights_hash
    evidence = gather(study)
    assert len(evidence.catalog) == demo_study.SAE.width and len(evidence.shown) > 5
    assert len(study.table("phenotype_associations")) and len(study.table("haplotypes"))
    length = study.manifest.contigs["NC_000913.3"]
    assert length == 250_000 and study.genome.fetch("NC_000913.3", 0, 4) == "AGCT"
    reader = TileReader(study, evidence.catalog["max"].to_numpy())
    best = int(evidence.shown["feature"].iloc[0])
    assert reader.tile([best], Interval("NC_000913.3", 0, length), 64).codes.max() == 255
    for path in study.folder.rglob("*"):
        if path.suffix in (".json", ".toml", ".html"):
            absolute = re.search(r'"/\w+/\w', path.read_text())
            assert absolute is None, f"{path}: {absolute}"


@pytest.mark.skipif(demo_archive.shipped() is None, reason="this copy ships no ready demo study")
def test_it_opens_on_a_feature_that_marks_stop_codons(tmp_path: Path) -> None:
    study = demo_archive.unpack(tmp_path / "demo")
    first = gather(study).shown.iloc[0]
    assert (first["track"], first["mode"], first["verdict"]) == ("CDS_stop", "same", Verdict.LEARNT)
    # Its precision is scikit-learn's, on the ends of coding sequences that the GFF3 has in the report blocks.
    stops = {strand: np.zeros(study.manifest.contigs["NC_000913.3"], bool) for strand in "+-"}
    for line in (study.folder / "inputs" / f"{GENOME}.gff3").read_text().splitlines():
        _, _, kind, start, end, _, strand, _, attributes = (line + 8 * "\t").split("\t")[:9]
        if kind == "CDS" and "pseudo=true" not in attributes:
            codon = slice(int(end) - 3, int(end)) if strand == "+" else slice(int(start) - 1, int(start) + 2)
            stops[strand][codon] = True
    values, inside = [], []
    for block in study.manifest.blocks("report"):
        for strand in "+-":
            reading = study.features.rows(block.chrom, block.start, block.end, strand)
            values.append(reading.features.dense()[reading.callable, first["feature"]])
            inside.append(stops[strand][block.start : block.end][reading.callable])
    precision = average_precision_score(np.concatenate(inside), np.concatenate(values))
    assert precision == pytest.approx(first["average_precision"], abs=0.01) and precision > 0.1
