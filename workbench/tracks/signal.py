"""Signal tracks: a value a base, from bigWig or bedGraph; missing stays missing."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pybigtools

from workbench.errors import InputError
from workbench.genome import read_lines, suffix_of
from workbench.tracks.track import Contigs, check_span

BIGWIG = (".bw", ".bigwig")
BEDGRAPH = (".bedgraph", ".bdg", ".bg")


class SignalTrack:
    """Values of a signal over the genome.

    Parameters
    ----------
    path : Path
        bigWig, or bedGraph (plain or gzipped; kept in memory as intervals).
    contigs : Contigs
        Against which coordinates are checked.
    rename : dict of str to str
        Name in the file to name in the genome.
    """

    def __init__(self, path: Path, contigs: Contigs, rename: dict[str, str] | None = None) -> None:
        self.path = path
        self.name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
        back = {new: old for old, new in (rename or {}).items()}
        if suffix_of(path) in BIGWIG:
            try:
                self._file = pybigtools.open(str(path))
                self.lengths: dict[str, int] = dict(self._file.chroms())
            except Exception as error:  # pybigtools raises classes of its own
                raise InputError(f"{path}: not readable as bigWig ({error})") from None
            self._intervals: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
        else:
            self._intervals = _read_bedgraph(path, contigs)
            self.lengths = {c: int(e.max()) for c, (_, e, _) in self._intervals.items()}
        self._back = back

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)``; NaN where the file says nothing."""
        own = self._back.get(chrom, chrom)
        out = np.full(end - start, np.nan, np.float32)
        if own not in self.lengths:
            return out
        if self._intervals is None:
            stop = min(end, self.lengths[own])
            if start < stop:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    got = self._file.values(own, start, stop, missing=np.nan)
                out[: stop - start] = got
            return out
        starts, ends, values = self._intervals[own]
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end, "left")
        for i in range(first, last):
            out[max(0, starts[i] - start) : max(0, ends[i] - start)] = values[i]
        return out


def _read_bedgraph(
    path: Path, contigs: Contigs
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rows: dict[str, list[tuple[int, int, float]]] = {}
    for number, line in read_lines(path):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        where, fields = f"{path}: line {number:,}", line.split()
        try:
            chrom, start, end, value = fields[0], int(fields[1]), int(fields[2]), float(fields[3])
        except (IndexError, ValueError):
            raise InputError(
                f"{where}: {line[:60]!r}; expected chrom, start, end and a number (bedGraph)"
            ) from None
        check_span(where, chrom, start, end, contigs)
        rows.setdefault(chrom, []).append((start, end, value))
    if not rows:
        raise InputError(f"{path}: no value in it; expected bedGraph lines")
    found = {}
    for chrom, spans in rows.items():
        spans.sort()
        starts, ends, values = (np.array(column) for column in zip(*spans, strict=True))
        if (starts[1:] < ends[:-1]).any():
            raise InputError(f"{path}: intervals of {chrom} overlap; bedGraph allows one value a base")
        found[chrom] = (starts, ends, values)
    return found
