"""Readings kept between stages: what the model gave, byte by byte, and never what it did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genomic_models.registry import with_random_weights
from tests.workbench.small_study import finished_study, trained_study
from workbench.analysis.activations import StrandWindows
from workbench.analysis.kept_readings import KeptReadings, KeptTraining, forget_kept, is_whole, read_kept
from workbench.analysis.readings import CellReading, read_cells
from workbench.analysis.sample import sample
from workbench.analysis.training_setup import control_cells, train_cells
from workbench.genome.windows import Cell
from workbench.progress import Silent
from workbench.stages import encode
from workbench.study.study import Study


@pytest.fixture
def study(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Study:
    """Trained, with what training read kept."""
    return trained_study(tmp_path_factory, tmp_path / "study")


def all_cells(study: Study) -> list[Cell]:
    return [c for chrom, length in study.manifest.contigs.items() for c in study.grid.cells(chrom, length)]


def values(stream: Iterator[CellReading]) -> dict[tuple[Cell, str], np.ndarray]:
    """Activations of callable bases; readings come once each, in their order."""
    found = [((r.cell, r.strand), r.activations[r.callable]) for r in stream]
    assert [key for key, _ in found] == sorted(dict(found))
    return dict(found)


def anew(study: Study, cells: list[Cell]) -> dict[tuple[Cell, str], np.ndarray]:
    return values(read_cells(study.model, study.layer, study.genome, study.grid, cells, study.batch))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch, study: Study) -> list[str]:
    """Every sequence that the study's model reads from now on."""
    read: list[str] = []
    forward = study.model.forward

    def told(sequences, *more, **named):
        read.extend(sequences)
        return forward(sequences, *more, **named)

    monkeypatch.setattr(study.model, "forward", told)
    return read


def test_what_training_read_is_read_with_the_model_no_more(study: Study, passes: list[str]) -> None:
    cells = all_cells(study)
    expected = anew(study, cells)
    assert len(passes) == 2 * len(cells)
    passes.clear()
    trained = {cell for cell in train_cells(study)[0] if is_whole(study, cell)}
    found = values(read_kept(study, cells, keep=cells))
    assert 0 < len(passes) <= 2 * (len(cells) - len(trained)) + 2 * study.batch
    for key, rows in expected.items():
        assert np.array_equal(found[key], rows)
    passes.clear()
    again = values(read_kept(study, cells))
    # Only groups with a window that is not whole.
    assert len(passes) < 4 * study.batch
    assert all(np.array_equal(again[key], rows) for key, rows in found.items())
    forget_kept(study)
    assert not (study.folder / "cache" / "activations").exists()
    passes.clear()
    assert all(np.array_equal(rows, expected[key]) for key, rows in values(read_kept(study, cells)).items())
    assert len(passes) == 2 * len(cells)


def test_damaged_and_missing_files_are_read_with_the_model(study: Study, passes: list[str]) -> None:
    cells = [cell for cell in train_cells(study)[0] if is_whole(study, cell)][:4]
    expected = anew(study, cells)
    kept = KeptReadings(study, study.model)
    (path,) = kept.folder.iterdir()
    whole = path.read_bytes()
    passes.clear()
    values(read_kept(study, cells))
    assert not passes
    at = whole.index(expected[cells[0], "+"].tobytes()[:64])
    for damaged in (whole[:at] + b"\x01\x02" + whole[at + 2 :], whole[:at], b"", whole[8:]):
        path.write_bytes(damaged)
        passes.clear()
        found = values(read_kept(study, cells))
        assert passes
        for key, rows in expected.items():
            assert np.array_equal(found[key], rows)
    path.unlink()
    assert kept.rows(cells[0], "+") is None


def test_other_models_settings_and_full_disks_keep_apart(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = next(cell for cell in train_cells(study)[0] if is_whole(study, cell))
    kept = KeptReadings(study, study.model)
    assert kept.has(cell, "+")
    other = KeptReadings(study, with_random_weights(study.model, 1))
    assert not other.has(cell, "+") and other.folder != kept.folder
    rows = np.ones((4, 3), np.float32)
    monkeypatch.setattr(
        "workbench.analysis.kept_readings.shutil.disk_usage", lambda path: SimpleNamespace(free=100)
    )
    other.add(cell, "+", rows)
    other.flush()
    assert not other.has(cell, "+") and not list(other.folder.glob("*"))
    monkeypatch.undo()
    study.config = replace(study.config, activations=replace(study.config.activations, kept=0))
    none = KeptReadings(study, with_random_weights(study.model, 2))
    none.add(cell, "+", rows)
    assert not none.has(cell, "+")


def test_maps_are_the_same_bytes_and_samples_are_read_no_more(study: Study, passes: list[str]) -> None:
    drawn = [sample(study, split, study.config.controls.bases) for split in ("select", "report")]
    cells = sorted(d.cell for part in drawn for d in part if is_whole(study, d.cell))
    assert cells
    maps = []
    for kept in (True, False):
        if not kept:
            forget_kept(study)
            study.config = replace(study.config, activations=replace(study.config.activations, kept=0))
        passes.clear()
        for shard in encode.STAGE.shards(study):
            encode.run(study, shard, Silent())
        maps.append({path.name: path.read_bytes() for path in (study.folder / "features").iterdir()})
        whole = len(passes)
        passes.clear()
        values(read_kept(study, cells))
        maps.append((whole, len(passes)))
    assert maps[0] == maps[2] and len(maps[0]) > 1
    (some, none), (all_, every) = maps[1], maps[3]
    assert some < all_ and none < every == 2 * len(cells)
    # At most the groups that hold a window at an end of the contig.
    assert none <= 2 * study.batch


def test_a_finished_study_keeps_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not (finished_study(tmp_path_factory) / "cache" / "activations").exists()


def test_the_control_of_random_weights_has_a_sample_of_what_is_trained_on(study: Study) -> None:
    cells = train_cells(study)[0]
    total, size = sum(c.end - c.start for c in cells), study.grid.stride
    for bases, batch in ((10 * total, 256), (total // 4, 1), (1, total // 3), (1, 1)):
        config = replace(study.config, controls=replace(study.config.controls, bases=bases))
        study.config = replace(config, sae=replace(config.sae, batch=batch))
        found = control_cells(study)
        assert set(found) <= set(cells) and found[0] == cells[0]
        read = sum(c.end - c.start for c in found)
        assert abs(read - min(total, max(bases, batch))) <= size
        gaps = {cells.index(b) - cells.index(a) for a, b in pairwise(found)}
        assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_a_window_is_read_once_however_often_it_is_trained_on(study: Study, passes: list[str]) -> None:
    forget_kept(study)
    cells = train_cells(study)[0]
    windows = StrandWindows(study.genome, study.grid, cells)
    stream = KeptTraining(KeptReadings(study, study.model), study.model, windows, 256, seed=1)
    count = range(len(windows))
    first = [rows.clone() for rows in stream.read(count)]
    assert len(passes) == len(windows)
    plain = [rows for i in count for rows in super(KeptTraining, stream).read([i])]
    for one, other in zip(first, plain, strict=True):
        assert torch.equal(one, other)
    passes.clear()
    again = list(stream.read(count))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
