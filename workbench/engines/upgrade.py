"""Feature files of an older layout rewritten in the newest: one at a time, so that a kill loses nothing.

The new bytes are written beside the old file first, and the ledger told of them; then they take its place,
and the ledger is told again. Whenever that ends, what the ledger names is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from genomic_models.files import remove_leftovers
from workbench.engines.shards import fingerprint
from workbench.engines.submission import refuse_live
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.packs import Part
from workbench.interruption import heed, listening
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.study.failures import InvalidShard
from workbench.study.feature_layouts import NEWEST, STRANDS
from workbench.study.feature_store import FeatureShard, shard_image, shard_path
from workbench.study.ledger import entries, exclusive
from workbench.study.records import Done
from workbench.study.study import Study

# Ends the name of what is written beside an old file.
BESIDE = ".upgrade.pack"
ENCODE = STAGES["encode"]


class Upgraded(NamedTuple):
    """Files that were rewritten, their bytes before and after; values differ by this share at most."""

    files: int
    before: int
    after: int
    relative_error: float


class _Old(NamedTuple):
    """A file to rewrite: which shard, where it is read, its bytes, and its record, if it has one."""

    shard: int
    source: Path | Part
    size: int
    record: Done | None


def upgrade(study: Study, progress: Progress | None = None) -> Upgraded:
    """Rewrite a study's feature files of older layouts; once more after a stop, it goes on.

    Raises ``InputError`` where another driver or a job has the study, where a file is not the one that was
    written, and where the disk has too little room.
    """
    progress = progress or Silent()
    with exclusive(study.folder), listening():
        refuse_live(study)
        remove_leftovers(study.folder)
        old = list(_find(study))
        if not old:
            return Upgraded(0, 0, 0, 0.0)
        _refuse_small_disk(study, old)
        progress.begin("rewriting feature files", sum(each.size for each in old), "bytes")
        after, error = 0, 0.0
        for each in old:
            heed()
            path = _put(study, each, _image(study, each))
            with FeatureShard(path) as shard:
                error = max(error, shard.relative_error)
            after += path.stat().st_size
            progress.advance(each.size)
        ENCODE.finish(study)
        progress.end()
    return Upgraded(len(old), sum(each.size for each in old), after, error)


def _find(study: Study) -> Iterator[_Old]:
    records = dict(study.ledger.finished(ENCODE.name, fingerprint(study, ENCODE)))
    for i, (place, *_) in enumerate(study.features.shards):
        path = place.path if isinstance(place, Part) else place
        if not path.exists():
            continue
        with FeatureShard(place) as shard:
            newest = shard.layout == NEWEST
        if not newest or path.name.endswith(BESIDE):
            size = place.size if isinstance(place, Part) else path.stat().st_size
            yield _Old(i, place, size, records.get(i))


def _refuse_small_disk(study: Study, old: list[_Old]) -> None:
    """Beside the old file lie its new bytes, twice for a moment, and these are fewer."""
    needed = 2 * max(each.size for each in old)
    free = shutil.disk_usage(study.folder).free
    if free < needed:
        raise InputError(
            f"{study.folder}: {free / 1e6:,.1f} MB are free on its disk, {needed / 1e6:,.1f} MB are needed to"
            " rewrite its largest feature file; free space, then run `workbench upgrade` again"
        )


def _image(study: Study, old: _Old) -> bytes:
    """A file's bytes in the newest layout."""
    if old.record is not None:
        try:
            old.record.verify(study.folder)
        except InvalidShard as error:
            raise InputError(
                f"{study.folder}: {error}; run `workbench verify {study.folder}`, then `workbench run`"
            ) from None
    with study.features.open(old.source) as shard:
        strands = {strand: shard.rows(strand, shard.start, shard.end) for strand in STRANDS}
        return shard_image(shard.chrom, shard.start, shard.origin, strands)


def _put(study: Study, old: _Old, image: bytes) -> Path:
    """Put the bytes in the old file's place."""
    path = shard_path(study.folder / "features", study.manifest.shards[old.shard].chrom, old.shard)
    beside = path.with_name(path.name + BESIDE)
    for target, written in ((beside, Part(beside, 0, len(image))), (path, path)):
        with write_atomic(target) as temporary:
            temporary.write_bytes(image)
        if old.record is not None:
            outputs = dict(entries(study.folder, [written]))
            study.ledger.renew(ENCODE.name, old.shard, replace(old.record, outputs=outputs))
    beside.unlink()
    return path
