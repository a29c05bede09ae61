"""The main job, end to end, on a plasmid: results, resumption, provenance, refusals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_mining.association.cells import Cells
from feature_mining.association.histogram import Histogram
from feature_mining.association.scores import best_per_track
from genomic_models import load
from genomic_models.corpora import UNKNOWN
from tests.conftest import ROOT
from tests.workbench.small_study import finished_study, small_config, write_model
from workbench import InputError, Study
from workbench.analysis.counts import read_summary
from workbench.analysis.overlaps import alive_features, shortlist
from workbench.analysis.sample import report_sample
from workbench.engines.survey import survey
from workbench.stages.registry import STAGES

# Columns of the associations that are read from the report split.
SHOWN = ("auroc", "average_precision", "ap_lift", "f1", "precision", "recall", "mcc", "z", "p", "q")
TABLES = ("associations", "tracks", "catalog", "examples", "logos")


def hashes(study: Study) -> dict[str, str]:
    """SHA-256 of every table and fact."""
    files = sorted((study.folder / "tables").iterdir())
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study") / "done"
    return Study.open(Path(shutil.copytree(finished_study(tmp_path_factory), folder)))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return finished_study(tmp_path_factory).parent / "tiny"


def test_every_table_is_there(done):
    for name in TABLES:
        assert len(done.table(name)), name
    assert (done.folder / "report.html").stat().st_size > 10_000
    assert done.facts("quality")["split"] == "report"
    assert all(s.state == "done" for s in survey(done))


def test_a_study_of_regions_reads_and_judges_nothing_else(samples, model, tmp_path):
    contig, regions = "NC_005816.1", [(480, 3_840), (5_760, 8_640)]
    bed = tmp_path / "read.bed"
    bed.write_text("".join(f"{contig}\t{a}\t{b}\n" for a, b in regions))
    config = small_config(samples, model)
    config = replace(config, input=replace(config.input, regions=str(bed)))
    study = Study.create(tmp_path / "regions", config)
    study.run(until="unexplained")
    study = Study.open(study.folder)
    for name in TABLES:
        assert len(study.table(name)), name

    def within(start, end):
        return any(a <= start < end <= b for a, b in regions)

    assert all(within(b.start, b.end) for b in study.manifest.split)
    assert all(within(d.cell.start, d.cell.end) for d in report_sample(study))
    places = study.table("examples")["position"]
    assert all(within(at, at + 1) for at in places)
    width = study.sae.config.d_sae
    assert width == study.features.rows(contig, 4_000, 5_000, "+").features.n_features
    assert not study.features.rows(contig, 4_000, 5_000, "-").callable.any()


def test_features_cover_both_strands_of_every_base(done):
    length = done.manifest.contigs["NC_005816.1"]
    for strand in "+-":
        reading = done.features.rows("NC_005816.1", 0, length, strand)
        assert reading.features.n_rows == length
        assert reading.callable.all()  # circular, and the plasmid holds no ambiguous letter
        assert reading.features.values.min() > 0
    l0 = reading.features.indices.size / length
    assert 3 < l0 < 12


def test_a_stored_value_equals_model_and_autoencoder_run_by_hand(done):
    cell = done.grid.cells("NC_005816.1", 9609)[20]
    before = done.genome.fetch("NC_005816.1", cell.start - 32, cell.end)
    x = done.model.forward([before], taps=[done.layer]).taps[done.layer][0, 32:]
    expected = done.sae.encode(x).numpy()
    stored = done.features.rows("NC_005816.1", cell.start, cell.end, "+").features.dense()
    np.testing.assert_allclose(stored, expected, atol=1e-4)
    after = done.genome.fetch("NC_005816.1", cell.start, cell.end + 32, "-")
    x = done.model.forward([after], taps=[done.layer]).taps[done.layer][0, 32:]
    expected = done.sae.encode(x).numpy()[::-1]
    stored = done.features.rows("NC_005816.1", cell.start, cell.end, "-").features.dense()
    np.testing.assert_allclose(stored, expected, atol=1e-4)


def test_a_second_run_repeats_nothing(done):
    log = done.folder / "logs" / "run.jsonl"
    before = log.read_text()
    Study.open(done.folder).run()
    assert log.read_text() == before


@pytest.mark.slow
def test_two_workers_give_the_same_tables(done, samples, model, tmp_path):
    parallel = Study.create(tmp_path / "parallel", small_config(samples, model))
    parallel.run(workers=2)
    events = [json.loads(line) for line in (parallel.folder / "logs" / "run.jsonl").read_text().splitlines()]
    made = {stage: {e["pid"] for e in events if e["stage"] == stage} - {os.getpid()} for stage in STAGES}
    assert made["encode"] and made["associate"] and not made["sae"]
    assert len(set[int]().union(*made.values())) <= 2, "started once for all stages"
    for name in TABLES:
        a, b = parallel.table(name), done.table(name)
        numbers = a.select_dtypes("number").columns
        np.testing.assert_allclose(a[numbers], b[numbers], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_killed_in_every_stage_and_continued_the_tables_are_the_same(done, samples, model, tmp_path):
    """So the same seed gives the same bytes, too."""
    study = Study.create(tmp_path / "killed", small_config(samples, model))
    command = [sys.executable, "-c", "from workbench.cli import main; main()", "run", str(study.folder)]
    root = ROOT
    environment = os.environ | {"PYTHONPATH": str(root)}
    log = study.folder / "logs" / "run.jsonl"
    killed = 0
    for stage in list(STAGES)[:-1]:
        run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Killed once the stage has begun: the one before is done, its own end is not yet written.
        deadline = time.monotonic() + 120
        while run.poll() is None and time.monotonic() < deadline:
            text = log.read_text() if log.exists() else ""
            if f'"done", "stage": "{stage}"' in text:
                break
            if stage == "sae" and '"done", "stage": "plan", "shard": null' in text:
                break
            time.sleep(0.005)
        if stage == "sae":
            time.sleep(0.3)
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            killed += 1
        run.wait()
    assert killed >= 6
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert hashes(Study.open(study.folder)) == hashes(done)


def test_another_driver_is_refused(done):
    import fcntl

    with (done.folder / "run.lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run holds this study"):
            Study.open(done.folder).run()


def test_a_changed_input_is_refused(done, samples, model, tmp_path):
    genome = tmp_path / "g.fa"
    genome.write_text((samples / "yersinia_pPCP1.fa").read_text())
    config = small_config(samples, model)
    config = replace(config, input=replace(config.input, genome=str(genome)))
    study = Study.create(tmp_path / "changed", config)
    study.run(until="plan")
    genome.write_text(genome.read_text().replace("TGTAACG", "TGTAACC", 1))
    with pytest.raises(InputError, match=r"input file .*g\.fa does not belong to this study"):
        Study.open(study.folder).run(until="sae")


def test_another_model_under_the_same_name_is_refused(samples, tmp_path):
    model = write_model(tmp_path / "mini")
    study = Study.create(tmp_path / "locked", small_config(samples, model))
    study.run(until="plan")
    assert study.manifest.model.pretraining == UNKNOWN, "the folder's name says nothing of its training"
    (model / "model.safetensors").unlink()
    (model / "config.json").unlink()
    model.rmdir()
    write_model(model, seed=1)
    with pytest.raises(InputError, match=r"weights hash of the model .* made with \w{64}, found \w{64}"):
        Study.open(study.folder).run()
    # Nor is it read by a page or a command that runs no stage.
    with pytest.raises(InputError, match="weights hash of the model"):
        _ = Study.open(study.folder).model


def test_the_weights_of_before_are_refused_and_named(samples, tmp_path):
    old, new = load("mini-1"), load("mini")
    study = Study.create(tmp_path / "old", small_config(samples, Path("mini-1")))
    study.run(until="plan")
    settings = study.folder / "study.toml"
    text = settings.read_text()
    assert old.weights_hash != new.weights_hash and 'name = "mini-1"' in text
    settings.write_text(text.replace('name = "mini-1"', 'name = "mini"'))
    with pytest.raises(InputError) as refused:
        Study.open(study.folder).run()
    for said in (
        old.weights_hash,
        new.weights_hash,
        "ships as `mini-1`",
        'put name = "mini-1" under [model]',
    ):
        assert said in str(refused.value)
    settings.write_text(text)
    assert Study.open(study.folder).model.weights_hash == old.weights_hash


def test_a_model_may_go_by_another_name(done, tmp_path):
    study = Study.open(Path(shutil.copytree(done.folder, tmp_path / "renamed")))
    given = Path(study.config.model.name)
    moved = Path(shutil.copytree(given, tmp_path / "moved"))
    settings = study.folder / "study.toml"
    settings.write_text(settings.read_text().replace(str(given), str(moved)))
    log = study.folder / "logs" / "run.jsonl"
    before = log.read_text()
    again = Study.open(study.folder)
    assert again.config.model.name == str(moved)
    again.run()
    assert log.read_text() == before and again.sae.hash == done.sae.hash
    # The name it had is still what its outputs say they were made with.
    assert again.manifest.model.name == str(given)


def test_an_autoencoder_of_another_model_is_refused(done):
    sae = done.sae
    folder = done.folder / "sae"
    config = (folder / "config.json").read_text()
    try:
        (folder / "config.json").write_text(config.replace(sae.config.weights_hash, "0" * 64))
        with pytest.raises(InputError, match="autoencoder in sae/ does not belong"):
            _ = Study.open(done.folder).sae
    finally:
        (folder / "config.json").write_text(config)


def test_a_folder_that_holds_a_study_is_not_overwritten(done, samples, model):
    with pytest.raises(InputError, match="holds a study already"):
        Study.create(done.folder, small_config(samples, model))


def test_stages_choose_on_select_alone(done):
    """Whatever the report split holds: the same features are alive, listed and frozen where they were."""
    summary = read_summary(done)
    random = np.random.default_rng(0)
    sums = (random.permuted(a, axis=0) for a in (summary.report.all, summary.report.sum_inside))
    cells = Cells.of(random.permuted(summary.report.positive, axis=0))
    report = Histogram(cells, *sums, random.permuted(summary.report.sum_all))
    assert (report.all != summary.report.all).any()
    corrupt = summary._replace(report=report)
    np.testing.assert_array_equal(shortlist(corrupt), shortlist(summary))
    np.testing.assert_array_equal(alive_features(corrupt), alive_features(summary))
    table = done.table("associations")
    wrong = table.assign(**{name: random.permutation(table[name]) for name in SHOWN})
    best, same = best_per_track(table), best_per_track(wrong)
    np.testing.assert_array_equal(best["feature"], same["feature"])
    other = summary._replace(select=summary.report)
    assert not np.array_equal(shortlist(other), shortlist(summary))
