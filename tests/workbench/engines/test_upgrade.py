"""Studies of the older layout: they open, are rewritten, and lose nothing wherever that is cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.store import write_old
from tests.workbench.study_factory import make_study
from workbench.engines import upgrade as engine
from workbench.engines.shards import fingerprint
from workbench.engines.upgrade import upgrade
from workbench.errors import InputError
from workbench.stages.encode import STAGE
from workbench.study.damage import find_damage
from workbench.study.feature_layouts import STRANDS
from workbench.study.feature_store import FeatureShard
from workbench.study.study import Study


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study as an older version left it, its files in the ledger."""
    study = make_study(tmp_path_factory.mktemp("old")).study
    mark = fingerprint(study, STAGE)
    for i, (path, *_) in enumerate(study.features.shards):
        assert isinstance(path, Path)
        write_old(path, path.with_suffix(".old"))
        path.with_suffix(".old").replace(path)
        study.ledger.mark(STAGE.name, i, mark, 2.5, 1200, [path])
    return study.folder


@pytest.fixture
def study(before: Path, tmp_path: Path) -> Study:
    shutil.copytree(before, tmp_path / "study")
    return Study.open(tmp_path / "study")


def layouts(study: Study) -> list[int]:
    found = []
    for place, *_ in study.features.shards:
        with FeatureShard(place) as shard:
            found.append(shard.layout)
    return found


def values(study: Study) -> Iterator[np.ndarray]:
    for chrom, length in study.manifest.contigs.items():
        for strand in STRANDS:
            found = study.features.rows(chrom, 0, length, strand)
            yield from (*found.features[:3], found.callable)


def damage(study: Study) -> list[object]:
    return list(find_damage(study, STAGE.name, fingerprint(study, STAGE), thorough=True))


def test_an_old_study_is_rewritten_and_what_it_says_stays(study: Study) -> None:
    assert set(layouts(study)) == {1} and not damage(study)
    wanted, names = list(values(study)), sorted(p.name for p in (study.folder / "features").iterdir())
    done = upgrade(study)
    assert done.files == len(names) and done.after < 0.6 * done.before
    again = Study.open(study.folder)
    assert set(layouts(again)) == {2} and not damage(again)
    assert sorted(p.name for p in (study.folder / "features").iterdir()) == names
    # The values of this study have few bits.
    for found, expected in zip(values(again), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    records = dict(again.ledger.finished(STAGE.name, fingerprint(again, STAGE)))
    assert {(r.seconds, r.bases) for r in records.values()} == {(2.5, 1200)}
    image = {p: p.read_bytes() for p in (study.folder / "features").iterdir()}
    assert upgrade(again)[:3] == (0, 0, 0)
    assert image == {p: p.read_bytes() for p in image}


@pytest.mark.parametrize("step", range(7))
def test_nothing_is_lost_wherever_it_is_cut_off(
    study: Study, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before each write, each record and each removal of the first two files."""
    wanted, left = list(values(study)), [step]

    def dying(name: str, target: object) -> None:
        real = getattr(target, name)

        def either(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        monkeypatch.setattr(target, name, either)

    dying("write_atomic", engine)
    dying("renew", study.ledger)
    dying("unlink", Path)
    with pytest.raises(KeyboardInterrupt):
        upgrade(study)
    monkeypatch.undo()
    cut = Study.open(study.folder)
    assert 1 in layouts(cut) and not damage(cut)
    for found, expected in zip(values(cut), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert upgrade(cut).files >= len(cut.manifest.shards) - 1
    again = Study.open(study.folder)
    assert set(layouts(again)) == {2} and not damage(again)
    assert all(p.suffix == ".h5" for p in (study.folder / "features").iterdir())
    for found, expected in zip(values(again), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_disk_that_is_short_is_refused_before_anything_is_written(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"0\.0 MB are free .* free space, then run `workbench upgrade`"):
        upgrade(study)
    assert set(layouts(Study.open(study.folder))) == {1}


def test_a_file_that_is_not_the_one_written_is_refused(study: Study) -> None:
    path = study.features.shards[1][0]
    assert isinstance(path, Path)
    shutil.copy(study.features.shards[0][0], path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"w(ere|as) written; run `workbench verify"):
        upgrade(study)
    assert layouts(study)[1] == 1


def test_the_command_says_what_it_did(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli.study import upgrade as command

    command(study.folder)
    assert "5 feature files rewritten" in capsys.readouterr().out
    command(study.folder)
    assert "every feature file has the newest layout" in capsys.readouterr().out
