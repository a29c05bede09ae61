"""The reference beside the candidates, for browsers that are to open a folder by itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genomic_models.dna import UNKNOWN, base_codes
from workbench.files.atomic import write_atomic
from workbench.genome import fasta
from workbench.genome.reference import Genome
from workbench.study.study import Study

# Bases fetched at a time, a multiple of four.
PIECE = 1 << 20
# First number of a 2bit file.
SIGNATURE = 0x1A412743
# 2bit's code (T C A G = 0 1 2 3, N as T) of each code of `genomic_models.dna`.
_TWOBIT = np.array([2, 1, 3, 0, 0], np.uint8)


def _pieces(genome: Genome, chrom: str) -> Iterator[str]:
    length = genome.lengths[chrom]
    for start in range(0, length, PIECE):
        yield genome.fetch(chrom, start, min(start + PIECE, length))


def write_fasta(study: Study, path: Path) -> list[Path]:
    """The reference as FASTA with its ``.fai``."""
    genome = study.genome
    fasta.write_fasta(((chrom, _pieces(genome, chrom)) for chrom in genome.lengths), path, index=True)
    return [path, path.with_name(f"{path.name}.fai")]


def write_twobit(study: Study, path: Path) -> Path:
    """The reference in UCSC's 2bit format (version 0); letters other than A, C, G, T become N.

    Layout: header, index of (name, offset), then of each sequence its size, blocks of N, blocks of mask
    (none), and four bases a byte, the first in the highest bits. Offsets have 32 bits: a reference of more
    than 16 Gb does not fit.
    """
    genome = study.genome
    names = list(genome.lengths)
    index_bytes = sum(1 + len(n.encode()) + 4 for n in names)
    with write_atomic(path) as temporary, temporary.open("wb") as handle:
        handle.write(struct.pack("<4I", SIGNATURE, 0, len(names), 0))
        handle.write(bytes(index_bytes))
        offsets = {}
        for name in names:
            offsets[name] = handle.tell()
            starts, sizes = _unknown(genome, name)
            handle.write(struct.pack("<2I", genome.lengths[name], len(starts)))
            handle.write(np.array(starts, "<u4").tobytes() + np.array(sizes, "<u4").tobytes())
            handle.write(struct.pack("<2I", 0, 0))
            for piece in _pieces(genome, name):
                handle.write(_packed(piece))
        handle.seek(16)
        for name, offset in offsets.items():
            text = name.encode()
            handle.write(struct.pack("<B", len(text)) + text + struct.pack("<I", offset))
    return path


def _unknown(genome: Genome, chrom: str) -> tuple[list[int], list[int]]:
    """Starts and sizes of stretches of letters other than A, C, G, T."""
    starts: list[int] = []
    sizes: list[int] = []
    at = 0
    for piece in _pieces(genome, chrom):
        other = (base_codes(piece) == UNKNOWN).astype(np.int8)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], other, [0]])))
        for lo, hi in edges.reshape(-1, 2).tolist():
            if starts and starts[-1] + sizes[-1] == at + lo:
                sizes[-1] += hi - lo
            else:
                starts.append(at + lo)
                sizes.append(hi - lo)
        at += len(piece)
    return starts, sizes


def _packed(piece: str) -> bytes:
    """Four bases a byte; only a sequence's last piece may need filling up."""
    codes = _TWOBIT[base_codes(piece)]
    codes = np.concatenate([codes, np.zeros(-codes.size % 4, np.uint8)]).reshape(-1, 4)
    return bytes((codes << np.array([6, 4, 2, 0], np.uint8)).sum(axis=1, dtype=np.uint8))
