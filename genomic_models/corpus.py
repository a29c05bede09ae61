"""A training corpus on disk: bases as bytes, read through a memory map.

``corpus.bin`` holds the upper-case letters of all records one after another; ``corpus.json`` says which
record lies where. Memory does not grow with the corpus.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genomic_models.dna import BASES, reverse_complement_bytes
from genomic_models.errors import ModelError
from genomic_models.files import write_whole

_LISTING = "corpus.json"


@dataclass(frozen=True)
class Record:
    """One sequence of the corpus: name, first byte, length, SHA-256 of its letters, times in an epoch."""

    name: str
    offset: int
    length: int
    sha256: str
    times: int = 1


def write_corpus(sequences: Iterable[tuple[str, str]], folder: Path) -> Corpus:
    """Write ``(name, sequence)`` pairs as a corpus and open it.

    Raises ``ModelError`` where no sequence has a base: there are none, or they are N alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    offset, known = 0, False
    with write_whole(folder / "corpus.bin") as temporary, temporary.open("wb") as handle:
        for name, sequence in sequences:
            letters = sequence.upper().encode("ascii")
            handle.write(letters)
            digest = hashlib.sha256(letters).hexdigest()
            records.append(Record(name, offset, len(letters), digest))
            offset += len(letters)
            known = known or any(base in letters for base in BASES.encode())
        if not known:
            raise ModelError(
                f"the corpus has no base to learn from: none of its {offset:,} letters is A, C, G or T; give"
                " genomes with known bases"
            )
    _list(records, folder)
    return Corpus(folder)


def _list(records: Iterable[Record], folder: Path) -> None:
    with write_whole(folder / _LISTING) as temporary:
        temporary.write_text(json.dumps([vars(r) for r in records], indent=1))


class Corpus:
    """Windows of a written corpus, split into training and held-out blocks.

    Attributes
    ----------
    records : list of Record
    letters : numpy.memmap
        ``(bases,)`` uint8, upper-case ASCII.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = [Record(**r) for r in json.loads((folder / _LISTING).read_text())]
        self.letters = np.memmap(folder / "corpus.bin", dtype=np.uint8, mode="r")

    def repeat(self, times: Iterable[int]) -> None:
        """How often an epoch has the training windows of each record; kept with the corpus."""
        self.records = [replace(r, times=n) for r, n in zip(self.records, times, strict=True)]
        _list(self.records, self.folder)

    def window_starts(
        self, length: int, block: int, holdout: float, seed: int, phase: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """First bytes of training and held-out windows: two int64 arrays.

        Each record is cut into blocks of ``block`` bases, of which a random share ``holdout`` is held
        out (the same for every ``phase``). Windows of ``length`` tile each record from base ``phase``;
        a window that touches blocks of both kinds belongs to neither. Training windows come as often as
        their record's ``times`` has it, held-out ones once.
        """
        training, held = [], []
        for index, record in enumerate(self.records):
            starts = np.arange(phase, record.length - length + 1, length, dtype=np.int64)
            blocks = -(-record.length // block)
            out = np.random.default_rng([seed, index]).random(blocks) < holdout
            first, last = out[starts // block], out[(starts + length - 1) // block]
            training.append(np.repeat(record.offset + starts[~first & ~last], record.times))
            held.append(record.offset + starts[first & last])
        return np.concatenate(training), np.concatenate(held)

    def read(self, starts: np.ndarray, length: int, reverse: np.ndarray) -> np.ndarray:
        """Windows ``(B, length)`` uint8; rows where ``reverse`` is true as reverse complements."""
        rows = np.stack([self.letters[s : s + length] for s in starts])
        rows[reverse] = reverse_complement_bytes(rows[reverse])
        return rows
