"""Studies of more shards than files: packs of feature maps, runs of pieces, kills and damage."""

from __future__ import annotations

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.workbench.small_study import trained_study
from workbench import InputError, Study
from workbench.engines.local import run
from workbench.engines.shards import check_outputs, fingerprint
from workbench.files.arrays import read_arrays
from workbench.files.packs import Part
from workbench.stages.registry import STAGES
from workbench.study.damage import find_damage, refuse_damage

STAGE = STAGES["encode"]


@pytest.fixture(scope="module")
def loose(tmp_path_factory) -> Study:
    """Counted, with a file a shard."""
    study = trained_study(tmp_path_factory, tmp_path_factory.mktemp("loose") / "study")
    run(study, until="annotate")
    return study


@pytest.fixture
def packing(monkeypatch) -> None:
    monkeypatch.setattr("workbench.stages.encode.MOST_FILES", 2)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    made = trained_study(tmp_path_factory, tmp_path_factory.mktemp("packed") / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.stages.encode.MOST_FILES", 2)
        run(made, until="encode")
    return made.folder


@pytest.fixture
def study(packing, packed, tmp_path) -> Study:
    """Encoded, in packs."""
    return Study.open(shutil.copytree(packed, tmp_path / "study"))


def packs(study: Study) -> list[Path]:
    return sorted((study.folder / "features").iterdir())


def parts(study: Study) -> list[bytes]:
    """Bytes of each shard's part."""
    found = study.ledger.parts("encode")
    return [found[i].open().read() for i in range(len(study.manifest.shards))]


def files(study: Study) -> list[bytes]:
    return [shard[0].read_bytes() for shard in study.features.shards]


def damaged(study: Study, thorough: bool = False) -> list[int | None]:
    return [found.shard for found in find_damage(study, "encode", fingerprint(study, STAGE), thorough)]


def flip(study: Study, shard: int) -> None:
    part = study.ledger.parts("encode")[shard]
    data = bytearray(part.path.read_bytes())
    data[part.offset + part.size // 2] ^= 0xFF
    part.path.write_bytes(data)


def test_a_pack_holds_what_the_files_would(study, loose, monkeypatch, tmp_path):
    assert [path.suffix for path in packs(study)] == [".pack"]
    assert parts(study) == files(loose)
    for stretch in study.manifest.shards:
        for strand in "+-":
            ours, theirs = (s.features.rows(*stretch, strand) for s in (study, loose))
            assert (ours.callable == theirs.callable).all()
            assert all((a == b).all() for a, b in zip(ours.features[:3], theirs.features[:3], strict=True))
    # Shards that are counted together, and nothing on a disk of the node.
    monkeypatch.setattr("workbench.stages.stage.MOST_RUNS", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    (tmp_path / "node").mkdir()
    run(study, until="annotate")
    assert not list((tmp_path / "node").iterdir())
    work = study.folder / "work" / "annotate"
    assert sorted(path.name for path in work.iterdir()) == ["00000.npz", "00001.npz", "total.npz"]
    ours, theirs = (read_arrays(s.folder / "work/annotate/total.npz") for s in (study, loose))
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-12 if name == "total" else 0)


def test_a_run_that_was_killed_goes_on(packing, loose, tmp_path_factory, tmp_path, monkeypatch):
    """Between a pack and its record, and within a pack."""
    study = trained_study(tmp_path_factory, tmp_path / "study")
    mark = study.ledger.mark

    def killed(stage, shard, *rest, **more):
        if (stage, shard) == ("encode", 2):
            raise KeyboardInterrupt
        return mark(stage, shard, *rest, **more)

    monkeypatch.setattr(study.ledger, "mark", killed)
    with pytest.raises(KeyboardInterrupt):
        run(study, until="encode")
    assert set(study.ledger.parts("encode")) == {0, 1}
    with packs(study)[0].open("ab") as handle:
        handle.write(b"torn")
    other = Study.open(study.folder)
    # As another process has it.
    monkeypatch.setattr("workbench.stages.encode.own_name", lambda: "other")
    run(other, until="encode")
    assert parts(other) == files(loose) and len(packs(other)) == 2
    assert damaged(other) == []


def test_damage_costs_one_shard(study, loose):
    flip(study, 1)
    with pytest.raises(InputError, match=r"\.pack@\d+ is not the file that was written; make it again"):
        refuse_damage(study)
    assert damaged(study) == [1]
    before = study.ledger.parts("encode")
    run(Study.open(study.folder), until="encode")
    after = study.ledger.parts("encode")
    assert {i for i in after if after[i] != before[i]} == {1}
    assert parts(study) == files(loose)
    refuse_damage(study)


def test_what_lies_in_packs_is_read_once_after_a_copy(study, monkeypatch):
    """As of files: the time of a pack tells whether it is the one that was written."""
    assert damaged(study) == []
    read = []

    def digest(part: Part) -> str:
        read.append(part)
        return sha256(part.open().read()).hexdigest()

    monkeypatch.setattr("workbench.study.records.sha256_of", digest)
    assert damaged(study) == [] and not read
    packs(study)[0].touch()
    assert damaged(study) == [] and len(read) == len(study.manifest.shards)
    read.clear()
    assert damaged(study) == [] and not read
    assert damaged(study, thorough=True) == [] and len(read) == len(study.manifest.shards)


def test_a_pack_that_is_short_or_gone_is_noticed(study):
    (pack,) = packs(study)
    last = max(study.ledger.parts("encode").items(), key=lambda item: item[1].offset)[0]
    pack.write_bytes(pack.read_bytes()[:-1])
    assert damaged(study) == [last]
    pack.unlink()
    assert damaged(study) == list(range(len(study.manifest.shards)))
    check_outputs(study, STAGE, fingerprint(study, STAGE))
    run(Study.open(study.folder), until="encode")
    assert damaged(study) == []


def test_what_no_shard_is_in_any_more_is_removed(study, loose):
    (before,) = packs(study)
    before.rename(before.with_name("older.pack"))
    (before.parent / "chr.00000.h5").write_bytes(b"of another plan")
    study.ledger.forget("encode")
    run(Study.open(study.folder), until="encode")
    assert [path.suffix for path in packs(study)] == [".pack"] and packs(study)[0].name != "older.pack"
    assert parts(study) == files(loose)
