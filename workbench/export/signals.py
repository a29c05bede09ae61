"""Values of features at single bases as bedGraph and bigWig, one file a feature and strand.

A base without a value (context too short, a letter other than ACGT, not read) is a gap in the file: missing,
not 0. The genome is read once, into a small binary spool a file, from which the files are written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from genomic_models.files import MARK, owner
from workbench.export.choice import choose, describe
from workbench.export.job import STRANDS, Job, comment, prepare_folder, write_sidecar
from workbench.export.stream import pieces
from workbench.files import bigwig
from workbench.files.atomic import write_atomic

# Bases ``[start, end)`` of one value; ``contig`` counts the manifest's contigs.
SEGMENT = np.dtype([("contig", np.uint32), ("start", np.uint32), ("end", np.uint32), ("value", np.float32)])
# Segments read from a spool at a time.
BLOCK = 1 << 16
SIDES = {"+": "plus", "-": "minus"}


def write_bedgraph(job: Job) -> list[Path]:
    """Text in bedGraph, provenance in a comment line. ``job.out`` is a folder."""
    return _write(job, "bedgraph", _bedgraph)


def write_bigwig(job: Job) -> list[Path]:
    """BigWig, provenance in ``OUT.provenance.json``. ``job.out`` is a folder."""
    return [*_write(job, "bw", _bigwig), write_sidecar(job)]


def segments(rows: np.ndarray, values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Longest stretches of equal value over usable bases (SEGMENT, contig 0, from row 0).

    Parameters
    ----------
    rows : int64 (nnz), ascending; values : float32 (nnz)
        Bases with a value above 0; all other usable bases are 0.
    usable : bool (n)
    """
    dense = np.zeros(usable.size, np.float32)
    dense[rows] = values
    dense[~usable] = np.nan
    # Bits, not numbers, are compared: so a gap is one stretch although NaN differs from itself.
    first = np.flatnonzero(np.diff(dense.view(np.int32), prepend=~dense.view(np.int32)[:1]))
    found = np.zeros(first.size, SEGMENT)
    found["start"], found["end"] = first, np.append(first[1:], usable.size)
    found["value"] = dense[first]
    return found[usable[first]]


def _write(job: Job, suffix: str, write: Callable[[Job, Iterator[np.ndarray], Path], None]) -> list[Path]:
    chosen = choose(job.study, job.features)
    job.progress.say(describe(chosen))
    prepare_folder(job.out)
    with tempfile.TemporaryDirectory(dir=job.out, prefix=f".spool{MARK}{owner()}-") as name:
        spool = Path(name)
        contigs = list(job.contigs)
        last: dict[Path, np.ndarray] = {}
        for piece in pieces(job, chosen):
            for strand, reading in piece.readings.items():
                for choice in chosen:
                    found = segments(*reading.values(choice.feature), reading.callable)
                    found["contig"] = contigs.index(piece.chrom)
                    found["start"] += piece.start
                    found["end"] += piece.start
                    path = spool / f"f{choice.feature}.{SIDES[strand]}"
                    found = _joined(last.get(path, found[:0]), found)
                    last[path] = found[-1:]
                    _append(path, found[:-1])
        written = []
        for choice in chosen:
            for strand in STRANDS[job.strand]:
                path = spool / f"f{choice.feature}.{SIDES[strand]}"
                _append(path, last.get(path, np.zeros(0, SEGMENT)))
                target = job.out / f"{path.name}.{suffix}"
                write(job, _read(path), target)
                path.unlink()
                written.append(target)
    return written


def _joined(earlier: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Segments after at most one earlier segment, made one with the first where it goes on."""
    if earlier.size and found.size:
        a, b = earlier[0], found[0]
        if (a["contig"], a["end"], a["value"]) == (b["contig"], b["start"], b["value"]):
            found = found.copy()
            found["start"][0] = a["start"]
            return found
    return np.concatenate([earlier, found])


def _append(path: Path, found: np.ndarray) -> None:
    with path.open("ab") as handle:
        handle.write(found.tobytes())


def _read(path: Path) -> Iterator[np.ndarray]:
    with path.open("rb") as handle:
        while block := handle.read(BLOCK * SEGMENT.itemsize):
            yield np.frombuffer(block, SEGMENT)


def _bedgraph(job: Job, blocks: Iterator[np.ndarray], path: Path) -> None:
    contigs = list(job.contigs)
    with write_atomic(path) as temporary, temporary.open("w") as handle:
        handle.write(comment(job))
        for block in blocks:
            # As text in float32, so that 0.1 is not written as 0.10000000149.
            texts = block["value"].astype(str).tolist()
            for (contig, start, end, _), value in zip(block.tolist(), texts, strict=True):
                handle.write(f"{contigs[contig]}\t{start}\t{end}\t{value}\n")


def _bigwig(job: Job, blocks: Iterator[np.ndarray], path: Path) -> None:
    lengths = job.contigs
    contigs = list(lengths)
    entries = ((contigs[c], start, end, value) for b in blocks for c, start, end, value in b.tolist())
    bigwig.write_bigwig(path, lengths, entries)
