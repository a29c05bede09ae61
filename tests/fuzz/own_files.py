"""Files of a study's own, as they lie in a folder that somebody sent or a disk has damaged."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

from genomic_models import load
from tests.fuzz.target import Target
from tests.workbench.small_study import write_model
from tests.workbench.study_factory import WEIGHTS, make_study
from workbench import Study
from workbench.analysis.quality_table import gather_quality, quality_lines
from workbench.cli.jobs import gpu_hours, logs, status
from workbench.engines import background, losses
from workbench.engines.shards import fingerprint
from workbench.engines.survey import survey
from workbench.files.arrays import read_arrays, write_arrays
from workbench.report.context import gather
from workbench.setup.uploads import check
from workbench.stages.registry import STAGES
from workbench.study.config import write_config
from workbench.study.damage import find_damage
from workbench.study.feature_layouts import ZOOMS
from workbench.study.feature_lists import read_lists, write_list
from workbench.study.notes import Note, read_notes, write_note
from workbench.study.results import FACTS, TABLES


@functools.cache
def _whole() -> Path:
    """A finished study, made once; its inputs lie within, so that it can be moved."""
    top = Path(tempfile.mkdtemp(prefix="fuzz-study-"))
    study = make_study(top).study
    shutil.copytree(top / "inputs", study.folder / "inputs")
    text = (study.folder / "study.toml").read_text().replace(f"{top}/inputs", "inputs")
    text = text.replace("batch = 2048", "batch = 256")
    (study.folder / "study.toml").write_text(text)
    manifest = json.loads((study.folder / "manifest.json").read_text())
    manifest["inputs"] = {k.replace(f"{top}/inputs", "inputs"): v for k, v in manifest["inputs"].items()}
    # Without its hash, as older versions wrote it: what is wrong gets past the first look.
    del manifest["sha256"]
    (study.folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    _keep_records(Study.open(study.folder))
    return study.folder


def _keep_records(study: Study) -> None:
    """What runs, jobs and readers leave."""
    marks = {name: fingerprint(study, stage) for name, stage in STAGES.items()}
    features = sorted((study.folder / "features").iterdir())
    for shard, path in enumerate(features[:2]):
        study.ledger.begin("encode", shard)
        study.ledger.mark("encode", shard, marks["encode"], 1.5, 2400, [path])
    study.ledger.begin("encode", 2)
    study.ledger.begin("encode", 3)
    study.ledger.fail("encode", 3, marks["encode"], "oom", "too big", "Traceback ...")
    study.ledger.mark("sae", None, marks["sae"], 2.0, 0, [study.folder / "sae" / "config.json"])
    jobs = [{"job": "12", "stage": "encode", "kind": "shards", "tasks": 4}]
    record = {"scheduler": "slurm", "time": 1.5, "host": "h", "jobs": jobs}
    record["settings"] = {"tasks": 4, "gpus": 1, "setup": ["module load x"]}
    (study.folder / "jobs").mkdir()
    (study.folder / "jobs" / "submissions.json").write_text(json.dumps([record]))
    (study.folder / "logs" / background.RECORD).write_text(json.dumps({"pid": 1 << 22}))
    write_note(study.folder, 3, Note("a note", 4, True))
    write_list(study.folder, "some", [1, 2])
    write_arrays(study.folder / "x.npz", {"a": np.arange(5), "edits": np.frombuffer(b"[]", "u1")})


def _make(folder: Path) -> None:
    shutil.copytree(_whole(), folder, dirs_exist_ok=True)


def read_settings(folder: Path) -> None:
    """Settings, and all inputs that they name."""
    study = Study.open(folder)
    check(study)
    for name in ("", *study.config.input.tracks):
        study.resolve(name)
    for stage in STAGES.values():
        stage.wanted(study)
        fingerprint(study, stage)
    write_config(study.config, folder / "again.toml")
    assert Study.open(folder).config == study.config


def read_locked(folder: Path) -> None:
    """What the manifest says, and what is found by it."""
    study = Study.open(folder)
    # The synthetic study was made by no model that can be loaded.
    study.__dict__["model"] = SimpleNamespace(weights_hash=WEIGHTS, context=2048)
    study.verify()
    for stage in STAGES.values():
        if stage.wanted(study):
            fingerprint(study, stage)
    survey(study)
    for chrom, length in study.contigs.lengths.items():
        study.split.codes(chrom, 0, min(length, 1 << 20))
        for strand in "+-":
            study.features.rows(chrom, 0, min(length, 500), strand)
    gather(study)


def read_records(folder: Path) -> None:
    """Where the study stands, as `status`, `logs`, `retry` and a run ask."""
    study = Study.open(folder)
    for stage in STAGES.values():
        if stage.wanted(study):
            list(find_damage(study, stage.name, fingerprint(study, stage)))
    # No scheduler is asked, and nothing printed.
    with patch.dict("os.environ", PATH=""), redirect_stdout(StringIO()):
        gpu_hours(study, survey(study))
        losses.failed(study)
        losses.suspects(study, {"encode": {0, 1, 2, 3}})
        status(folder)
        status(folder, as_json=True)
        logs(folder)
        logs(folder, failed=True, stage="encode")
    background.state(folder)


def read_results(folder: Path) -> None:
    """Every table and fact, and what pages are made from."""
    study = Study.open(folder)
    for name in TABLES:
        if (folder / "tables" / f"{name}.parquet").exists():
            study.table(name)
    for name in FACTS:
        if (folder / "tables" / f"{name}.json").exists():
            study.facts(name)
    quality_lines(gather_quality(study))


def read_features(folder: Path) -> None:
    """Every feature map, base by base and zoomed."""
    store = Study.open(folder).features
    for path, chrom, start, end in store.shards:
        with store.open(path) as shard:
            for strand in "+-":
                shard.rows(strand, shard.start, shard.end)
                for size in ZOOMS:
                    shard.zoom(strand, size)
        store.rows(chrom, start, end, "+")


def read_kept(folder: Path) -> None:
    """What readers kept, and arrays between stages."""
    read_notes(folder)
    write_note(folder, 4, Note("another"))
    read_lists(folder)
    write_list(folder, "other", [3])
    read_arrays(folder / "x.npz")


def read_model(folder: Path) -> None:
    """A model that somebody trained."""
    load(str(folder / "model"))


TARGETS = {
    "study.toml": Target(_make, read_settings, ("study.toml",)),
    "manifest": Target(_make, read_locked, ("manifest.json",)),
    "ledger": Target(
        _make, read_records, ("ledger/**/*.json", "ledger/**/*.lines", "logs/*", "jobs/*.json"), 0.5
    ),
    "tables": Target(_make, read_results, ("tables/*",)),
    "feature maps": Target(_make, read_features, ("features/*",)),
    "notes and arrays": Target(_make, read_kept, ("notes.json", "lists.json", "x.npz")),
    "model": Target(lambda f: write_model(f / "model"), read_model, ("model/*",)),
}
