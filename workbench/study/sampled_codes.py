"""Features of a sample of one part of a study: cells spread evenly over it, both strands."""

from __future__ import annotations

import numpy as np

from feature_mining.feature_map import Csr, concatenate, select_rows
from workbench.errors import InputError
from workbench.interruption import heed
from workbench.study.study import Study


def sample_codes(study: Study, split: str, bases: int) -> Csr:
    """Features of the callable bases of about ``bases`` bases of a split, both strands, in their order.

    Raises ``InputError`` where the split holds no whole cell.
    """
    cells = study.split.cells(study.grid, study.manifest.contigs, split)
    if not cells:
        raise InputError(f"{study.folder}: the {split} split holds no whole cell; use a smaller window")
    wanted = max(1, min(len(cells), round(len(cells) * bases / sum(c.end - c.start for c in cells))))
    parts = []
    for i in ((np.arange(wanted) + 0.5) * len(cells) / wanted).astype(int):
        cell = cells[i]
        heed()
        for strand in "+-":
            reading = study.features.rows(cell.chrom, cell.start, cell.end, strand)
            parts.append(select_rows(reading.features, reading.callable))
    return concatenate(parts)
