"""Detectors along sequence: the same calls from maps and from a file; what is unlike is left out; files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_mining.concepts.concept import Concept
from feature_mining.detection.calls import find_calls
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import Domain
from tests.workbench.small_study import finished_study, keep_readings
from workbench import Study
from workbench.scans.detectors import read_detector, tiles
from workbench.scans.source import FileSource, StudySource

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return finished_study(tmp_path_factory)


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return Study.open(folder)


def make(study: Study, mode: str = "same") -> Detector:
    """A detector of the busiest feature, whose domain holds all of the plasmid and little else."""
    catalog = study.table("catalog").sort_values("density", ascending=False)
    feature = int(catalog["feature"].iloc[0])
    described = np.sort(catalog["feature"].head(4).to_numpy())
    rows = np.stack(
        [tile.describe(StudySource(study), described) for tile in tiles(StudySource(study), CONTIG)]
    )
    rows = rows[np.isfinite(rows).all(axis=1)]
    spread = np.diag(1 / np.maximum(rows.std(axis=0), 1e-4))
    limit = Domain(described, rows.mean(axis=0), spread, 1.0).distance(rows).max() * 1.05
    model, sae = study.manifest.model.weights_hash, study.sae_hash
    concept = Concept.of_feature(feature, study.layer, model, sae)
    unit = {feature: float(study.dictionary.unit[feature])}
    domain = Domain(described, rows.mean(axis=0), spread, float(limit))
    return Detector("busy", concept, unit, "CDS", mode, study.grid.window, study.grid.warmup, 0.4, 3,
                    (-2.0, 5.0), 0.7, 1000.0, domain)  # fmt: skip


@pytest.fixture
def path(study, tmp_path) -> Path:
    out = tmp_path / "detector.json"
    out.write_text(make(study).to_json())
    return out


def lines(path: Path) -> list[list[str]]:
    return [row.split("\t") for row in path.read_text().splitlines() if not row.startswith("#")]


def test_calls_along_a_study_are_those_of_its_maps(cli, study, folder, path, tmp_path) -> None:
    out = tmp_path / "calls.gff3"
    code, said, err = cli("detect", "scan", folder, "--detector", path, "--out", out)
    assert code == 0, err
    detector, length = make(study), study.manifest.contigs[CONTIG]
    expected = []
    for strand in "+-":
        rows = study.features.rows(CONTIG, 0, length, strand)
        calls = find_calls(detector.score(rows.features, rows.callable), 0.4, 3)
        said_of = detector.probability(calls.peak)
        expected += [
            (s, e, strand, f"{p:.4f}") for s, e, p in zip(calls.start, calls.end, said_of, strict=True)
        ]
    found = [(int(r[3]) - 1, int(r[4]), r[6], r[5]) for r in lines(out) if r[2] == "sequence_feature"]
    assert sorted(found) == sorted(expected) and len(found) > 50
    assert "100.0% of 9,609 bases judged" in said and f"{len(found):,} calls" in said
    first = out.read_text().splitlines()
    assert first[:2] == ["##gff-version 3", f"##sequence-region {CONTIG} 1 9609"]
    assert first[2] == f"# model output, not validated: {detector}"
    assert "Name=CDS" in first[3] and "probability=" in first[3] and "detector=busy" in first[3]


def test_a_file_is_read_as_the_study_was(cli, study, folder, path, samples, tmp_path, monkeypatch) -> None:
    keep_readings(monkeypatch, study)
    outs = tmp_path / "maps.bed", tmp_path / "file.bed"
    assert cli("detect", "scan", folder, "--detector", path, "--out", outs[0])[0] == 0
    fasta = tmp_path / "copy.fa"
    fasta.write_text((samples / "yersinia_pPCP1.fa").read_text())
    code, _, err = cli("detect", "scan", fasta, "--study", folder, "--detector", path, "--out", outs[1])
    assert code == 0, err
    inside = [[row for row in lines(out) if int(row[1]) >= 200 and int(row[2]) <= 9609 - 200] for out in outs]
    assert len(inside[0]) > 50 and all(row[3] == "CDS" and 0 <= int(row[4]) <= 1000 for row in inside[0])
    # The study's plasmid is a ring: what lies before its first bases is another.
    assert inside[0] == inside[1]


def test_other_sequence_is_left_out_and_said_so(cli, folder, path, tmp_path) -> None:
    random = np.random.default_rng(0)
    own = "".join(random.choice(list("ACGT"), 3000, p=[0.05, 0.45, 0.45, 0.05]))
    fasta, out = tmp_path / "gc.fa", tmp_path / "out.gff3"
    fasta.write_text(f">rich\n{own}\n>short\nACGTACGT\n")
    code, said, err = cli("detect", "scan", fasta, "--study", folder, "--detector", path, "--out", out)
    assert code == 0, err
    (row,) = lines(out)
    assert row[:5] == ["rich", "workbench", "region", "1", "3000"] and "Name=abstained" in row[8]
    assert said.splitlines()[-1].startswith("0 calls; 0.0% of 3,008 bases judged, 99.")


def test_modes_say_which_strand_a_call_is_of(study) -> None:
    tile = next(tiles(StudySource(study), CONTIG))
    same, other, both = (replace(make(study), mode=mode) for mode in ("same", "opposite", "any"))
    a, b, c = (tile.scores(detector) for detector in (same, other, both))
    np.testing.assert_array_equal(a["+"], b["-"])
    np.testing.assert_array_equal(a["-"], b["+"])
    np.testing.assert_array_equal(c["."], np.fmax(a["+"], a["-"]))


def test_tiles_cover_a_sequence_once(study, samples) -> None:
    for source in (StudySource(study), FileSource(study, samples / "yersinia_pPCP1.fa")):
        found = list(tiles(source, CONTIG))
        assert [tile.start for tile in found[1:]] == [tile.end for tile in found[:-1]]
        assert (found[0].start, found[-1].end) == (0, 9609)
        assert all(tile.end - tile.start >= 1024 for tile in found)


def test_what_does_not_belong_is_refused(refused, study, folder, path, tmp_path) -> None:
    out = tmp_path / "o.bed"
    text = path.read_text()

    def told(change: dict[str, object]) -> str:
        path.write_text(json.dumps(json.loads(text) | change, indent=1))
        return refused("detect", "scan", folder, "--detector", path, "--out", out)

    assert "windows of 999 bases" in told({"window": 999})
    other = json.loads(text)["concept"] | {"autoencoder": "0" * 64}
    assert "0" * 64 in told({"concept": other}) and study.sae_hash in told({"concept": other})
    far = json.loads(text)["domain"] | {"features": [0, 1, 2, 999_999_999]}
    assert "feature 999999999; the autoencoder has 0 to 63" in told({"domain": far})
    found = told({"threshold": "x"})
    line = 1 + next(i for i, row in enumerate(path.read_text().splitlines()) if '"threshold"' in row)
    assert f"detector.json: the detector, line {line}, field threshold" in found
    path.write_text(text)
    assert "expected .gff3 or .bed" in refused("detect", "scan", folder, "--detector", path, "--out", "x.txt")
    assert not out.exists() and read_detector(path).name == "busy"
