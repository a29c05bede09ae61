"""BigWig files, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pybigtools

from workbench.errors import InputError
from workbench.files.atomic import write_atomic

# contig, start, end (0-based half-open), value; in the order of the contigs' lengths, starts ascending.
Entry = tuple[str, int, int, float]


def write_bigwig(path: Path, lengths: Mapping[str, int], entries: Iterable[Entry]) -> None:
    """Write values of bases; what no entry covers has none. Raises ``InputError`` where not all arrived."""
    sent, ended = 0, False

    def counted() -> Iterator[Entry]:
        nonlocal sent, ended
        for entry in entries:
            sent += entry[2] - entry[1]
            yield entry
        ended = True

    with write_atomic(path) as temporary:
        # The library goes by the suffix, and a failure while it writes is not raised but leaves a file
        # that cannot be opened or lacks bases: so what was written is read back.
        draft = temporary.with_name(f"{temporary.name}.bw")
        try:
            pybigtools.open(str(draft), "w").write(dict(lengths), counted())
            covered = _covered(draft)
            if covered != sent or not ended:
                raise InputError(
                    f"{path}: {covered} of {sent} bases were written; free disk space, then run again"
                )
            draft.replace(temporary)
        finally:
            draft.unlink(missing_ok=True)


def _covered(path: Path) -> int:
    """Bases with a value in a bigWig file; 0 where it cannot be read."""
    try:
        return int(pybigtools.open(str(path)).info()["summary"]["basesCovered"])
    except pybigtools.BBIReadError:
        return 0
