"""Where a base lies among the genes, in words: in which gene, or how far from the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.tracks import Track
from workbench.wording import count


class _Contig(NamedTuple):
    """Genes of a contig: names, strands, first bases and ends (0-based half-open)."""

    names: list[str]
    strands: list[str]
    starts: np.ndarray
    ends: np.ndarray


class Neighbours:
    """Genes of a study, to be asked what lies beside a base.

    Those of all tracks of type ``gene``, or of ``CDS`` on a contig where there are none; ``known`` is False
    where there are neither.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._contigs: dict[str, _Contig] = {}
        for kind in ("CDS", "gene"):
            own = [t.intervals for t in tracks if t.type == kind]
            for chrom, rows in pd.concat(own).groupby("chrom", sort=False) if own else ():
                self._contigs[str(chrom)] = _Contig(
                    rows["name"].astype(str).tolist(), rows["strand"].tolist(),
                    rows["start"].to_numpy(), rows["end"].to_numpy(),
                )  # fmt: skip
        self.known = bool(self._contigs)

    def of(self, chrom: str, position: int, strand: str) -> str:
        """The gene round a base (0-based) of a reading, or the nearest, with the distance in bases.

        ``in abc, base 12 of 300``; ``31 before abc`` its first base, in its own direction; ``5 after abc``.
        Of several genes one on the reading's strand goes first, then the shortest. Empty on a contig without
        genes.
        """
        genes = self._contigs.get(chrom)
        if genes is None:
            return ""
        far = np.maximum(genes.starts - position, position - genes.ends + 1).clip(min=0)
        other = np.array(genes.strands) != strand
        i = int(np.lexsort((genes.ends - genes.starts, other, far))[0])
        start, end = int(genes.starts[i]), int(genes.ends[i])
        forward = genes.strands[i] != "-"
        name = genes.names[i] or "a gene"
        if far[i] == 0:
            base = position - start + 1 if forward else end - position
            said = f"in {name}, base {count(base)} of {count(end - start)}"
        else:
            said = f"{count(int(far[i]))} {'before' if (position < start) == forward else 'after'} {name}"
        return f"{said} (other strand)" if genes.strands[i] in "+-" and other[i] else said
